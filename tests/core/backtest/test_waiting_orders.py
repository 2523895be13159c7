"""Orders executed elsewhere than at a bar's own open: every way of trading a window goes by the same prices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from support.policies import ACCOUNTS
from support.simulation_cases import CAPITAL, WatchedCase, identical, watched_cases

from pytest_modelgate.core.backtest.attribution import attribute
from pytest_modelgate.core.backtest.evaluation import waited_orders
from pytest_modelgate.core.backtest.known_actions import simulate_known
from pytest_modelgate.core.backtest.simulation import simulate_episodes
from pytest_modelgate.core.backtest.speculation import Speculation
from pytest_modelgate.core.market.bars import Bars

EXECUTED = ["open", "high", "low"]


def disguised(case: WatchedCase) -> Bars:
    """Bars that open elsewhere and reach further, and are executed at the prices of the case's own."""
    rng = np.random.default_rng(case.n)
    elsewhere = np.where(rng.random(case.n) < 0.5, rng.uniform(0.8, 1.25, case.n), 1.0)
    frame = case.bars.frame.copy()
    frame["open"] *= elsewhere
    frame["high"] *= np.where(elsewhere != 1.0, 1.5, 1.0)
    frame["low"] /= np.where(elsewhere != 1.0, 1.5, 1.0)
    return Bars(case.bars.instrument, case.bars.timeframe, frame, case.bars.frame[EXECUTED])


@settings(deadline=None)
@given(watched_cases)
def test_only_the_prices_of_execution_count(case: WatchedCase) -> None:
    expected, bars = case.run(), disguised(case)
    case.bars = bars

    assert identical(case.run(), expected)
    assert identical(simulate_known(bars, case.actions, case.meanings, case.rules, CAPITAL), expected)
    speculation = Speculation(
        lambda _, rows, __: [case.actions[row] for row in rows.tolist()],
        [bars],
        [case.actions],
        meanings=case.meanings,
        features=ACCOUNTS[6],
        most=8,
    )
    (speculated,) = simulate_episodes([bars], speculation, case.meanings, case.rules, CAPITAL)
    assert identical(speculated, expected)


@settings(deadline=None)
@given(watched_cases)
def test_returns_are_what_was_held_between_the_prices_of_execution(case: WatchedCase) -> None:
    case.bars = disguised(case)
    path = case.run()

    found = attribute(path, case.bars, 100.0, case.rules)

    solvent = np.minimum.accumulate(path.equity[:-1]) > 0.0
    expected = found.gross - found.fees - found.slippage
    assert expected[solvent] == pytest.approx(found.returns[solvent], rel=1e-9, abs=1e-11)


@settings(deadline=None)
@given(watched_cases)
def test_orders_that_waited_are_counted_and_a_liquidation_is_none(case: WatchedCase) -> None:
    bars = disguised(case)
    path = simulate_known(bars, case.actions, case.meanings, case.rules, CAPITAL)
    opens = bars.quotes[0]

    at_open = [
        fill.row
        for fill in path.fills
        if fill.cause == "order"
        and fill.price == opens[fill.row] * (1.0 + case.rules.slippage * (1 if fill.side == "buy" else -1))
    ]
    assert waited_orders(path, bars) == sum(bool(bars.waits[row]) for row in at_open)
