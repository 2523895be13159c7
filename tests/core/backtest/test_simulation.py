from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.policies import SPACES
from support.simulation_cases import CAPITAL, RULES, Case, cases, identical, make_bars, run

from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.backtest.known_actions import simulate_known
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.errors import CheckpointError, MarketDataError, SettingsError

HOLD, BUY, SELL = 0, 1, 2
thorough = settings(deadline=None, max_examples=100)


def replay(bars: Bars, path: Trajectory) -> list[tuple[Fraction, Fraction]]:
    """Exact cash and position after each bar, from the fills alone."""
    cash, held, after = Fraction(CAPITAL), Fraction(0), []
    for row in range(len(bars)):
        for fill in path.fills:
            if fill.row == row:
                signed = Fraction(fill.quantity) * (1 if fill.side == "buy" else -1)
                cash -= signed * Fraction(fill.price) + Fraction(fill.fee)
                held += signed
        after.append((cash, held))
    return after


def oracle(case: Case) -> list[float]:
    """Equity per bar by the rules of docs/simulation.md, in exact arithmetic and one piece."""
    rules, frame = case.rules, case.bars.frame
    names = {3: [0, 50, -50], 7: [0, 25, 50, 75, -25, -50, -75]}[case.n_actions]
    cash, held, pending, ruined, equity = Fraction(CAPITAL), Fraction(0), Fraction(0), False, [CAPITAL]
    for row in range(case.n):
        close = Fraction(frame["close"].iloc[row])
        markets = (
            [Fraction(frame["open"].iloc[row]), close] if row == case.n - 1 else [Fraction(frame["open"].iloc[row])]
        )
        for event, market in enumerate(markets):
            quantity = -held if event == 1 else pending
            price = market * (1 + (Fraction(rules.slippage) if quantity > 0 else -Fraction(rules.slippage)))
            cost = quantity * price + abs(quantity * price) * Fraction(rules.fee)
            if not (quantity > 0 and held >= 0 and cost > cash):
                cash, held = cash - cost, held + quantity
        worth = cash + held * close
        equity.append(float(worth))
        ruined = ruined or worth <= 0
        percent = names[case.actions[row]]
        notional = abs(percent) * Fraction(rules.position_size) * (1 - Fraction(rules.cash_buffer)) * worth / 100
        wanted, sign, minimum = notional / close, (1 if percent > 0 else -1), Fraction(rules.min_order_usd)
        if ruined:
            pending = -held
        elif percent == 0:
            pending = Fraction(0)
        elif held * sign < 0:
            left = max(Fraction(0), abs(held) - wanted)
            closing = left == 0 or left * close < minimum
            pending = -held if closing else sign * wanted if notional >= minimum else Fraction(0)
        else:
            forbidden = sign < 0 and not rules.can_short
            excessive = abs(held) * close + notional > Fraction(rules.max_position) * worth
            pending = Fraction(0) if forbidden or excessive or notional < minimum else sign * wanted
    return equity


@thorough
@given(cases)
def test_the_equity_curve_is_that_of_an_exact_simulation(case: Case) -> None:
    np.testing.assert_allclose(case.run().equity, oracle(case), rtol=1e-9, atol=1e-6)


@thorough
@given(cases)
def test_equity_is_cash_plus_position_value_at_every_bar(case: Case) -> None:
    path = case.run()
    assert path.equity[0] == CAPITAL
    np.testing.assert_allclose(path.equity[1:], path.cash + path.position_value, rtol=1e-9)


@thorough
@given(cases)
def test_the_fills_alone_account_for_cash_and_position(case: Case) -> None:
    path = case.run()
    after = replay(case.bars, path)
    held = np.array([float(quantity) for _, quantity in after])
    np.testing.assert_allclose(path.cash, [float(cash) for cash, _ in after], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(path.position_value, held * case.bars.frame["close"], rtol=1e-9, atol=1e-6)


@thorough
@given(cases)
def test_trades_add_up_to_the_gain(case: Case) -> None:
    path = case.run()
    gain = path.equity[-1] - path.equity[0]
    assert math.fsum(trade.pnl for trade in path.trades) == pytest.approx(gain, rel=1e-9, abs=1e-6)


@thorough
@given(cases)
def test_every_window_ends_flat(case: Case) -> None:
    path = case.run()
    assert path.position_value[-1] == 0.0
    assert path.cash[-1] == path.equity[-1]


@thorough
@given(cases)
def test_no_order_crosses_from_long_to_short(case: Case) -> None:
    held = 0.0
    for fill in case.run().fills:
        after = held + fill.quantity * (1 if fill.side == "buy" else -1)
        assert held * after >= 0.0
        held = after


@thorough
@given(cases)
def test_without_shorting_neither_position_nor_cash_is_ever_negative(case: Case) -> None:
    case.rules = replace(case.rules, can_short=False)
    path = case.run()
    assert path.position_value.min() >= 0.0
    assert path.cash.min() >= 0.0


@thorough
@given(cases)
def test_every_decision_is_held_filled_or_counted_as_refused(case: Case) -> None:
    case.actions = case.actions[: case.n - 2] + [HOLD] * 2  # so that only the liquidation falls on the last bar
    path = case.run()
    assume(path.equity.min() > 0.0)  # a ruined account is closed without a decision
    held = int((path.actions == HOLD).sum())
    filled = sum(fill.row < case.n - 1 for fill in path.fills)
    assert held + filled + sum(path.refused.values()) == case.n - 1


@thorough
@given(cases, st.integers(1, 39))
def test_later_bars_change_nothing_that_came_before(case: Case, known: int) -> None:
    known = min(known, case.n)
    frame = case.bars.frame.copy()
    frame.iloc[known:, :4] *= 3.0
    altered = Bars(case.bars.instrument, case.bars.timeframe, frame)
    path, other = case.run(), run(altered, case.actions, case.rules, case.n_actions)
    upto = known if known < case.n else case.n + 1
    np.testing.assert_array_equal(path.equity[:upto], other.equity[:upto])


@thorough
@given(cases, st.sampled_from([2.0**-7, 2.0**9]))
def test_the_price_level_does_not_matter(case: Case, scale: float) -> None:
    frame = case.bars.frame.copy()
    frame.iloc[:, :4] *= scale
    scaled = Bars(case.bars.instrument, case.bars.timeframe, frame)
    np.testing.assert_array_equal(
        case.run().equity, run(scaled, case.actions, case.rules, case.n_actions).equity, strict=True
    )


@thorough
@given(cases, st.sampled_from([BUY, SELL]), st.sampled_from(["fee", "slippage"]), st.floats(0, 0.05))
def test_the_same_trade_at_higher_cost_never_ends_better(case: Case, action: int, cost: str, extra: float) -> None:
    case.rules = replace(case.rules, position_size=0.5, max_position=1.0, min_order_usd=0.0)
    case.n_actions, case.actions = 3, [action] + [HOLD] * case.n
    cheap = case.run()
    case.rules = replace(case.rules, **{cost: getattr(case.rules, cost) + extra})
    assert case.run().equity[-1] <= cheap.equity[-1] + 1e-9


@thorough
@given(cases)
def test_actions_known_beforehand_trade_as_if_asked_bar_by_bar(case: Case) -> None:
    known = simulate_known(case.bars, case.actions, SPACES[case.n_actions], case.rules, CAPITAL)
    assert identical(known, case.run())


@pytest.mark.parametrize("row", [0, 3])
def test_an_unknown_action_is_refused_beforehand_too(row: int) -> None:
    actions = [HOLD] * 5
    actions[row] = 3
    with pytest.raises(CheckpointError, match="chose action 3, expected 0 to 2"):
        simulate_known(make_bars([100.0] * 5, [100.0] * 5), actions, SPACES[3], RULES, CAPITAL)


def test_a_ruin_between_orders_is_found() -> None:
    closes = [100.0, 100.0, 400.0, 100.0, 100.0, 100.0]
    rules = replace(RULES, position_size=1.5, cash_buffer=0.0, max_position=2.0)
    actions = [SELL, HOLD, HOLD, HOLD, SELL, HOLD]
    known = simulate_known(make_bars(closes, closes), actions, SPACES[3], rules, CAPITAL)

    assert identical(known, run(make_bars(closes, closes), actions, rules))
    assert known.equity.min() <= 0.0


def test_a_ruin_is_found_whatever_overflows_after_it() -> None:
    closes, opens = [100.0, 100.0, 400.0, 100.0, 100.0, 100.0], [100.0, 100.0, 100.0, 100.0, 1.7e308, 100.0]
    rules = replace(RULES, position_size=1.5, cash_buffer=0.0, max_position=2.0, fee=0.0)
    actions = [SELL, HOLD, HOLD, BUY, HOLD, HOLD]
    known = simulate_known(make_bars(opens, closes), actions, SPACES[3], rules, CAPITAL)

    assert identical(known, run(make_bars(opens, closes), actions, rules))


@thorough
@given(cases)
def test_holding_leaves_the_capital_alone(case: Case) -> None:
    case.actions = [HOLD] * case.n
    path = case.run()
    assert (set(path.equity.tolist()), path.fills, path.trades, path.refused) == ({CAPITAL}, (), (), {})


def test_a_long_worked_by_hand() -> None:
    bars = make_bars([100.0, 110.0, 120.0], [105.0, 115.0, 125.0])
    rules = replace(RULES, cash_buffer=0.0)
    path = run(bars, [BUY, HOLD], rules)
    quantity = 0.5 * 0.1 * CAPITAL / 105.0  # sized at the close of the decision
    bought, sold = 110.0 * 1.001, 125.0 * 0.999  # filled at the next open, liquidated at the last close
    cash = CAPITAL - quantity * bought * 1.0025
    final = cash + quantity * sold * 0.9975
    np.testing.assert_allclose(path.equity, [CAPITAL, CAPITAL, cash + quantity * 115.0, final], rtol=1e-12)
    assert [(fill.row, fill.side) for fill in path.fills] == [(1, "buy"), (2, "sell")]
    (trade,) = path.trades
    assert (trade.entry_row, trade.exit_row, trade.side) == (1, 2, "long")
    assert path.actions.tolist() == [BUY, HOLD]


@pytest.mark.parametrize(("action", "percent"), [(1, 25), (2, 50), (3, 75), (4, -25), (5, -50), (6, -75)])
def test_the_seven_actions_scale_the_order(action: int, percent: int) -> None:
    path = run(make_bars([100.0] * 3, [100.0] * 3), [action, 0], replace(RULES, cash_buffer=0.0), n_actions=7)
    first = path.fills[0]
    assert first.side == ("buy" if percent > 0 else "sell")
    assert first.quantity == pytest.approx(abs(percent) / 10)


def test_decisions_fall_at_every_close_but_the_last_and_see_the_account_there() -> None:
    seen = []

    def choose_action(row: int, account: Account) -> int:
        seen.append((row, account.equity, account.quantity > 0))
        return BUY if row == 0 else HOLD

    bars = make_bars([100.0] * 4, [100.0, 100.0, 110.0, 120.0])
    path = simulate(bars, choose_action, SPACES[3], RULES, CAPITAL)
    assert seen == [(0, path.equity[1], False), (1, path.equity[2], True), (2, path.equity[3], True)]


def test_crypto_sells_without_a_position_are_counted() -> None:
    path = run(make_bars([100.0] * 4, [100.0] * 4), [SELL] * 3, replace(RULES, can_short=False))
    assert (path.refused, path.fills) == ({"short_not_allowed": 3}, ())


def test_refusals_are_sorted_by_reason() -> None:
    actions = [SELL, *[BUY] * 8]
    path = run(make_bars([100.0] * 10, [100.0] * 10), actions, replace(RULES, can_short=False))
    assert list(path.refused) == ["position_cap", "short_not_allowed"]


def test_a_ruined_account_is_closed_at_the_next_open_and_trades_no_more() -> None:
    rules = replace(RULES, position_size=2.0, cash_buffer=0.0, max_position=1.0)
    asked = []

    def choose_action(row: int, _: Account) -> int:
        asked.append(row)
        return SELL

    path = simulate(
        make_bars([100.0, 100.0, 300.0, 10.0, 10.0], [100.0, 300.0, 300.0, 10.0, 10.0]),
        choose_action,
        SPACES[3],
        rules,
        CAPITAL,
    )
    assert asked == [0]
    assert path.equity[2] < 0.0
    assert path.position_value.tolist()[2:] == [0.0, 0.0, 0.0]
    assert path.actions.tolist() == [SELL, NO_ACTION, NO_ACTION, NO_ACTION]


def test_a_window_of_one_bar_decides_nothing() -> None:
    path = run(make_bars([100.0], [101.0]), [BUY])
    assert (path.equity.tolist(), path.actions.tolist()) == ([CAPITAL, CAPITAL], [])


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(MarketDataError, match="UNIUSD 1Hour"):
        run(make_bars([], []), [])


@pytest.mark.parametrize("action", [-2, 3])
def test_an_unknown_action_is_refused(action: int) -> None:
    with pytest.raises(CheckpointError, match=f"chose action {action}"):
        run(make_bars([100.0] * 2, [100.0] * 2), [action])


def test_capital_must_be_positive() -> None:
    with pytest.raises(SettingsError, match="capital"):
        run(make_bars([100.0] * 2, [100.0] * 2), [BUY], capital=0.0)
