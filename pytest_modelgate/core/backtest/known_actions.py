"""Simulation where every action is known beforehand: the same to the last bit, and faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
    account = Account(rules, float(capital))
    rows = [row for row, action in enumerate(actions[:last]) if trades[action]]
    course, exits = _execute(account, bars, rows, [meanings[actions[row]] for row in rows])
    spans = np.diff([*course.rows, last + 1])
    held, money = np.repeat(course.quantity, spans), np.repeat(course.cash, spans)
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


class _Course(NamedTuple):
    """Cash and quantity from the opens of some rows on; lists, for thousands of tuples keep the collector busy."""

    rows: list[int]
    cash: list[float]
    quantity: list[float]


def _execute(
    account: Account, bars: Bars, rows: Sequence[int], actions: Sequence[Action]
) -> tuple[_Course, list[tuple[int, float]]]:
    """Trade up to the last close.

    Args:
        rows: at whose closes something is decided.
        actions: what.

    Returns:
        The course, and rows within which the rules closed the position, with the cash then.
    """
    opens, closes = bars.quotes
    changes, cash, quantity = course = _Course([0], [account.cash], [0.0])
    exits, watching, watched, last = [], account.rules.exits_within_bars, 0, len(closes) - 1
    for row, action in zip([*rows, last], [*actions, HOLD], strict=True):
        if watching:
            left = _leave(account, bars, range(watched, row + 1))
            watched = row + 1
            if left is not None:
                exits.append((left, account.cash))
                changes.append(left + 1)
                cash.append(account.cash)
                quantity.append(0.0)
        order = account.order(action, closes[row])
        if order != 0.0:
            account.fill(order, opens[row + 1], row + 1)
            changes.append(row + 1)
            cash.append(account.cash)
            quantity.append(account.quantity)
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
