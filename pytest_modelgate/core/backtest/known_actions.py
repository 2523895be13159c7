"""Simulation where every action is known beforehand: the same to the last bit, and faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate, trajectory_of
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.policy.actions import HOLD, NO_ACTION, Action


def simulate_known(
    bars: Bars, actions: Sequence[int], meanings: Sequence[Action], rules: TradingRules, capital: float
) -> Trajectory:
    """As ``simulate`` where every action is known beforehand.

    Only bars with an order take a step of the account; with a stop or a target those, too, that end with a position.

    Args:
        actions: one for each bar but the last.

    Raises:
        MarketDataError, CheckpointError, SettingsError: as ``simulate``.
    """

    def step_by_step() -> Trajectory:
        return simulate(bars, lambda row, _: actions[row], meanings, rules, capital)

    last = len(bars) - 1
    if last < 1 or min(actions) < NO_ACTION or max(actions) >= len(meanings):
        return step_by_step()
    trades = [meaning != HOLD for meaning in meanings] + [False]  # the last for NO_ACTION
    orders = [(row, meanings[action]) for row, action in enumerate(actions[:last]) if trades[action]]
    account = Account(rules, float(capital))
    course, exits = _execute(account, bars, orders)
    changes, cash, quantity = zip(*course, strict=True)
    spans = np.diff([*changes, last + 1])
    held, money = np.repeat(quantity, spans), np.repeat(cash, spans)
    closes = bars.quotes[1]
    values = held * np.array(closes)
    for row, after in exits:
        money[row], values[row] = after, 0.0
    if not (money + values)[:last].min() > 0.0:  # the broker closed a ruined account, and what followed is void
        return step_by_step()
    if account.quantity != 0.0:
        account.fill(-account.quantity, closes[last], last)
        money[last], values[last] = account.cash, account.quantity * closes[last]
    equity = np.concatenate([[account.capital], money + values])
    return trajectory_of(bars, account, equity, (money, values, held), actions[:last])


def _execute(
    account: Account, bars: Bars, orders: Sequence[tuple[int, Action]]
) -> tuple[list[tuple[int, float, float]], list[tuple[int, float]]]:
    """Trade up to the last close.

    Args:
        orders: rows at whose closes something is decided, and what.

    Returns:
        Rows from whose opens on, cash, and quantity; rows within which the rules closed the position, and cash then.
    """
    opens, closes = bars.quotes
    course, exits = [(0, account.cash, 0.0)], []
    watching, watched = account.rules.exits_within_bars, 0
    for row, action in [*orders, (len(closes) - 1, HOLD)] if watching else orders:
        if watching and (left := _leave(account, bars, range(watched, row + 1))) is not None:
            exits.append((left, account.cash))
            course.append((left + 1, account.cash, 0.0))
        watched = row + 1
        order = account.order(action, closes[row])
        if order != 0.0:
            account.fill(order, opens[row + 1], row + 1)
            course.append((row + 1, account.cash, account.quantity))
    return course, exits


def _leave(account: Account, bars: Bars, rows: range) -> int | None:
    """The row within which the rules close the position; None where they do not."""
    if account.quantity != 0.0:
        (opens, _), (highs, lows) = bars.quotes, bars.extremes
        for row in rows:
            account.leave(opens[row], highs[row], lows[row], row)
            if account.quantity == 0.0:
                return row
    return None
