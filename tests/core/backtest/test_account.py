from __future__ import annotations

import math
from dataclasses import replace

import pytest
from support.policies import ACCOUNTS, SPACES

from pytest_modelgate.core.backtest.account import Account, account_features
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.policy.account_features import MEASURES, AccountFeature, Encoding
from pytest_modelgate.core.policy.actions import CLOSE, Order, Target
from pytest_modelgate.errors import SettingsError

ROW, LATER = 7, 31
PLAIN = tuple(AccountFeature(name, 0.7, Encoding(), -1) for name in MEASURES)  # a reserve of 30 %
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
    assert account(rules).order(Order(size), 50.0) == pytest.approx(size * 0.1 * 7_000.0 / 50.0, rel=1e-12)


def test_size_zero_is_no_order_and_no_refusal() -> None:
    book = account()
    assert (book.order(Order(0.0), 50.0), book.refused) == (0.0, {})


def test_repeated_signals_add_up_to_the_cap_and_the_next_one_is_refused_whole() -> None:
    book = account()
    for _ in range(4):
        book.fill(book.order(Order(0.5), 100.0), 100.0, ROW)
        book.mark(100.0)
    assert book.quantity == pytest.approx(20.0)
    assert (book.order(Order(0.5), 100.0), book.refused) == (0.0, {"position_cap": 1})


def test_an_order_beyond_the_cap_is_not_clipped_to_what_would_fit() -> None:
    book = holding(19.0)
    assert (book.order(Order(0.5), 100.0), book.refused) == (0.0, {"position_cap": 1})


def test_the_cap_binds_shorts_alike() -> None:
    book = holding(-19.0)
    assert (book.order(Order(-0.5), 100.0), book.refused) == (0.0, {"position_cap": 1})


def test_a_sell_takes_its_own_size_off_a_long() -> None:
    assert holding(20.0).order(Order(-0.5), 100.0) == pytest.approx(-5.0)


def test_a_sell_larger_than_the_long_closes_it_and_never_goes_short() -> None:
    assert holding(3.0).order(Order(-0.5), 100.0) == -3.0


def test_a_buy_larger_than_the_short_closes_it_and_never_goes_long() -> None:
    assert holding(-3.0).order(Order(0.5), 100.0) == 3.0


def test_a_remainder_below_the_minimum_order_is_closed_too() -> None:
    assert holding(5.09).order(Order(-0.5), 100.0) == -5.09


def test_a_remainder_of_the_minimum_order_stays() -> None:
    assert holding(5.11).order(Order(-0.5), 100.0) == pytest.approx(-5.0, rel=1e-3)


def test_closing_a_position_below_the_minimum_order_is_allowed() -> None:
    assert holding(0.05).order(Order(-0.5), 100.0) == -0.05


def test_a_reduction_below_the_minimum_order_is_refused() -> None:
    book = holding(10.0, replace(FREE, min_order_usd=300.0))
    assert (book.order(Order(-0.25), 100.0), book.refused) == (0.0, {"below_minimum": 1})


def test_a_sell_when_flat_is_refused_where_shorts_are_not_allowed() -> None:
    book = account(replace(FREE, can_short=False))
    assert (book.order(Order(-0.5), 100.0), book.refused) == (0.0, {"short_not_allowed": 1})


def test_an_order_below_the_minimum_is_refused() -> None:
    book = account(replace(FREE, min_order_usd=500.01))
    assert (book.order(Order(0.5), 100.0), book.refused) == (0.0, {"below_minimum": 1})


def test_a_position_size_of_zero_orders_nothing_even_without_a_minimum() -> None:
    book = account(replace(FREE, position_size=0.0, min_order_usd=0.0))
    assert (book.order(Order(0.5), 100.0), book.refused) == (0.0, {"below_minimum": 1})


def test_slippage_and_fee_work_against_a_buyer() -> None:
    book = account(replace(FREE, fee=0.01, slippage=0.02))
    book.fill(10.0, 100.0, ROW)
    (fill,) = book.fills
    assert fill[:3] == (ROW, "buy", 10.0)
    assert fill[3:5] == pytest.approx((102.0, 10.2))
    assert book.cash == pytest.approx(10_000.0 - 1_020.0 - 10.2)


def test_slippage_and_fee_work_against_a_seller() -> None:
    book = account(replace(FREE, fee=0.01, slippage=0.02))
    book.fill(-10.0, 100.0, ROW)
    (fill,) = book.fills
    assert fill[:3] == (ROW, "sell", 10.0)
    assert fill[3:5] == pytest.approx((98.0, 9.8))
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
    assert account_features(account(), ACCOUNTS[6]) == (0.0, 0.5, 0.0, 0.0, 0.7, 0.0)


def test_features_follow_the_account() -> None:
    book = holding(10.0)
    book.fill(-10.0, 110.0, ROW)
    book.fill(10.0, 110.0, ROW)
    book.mark(130.0)
    book.mark(120.0)
    features = dict(zip(MEASURES, account_features(book, PLAIN), strict=True))
    assert features == pytest.approx(
        {
            "pnl": 0.02,
            "win_rate": 1.0,
            "drawdown": 100.0 / 10_300.0,
            "position": 1_200.0 / 10_200.0,
            "position_sign": 1.0,
            "available_capital": 6_000.0 / 10_200.0,
            "account_change": 0.02,
            "last_change": 10_200.0 / 10_300.0 - 1.0,
        }
    )


def test_a_short_shows_as_negative_position_and_its_proceeds_are_not_available() -> None:
    features = dict(zip(MEASURES, account_features(holding(-10.0), PLAIN), strict=True))
    assert (features["position"], features["position_sign"], features["available_capital"]) == (-0.1, -1.0, 0.8)


def test_features_are_encoded_as_the_trainer_writes_them() -> None:
    book = holding(10.0)
    book.mark(150.0)  # equity 10,500, of which 1,500 in the position and 9,000 in cash, 3,000 of it in reserve
    assert account_features(book, ACCOUNTS[6]) == pytest.approx(
        (math.tanh(0.5), 0.5, 0.0, 1_500.0 / 10_500.0 / 0.20, 6_000.0 / 10_500.0, math.log10(1.05)), rel=1e-12
    )


def test_nothing_is_available_once_the_reserve_is_touched() -> None:
    feature = AccountFeature("available_capital", 0.7, Encoding(), 0)
    assert account_features(holding(80.0), [feature]) == (0.0,)


@pytest.mark.parametrize("encoding", [Encoding("linear", 2.0), Encoding("tanh", 3.0), Encoding("log10"), Encoding()])
def test_the_reserve_is_what_the_neutral_value_says_however_it_is_written(encoding: Encoding) -> None:
    feature = AccountFeature("available_capital", encoding.encode(0.7), encoding, 0)
    (seen,) = account_features(holding(10.0), [feature])
    assert seen == pytest.approx(encoding.encode(6_000.0 / 10_000.0), rel=1e-12)


def test_a_target_is_reached_and_kept_whatever_prices_make_of_it() -> None:
    book = account()
    book.fill(book.order(Target(0.15), 100.0), 100.0, ROW)
    book.mark(200.0)
    assert book.quantity == pytest.approx(15.0)
    assert (book.order(Target(0.15), 200.0), book.refused) == (0.0, {})


def test_another_target_trades_the_difference() -> None:
    book = account()
    book.fill(book.order(Target(0.15), 100.0), 100.0, ROW)
    assert book.order(Target(0.05), 100.0) == pytest.approx(-10.0)


def test_a_target_beyond_the_cap_is_cut_to_it_and_counted() -> None:
    book = account()
    assert book.order(Target(1.0), 100.0) == pytest.approx(20.0)
    assert book.refused == {"cut_to_cap": 1}


def test_a_target_on_the_other_side_closes_first_and_opens_when_it_is_repeated() -> None:
    book = holding(10.0)
    book.fill(book.order(Target(-0.1), 100.0), 100.0, ROW)
    assert book.quantity == 0.0
    assert book.order(Target(-0.1), 100.0) == pytest.approx(-10.0)


def test_a_target_below_zero_closes_a_long_and_is_refused_where_shorts_are_not_allowed() -> None:
    book = holding(10.0, replace(FREE, can_short=False))
    book.fill(book.order(Target(-0.1), 100.0), 100.0, ROW)
    assert (book.order(Target(-0.1), 100.0), book.refused) == (0.0, {"short_not_allowed": 1})
    assert book.quantity == 0.0


def test_closing_is_always_allowed_and_does_nothing_to_a_flat_account() -> None:
    assert holding(0.05).order(CLOSE, 100.0) == -0.05
    flat = account()
    assert (flat.order(CLOSE, 100.0), flat.refused) == (0.0, {})


def test_a_target_that_cash_could_not_pay_is_tried_again() -> None:
    book = account(replace(FREE, max_position=1.0, fee=0.01))
    for _ in range(2):
        book.fill(book.order(Target(1.0), 100.0), 100.0, ROW)
    assert (book.quantity, book.refused) == (0.0, {"insufficient_cash": 2})


def test_orders_of_eight_actions_end_with_close() -> None:
    assert SPACES[8][:-1] == SPACES[7]
    assert holding(-3.0).order(SPACES[8][-1], 100.0) == 3.0


def test_a_target_beyond_the_cap_keeps_a_position_that_grew_beyond_it() -> None:
    book = account()
    book.fill(book.order(Target(0.15), 100.0), 100.0, ROW)
    book.mark(200.0)  # 15 units of 3,000 USD, 26 % of the equity, are above the cap of 20 %
    assert (book.order(Target(0.5), 200.0), book.refused) == (0.0, {"cut_to_cap": 1})
    assert book.order(Target(0.1), 200.0) == pytest.approx(1_150.0 / 200.0 - 15.0)


def test_a_target_worth_less_than_the_smallest_order_closes_the_position() -> None:
    assert holding(10.0).order(Target(0.0009), 100.0) == -10.0


def test_a_target_that_was_refused_is_not_taken_for_reached() -> None:
    book = holding(10.0, replace(FREE, min_order_usd=600.0))
    assert book.order(Target(0.15), 100.0) == 0.0
    book.mark(60.0)
    assert book.order(Target(0.15), 60.0) == pytest.approx(14.0)
    assert book.refused == {"below_minimum": 1}


def test_a_target_that_is_there_already_is_no_refusal() -> None:
    book = holding(10.0)
    assert (book.order(Target(0.1), 100.0), book.refused) == (0.0, {})


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
