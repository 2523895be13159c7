"""Stops, targets for gains and target exposures, against a slow account in exact arithmetic and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from support.policies import ACCOUNTS
from support.simulation_cases import CAPITAL, RULES, WatchedCase, identical, make_bars, watched_cases
from support.slow_account import SlowAccount

from pytest_modelgate.core.backtest.account import account_features
from pytest_modelgate.core.backtest.attribution import attribute
from pytest_modelgate.core.backtest.known_actions import simulate_known
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate, simulate_episodes
from pytest_modelgate.core.backtest.speculation import Speculation
from pytest_modelgate.core.integrity.behaviour import check_accounting
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.policy.account_features import AccountFeature, Encoding
from pytest_modelgate.core.policy.actions import HOLD, NO_ACTION, Order, Target
from pytest_modelgate.core.typing import Floats

thorough = settings(deadline=None, max_examples=40)
ALMOST_ALL = math.nextafter(1.0, 0.0)
FREE = replace(RULES, fee=0.0, slippage=0.0, position_size=1.0, cash_buffer=0.0, max_position=1.0)


@thorough
@given(watched_cases)
def test_equity_and_fills_are_those_of_the_slow_account(case: WatchedCase) -> None:
    path, slow = case.run(), SlowAccount(case).run()
    assert [(fill.row, fill.cause) for fill in path.fills] == [fill[:2] for fill in slow.fills]
    np.testing.assert_allclose(path.equity, slow.equity, rtol=1e-9, atol=1e-6)


@thorough
@given(watched_cases)
def test_known_actions_give_the_same_to_the_last_bit(case: WatchedCase) -> None:
    assert identical(simulate_known(case.bars, case.actions, case.meanings, case.rules, CAPITAL), case.run())


@thorough
@given(watched_cases)
def test_speculation_gives_the_same_to_the_last_bit(case: WatchedCase) -> None:
    rng, features = np.random.default_rng(case.n), ACCOUNTS[6]

    def act(row: int, seen: tuple[float, ...]) -> int:
        return case.actions[row] if seen[2] < 0.02 else (case.actions[row] + row) % len(case.meanings)

    speculation = Speculation(
        lambda _, rows, seen: [act(row, tuple(one)) for row, one in zip(rows.tolist(), seen.tolist(), strict=True)],
        [case.bars],
        [np.where(rng.random(case.n) < 0.8, case.actions, NO_ACTION).tolist()],
        meanings=case.meanings,
        features=features,
        most=64,
    )
    (path,) = simulate_episodes([case.bars], speculation, case.meanings, case.rules, CAPITAL)
    expected = simulate(
        case.bars,
        lambda row, account: act(row, account_features(account, features)),
        case.meanings,
        case.rules,
        CAPITAL,
    )
    assert identical(path, expected)


def test_right_guesses_save_asking_where_positions_are_stopped_too() -> None:
    case, batches, pnl = WatchedCase(1), [], AccountFeature("pnl", 0.0, Encoding(), -1)
    rng, rules = np.random.default_rng(1), replace(FREE, position_size=0.2, stop_loss=0.01, take_profit=0.01)
    walk = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 800)))
    bars, actions = make_bars(walk[::2].tolist(), walk[1::2].tolist()), rng.integers(0, 8, 400).tolist()

    def answer(_: NDArray[np.int64], rows: NDArray[np.int64], __: Floats) -> list[int]:
        batches.append(len(rows))
        return [actions[row] for row in rows.tolist()]

    speculation = Speculation(answer, [bars], [actions], meanings=case.meanings, features=(pnl,), most=64)
    (path,) = simulate_episodes([bars], speculation, case.meanings, rules, CAPITAL)
    assert min(path.exits.values()) > 10
    assert len(batches) < 20


@thorough
@given(watched_cases)
def test_a_stop_is_never_filled_better_than_its_level_and_a_target_at_it(case: WatchedCase) -> None:
    rules, held, entry = case.rules, 0.0, 0.0
    for fill in case.run().fills:
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        side = math.copysign(1.0, held)
        market = fill.price / (1.0 + math.copysign(rules.slippage, signed))
        if fill.cause == "stop_loss":
            assert side * market <= side * entry * (1.0 - side * rules.stop_loss) * (1.0 + side * 1e-12)
        if fill.cause == "take_profit":
            assert market == pytest.approx(entry * (1.0 + side * rules.take_profit), rel=1e-12)
        if held * signed >= 0.0:
            entry = (entry * held + fill.price * signed) / (held + signed)
        held = 0.0 if abs(held + signed) < 1e-12 * fill.quantity else held + signed


@thorough
@given(watched_cases)
def test_a_position_loses_no_more_than_its_stop_and_costs_where_nothing_opens_beyond_it(case: WatchedCase) -> None:
    case.bars = make_bars(*(2 * [case.bars.frame["close"].iloc[:1].tolist() * case.n]))  # opens nowhere else
    dive = case.bars.frame.assign(low=case.bars.frame["low"] * 0.5, high=case.bars.frame["high"] * 2.0)
    case.bars = Bars(case.bars.instrument, case.bars.timeframe, dive)
    case.rules = replace(case.rules, stop_loss=max(case.rules.stop_loss, 0.011), max_position=1.0)  # beyond slippage
    path, rules = case.run(), case.rules
    for trade in path.trades:
        price = dive["close"].iloc[0] * trade.quantity * 1.01
        most = price * (rules.stop_loss + rules.fee * (2 + rules.stop_loss) + rules.slippage * (1 + rules.stop_loss))
        assert trade.exit_row == trade.entry_row
        assert -trade.pnl <= most * 1.02


@thorough
@given(watched_cases)
def test_a_stop_that_is_never_reached_changes_nothing(case: WatchedCase) -> None:
    case.rules = replace(case.rules, can_short=False, stop_loss=0.0, take_profit=0.0)
    plain = case.run()
    case.rules = replace(case.rules, stop_loss=ALMOST_ALL)
    assert identical(case.run(), plain)
    assert plain.exits == {}


@thorough
@given(watched_cases)
def test_every_bar_earned_what_was_held_until_it_was_left(case: WatchedCase) -> None:
    path, before = case.run(), float(case.bars.frame["open"].iloc[0])
    found = attribute(path, case.bars, before, case.rules)
    solvent = np.minimum.accumulate(path.equity[:-1]) > 0.0
    expected = found.gross - found.fees - found.slippage
    assert expected[solvent] == pytest.approx(found.returns[solvent], rel=1e-9, abs=1e-11)
    left = {fill.row for fill in path.fills if fill.cause != "order"}
    assert set(np.flatnonzero(found.forgone).tolist()) <= left
    assert check_accounting([path]).status == "pass"


def one_position(
    opens: list[float], highs: list[float], lows: list[float], closes: list[float], size: float = 0.5
) -> Trajectory:
    """Bought (or sold short) at 100 at the open of bar 1, with a stop of 2 % and a target of 4 %."""
    bars = make_bars([100.0, *opens], [100.0, *closes])
    frame = bars.frame.assign(high=[100.0, *highs], low=[100.0, *lows])
    bars = Bars(bars.instrument, bars.timeframe, frame)
    rules = replace(FREE, stop_loss=0.02, take_profit=0.04)
    return simulate(bars, lambda row, _: int(row > 0), (Order(size), HOLD), rules, CAPITAL)


@pytest.mark.parametrize(
    ("size", "bar", "cause", "price"),
    [
        (0.5, (100.0, 103.9, 98.1, 100.0), "order", 100.0),
        (0.5, (100.0, 103.9, 98.0, 100.0), "stop_loss", 98.0),
        (0.5, (100.0, 104.0, 98.1, 100.0), "take_profit", 104.0),
        (0.5, (100.0, 110.0, 90.0, 100.0), "stop_loss", 98.0),  # both: the stop
        (0.5, (97.0, 99.0, 96.0, 98.5), "stop_loss", 97.0),  # a gap beyond the stop
        (0.5, (106.0, 107.0, 105.0, 105.0), "take_profit", 104.0),  # a gap beyond the target gives nothing
        (0.5, (106.0, 107.0, 90.0, 105.0), "stop_loss", 98.0),
        (0.5, (100.0, 100.0, 100.0, 97.0), "stop_loss", 98.0),  # a feed's low above its close
        (-0.5, (100.0, 101.9, 96.1, 100.0), "order", 100.0),
        (-0.5, (100.0, 102.0, 96.1, 100.0), "stop_loss", 102.0),
        (-0.5, (100.0, 101.9, 96.0, 100.0), "take_profit", 96.0),
        (-0.5, (100.0, 110.0, 90.0, 100.0), "stop_loss", 102.0),
        (-0.5, (103.0, 104.0, 101.0, 101.5), "stop_loss", 103.0),
        (-0.5, (94.0, 95.0, 93.0, 95.0), "take_profit", 96.0),
    ],
)
def test_exits_worked_by_hand(size: float, bar: tuple[float, ...], cause: str, price: float) -> None:
    opened, high, low, close = bar
    path = one_position([100.0, opened], [100.0, high], [100.0, low], [100.0, close], size)
    last = path.fills[-1]
    assert (last.row, last.cause) == (2, cause)
    assert last.price == pytest.approx(price)
    assert path.exits == ({} if cause == "order" else {cause: 1})
    assert path.equity[-1] == pytest.approx(CAPITAL + math.copysign(50.0, size) * (price - 100.0))


def test_the_order_of_the_close_before_is_filled_first_and_the_policy_acts_again_at_the_close() -> None:
    bars = make_bars([100.0] * 5, [100.0] * 5)
    frame = bars.frame.assign(low=[100.0, 100.0, 90.0, 100.0, 100.0])
    bars = Bars(bars.instrument, bars.timeframe, frame)
    rules = replace(FREE, stop_loss=0.02)
    path = simulate(bars, lambda *_: 0, (Target(0.5),), rules, CAPITAL)
    assert [(fill.row, fill.side, fill.cause) for fill in path.fills] == [
        (1, "buy", "order"),
        (2, "sell", "stop_loss"),
        (3, "buy", "order"),  # a target that is asked for again is sought again
        (4, "sell", "order"),
    ]
    sold = simulate(bars, lambda row, _: row, (Order(0.5), Order(-0.25), HOLD, HOLD), rules, CAPITAL)
    assert [(fill.row, round(fill.quantity), fill.cause) for fill in sold.fills] == [
        (1, 50, "order"),
        (2, 25, "order"),
        (2, 25, "stop_loss"),
    ]


def test_what_is_added_moves_the_level() -> None:
    bars = make_bars([100.0, 100.0, 99.0, 97.6, 97.6], [100.0, 99.0, 99.0, 97.6, 97.6])
    rules = replace(FREE, stop_loss=0.02)  # of an average of 99.5 the level is 97.51
    path = simulate(bars, lambda row, _: min(row, 2), (Order(0.25), Order(0.25), HOLD), rules, CAPITAL)
    assert path.exits == {}
    bars = Bars(bars.instrument, bars.timeframe, pd.DataFrame(bars.frame).assign(low=97.5))
    path = simulate(bars, lambda row, _: min(row, 2), (Order(0.25), Order(0.25), HOLD), rules, CAPITAL)
    assert path.fills[1].price == 98.0  # of the first alone, in whose bar the low is


def test_bars_without_a_sure_action_are_counted_unless_the_account_was_ruined() -> None:
    rules = replace(FREE, min_confidence=0.5, position_size=4.0, max_position=9.0)
    bars = make_bars([100.0, 100.0, 100.0, 300.0, 300.0], [100.0, 100.0, 100.0, 300.0, 300.0])
    actions = [NO_ACTION, 0, 0, 0]
    path = simulate(bars, lambda row, _: actions[row], (Order(-0.5),), rules, CAPITAL)
    assert path.equity.min() <= 0.0
    assert path.actions[-1] == NO_ACTION
    assert path.refused["low_confidence"] == 1
    assert identical(simulate_known(bars, actions, (Order(-0.5),), rules, CAPITAL), path)
