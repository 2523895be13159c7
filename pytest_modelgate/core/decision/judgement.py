"""Evidence about one model, put together and decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.backtest.attribution import concatenate
from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import DecisionRule
from pytest_modelgate.core.config.waivers import Waiver
from pytest_modelgate.core.decision.backtest_sanity import Sanity, judge_backtest
from pytest_modelgate.core.decision.context import Context, put_in_context
from pytest_modelgate.core.decision.decision import Decision, decide
from pytest_modelgate.core.decision.proofs import FoldAttribution, Proof, prove
from pytest_modelgate.core.decision.robustness import Robustness, disturb
from pytest_modelgate.core.evidence.records import ChampionEvidence, Evidence, IntegrityEvidence, WindowEvidence
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.planning.plan import CHAMPION, INTEGRITY, ModelPlan
from pytest_modelgate.core.statistics.paired_comparison import Comparison

_KINDS: dict[str, type[Evidence]] = {INTEGRITY: IntegrityEvidence, CHAMPION: ChampionEvidence}


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
        incomplete: why no decision could be made; empty when one was.
    """

    plan: ModelPlan
    backtest: Evidence | None
    sanity: Sanity | None
    folds: tuple[Evidence | None, ...]
    decision: Decision | None
    incomplete: str
    integrity: Evidence | None = None
    proofs: tuple[Proof, ...] = ()
    robustness: Robustness | None = None
    context: Context | None = None
    comparison: Comparison | None = None

    @property
    def word(self) -> str:
        """LIVE, PAPER, RETRAIN, DROP or INCOMPLETE."""
        return self.decision.decision.name if self.decision else "INCOMPLETE"

    @property
    def measured(self) -> tuple[WindowEvidence, ...]:
        """The valid evidence, backtest first."""
        return tuple(item for item in (self.backtest, *self.folds) if isinstance(item, WindowEvidence))

    @property
    def checks(self) -> tuple[Check, ...]:
        """What the integrity checks found; empty without valid evidence."""
        return self.integrity.checks if isinstance(self.integrity, IntegrityEvidence) else ()

    @property
    def folds_not_out_of_sample(self) -> tuple[WindowEvidence, ...]:
        """Folds that the model may have been trained on, as far as anybody declared."""
        return tuple(fold for fold in self.folds if isinstance(fold, WindowEvidence) and fold.sample != "out-of-sample")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the model got its decision, the most decisive reason first; never empty."""
        return self.decision.reasons if self.decision else (f"INCOMPLETE: {self.incomplete}",)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader should know, though no limit asks for it."""
        gating = self.plan.gating
        found = list(gating.warnings) if gating else []
        for evidence in self.measured[:1]:
            if evidence.checkpoint.parity != "proven":
                found.append(f"Parity with the trainer is unproven: {evidence.checkpoint.parity_detail}.")
            found += [f"Market data: {warning}." for warning in evidence.market.quality.warnings]
        found += [f"Integrity, {check.title}: {check.sentence}" for check in self.checks if check.status == "warn"]
        if seen := self.folds_not_out_of_sample:
            labels = ", ".join(sorted({fold.sample for fold in seen}))
            found.append(f"{len(seen)} of {len(self.folds)} folds are not out-of-sample ({labels}).")
        return tuple(found)

    def reaches(self, require: DecisionLevel) -> bool:
        """Whether the decision is at least ``require``; an INCOMPLETE model reaches nothing."""
        return self.decision is not None and self.decision.decision >= require


def judge(
    plan: ModelPlan,
    profile: Profile,
    rule: DecisionRule,
    find: Callable[[str], Evidence | None],
    trials: int,
    *,
    waivers: Sequence[Waiver] = (),
) -> Judgement:
    """Decide on one model from its evidence alone.

    Args:
        find: gives the evidence of a window by its name, None when there is none.
        trials: distinct models that were judged on the same market window, this one included.
        waivers: for whatever models.
    """
    waived = {waiver.check: waiver for waiver in waivers if waiver.model == plan.model.id}
    found = {window.name: find(window.name) for window in plan.work}
    backtest, sanity = found.get(plan.backtest.name), None
    folds = tuple(found.get(window.name) for window in plan.folds)
    integrity = found.get(INTEGRITY)
    if plan.gating is None:
        missing = "the training summary has no entry for this checkpoint"
        return Judgement(plan, backtest, sanity, folds, None, missing, integrity)
    if isinstance(backtest, WindowEvidence):
        sanity = judge_backtest(backtest.metrics, plan.gating.metrics["max_drawdown"], profile)
    for name, evidence in found.items():
        if not isinstance(evidence, _KINDS.get(name, WindowEvidence)):
            missing = str(evidence) if evidence else f"{name} was not evaluated in this run"
            return Judgement(plan, backtest, sanity, folds, None, missing, integrity)
    judged = {
        (item.checkpoint.sha256, item.market.sha256) for item in found.values() if isinstance(item, WindowEvidence)
    }
    if len(judged) > 1:
        missing = "its windows were measured on different checkpoints or market data; run the gate again"
        return Judgement(plan, backtest, sanity, folds, None, missing, integrity)
    checks, noise = (integrity.checks, integrity.noise) if isinstance(integrity, IntegrityEvidence) else ((), ())
    measured = [fold for fold in folds if isinstance(fold, WindowEvidence)]
    results, attributions = [fold_result(fold) for fold in measured], [fold_attribution(fold) for fold in measured]
    proofs = prove(attributions, profile, trials, noise) if measured else ()
    gating, contest = plan.gating, found.get(CHAMPION)
    comparison = contest.comparison if isinstance(contest, ChampionEvidence) else None

    def decide_on(folds: Sequence[FoldResult], rule: DecisionRule) -> Decision:
        found = gating.classification, sanity, folds, profile, rule
        return decide(
            *found, shortfalls=gating.findings, proofs=proofs, checks=checks, waivers=waived, comparison=comparison
        )

    robustness, context = None, None
    if measured:
        delayed = [fold.delayed for fold in measured]
        robustness = disturb(attributions, results, delayed, noise, lambda others: decide_on(others, "table").decision)
        days = (plan.folds[-1].end - plan.folds[0].start) / pd.Timedelta(days=1)
        context = put_in_context(concatenate([fold.attribution for fold in attributions]), days, profile.proofs.min_psr)
    decision = decide_on(results, rule)
    return Judgement(plan, backtest, sanity, folds, decision, "", integrity, proofs, robustness, context, comparison)


def fold_result(evidence: WindowEvidence) -> FoldResult:
    """What the decision needs to know of a fold."""
    return FoldResult.of(evidence.metrics)


def fold_attribution(evidence: WindowEvidence) -> FoldAttribution:
    """What the proofs need to know of a fold."""
    trades = evidence.metrics.closed_trades
    return FoldAttribution(
        evidence.start, evidence.sample, trades, evidence.delayed.total_return, evidence.bars.attribution()
    )
