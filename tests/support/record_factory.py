"""Records of accounts, made up: the evidence that comparing one with its model gives, and what it is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.watching.evidence import DayFigures, FeeFigures, Mismatch, WatchedOrder, WatchEvidence
from pytest_modelgate.core.watching.judging import WatchCase
from pytest_modelgate.services.watching import not_in_force

START = 1_719_792_000  # 2024-07-01
_HOUR, _DAY = 3600, 86_400
_WRONG: tuple[Mismatch, ...] = ("missing", "late", "other_size", "explained")


def watched(model: str = "UNIUSD_1Hour", *, days: int = 90, edge: float = 0.002, **changes: Any) -> WatchEvidence:
    """A complete record of hourly bars at PAPER; every 20th order went wrong, by turns in each way there is.

    Args:
        edge: what timing earns a day.
        changes: replace parts of it.
    """
    rng = np.random.default_rng(days)
    bars = 24 * days
    times = START + _HOUR * np.arange(bars)
    price = np.cumprod(1.0 + rng.normal(0.0, 0.004, bars))
    moves = rng.normal(edge / 24, 0.0004, bars)
    simulated = np.cumprod(1.0 + moves)
    curve = np.cumprod(1.0 + moves - 0.00001 + rng.normal(0.0, 0.0001, bars))
    orders = tuple(_order(place, int(times[row]), rng) for place, row in enumerate(range(5, bars, 30)))
    filled = tuple(order.slippage for order in orders if order.slippage is not None)
    figures = tuple(
        DayFigures(
            START + _DAY * day,
            float(simulated[24 * day + 23] / simulated[24 * day] - 1.0),
            float(curve[24 * day + 23] / curve[24 * day] - 1.0),
            float(edge + rng.normal(0.0, 0.004)),
            0.2,
        )
        for day in range(days)
    )
    whole = WatchEvidence(
        model=model,
        window="paper",
        problem="",
        remedy="",
        of_model=False,
        account="3f9a1c07",
        kind="paper",
        since="2024-06-30T21:40:00+00:00",
        start="2024-07-01T00:00:00+00:00",
        end=str(np.datetime64(START + _DAY * days, "s")) + "+00:00",
        bars=bars,
        decision="PAPER",
        orders=orders,
        unexplained_notional=0.03,
        explained=0.01,
        slippage=filled,
        fees=FeeFigures(0.0025, 0.04),
        assumed_cost=0.0035,
        closure=0.0002,
        days=figures,
        outages=3,
        drift=0.04,
        times=tuple(times.tolist()),
        price=tuple((price / price[0]).tolist()),
        curve=tuple(curve.tolist()),
        simulated_curve=tuple(simulated.tolist()),
        actions={"HOLD": bars - len(orders), "BUY_50": len(orders)},
        record_sha256="ab" * 32,
    )
    return replace(whole, **changes)


def _order(place: int, bar: int, rng: np.random.Generator) -> WatchedOrder:
    side = 0.1 if place % 2 == 0 else -0.1
    if place % 20 != 19:
        return WatchedOrder(bar, side, side, "match", slippage=float(rng.normal(0.001, 0.0008)))
    kind = _WRONG[place // 20 % len(_WRONG)]
    sent = {"missing": 0.0, "late": side, "other_size": side / 2, "explained": 0.0}[kind]
    why = "the trader's journal says: below its least confidence" if kind == "explained" else ""
    return WatchedOrder(bar, side, sent, kind, why, float(rng.normal(0.001, 0.0008)) if sent else None)


def unwatched(model: str = "UNIUSD_1Hour") -> WatchEvidence:
    """Evidence of a model that no account trades."""
    return not_in_force(model, None)


def case_of(limit: DecisionLevel, *, lifts: bool = False, evidence: WatchEvidence | None = None) -> WatchCase:
    """What a record is worth, without regard to what is in it."""
    reason, brief = "LIVE needs 50 : 1 for skill.", "E = 12 of 50"
    return WatchCase(evidence or watched(days=2), (), 12.0, 1.0, 3.0, limit, reason, lifts, brief)
