"""Fees that name no order: nothing of them is lost or counted twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.watch_factory import DAY, HOUR, SECOND

from pytest_modelgate.core.watching.fees import fees_of, is_pending, presumed_fee
from pytest_modelgate.core.watching.records import AccountFee, AccountFill


def bought(key: str, quantity: float, at: int, symbol: str = "BTCUSD") -> AccountFill:
    return AccountFill(key, key, symbol, "buy", quantity, 100.0, at)


def coin(key: str, quantity: float, at: int, symbol: str | None = "BTCUSD") -> AccountFee:
    return AccountFee(key, "CFEE", symbol, quantity, 0.0, 0.0, at)


def test_a_fee_goes_to_the_fill_whose_size_it_fits_though_its_price_be_told_as_0() -> None:
    fills = [bought("small", 1.0, 0), bought("large", 10.0, HOUR)]
    found = fees_of(fills, [coin("x", 0.025, 2 * HOUR), coin("y", 0.0025, 3 * HOUR)])
    assert {key: fee.coin for key, fee in found.items()} == {"large": 0.025, "small": 0.0025}


def test_a_fee_in_usd_without_a_symbol_is_of_a_sale() -> None:
    sold = AccountFill("sale", "sale", "BTCUSD", "sell", 2.0, 100.0, 0)
    fee = AccountFee("x", "CFEE", None, 0.0, 0.51, 0.0, SECOND)
    assert fees_of([bought("buy", 2.0, 0), sold], [fee])["sale"].usd == 0.51
    stock = AccountFill("stock", "stock", "AAPL", "sell", 2.0, 100.0, 0)
    assert "stock" not in fees_of([stock, sold], [fee])


@given(
    st.lists(st.tuples(st.floats(0.1, 10.0), st.integers(0, 5 * DAY)), min_size=1, max_size=12),
    st.sampled_from([0, HOUR, 20 * HOUR]),
    st.booleans(),
)
@settings(max_examples=60)
def test_what_was_charged_is_what_the_fills_paid(made: list[tuple[float, int]], lag: int, by_day: bool) -> None:
    fills = [bought(f"f{place}", quantity, at) for place, (quantity, at) in enumerate(made)]
    if by_day:
        days = {fill.at // DAY for fill in fills}
        fees = [
            coin(f"d{day}", 0.0025 * sum(fill.quantity for fill in fills if fill.at // DAY == day), (day + 1) * DAY)
            for day in days
        ]
    else:
        fees = [coin(f"c{fill.key}", 0.0025 * fill.quantity, fill.at + lag) for fill in fills]
    found = fees_of(fills, fees)
    assert sum(fee.coin for fee in found.values()) == pytest.approx(sum(fee.quantity for fee in fees))


def test_a_fee_may_come_for_two_days_and_is_presumed_where_others_came() -> None:
    fill, end = bought("new", 1.0, 3 * DAY), 4 * DAY
    known = fees_of([bought("old", 1.0, 0)], [coin("x", 0.0025, HOUR)])
    assert is_pending(fill, known, end)
    assert presumed_fee(fill, known, end, 0.003).coin == pytest.approx(0.003)
    assert presumed_fee(fill, {}, end, 0.003).coin == 0.0, "this account may take none"
    assert not is_pending(fill, known, 6 * DAY)
    assert presumed_fee(fill, known, 6 * DAY, 0.003).coin == 0.0
