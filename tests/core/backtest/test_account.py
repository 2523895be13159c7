from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_modelgate.core.backtest.account import Account, account_features
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.policy.mlp import ACCOUNT_FEATURES
from pytest_modelgate.errors import SettingsError

ROW, LATER = 7, 31
FREE = TradingRules(
    fee=0.0, slippage=0.0, position_size=0.1, cash_buffer=0.0, max_position=0.2, min_order_usd=10.0, can_short=True
)


def account(rules: TradingRules = FREE, capital: float = 10_000.0) -> Account:
    return Account(rules, capital)


def holding(quantity: float, rules: TradingRules = FREE, price: float = 100.0) -> Account:
    book = account(rules)
    book.fill(quantity, price, ROW)
    book.mark(price)
    return book


@pytest.mark.parametrize("size", [0.25, 0.5, 0.75, 1.0, -0.25, -0.5, -0.75])
def test_an_order_is_size_times_position_size_of_equity_less_the_buffer(size: float) -> None:
    rules = replace(FREE, cash_buffer=0.3)
    assert account(rules).order(size, 50.0) == pytest.approx(size * 0.1 * 7_000.0 / 50.0, rel=1e-12)


def test_size_zero_is_no_order_and_no_refusal() -> None:
    book = account()
    assert (book.order(0.0, 50.0), book.refused) == (0.0, {})


def test_repeated_signals_add_up_to_the_cap_and_the_next_one_is_refused_whole() -> None:
    book = account()
    for _ in range(4):
        book.fill(book.order(0.5, 100.0), 100.0, ROW)
        book.mark(100.0)
    assert book.quantity == pytest.approx(20.0)
    assert (book.order(0.5, 100.0), book.refused) == (0.0, {"position_cap": 1})


def test_an_order_beyond_the_cap_is_not_clipped_to_what_would_fit() -> None:
    book = holding(19.0)
    assert (book.order(0.5, 100.0), book.refused) == (0.0, {"position_cap": 1})


def test_the_cap_binds_shorts_alike() -> None:
    book = holding(-19.0)
    assert (book.order(-0.5, 100.0), book.refused) == (0.0, {"position_cap": 1})


def test_a_sell_takes_its_own_size_off_a_long() -> None:
    assert holding(20.0).order(-0.5, 100.0) == pytest.approx(-5.0)


def test_a_sell_larger_than_the_long_closes_it_and_never_goes_short() -> None:
    assert holding(3.0).order(-0.5, 100.0) == -3.0


def test_a_buy_larger_than_the_short_closes_it_and_never_goes_long() -> None:
    assert holding(-3.0).order(0.5, 100.0) == 3.0


def test_a_remainder_below_the_minimum_order_is_closed_too() -> None:
    assert holding(5.09).order(-0.5, 100.0) == -5.09


def test_a_remainder_of_the_minimum_order_stays() -> None:
    assert holding(5.11).order(-0.5, 100.0) == pytest.approx(-5.0, rel=1e-3)


def test_closing_a_position_below_the_minimum_order_is_allowed() -> None:
    assert holding(0.05).order(-0.5, 100.0) == -0.05


def test_a_reduction_below_the_minimum_order_is_refused() -> None:
    book = holding(10.0, replace(FREE, min_order_usd=300.0))
    assert (book.order(-0.25, 100.0), book.refused) == (0.0, {"below_minimum": 1})


def test_a_sell_when_flat_is_refused_where_shorts_are_not_allowed() -> None:
    book = account(replace(FREE, can_short=False))
    assert (book.order(-0.5, 100.0), book.refused) == (0.0, {"short_not_allowed": 1})


def test_an_order_below_the_minimum_is_refused() -> None:
    book = account(replace(FREE, min_order_usd=500.01))
    assert (book.order(0.5, 100.0), book.refused) == (0.0, {"below_minimum": 1})


def test_a_position_size_of_zero_orders_nothing_even_without_a_minimum() -> None:
    book = account(replace(FREE, position_size=0.0, min_order_usd=0.0))
    assert (book.order(0.5, 100.0), book.refused) == (0.0, {"below_minimum": 1})


def test_slippage_and_fee_work_against_a_buyer() -> None:
    book = account(replace(FREE, fee=0.01, slippage=0.02))
    book.fill(10.0, 100.0, ROW)
    (fill,) = book.fills
    assert fill[:3] == (ROW, "buy", 10.0)
    assert fill[3:] == pytest.approx((102.0, 10.2))
    assert book.cash == pytest.approx(10_000.0 - 1_020.0 - 10.2)


def test_slippage_and_fee_work_against_a_seller() -> None:
    book = account(replace(FREE, fee=0.01, slippage=0.02))
    book.fill(-10.0, 100.0, ROW)
    (fill,) = book.fills
    assert fill[:3] == (ROW, "sell", 10.0)
    assert fill[3:] == pytest.approx((98.0, 9.8))
    assert book.cash == pytest.approx(10_000.0 + 980.0 - 9.8)


def test_a_purchase_the_cash_cannot_pay_with_its_fee_is_refused_at_the_fill() -> None:
    book = account(replace(FREE, fee=0.01))
    book.fill(100.0, 100.0, ROW)
    assert (book.quantity, book.cash, book.fills, book.refused) == (0.0, 10_000.0, [], {"insufficient_cash": 1})


def test_a_short_can_be_covered_with_more_cash_than_there_is() -> None:
    book = holding(-10.0)
    book.fill(10.0, 2_000.0, LATER)
    assert (book.quantity, book.cash, book.refused) == (0.0, -9_000.0, {})


def test_partial_exits_are_one_trade() -> None:
    book = account(replace(FREE, fee=0.01, slippage=0.02))
    for quantity, price, row in ((10.0, 100.0, ROW), (5.0, 110.0, ROW), (-9.0, 120.0, ROW), (-6.0, 90.0, LATER)):
        book.fill(quantity, price, row)
    paid, received = 1.02 * (1_000.0 + 550.0), 0.98 * (1_080.0 + 540.0)
    fees, slippage = 0.01 * (paid + received), 0.02 * (1_550.0 + 1_620.0)
    (trade,) = book.trades
    assert trade[:4] == (ROW, LATER, "long", 15.0)
    assert trade[4:] == pytest.approx((received - paid - fees, fees + slippage))


def test_a_short_that_falls_is_a_winning_trade() -> None:
    book = holding(-10.0)
    book.fill(10.0, 90.0, LATER)
    (trade,) = book.trades
    assert trade == (ROW, LATER, "short", 10.0, 100.0, 0.0)
    assert book.winning == 1


def test_a_trade_that_ends_even_is_not_won() -> None:
    book = holding(10.0)
    book.fill(-10.0, 100.0, LATER)
    assert (len(book.trades), book.winning) == (1, 0)


def test_ruin_is_for_good() -> None:
    book = holding(-10.0)
    book.mark(1_100.0)
    book.mark(100.0)
    assert (book.ruined, book.equity) == (True, 10_000.0)


def test_features_of_a_fresh_account() -> None:
    assert account_features(account()) == (0.0, 0.5, 0.0, 0.0, 1.0, 0.0)


def test_features_follow_the_account() -> None:
    book = holding(10.0)
    book.fill(-10.0, 110.0, ROW)
    book.fill(10.0, 110.0, ROW)
    book.mark(130.0)
    book.mark(120.0)
    features = dict(zip(ACCOUNT_FEATURES, account_features(book), strict=True))
    assert features == pytest.approx(
        {
            "pnl": 0.02,
            "win_rate": 1.0,
            "drawdown": 100.0 / 10_300.0,
            "position": 1_200.0 / 10_200.0,
            "available_capital": 9_000.0 / 10_200.0,
            "account_change": 10_200.0 / 10_300.0 - 1.0,
        }
    )


def test_a_short_shows_as_negative_position_and_its_proceeds_are_not_available() -> None:
    features = dict(zip(ACCOUNT_FEATURES, account_features(holding(-10.0)), strict=True))
    assert (features["position"], features["available_capital"]) == (-0.1, 1.0)


@pytest.mark.parametrize("capital", [0.0, -1.0, math.inf, math.nan])
def test_an_account_needs_capital(capital: float) -> None:
    with pytest.raises(SettingsError, match="capital"):
        account(capital=capital)


@pytest.mark.parametrize(
    "change",
    [{"fee": 1.0}, {"fee": -0.001}, {"slippage": 1.0}, {"cash_buffer": 1.0}, {"position_size": math.nan}],
    ids=str,
)
def test_rules_outside_their_range_are_refused_by_name(change: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(change))):
        replace(FREE, **change)  # type: ignore[arg-type]  # mypy cannot see which field the key names
