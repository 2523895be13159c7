"""Evidence about one model, put together and decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics, compounded
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import DecisionRule
from pytest_modelgate.core.config.waivers import Waiver
from pytest_modelgate.core.decision.backtest_sanity import Sanity, judge_backtest, one_sided
from pytest_modelgate.core.decision.context import Context, put_in_context, with_trials
from pytest_modelgate.core.decision.decision import Decision, decide
from pytest_modelgate.core.decision.flagged_bars import find_hanging
from pytest_modelgate.core.decision.model_case import NOT_COMPARED, ModelCase
from pytest_modelgate.core.decision.plausibility import TradeCount
from pytest_modelgate.core.decision.proof import FoldAttribution, Proof
from pytest_modelgate.core.decision.proofs import pool, prove
from pytest_modelgate.core.decision.robustness import Robustness, disturb
from pytest_modelgate.core.evidence.records import (
    ChampionEvidence,
    Evidence,
    IntegrityEvidence,
    WindowEvidence,
    WindowFailure,
)
from pytest_modelgate.core.integrity.check import Check, NoiseDraw
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.market.sessions import day_places
from pytest_modelgate.core.planning.plan import CHAMPION, INTEGRITY, PAPER, ModelPlan
from pytest_modelgate.core.statistics.paired_comparison import Comparison
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.core.watching.judging import WatchCase, judge_watch
from pytest_modelgate.errors import GateError

_KINDS: dict[str, type[Evidence]] = {INTEGRITY: IntegrityEvidence, CHAMPION: ChampionEvidence, PAPER: WatchEvidence}


@dataclass(frozen=True)
class Judgement:
    """Everything known about one model.

    Attributes:
        plan: what it had to show.
        backtest: evidence of the sanity window; None when it was not evaluated.
        sanity: how that window was judged; None without valid evidence.
        folds: evidence per fold, oldest first; None where there is none.
        decision: None when the model is INCOMPLETE.
        integrity: evidence of the integrity checks; None when there is none.
        proofs: what LIVE needs beyond the table, measured under every decision rule; empty without valid folds.
        robustness, context: how it bears disturbances, and what its return is worth; None without valid folds.
        comparison: with the model now deployed; None where there is none.
        watch: what an account's record of it is worth; None where no account was asked.
        incomplete: why no decision could be made; empty when one was.
        of_model: that reason lies in the model's own entry, checkpoint or market data, and not in the run: everything
            that can be known of it is known.
        notes: further sentences that the reader should know, such as on the registration of its bytes.
    """

    plan: ModelPlan
    backtest: Evidence | None
    sanity: Sanity | None
    folds: tuple[Evidence | None, ...]
    decision: Decision | None
    incomplete: str
    of_model: bool = False
    integrity: Evidence | None = None
    proofs: tuple[Proof, ...] = ()
    robustness: Robustness | None = None
    context: Context | None = None
    comparison: Comparison | None = None
    watch: WatchCase | None = None
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> DecisionLevel | None:
        """The level that was decided; None when the model is INCOMPLETE."""
        return self.decision.level if self.decision else None

    @property
    def label(self) -> str:
        """LIVE, PAPER, RETRAIN, DROP or INCOMPLETE."""
        return "INCOMPLETE" if self.outcome is None else self.outcome.name

    @property
    def measured(self) -> tuple[WindowEvidence, ...]:
        """The valid evidence, backtest first."""
        return tuple(item for item in (self.backtest, *self.folds) if isinstance(item, WindowEvidence))

    @property
    def measured_folds(self) -> tuple[WindowEvidence, ...]:
        """The valid evidence of folds, oldest first."""
        return tuple(fold for fold in self.folds if isinstance(fold, WindowEvidence))

    @property
    def checks(self) -> tuple[Check, ...]:
        """Findings of the integrity checks; empty without valid evidence."""
        return self.integrity.checks if isinstance(self.integrity, IntegrityEvidence) else ()

    @property
    def noise(self) -> tuple[NoiseDraw, ...]:
        """Results of the folds under noise; empty without valid evidence."""
        return self.integrity.noise if isinstance(self.integrity, IntegrityEvidence) else ()

    @property
    def folds_not_out_of_sample(self) -> tuple[WindowEvidence, ...]:
        """Folds that count and that the model may have been trained on, as far as anybody declared."""
        if self.plan.dropped:
            return ()
        return tuple(fold for fold in self.measured_folds if fold.sample != "out-of-sample")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons of the decision, the most decisive first; never empty."""
        return self.decision.reasons if self.decision else (f"INCOMPLETE: {self.incomplete}",)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Facts that the reader should know, though no limit asks for them."""
        gating = self.plan.gating
        warnings = list(gating.warnings) if gating else []
        for evidence in self.measured[:1]:
            warnings += evidence.checkpoint.warnings
            if evidence.checkpoint.parity != "proven":
                warnings.append(f"Parity with the trainer is unproven: {evidence.checkpoint.parity_detail}.")
            warnings += [f"Market data: {warning}." for warning in evidence.market.quality.warnings]
        warnings += [f"Integrity, {check.title}: {check.sentence}" for check in self.checks if check.status == "warn"]
        if self.sanity and self.sanity.shown:
            warnings.append(f"The backtest alone, whose bars the folds judge: {'; '.join(self.sanity.shown)}.")
        if seen := self.folds_not_out_of_sample:
            labels = ", ".join(sorted({fold.sample for fold in seen}))
            warnings.append(f"{len(seen)} of {len(self.folds)} folds are not out-of-sample ({labels}).")
        return (*warnings, *self.notes)

    def informed(self, folds: Sequence[Evidence | None]) -> Judgement:
        """The same with the walk-forward of a model that gating dropped, to be shown: the decision is what it was.

        Args:
            folds: evidence per fold, oldest first, as far as there is any.
        """
        measured = [fold for fold in folds if isinstance(fold, WindowEvidence)]
        won = sum(fold.metrics.total_return > 0 for fold in measured)
        earned = float(compounded(fold.metrics.total_return for fold in measured))
        said = (
            f"{won} of {len(folds)} folds made money, {earned:+.2%} together" if measured else "no fold was evaluated"
        )
        failures = [str(fold) for fold in folds if isinstance(fold, WindowFailure)]
        note = f"For information, decided without it: {'; '.join([said, *failures[:1]])}."
        return replace(self, folds=tuple(folds), notes=(*self.notes, note))

    def without_bars(self) -> Judgement:
        """The same without what happened at every bar; see ``WindowEvidence.without_bars``."""
        brief = self._with_windows(WindowEvidence.without_bars)
        return replace(brief, watch=self.watch and replace(self.watch, evidence=_without_curves(self.watch.evidence)))

    def with_bars(self, find: Callable[[str], Evidence | None]) -> Judgement:
        """The same with what happened at every bar.

        Args:
            find: gives the evidence of a window by its name.

        Raises:
            GateError: what it gives is not what this judgement rests on.
        """

        def found(held: WindowEvidence) -> WindowEvidence:
            evidence = find(held.window)
            # as text, since no undefined figure equals itself
            if isinstance(evidence, WindowEvidence) and str(evidence.without_bars()) == str(held.without_bars()):
                return evidence
            raise _altered(held.model, held.window)

        whole = self._with_windows(found)
        if self.watch is None:
            return whole
        watched, held = find(PAPER), self.watch.evidence
        if not isinstance(watched, WatchEvidence) or str(_without_curves(watched)) != str(_without_curves(held)):
            raise _altered(held.model, held.window)
        return replace(whole, watch=replace(self.watch, evidence=watched))

    def _with_windows(self, change: Callable[[WindowEvidence], WindowEvidence]) -> Judgement:
        def changed(evidence: Evidence | None) -> Evidence | None:
            return change(evidence) if isinstance(evidence, WindowEvidence) else evidence

        return replace(self, backtest=changed(self.backtest), folds=tuple(map(changed, self.folds)))

    def reaches(self, require: DecisionLevel) -> bool:
        """Whether the decision is at least ``require``; an INCOMPLETE model reaches nothing."""
        return self.outcome is not None and self.outcome >= require


def judge(
    plan: ModelPlan,
    profile: Profile,
    rule: DecisionRule,
    find: Callable[[str], Evidence | None],
    trials: float,
    *,
    waivers: Sequence[Waiver] = (),
    stamp: pd.Timestamp | None = None,
    notes: tuple[str, ...] = (),
    before: Judgement | None = None,
) -> Judgement:
    """Decide on one model from its evidence alone.

    Args:
        find: gives the evidence of a window by its name, None when there is none.
        trials: independent looks at models on the same market window, this one included.
        waivers: for whatever models.
        stamp: when the archive was made, as far as it says.
        notes: ``Judgement.notes``.
        before: what the very same evidence was judged to be with another number of trials, if it was: what does not
            hang on that number is not measured again.
    """
    evidence = {window.name: find(window.name) for window in plan.work}
    judgement = replace(_undecided(plan, profile, evidence), notes=notes)
    if plan.gating is None or judgement.incomplete:
        return judgement
    folds = judgement.measured_folds
    attributions = [fold_attribution(plan, fold) for fold in folds]
    later = _later(plan, stamp) if folds else []
    results = [FoldResult.of(fold.metrics) for fold in folds]
    prove_all = partial(prove, profile=profile, trials=trials, noise=judgement.noise)
    case = ModelCase(
        classification=plan.gating.classification,
        sanity=judgement.sanity,
        folds=results,
        profile=profile,
        rule=rule,
        shortfalls=plan.gating.findings,
        proofs=prove_all(attributions) if folds else (),
        checks=judgement.checks,
        parity=_parity(judgement),
        uncertified=any(evidence.checkpoint.uncertified for evidence in judgement.measured),
        comparison=_comparison(evidence.get(CHAMPION)),
        watch=_watch(evidence.get(PAPER), folds, profile),
        later=[results[place] for place in later],
        trades=TradeCount.over([fold.metrics for fold in folds]),
        waivers={waiver.check: waiver for waiver in waivers if waiver.model == plan.model.id},
    )
    if folds and isinstance(judgement.backtest, WindowEvidence):
        sane = partial(judge_sanity, plan, profile, judgement.backtest, [fold.sample for fold in folds])
        hanging = find_hanging(
            case, judgement.backtest, folds, later=later, attributions=attributions, prove=prove_all, judge=sane
        )
        case = replace(case, hanging=hanging)
    decided = replace(
        judgement,
        decision=decide(case),
        proofs=tuple(case.proofs),
        comparison=case.comparison,
        watch=case.watch,
    )
    return _with_context(decided, case, attributions, trials, before) if folds else decided


def _altered(model: str, window: str) -> GateError:
    where = f"evidence of {model} {window}"
    return GateError(where, "is no longer what was judged", "Run again when nobody writes to its folder")


def _without_curves(evidence: WatchEvidence) -> WatchEvidence:
    """The same without what happened at every bar, but for the ends of both curves."""
    ends = evidence.curve[-1:], evidence.simulated_curve[-1:]
    return replace(evidence, times=(), price=(), curve=ends[0], simulated_curve=ends[1])


def _undecided(plan: ModelPlan, profile: Profile, evidence: Mapping[str, Evidence | None]) -> Judgement:
    """Evidence before anything is decided, with the reason where nothing can be."""
    backtest, sanity = evidence.get(plan.backtest.name), None
    folds = tuple(evidence.get(window.name) for window in plan.folds)
    if isinstance(backtest, WindowEvidence) and plan.gating:
        samples = [fold.sample for fold in folds if isinstance(fold, WindowEvidence)]
        sanity = judge_sanity(plan, profile, backtest, samples)
    return Judgement(plan, backtest, sanity, folds, None, *_incomplete(plan, evidence), evidence.get(INTEGRITY))


def _incomplete(plan: ModelPlan, evidence: Mapping[str, Evidence | None]) -> tuple[str, bool]:
    """Reason why no decision can be made, empty when one can; and whether it is the model's own."""
    if plan.model.fault:
        return str(plan.model.fault), True
    if plan.gating is None:
        return "the training summary has no entry for this checkpoint", True
    for item in evidence.values():
        if isinstance(item, WindowFailure) and item.of_model:
            return str(item), True
    for name, item in evidence.items():
        if not isinstance(item, _KINDS.get(name, WindowEvidence)):
            return str(item) if item else f"{name} was not evaluated in this run", False
    windows = [item for item in evidence.values() if isinstance(item, WindowEvidence)]
    if len({(window.checkpoint.sha256, window.market.sha256) for window in windows}) > 1:
        return "its windows were measured on different checkpoints or market data; run the gate again", False
    return "", False


def _decide_on(case: ModelCase, folds: Sequence[FoldResult]) -> DecisionLevel:
    """The decision for other results of the folds, by the table and the caps that always apply."""
    return decide(replace(case, folds=folds, rule="table", later=())).level


def _later(plan: ModelPlan, stamp: pd.Timestamp | None) -> list[int]:
    """Places of the folds that start at the archive's stamp or after it."""
    return [place for place, window in enumerate(plan.folds) if stamp is not None and window.start >= stamp]


def _parity(judgement: Judgement) -> Parity:
    """The parity of all windows: proven where it is in each of them."""
    found = [item.checkpoint for item in judgement.measured]
    unproven = [Parity("unproven", item.parity_detail) for item in found if item.parity != "proven"]
    return next(iter([*unproven, *(Parity("proven", item.parity_detail) for item in found)]), NOT_COMPARED)


def _comparison(evidence: Evidence | None) -> Comparison | None:
    return evidence.comparison if isinstance(evidence, ChampionEvidence) else None


def _watch(evidence: Evidence | None, folds: Sequence[WindowEvidence], profile: Profile) -> WatchCase | None:
    """What a record is worth.

    Of costs it has to show no more than the proof of money has shown to be borne. One at LIVE that is there without
    having earned it on paper keeps it, and outweighs nothing; where the profile asks for a record, it has to earn it.
    """
    if not isinstance(evidence, WatchEvidence) or not folds:
        return None
    limits = profile.watch
    borne = replace(limits, cost_multiple=min(limits.cost_multiple, profile.proofs.cost_multiple))
    attributions = [fold.bars.attribution() for fold in folds]
    case = judge_watch(evidence, attributions, folds[0].metrics.bars_per_year, borne)
    met_all = evidence.decision == "PAPER" or evidence.earned or limits.required == 1
    return replace(case, lifts=case.lifts and met_all)


def judge_sanity(
    plan: ModelPlan, profile: Profile, backtest: WindowEvidence, samples: Sequence[str], metrics: Metrics | None = None
) -> Sanity:
    """Judge the backtest of a model that gating knows.

    Args:
        samples: of the folds, as far as they are known.
        metrics: judged in place of those measured.
    """
    assert plan.gating
    measured = metrics or backtest.metrics
    one_side = one_sided(measured, np.array(backtest.bars.intraday_weight))
    unseen = len(samples) == len(plan.folds) and set(samples) == {"out-of-sample"}
    in_folds = unseen and plan.backtest.start >= plan.folds[0].start
    proxy = plan.gating.metrics["max_drawdown"]
    return judge_backtest(measured, proxy, profile, one_side=one_side, in_folds=in_folds)


def _with_context(
    decided: Judgement,
    case: ModelCase,
    attributions: Sequence[FoldAttribution],
    trials: float,
    before: Judgement | None,
) -> Judgement:
    """Add what is shown beside a decision, and never changes it."""
    delayed = [fold.delayed for fold in decided.measured_folds]
    undrawn = decided.integrity.undrawn if isinstance(decided.integrity, IntegrityEvidence) else ""
    windows = decided.plan.folds
    days = (windows[-1].end - windows[0].start) / pd.Timedelta(days=1)
    _, pooled, _ = pool(attributions)
    (timing,) = (proof for proof in case.proofs if proof.name == "timing")
    costs, context = None, None
    if before and before.robustness and before.context:
        costs, context = before.robustness.costs, with_trials(before.context, pooled, trials)
    return replace(
        decided,
        robustness=disturb(
            attributions,
            case.folds,
            delayed,
            decided.noise,
            partial(_decide_on, case),
            costs=costs,
            undrawn=undrawn,
        ),
        context=context or put_in_context(pooled, days, timing.details["percentile"], trials),
    )


def fold_attribution(plan: ModelPlan, evidence: WindowEvidence) -> FoldAttribution:
    """What proofs need of the evidence of a fold."""
    return FoldAttribution(
        evidence.start,
        evidence.sample,
        evidence.metrics.closed_trades,
        evidence.delayed.total_return,
        evidence.bars.attribution(),
        day_places(evidence.times, plan.model.instrument.asset_class),
    )
