"""From evidence to a decision: the walk-forward table, and the caps that can only lower what it says."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.waivers import Waiver
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.proofs import PROOFS, TITLES, Proof
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.statistics.fold_spread import Spread, measure_spread
from pytest_modelgate.core.statistics.paired_comparison import Comparison
from pytest_modelgate.core.training.gating import Classification


@dataclass(frozen=True)
class Cap:
    """The most a model may reach, and why, as a sentence; ``check`` is empty where nothing may be waived."""

    level: DecisionLevel
    reason: str
    check: str = ""

    def lifted(self, waivers: Mapping[str, Waiver]) -> Cap:
        """One step higher where the check is waived; a DROP stays."""
        waiver = waivers.get(self.check)
        if waiver is None or self.level is DecisionLevel.DROP:
            return self
        level = DecisionLevel(min(self.level + 1, DecisionLevel.LIVE))
        return Cap(level, f"{self.reason.removesuffix('.')}; {waiver}, which allows {level}.", self.check)


@dataclass(frozen=True)
class Decision:
    """What was decided about one model.

    Attributes:
        decision: the least of ``table`` and every cap.
        table: what the walk-forward table alone says; None when gating dropped the model before any fold.
        reasons: sentences, the most decisive first, never empty.
        caps: every cap that applies, also one that the table is below already.
        spread: of the fold Sharpes; None without folds.
        folds, positive, losing: number of folds, and of those that made and lost money.
        compounded_return: of all folds one after the other, a fraction; NaN without folds.
        compounded_without_best: the same once the best fold is removed.
    """

    decision: DecisionLevel
    table: DecisionLevel | None
    reasons: tuple[str, ...]
    caps: tuple[Cap, ...]
    spread: Spread | None
    folds: int
    positive: int
    losing: int
    compounded_return: float
    compounded_without_best: float


@dataclass(frozen=True)
class _Case:
    """Evidence about one model, counted."""

    classification: Classification
    shortfalls: Sequence[str]
    sanity: Sanity
    profile: Profile
    spread: Spread
    folds: int
    positive: int
    losing: int
    compounded: Fraction
    without_best: Fraction
    checks: Sequence[Check]


def decide(
    classification: Classification,
    sanity: Sanity | None,
    folds: Sequence[FoldResult],
    profile: Profile,
    rule: Literal["proven", "table"],
    *,
    shortfalls: Sequence[str] = (),
    proofs: Sequence[Proof] = (),
    checks: Sequence[Check] = (),
    comparison: Comparison | None = None,
    waivers: Mapping[str, Waiver] = MappingProxyType({}),
) -> Decision:
    """Decide about one model from complete evidence.

    Args:
        classification: by its training metrics. DROP decides alone: the model needs neither backtest nor folds.
        sanity: of the backtest.
        folds: every walk-forward fold, in any order.
        profile: the limits.
        rule: ``proven`` lets no model beyond PAPER whose statistical proofs are not shown; ``table`` asks for none.
        shortfalls: ``Gating.findings``, quoted in the reasons.
        checks: what the integrity checks found; one that failed caps under every rule.
        proofs: what ``prove`` found, in any order. One that is missing counts as not shown.
        comparison: with the model now deployed; None where there is none.
        waivers: by check. Each lifts its cap by one step; none lifts a DROP, an integrity check or a proof.

    Raises:
        ValueError: evidence is missing for a model that gating did not drop.
    """
    if sanity is None or not folds:
        if classification is not Classification.DROP:
            raise ValueError("a model that its training metrics did not drop needs a backtest and folds to be decided")
        cap = _training_cap(classification, shortfalls)
        assert cap
        nothing = (None, 0, 0, 0, math.nan, math.nan)
        return Decision(cap.level, None, (cap.reason,), (cap,), *nothing)
    # Exact: neither the order of the folds nor rounding may turn a loss into a gain. Nothing comes back from a ruin.
    growths = sorted(max(Fraction(0), 1 + Fraction(fold.total_return)) for fold in folds)
    case = _Case(
        classification=classification,
        shortfalls=shortfalls,
        sanity=sanity,
        profile=profile,
        spread=measure_spread(folds, profile),
        folds=len(folds),
        positive=sum(fold.total_return > 0.0 for fold in folds),
        losing=sum(fold.total_return < 0.0 for fold in folds),
        compounded=math.prod(growths, start=Fraction(1)) - 1,
        without_best=math.prod(growths[:-1], start=Fraction(1)) - 1,
        checks=checks,
    )
    table, table_reason = _read_table(case)
    caps = tuple(cap for producer in _ALWAYS if (cap := producer(case))) + _caps_by_integrity(case.checks)
    if comparison is not None and comparison.outcome == "worse":
        reason = f"A model in force allows PAPER at most: it is {comparison.sentence}."
        caps += (Cap(DecisionLevel.PAPER, reason, "champion"),)
    caps = tuple(cap.lifted(waivers) for cap in caps)
    if rule == "proven":
        caps += _caps_by_proofs(proofs)
    ranked = sorted([Cap(table, table_reason), *caps], key=lambda cap: cap.level)
    return Decision(
        decision=ranked[0].level,
        table=table,
        reasons=tuple(cap.reason for cap in ranked),
        caps=caps,
        spread=case.spread,
        folds=case.folds,
        positive=case.positive,
        losing=case.losing,
        compounded_return=_to_float(case.compounded),
        compounded_without_best=_to_float(case.without_best),
    )


def _read_table(case: _Case) -> tuple[DecisionLevel, str]:
    limits, column = case.profile.walk_forward, case.spread.column
    if 100 * case.losing >= limits.losing_percent * case.folds and case.compounded < 0:
        lost = f"{case.losing} of {case.folds} folds lost money, {_percent(case.compounded)} together"
        return DecisionLevel.DROP, f"{lost}: consistent losses, the table says DROP."
    won = f"{case.positive} of {case.folds} folds made money"
    if 100 * case.positive < limits.marginal_percent * case.folds:
        return DecisionLevel.RETRAIN, f"{won}, fewer than {limits.marginal_percent} %: the table says RETRAIN."
    if 100 * case.positive >= limits.good_percent * case.folds:
        level = DecisionLevel.LIVE if column == "low" else DecisionLevel.PAPER
    else:
        level = DecisionLevel.PAPER if column in ("low", "moderate") else DecisionLevel.RETRAIN
    return level, f"{won}, and {case.spread}: the table says {level}."


def _training_cap(classification: Classification, shortfalls: Sequence[str]) -> Cap | None:
    quoted = f": {'; '.join(shortfalls)}." if shortfalls else "."
    if classification is Classification.APPROVED:
        return None
    if classification is Classification.REVIEW:
        return Cap(
            DecisionLevel.PAPER,
            f"The training metrics are in the REVIEW band, which allows PAPER at most{quoted}",
            "gating",
        )
    return Cap(DecisionLevel.DROP, f"The training metrics are in the DROP band{quoted}")


def _cap_by_training(case: _Case) -> Cap | None:
    return _training_cap(case.classification, case.shortfalls)


def _cap_by_backtest(case: _Case) -> Cap | None:
    found = "; ".join(case.sanity.findings)
    if case.sanity.status == "pass":
        return None
    if case.sanity.status == "warn":
        return Cap(DecisionLevel.PAPER, f"The backtest raises doubts, which allows PAPER at most: {found}.", "backtest")
    reason = f"The backtest is not sane, which allows RETRAIN at most: {found}."
    return Cap(DecisionLevel.RETRAIN, reason, "backtest")


def _cap_by_fold_count(case: _Case) -> Cap | None:
    limits = case.profile.walk_forward
    if case.folds < limits.min_folds_paper:
        reason = f"{case.folds} folds are too few: PAPER needs {limits.min_folds_paper}."
        return Cap(DecisionLevel.RETRAIN, reason, "folds")
    if case.folds < limits.min_folds_live:
        return Cap(DecisionLevel.PAPER, f"{case.folds} folds are too few: LIVE needs {limits.min_folds_live}.", "folds")
    return None


def _cap_by_compounded_return(case: _Case) -> Cap | None:
    if case.compounded > 0:
        return None
    total = _percent(case.compounded)
    reason = f"Over all folds together the model made no money ({total}): RETRAIN at most."
    return Cap(DecisionLevel.RETRAIN, reason, "return")


def _cap_by_lucky_fold(case: _Case) -> Cap | None:
    if case.without_best > 0:
        return None
    rest = _percent(case.without_best)
    reason = f"Without its best fold the model made no money ({rest}): one lucky period carries it, PAPER at most."
    return Cap(DecisionLevel.PAPER, reason, "lucky_fold")


def _caps_by_integrity(checks: Sequence[Check]) -> tuple[Cap, ...]:
    return tuple(
        Cap(DecisionLevel.RETRAIN, f"Integrity, {check.title}: {check.sentence.removesuffix('.')}; RETRAIN at most.")
        for check in checks
        if check.status == "fail"
    )


def _caps_by_proofs(proofs: Sequence[Proof]) -> tuple[Cap, ...]:
    found = {proof.name: proof for proof in proofs}
    caps = []
    for name in dict.fromkeys((*PROOFS, *found)):
        proof = found.get(name)
        if proof is None:
            caps.append(Cap(DecisionLevel.PAPER, f"Not proven, {TITLES[name]}: it was not measured; PAPER at most."))
        elif not proof.shown:
            reason = f"Not proven, {proof.title}: {proof.sentence.removesuffix('.')}; PAPER at most."
            caps.append(Cap(DecisionLevel.PAPER, reason))
    return tuple(caps)


_Producer = Callable[[_Case], Cap | None]
_ALWAYS: tuple[_Producer, ...] = (
    _cap_by_training,
    _cap_by_backtest,
    _cap_by_fold_count,
    _cap_by_compounded_return,
    _cap_by_lucky_fold,
)


def _to_float(value: Fraction) -> float:
    return float(min(value, Fraction(sys.float_info.max)))


def _percent(value: Fraction) -> str:
    return f"{_to_float(value):.2%}"
