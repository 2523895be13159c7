"""The findings on a record of an account, but that on promotion: each a status and a sentence a trader understands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.core.watching.drawdown import drawdown_by_chance, max_drawdowns
from pytest_modelgate.core.watching.evidence import Mismatch, WatchedOrder, WatchEvidence
from pytest_modelgate.core.watching.skill import miss_evidence

FindingName = Literal["record", "orders", "costs", "tracking", "drift", "promotion"]
FindingStatus = Literal["met", "waiting", "alarm", "incomplete"]

MISSES: tuple[Mismatch, ...] = ("missing", "extra", "other_side", "other_size", "late", "refused", "foreign")
"""What counts against the trader where nothing explains it; that the venue filled an order in part does not."""
_FEWEST_MISSES = 2  # one order that goes wrong withdraws nothing, though it be the first
_FEWEST_ORDERS = 20  # before a share of them, or the mean of their costs, may be an alarm
_SHIFTED = 0.25  # PSI from which a population is commonly called another
_MOST_ODDS = 1_000_000  # that are told apart
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Finding:
    """One question about the record: ``waiting`` is not enough yet or explained, ``alarm`` is against the model."""

    name: FindingName
    status: FindingStatus
    sentence: str


def judge_record(evidence: WatchEvidence, limits: WatchLimits) -> Finding:
    """Whether there is a complete record, and a long enough one."""
    if evidence.problem:
        return Finding("record", "incomplete", f"There is no complete record: {_ended(evidence.problem)}")
    if not evidence.silent_days <= limits.max_silence_days:
        sentence = (
            f"The last complete recording ended {evidence.silent_days:.1f} days before the run, at most "
            f"{limits.max_silence_days} are allowed: run modelgate watch, and look whether its schedule still runs."
        )
        return Finding("record", "incomplete", sentence)
    if evidence.closure is None:
        sentence = "Two recordings of the account are needed to see that nothing is missing between them."
        return Finding("record", "waiting", sentence)
    if not evidence.closure <= limits.closure:
        sentence = (
            f"Fills and fees leave {evidence.closure:.2%} of the account's equity unaccounted for, at most "
            f"{limits.closure:.2%} may be: a deposit, a withdrawal, or trades that are not on record."
        )
        return Finding("record", "incomplete", sentence)
    days = len(evidence.days)
    if days < limits.min_days:
        return Finding("record", "waiting", f"The record is complete, with {days} of {limits.min_days} days.")
    return Finding("record", "met", f"The record is complete: {days} days, {evidence.bars:,} bars.")


def judge_orders(evidence: WatchEvidence, limits: WatchLimits) -> Finding:
    """Whether the trader sends what the judged bytes decide."""
    judged = [order for order in evidence.orders if order.outcome != "explained"]
    wrong = [order for order in judged if order.outcome in MISSES]
    count, kinds = len(judged), _counted(wrong)
    odds = miss_evidence(len(wrong), count, limits.miss_rate) if count else 1.0
    if len(wrong) >= _FEWEST_MISSES and odds >= limits.miss_alarm:
        sentence = (
            f"{len(wrong)} of {count} orders went wrong and nothing explains them ({kinds}): {odds_text(odds)} that "
            f"more than {limits.miss_rate:.0%} do. The trader does not trade the model that was judged."
        )
        return Finding("orders", "alarm", sentence)
    if evidence.explained > limits.max_explained and len(evidence.orders) >= _FEWEST_ORDERS:
        sentence = (
            f"{evidence.explained:.0%} of the orders need an explanation, at most {limits.max_explained:.0%} may: that "
            "is another strategy than the one judged."
        )
        return Finding("orders", "alarm", sentence)
    matched = 1.0 - len(wrong) / count if count else 0.0
    said = f"{count - len(wrong)} of {count} orders are as the judged bytes decide" + (f" ({kinds})" if kinds else "")
    if evidence.outages:
        said += f"; the trader was silent over {evidence.outages} bars"
    if count < limits.min_orders:
        return Finding("orders", "waiting", f"{said}; {limits.min_orders} orders are needed.")
    if matched < limits.min_match:
        return Finding("orders", "waiting", f"{said}: {matched:.1%}, at least {limits.min_match:.0%} are needed.")
    if evidence.unexplained_notional > limits.max_unexplained_notional:
        sentence = (
            f"{said}, but {evidence.unexplained_notional:.1%} of the notional is not, at most "
            f"{limits.max_unexplained_notional:.0%} may be."
        )
        return Finding("orders", "waiting", sentence)
    if opposite := sum(order.outcome == "other_side" for order in judged):
        return Finding("orders", "waiting", f"{said}; {opposite} went to the other side, and none may.")
    return Finding("orders", "met", f"{said}.")


@dataclass(frozen=True)
class RealisedCost:
    """Cost of a unit of notional, a fraction, with the bounds of its confidence; of so many filled orders."""

    mean: float
    lower: float
    upper: float
    orders: int


def realised_cost(evidence: WatchEvidence, confidence: float) -> RealisedCost | None:
    """Slippage, weighted by size, plus fees, with one-sided bounds; None under two filled orders.

    Args:
        confidence: of each bound alone.
    """
    filled = [order for order in evidence.orders if order.slippage is not None]
    if len(filled) < 2:
        return None
    slippage = np.array([order.slippage for order in filled], dtype=np.float64)
    weights = np.array([abs(order.actual) for order in filled])
    if not weights.sum() > 0.0:
        return None
    weights /= weights.sum()
    mean, count = float(np.sum(weights * slippage)), len(filled)
    error = math.sqrt(float(np.sum(weights**2 * (slippage - mean) ** 2)) * count / (count - 1))
    reach, cost = _NORMAL.inv_cdf(confidence) * error, mean + evidence.fees.realised
    return RealisedCost(cost, cost - reach, cost + reach, count)


def judge_costs(evidence: WatchEvidence, limits: WatchLimits) -> Finding:
    """Whether the account pays no more than the model was shown to bear."""
    cost = realised_cost(evidence, limits.cost_confidence)
    if cost is None:
        return Finding("costs", "waiting", f"Too few fills to measure costs; {limits.min_orders} are needed.")
    most = limits.cost_multiple * evidence.assumed_cost
    said = (
        f"{cost.orders} filled orders cost {_bp(cost.mean)} of their notional ({_bp(cost.lower)} to "
        f"{_bp(cost.upper)}), {_bp(evidence.assumed_cost)} are assumed, {_bp(most)} are borne"
    )
    if evidence.fees.pending > 0.0:
        said += f"; the fees of {evidence.fees.pending:.0%} are not posted yet"
    if cost.lower > most and cost.orders >= _FEWEST_ORDERS:
        return Finding("costs", "alarm", f"{said}: trading is dearer than the model survives.")
    if cost.orders < limits.min_orders:
        return Finding("costs", "waiting", f"{said}; {limits.min_orders} orders are needed.")
    if not cost.upper <= most:
        return Finding("costs", "waiting", f"{said}: too uncertain to say that they are borne.")
    return Finding("costs", "met", f"{said}.")


def judge_tracking(evidence: WatchEvidence, daily: Floats, fold_days: int, limits: WatchLimits) -> Finding:
    """Whether the model's part of the account lost more than the walk-forward makes likely.

    Args:
        daily: returns of the walk-forward's days; empty without any.
        fold_days: days of a fold; a shorter record is held against the drawdowns of as many.
    """
    if not evidence.curve or not np.isfinite(evidence.curve).all():
        return Finding("tracking", "incomplete", "Nothing tells what the model's part of the account was worth.")
    curve = np.array(evidence.curve)
    made, simulated = curve[-1] - 1.0, evidence.simulated_curve[-1] - 1.0 if evidence.simulated_curve else math.nan
    fallen = float(max_drawdowns(curve[1:] / curve[:-1] - 1.0)) if (curve > 0.0).all() else 1.0
    said = f"The account made {made:+.1%}, the simulation {simulated:+.1%} on the same bars; drawdown {fallen:.1%}"
    most, why = limits.max_drawdown, "that the profile allows"
    if len(daily) and evidence.days:
        days = max(len(evidence.days), fold_days)
        by_chance = limits.drawdown_factor * drawdown_by_chance(daily, days, limits.drawdown_quantile)
        if by_chance < most:
            most = by_chance
            why = f"of {limits.drawdown_factor:g} times what chance makes of the walk-forward"
    if fallen > most:
        return Finding("tracking", "alarm", f"{said}, beyond the {most:.1%} {why}.")
    return Finding("tracking", "met", f"{said}, within the {most:.1%} {why}.")


def judge_drift(evidence: WatchEvidence) -> Finding:
    """Whether the model decides as it did; shown, never against it."""
    if evidence.drift is None:
        return Finding("drift", "waiting", "Too few bars to compare how often each action is taken.")
    said = f"Population stability index of the actions {evidence.drift:.2f}"
    if evidence.drift > _SHIFTED:
        return Finding("drift", "met", f"{said}: the model decides otherwise than in the walk-forward. Shown only.")
    return Finding("drift", "met", f"{said}: the model decides as in the walk-forward.")


def _counted(orders: Sequence[WatchedOrder]) -> str:
    counts = {kind: sum(order.outcome == kind for order in orders) for kind in MISSES}
    return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items() if count)


def odds_text(value: float) -> str:
    """An e-value as odds, never above what it is, such as ``54 : 1``."""
    if value > _MOST_ODDS:
        return f"over {_MOST_ODDS:,} : 1"
    return f"{value:.2g} : 1" if value < 10.0 else f"{math.floor(value):,} : 1"


def _bp(fraction: float) -> str:
    return f"{1e4 * fraction:.1f} bp"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."
