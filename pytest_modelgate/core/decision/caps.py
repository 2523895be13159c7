"""The caps: each can only lower what the walk-forward table says, and knows who made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.waivers import Waiver
from pytest_modelgate.core.decision.model_case import ModelCase, to_float
from pytest_modelgate.core.decision.plausibility import find_implausible
from pytest_modelgate.core.decision.proof import PROOFS, TITLES, Proof
from pytest_modelgate.core.training.gating import Classification
from pytest_modelgate.core.watching.judging import WatchCase


@dataclass(frozen=True)
class CapSource:
    """Maker of a cap; ``name`` is that of the integrity check or proof, empty for every other kind."""

    kind: CapKind
    name: str = ""


@dataclass(frozen=True)
class Cap:
    """The most a model may reach.

    Attributes:
        level: that much.
        reason: a sentence.
        source: who made it.
        waivable: whether a waiver for its kind lifts it.
    """

    level: DecisionLevel
    reason: str
    source: CapSource
    waivable: bool

    def lifted(self, waivers: Mapping[str, Waiver]) -> Cap:
        """The cap one step higher where it is waived.

        Args:
            waivers: by kind.
        """
        waiver = waivers.get(self.source.kind) if self.waivable else None
        if waiver is None:
            return self
        level = DecisionLevel(min(self.level + 1, DecisionLevel.LIVE))
        reason = f"{self.reason.removesuffix('.')}; {waiver}, which allows {level}."
        return Cap(level, reason, self.source, self.waivable)

    def outweighed(self) -> Cap:
        """The cap at LIVE where it allows PAPER for what a record of skill answers: how the model did on new data."""
        if self.level is not DecisionLevel.PAPER or self.source.kind not in _ANSWERED:
            return self
        reason = f"{self.reason.removesuffix('.')}; its record on an account outweighs that, which allows LIVE."
        return Cap(DecisionLevel.LIVE, reason, self.source, self.waivable)


def find_caps(case: ModelCase) -> tuple[Cap, ...]:
    """Every cap that applies to a model with backtest and folds, lifted where it is waived."""
    caps = [cap for cap_by in _SINGLE if (cap := cap_by(case))]
    caps += _caps_by_integrity(case)
    if case.rule != "table" and (unproven := _cap_by_parity(case)):
        caps.append(unproven)
    if case.rule != "table":
        caps += _caps_by_proofs(case)
    if case.watch and case.watch.lifts:
        caps = [cap.outweighed() for cap in caps]
    return tuple(cap.lifted(case.waivers) for cap in caps)


def cap_by_training(case: ModelCase) -> Cap | None:
    """The cap of the training metrics; None when they are APPROVED."""
    quoted = f": {'; '.join(case.shortfalls)}." if case.shortfalls else "."
    if case.classification is Classification.APPROVED:
        return None
    if case.classification is Classification.REVIEW:
        reason = f"The training metrics are in the REVIEW band, which allows PAPER at most{quoted}"
        return _waivable(DecisionLevel.PAPER, reason, CapKind.GATING)
    reason = f"The training metrics are in the DROP band{quoted}"
    return Cap(DecisionLevel.DROP, reason, CapSource(CapKind.GATING), waivable=False)


def _cap_by_backtest(case: ModelCase) -> Cap | None:
    assert case.sanity
    findings = "; ".join(case.sanity.findings)
    if case.sanity.status == "pass":
        return None
    if case.sanity.status == "warn":
        reason = f"The backtest raises doubts, which allows PAPER at most: {findings}."
        return _waivable(DecisionLevel.PAPER, reason, CapKind.BACKTEST)
    reason = f"The backtest is not sane, which allows RETRAIN at most: {findings}."
    return _waivable(DecisionLevel.RETRAIN, reason, CapKind.BACKTEST)


def _cap_by_fold_count(case: ModelCase) -> Cap | None:
    limits, count = case.profile.walk_forward, len(case.folds)
    if count < limits.min_folds_paper:
        reason = f"{count} folds are too few: PAPER needs {limits.min_folds_paper}."
        return _waivable(DecisionLevel.RETRAIN, reason, CapKind.FOLDS)
    if count < limits.min_folds_live:
        reason = f"{count} folds are too few: LIVE needs {limits.min_folds_live}."
        return _waivable(DecisionLevel.PAPER, reason, CapKind.FOLDS)
    return None


def _cap_by_compounded_return(case: ModelCase) -> Cap | None:
    if case.compounded_return > 0:
        return None
    total = percent(case.compounded_return)
    reason = f"Over all folds together the model made no money ({total}): RETRAIN at most."
    return _waivable(DecisionLevel.RETRAIN, reason, CapKind.RETURN)


def _cap_by_lucky_fold(case: ModelCase) -> Cap | None:
    if case.compounded_without_best > 0:
        return None
    rest = percent(case.compounded_without_best)
    reason = f"Without its best fold the model made no money ({rest}): one lucky period carries it, PAPER at most."
    return _waivable(DecisionLevel.PAPER, reason, CapKind.LUCKY_FOLD)


def _cap_by_champion(case: ModelCase) -> Cap | None:
    if case.comparison is None or case.comparison.outcome != "worse":
        return None
    reason = f"A model in force allows PAPER at most: it is {case.comparison.sentence}."
    return _waivable(DecisionLevel.PAPER, reason, CapKind.CHAMPION)


def _cap_by_implausible(case: ModelCase) -> Cap | None:
    findings = find_implausible(case.folds, case.later, case.trades, case.profile.implausible)
    if not findings:
        return None
    reason = f"Too good to be true, which allows PAPER at most: {'; '.join(findings)}."
    return Cap(DecisionLevel.PAPER, reason, CapSource(CapKind.IMPLAUSIBLE), waivable=False)


def _cap_by_flagged_bars(case: ModelCase) -> Cap | None:
    """The least of both decisions, so that none hangs on such a bar."""
    if case.hanging is None:
        return None
    level = min(DecisionLevel.PAPER, case.hanging.level)
    findings = "; ".join(case.hanging.findings)
    reason = f"It hangs on bars with doubtful prices, which allows {level} at most: {findings}."
    return Cap(level, reason, CapSource(CapKind.FLAGGED_BARS), waivable=False)


def _cap_by_uncertified(case: ModelCase) -> Cap | None:
    if not case.uncertified:
        return None
    reason = (
        "Not certified, PAPER at most: its layers are not known to the gate, so its weights could not be examined, and "
        "another machine may act otherwise."
    )
    return Cap(DecisionLevel.PAPER, reason, CapSource(CapKind.UNCERTIFIED), waivable=False)


def _cap_by_paper(case: ModelCase) -> Cap | None:
    """Where an account is asked, its record; where none is, the profile may ask for one."""
    source = CapSource(CapKind.PAPER)
    if case.watch is not None and case.watch.limit < DecisionLevel.LIVE:
        return Cap(case.watch.limit, _held_by(case.watch), source, waivable=False)
    if case.watch is None and case.profile.watch.required:
        reason = (
            f"Profile {case.profile.name} asks for the record of an account before LIVE, and none was judged; PAPER at "
            "most: judge with --gate-paper and the folder of the promotion that the account trades."
        )
        return Cap(DecisionLevel.PAPER, reason, source, waivable=False)
    return None


def _held_by(watch: WatchCase) -> str:
    """Why a record allows no more, with the finding that its reason leads to."""
    if not watch.evidence.since:
        return f"No account trades it, which allows {watch.limit} at most: {watch.evidence.problem.removesuffix('.')}."
    said, leads, _ = watch.reason.removesuffix(".").partition(_SEE_FINDINGS)
    worst_first = (
        finding
        for status in ("alarm", "incomplete", "waiting")
        for finding in watch.findings
        if finding.status == status
    )
    unmet = [finding.sentence for finding in worst_first]
    told = f"{said}: {unmet[0].removesuffix('.')}" if leads and unmet else said
    return f"The record of its account allows {watch.limit} at most: {told}."


def _caps_by_integrity(case: ModelCase) -> list[Cap]:
    caps = []
    for check in case.checks:
        if check.status == "fail":
            reason = f"Integrity, {check.title}: {check.sentence.removesuffix('.')}; RETRAIN at most."
            source = CapSource(CapKind.INTEGRITY, check.name)
            caps.append(Cap(DecisionLevel.RETRAIN, reason, source, waivable=False))
    return caps


def _cap_by_parity(case: ModelCase) -> Cap | None:
    """A state dict does not show all of a function: only the trainer's own outputs tell that it is the one judged."""
    if case.parity.status == "proven":
        return None
    remedy = "give write_archive the policy, ModelArtifact(..., policy=network), and it makes a probe"
    reason = f"Parity with the trainer is unproven, PAPER at most: {case.parity.detail}; {remedy}."
    return Cap(DecisionLevel.PAPER, reason, CapSource(CapKind.PARITY), waivable=False)


def _caps_by_proofs(case: ModelCase) -> list[Cap]:
    proofs = {proof.name: proof for proof in case.proofs}
    caps = []
    for name in dict.fromkeys((*PROOFS, *proofs)):
        proof = proofs.get(name)
        if proof is None or not proof.passed:
            finding = proof.sentence.removesuffix(".") if proof else "it was not measured"
            reason = f"Not proven, {TITLES[name]}: {finding}; PAPER at most."
            caps.append(Cap(DecisionLevel.PAPER, reason, CapSource(CapKind.PROOF, name), waivable=False))
    if "timing" in proofs and (unknowing := _cap_by_ignorance(case, proofs["timing"])):
        caps.append(unknowing)
    return caps


def _cap_by_ignorance(case: ModelCase, timing: Proof) -> Cap | None:
    """Trading on paper is for models of which something speaks: one in three that know nothing get as far as this."""
    limit = case.profile.proofs.retrain_p
    if timing.figure <= limit:
        return None
    reason = (
        f"Nothing tells its timing from luck, RETRAIN at most: luck alone gets as far with a probability of "
        f"{timing.figure:.0%}, above {limit:.0%}."
    )
    return Cap(DecisionLevel.RETRAIN, reason, CapSource(CapKind.PROOF, timing.name), waivable=False)


def _waivable(level: DecisionLevel, reason: str, kind: CapKind) -> Cap:
    return Cap(level, reason, CapSource(kind), waivable=True)


_SINGLE: tuple[Callable[[ModelCase], Cap | None], ...] = (
    cap_by_training,
    _cap_by_backtest,
    _cap_by_fold_count,
    _cap_by_compounded_return,
    _cap_by_lucky_fold,
    _cap_by_champion,
    _cap_by_implausible,
    _cap_by_flagged_bars,
    _cap_by_uncertified,
    _cap_by_paper,
)
_SEE_FINDINGS = ": see the findings"  # ends a reason that a finding tells in full
_ANSWERED = (CapKind.GATING, CapKind.BACKTEST, CapKind.LUCKY_FOLD)


def percent(value: Fraction) -> str:
    """A return as texts show it."""
    return f"{to_float(value):.2%}"
