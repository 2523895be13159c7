"""Everything that the decision about one model rests on, and its folds counted exactly."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from pytest_modelgate.core.backtest.metrics import FoldResult, compounded
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import DecisionRule
from pytest_modelgate.core.config.waivers import Waiver
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.plausibility import NO_TRADES, TradeCount
from pytest_modelgate.core.decision.proof import Proof
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.statistics.fold_spread import Spread, measure_spread
from pytest_modelgate.core.statistics.paired_comparison import Comparison
from pytest_modelgate.core.training.gating import Classification
from pytest_modelgate.core.watching.judging import WatchCase

NOT_COMPARED = Parity("unproven", "it was not compared")


@dataclass(frozen=True)
class Hanging:
    """What hangs on bars with doubtful prices.

    Attributes:
        findings: half sentences, at least one.
        level: the decision without what was earned at them.
    """

    findings: tuple[str, ...]
    level: DecisionLevel


@dataclass(frozen=True)
class ModelCase:
    """Everything that the decision about one model rests on.

    Attributes:
        classification: by its training metrics. DROP decides alone: the model needs neither backtest nor folds.
        sanity: of the backtest.
        folds: every walk-forward fold, in any order.
        profile: the limits.
        rule: ``proven`` lets no model beyond PAPER that misses a statistical proof; nor does ``pooled``, for which the
            marginal share of positive folds is enough where their spread is low; ``table`` asks for no proof.
        shortfalls: ``Gating.findings``, quoted in the reasons.
        proofs: what ``prove`` measured, in any order. One that is missing counts as not passed.
        checks: what the integrity checks found; one that failed caps under every rule.
        parity: with the trainer; unproven it caps under every rule but ``table``.
        uncertified: its actions may be others on another machine, which caps under every rule.
        comparison: with the model now deployed; None where there is none.
        later: those of the folds that start at the archive's time stamp or after it.
        trades: over all folds.
        hanging: what hangs on bars with doubtful prices; None where nothing does.
        watch: what an account's record is worth; None where no account was asked.
        waivers: by check. Each lifts its cap by one step; none lifts a DROP, an integrity check, unproven
            parity, a proof or what a record asks for.

    Raises:
        ValueError: evidence is missing for a model that gating did not drop.
    """

    classification: Classification
    sanity: Sanity | None
    folds: Sequence[FoldResult]
    profile: Profile
    rule: DecisionRule
    shortfalls: Sequence[str] = ()
    proofs: Sequence[Proof] = ()
    checks: Sequence[Check] = ()
    parity: Parity = NOT_COMPARED
    uncertified: bool = False
    comparison: Comparison | None = None
    later: Sequence[FoldResult] = ()
    trades: TradeCount = NO_TRADES
    hanging: Hanging | None = None
    watch: WatchCase | None = None
    waivers: Mapping[str, Waiver] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.measured and self.classification is not Classification.DROP:
            raise ValueError("a model that its training metrics did not drop needs a backtest and folds to be decided")

    @property
    def measured(self) -> bool:
        """Whether there are a backtest and folds to decide on."""
        return self.sanity is not None and bool(self.folds)

    @cached_property
    def spread(self) -> Spread:
        """Spread of the fold Sharpes."""
        return measure_spread(self.folds, self.profile)

    @property
    def positive(self) -> int:
        """Number of folds that made money."""
        return sum(fold.total_return > 0.0 for fold in self.folds)

    @property
    def losing(self) -> int:
        """Number of folds that lost money."""
        return sum(fold.total_return < 0.0 for fold in self.folds)

    @cached_property
    def compounded_return(self) -> Fraction:
        """Return of all folds one after the other, exact."""
        return compounded(self._returns)

    @cached_property
    def compounded_without_best(self) -> Fraction:
        """Return of all folds but the best, exact."""
        return compounded(self._returns[:-1])

    @property
    def _returns(self) -> list[float]:
        """The best last."""
        return sorted(fold.total_return for fold in self.folds)


def to_float(value: Fraction) -> float:
    """The nearest float; the largest one for what no float can hold."""
    return float(min(value, Fraction(sys.float_info.max)))
