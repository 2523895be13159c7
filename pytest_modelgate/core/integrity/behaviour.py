"""Checks of what a model does: its activity, its books, and orders that the broker would not execute."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.fills import BELOW_MINIMUM, CUT_TO_CAP, LOW_CONFIDENCE, SHORT_NOT_ALLOWED, Fill
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.config.profiles import IntegrityLimits
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.market.bars import AssetClass
from pytest_modelgate.core.policy.actions import HOLD, NO_ACTION, Action, action_name
from pytest_modelgate.core.typing import Floats

_EXACT = 1e-9  # relative
_WORDS = {
    "withheld": "no action sure enough at {:.0f} bars",
    "stop_loss": "{:.0f} positions stopped",
    "take_profit": "{:.0f} closed at their target",
    "cut_to_cap": "{:.0f} orders to a target cut to the largest position that the profile allows",
}
_DAY_TRADES, _DAYS, _LEAST_EQUITY = 3, 5, 25_000.0  # FINRA rule 4210, as Alpaca enforces it


def check_activity(
    trajectories: Sequence[Trajectory], attribution: BarAttribution, meanings: Sequence[Action], limits: IntegrityLimits
) -> Check:
    """Check that the model decides, rather than always do the same.

    Args:
        meanings: of the policy's actions.
    """
    actions = np.concatenate([trajectory.actions for trajectory in trajectories])
    shares = np.bincount(actions[actions != NO_ACTION], minlength=len(meanings)) / max(1, len(actions))
    entropy = -math.fsum(share * math.log2(share) for share in shares.tolist() if share > 0.0)
    usual = int(np.argmax(shares))
    signals = math.fsum(share for share, action in zip(shares.tolist(), meanings, strict=True) if action != HOLD)
    long, short = (float(np.mean(sign * attribution.intraday_weight > 0.0)) for sign in (1.0, -1.0))
    figures = {
        "signal_rate": signals,
        "entropy_bits": entropy,
        "exposure": float(np.mean(np.abs(attribution.intraday_weight))),
        "bars_long": long,
        "bars_short": short,
        "fills": float(sum(len(trajectory.fills) for trajectory in trajectories)),
    }
    position = f"long in {long:.1%}, short in {short:.1%}"
    by_rules = _by_rules(trajectories)
    figures |= by_rules
    counted = "".join(f", {_WORDS[name].format(count)}" for name, count in by_rules.items())
    habits = f"signals at {signals:.1%} of the bars, {entropy:.2f} bits of choice, {position}{counted}"
    if shares[usual] >= limits.max_same_action:
        sentence = f"It is always {action_name(meanings[usual])} ({shares[usual]:.1%} of the bars): that is no model."
        return Check("activity", "fail", sentence, figures)
    if "withheld" in by_rules and 1.0 - signals >= limits.max_same_action:
        return Check("activity", "fail", f"It is hardly ever sure enough to act ({habits}): that is no model.", figures)
    if figures["fills"] == 0.0:
        return Check("activity", "fail", f"It never trades: every order is refused ({habits}).", figures)
    for words, share in (("long", long), ("short", short)):
        if share >= limits.max_same_position:
            sentence = f"It is always {words} ({share:.1%} of the bars): that is an index fund, not a model."
            return Check("activity", "fail", sentence, figures)
    if signals < limits.min_signal_rate:
        sentence = f"It hardly decides: {habits}; healthy models signal at 30 to 60 % of the bars."
        return Check("activity", "warn", sentence, figures)
    return Check("activity", "pass", f"It decides: {habits}.", figures)


def _by_rules(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """How often rules of trading and execution had a say, by figure; what never happened is left out."""
    counts = Counter[str]()
    for trajectory in trajectories:
        counts["withheld"] += trajectory.refused.get(LOW_CONFIDENCE, 0)
        counts["cut_to_cap"] += trajectory.refused.get(CUT_TO_CAP, 0)
        counts.update(trajectory.exits)
    return {name: float(counts[name]) for name in _WORDS if counts[name]}


def check_accounting(trajectories: Sequence[Trajectory]) -> Check:
    """Keep the books a second time, from the fills alone, and compare to 1e-9 of the equity."""
    worst, bars, trips = 0.0, 0, 0
    for trajectory in trajectories:
        scale = float(np.max(np.abs(trajectory.equity)))
        capital = float(trajectory.equity[0])
        flows = np.zeros(len(trajectory.index))
        for fill in trajectory.fills:
            signed = fill.quantity if fill.side == "buy" else -fill.quantity
            flows[fill.row] -= signed * fill.price + fill.fee
        cash = capital + np.cumsum(flows)
        gaps = [
            np.abs(trajectory.equity[1:] - trajectory.cash - trajectory.position_value),
            np.abs(trajectory.cash - cash),
            np.abs([math.fsum(trade.pnl for trade in trajectory.trades) - (float(trajectory.equity[-1]) - capital)]),
            _trade_gaps(trajectory),
        ]
        worst = float(np.max([worst, *(gap.max(initial=0.0) / scale for gap in gaps)]))  # unlike max, keeps a NaN
        bars, trips = bars + len(trajectory.index), trips + len(trajectory.trades)
    figures = {"worst_relative_error": worst, "bars": float(bars), "round_trips": float(trips)}
    if not worst <= _EXACT:
        sentence = f"The books do not add up: they are off by {worst:.2g} of the equity. This is a fault of the gate."
        return Check("accounting", "fail", sentence, figures)
    sentence = (
        f"Equity is cash plus position at all {bars} bars, and {trips} round trips change the cash by their P&L, "
        f"to {_EXACT:g} of the equity."
    )
    return Check("accounting", "pass", sentence, figures)


def _round_trips(fills: Sequence[Fill]) -> list[tuple[int, int, float]]:
    """Rows of first and last fill of every way from flat to flat, and the cash that all its fills brought in, USD."""
    trips, held, flow, opened = [], 0.0, 0.0, 0
    for fill in fills:
        if held == 0.0:
            opened, flow = fill.row, 0.0
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        flow -= signed * fill.price + fill.fee
        before, held = held, held + signed
        if abs(held) <= _EXACT * max(abs(before), abs(signed)):
            held = 0.0
            trips.append((opened, fill.row, flow))
    return trips


def _trade_gaps(trajectory: Trajectory) -> Floats:
    """Distance of the P&L of every trade from the cash of its fills, USD; inf where the fills make other trades."""
    trips = _round_trips(trajectory.fills)
    booked = [(trade.entry_row, trade.exit_row) for trade in trajectory.trades]
    if [trip[:2] for trip in trips] != booked:
        return np.array([math.inf])
    return np.array([abs(flow - trade.pnl) for (_, _, flow), trade in zip(trips, trajectory.trades, strict=True)])


_REFUSED = {"shorts_refused": "{:.0f} orders to sell crypto it did not hold"}
_BELOW = "{{:.0f}} orders below the minimum of {:g} USD"
_EXECUTED = {
    "fractional_shorts": "{:.0f} short sales of fractions of a share, which Alpaca allows for whole shares only",
    "day_trade_violations": (
        "{:.0f} days with more than 3 day trades in 5 sessions and less than 25,000 USD, which locks a pattern day "
        "trader out"
    ),
}


def check_feasibility(trajectories: Sequence[Trajectory], asset_class: AssetClass, rules: TradingRules) -> Check:
    """Count what Alpaca would refuse or limit; nothing here blocks a model.

    What the simulation refuses as well is in no result: it is told, and no warning.
    """
    refused: Counter[str] = Counter()
    for trajectory in trajectories:
        refused.update(trajectory.refused)
    stocks = asset_class is AssetClass.EQUITY
    figures = {
        "shorts_refused": float(refused[SHORT_NOT_ALLOWED]),
        "orders_below_minimum": float(refused[BELOW_MINIMUM]),
        "fractional_shorts": float(sum(_fractional_shorts(trajectory) for trajectory in trajectories) if stocks else 0),
        "day_trade_violations": float(sum(_day_trade_violations(item) for item in trajectories) if stocks else 0),
    }
    found = _told(figures, _EXECUTED)
    left_out = _told(figures, _REFUSED | {"orders_below_minimum": _BELOW.format(rules.min_order_usd)})
    if found:
        return Check("feasibility", "warn", f"The result holds what Alpaca would not execute: {found}.", figures)
    if left_out:
        return Check("feasibility", "pass", f"Refused here as Alpaca would, and in no result: {left_out}.", figures)
    return Check("feasibility", "pass", "Alpaca would execute every order.", figures)


def _told(figures: Mapping[str, float], sentences: Mapping[str, str]) -> str:
    return "; ".join(text.format(figures[name]) for name, text in sentences.items() if figures[name])


def _fractional_shorts(trajectory: Trajectory) -> int:
    held, count = 0.0, 0
    for fill in trajectory.fills:
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        opens_short = signed < 0.0 and held <= _EXACT
        count += opens_short and abs(fill.quantity - round(fill.quantity)) > _EXACT
        held += signed
        if abs(held) <= _EXACT * abs(signed):
            held = 0.0
    return count


def _day_trade_violations(trajectory: Trajectory) -> int:
    """Sessions that end with more than 3 day trades in 5 sessions, and less than 25,000 USD."""
    dates = trajectory.index.tz_convert("America/New_York").date
    closing = pd.Series(trajectory.equity[1:], index=dates).groupby(level=0).last()
    spans = [(dates[trade.entry_row], dates[trade.exit_row]) for trade in trajectory.trades]
    count = Counter(closed for opened, closed in spans if opened == closed)
    day_trades = pd.Series([count[date] for date in closing.index], index=closing.index)
    recent = day_trades.rolling(_DAYS, min_periods=1).sum()
    return int(((recent > _DAY_TRADES) & (closing < _LEAST_EQUITY)).sum())


def check_account(neutral: Trajectory, tracked: Trajectory | None) -> Check:
    """Compare actions on the real account with those on the constants that a live trader feeds.

    Args:
        neutral: of the backtest window.
        tracked: the same with the real account; None when the model reads no account feature.
    """
    if tracked is None:
        return Check("account", "pass", "The model reads no account feature.", {})
    differ = float(np.mean(neutral.actions != tracked.actions))
    returns = [float(item.equity[-1] / item.equity[0] - 1.0) for item in (neutral, tracked)]
    figures = {"actions_that_differ": differ, "neutral_return": returns[0], "tracked_return": returns[1]}
    sentence = (
        f"Fed the real account instead of the constants a live trader feeds, {differ:.1%} of its actions in the "
        f"backtest differ; it returns {returns[1]:+.2%} instead of {returns[0]:+.2%}."
    )
    return Check("account", "warn" if differ > 0.01 else "pass", sentence, figures)
