"""Robustness to details: costs, one bar of delay, a little noise. Shown only; what blocks is among the proofs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.backtest.metrics import FoldResult, sharpe_ratio
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.proof import FoldAttribution, compound
from pytest_modelgate.core.integrity.check import NoiseDraw

MULTIPLES = (0.0, 1.0, 2.0, 3.0, 5.0)
_MOST = 100.0  # nobody needs to know beyond
_STEPS = 50

Decide = Callable[[Sequence[FoldResult]], DecisionLevel]


@dataclass(frozen=True)
class CostPoint:
    """Compounded return, a fraction, at multiples of fees and slippage."""

    fees: float
    slippage: float
    total_return: float


Costs = tuple[tuple[CostPoint, ...], float]  # ``Robustness.surface`` and ``break_even``


@dataclass(frozen=True)
class Disturbance:
    """Effect of one disturbance.

    Attributes:
        name: ``costs x2``, ``one bar later``, ``noise on prices 1``...
        total_return: compounded, a fraction.
        actions_changed: share of the actions; NaN where actions stay as they are.
        decision: by the walk-forward table and the caps that always apply.
    """

    name: str
    total_return: float
    actions_changed: float
    decision: DecisionLevel


@dataclass(frozen=True)
class Robustness:
    """Effects of all disturbances on a model.

    Attributes:
        undisturbed: decision by the table and the caps that always apply, for comparison.
        surface: compounded returns over multiples of fees (outer) and slippage (inner).
        break_even: multiple of all costs at which nothing is left; 0 when nothing is even without, inf beyond 100.
        disturbances: in the order of severity of what causes them, noise last.
        undrawn: why no noise was drawn, a sentence; empty where it was.
    """

    undisturbed: DecisionLevel
    surface: tuple[CostPoint, ...]
    break_even: float
    disturbances: tuple[Disturbance, ...]
    undrawn: str = ""

    @property
    def costs(self) -> Costs:
        """What the folds bear of costs, whatever is decided."""
        return self.surface, self.break_even


def disturb(
    folds: Sequence[FoldAttribution],
    results: Sequence[FoldResult],
    delayed: Sequence[FoldResult],
    noise: Sequence[NoiseDraw],
    decide: Decide,
    *,
    costs: Costs | None = None,
    undrawn: str = "",
) -> Robustness:
    """Disturb a walk-forward.

    Args:
        folds, results: as they are, in one order.
        delayed: had every order come one bar later, in the same order.
        noise: as the examination drew it.
        decide: gives the decision for other results of the folds.
        costs: ``Robustness.costs`` of the same folds, where they were measured before.
        undrawn: why the examination drew no noise, half a sentence.
    """
    disturbances = []
    for multiple in (2.0, 3.0):
        costly = [_costly(fold, result, multiple) for fold, result in zip(folds, results, strict=True)]
        disturbances.append(_disturbance(f"costs x{multiple:g}", costly, math.nan, decide))
    disturbances.append(_disturbance("one bar later", delayed, math.nan, decide))
    counts = {"prices": 0, "weights": 0}
    for draw in noise:
        counts[draw.kind] += 1
        name = f"noise on {draw.kind} {counts[draw.kind]}"
        disturbances.append(_disturbance(name, draw.folds, draw.actions_changed, decide))
    told = f"Noise was not drawn: it could not change the decision, since {undrawn}." if undrawn else ""
    surface, break_even = costs or _bear_costs(folds)
    return Robustness(decide(results), surface, break_even, tuple(disturbances), told)


def _disturbance(name: str, results: Sequence[FoldResult], changed: float, decide: Decide) -> Disturbance:
    return Disturbance(name, compound([fold.total_return for fold in results]), changed, decide(results))


def _costly(fold: FoldAttribution, result: FoldResult, multiple: float) -> FoldResult:
    attribution = fold.attribution
    returns = attribution.returns - (multiple - 1.0) * (attribution.fees + attribution.slippage)
    total = attribution.total_return(multiple, multiple)
    return FoldResult(total, sharpe_ratio(returns), result.bars, result.bars_per_year)


def _return(folds: Sequence[FoldAttribution], fees: float, slippage: float) -> float:
    return compound([fold.attribution.total_return(fees, slippage) for fold in folds])


def _bear_costs(folds: Sequence[FoldAttribution]) -> Costs:
    surface = tuple(
        CostPoint(fees, slippage, _return(folds, fees, slippage)) for fees in MULTIPLES for slippage in MULTIPLES
    )
    return surface, _break_even(folds)


def _break_even(folds: Sequence[FoldAttribution]) -> float:
    """Bisection; the return falls with the multiple."""
    if not any(np.any(fold.attribution.fees + fold.attribution.slippage > 0.0) for fold in folds):
        return math.nan  # without costs there is no multiple
    if _return(folds, 0.0, 0.0) <= 0.0:
        return 0.0
    if _return(folds, _MOST, _MOST) > 0.0:
        return math.inf
    low, high = 0.0, _MOST
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _return(folds, middle, middle) > 0.0 else (low, middle)
    return low
