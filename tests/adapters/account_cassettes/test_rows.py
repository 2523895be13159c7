"""Records out of rows: what Alpaca's words mean, and what is none of them."""

from typing import Any

import pytest

from pytest_modelgate.adapters.account_cassettes.rows import to_equity, to_fees, to_fills, to_orders, to_snapshot
from pytest_modelgate.core.watching.moments import parse_moment
from pytest_modelgate.errors import AccountError

AT = "2026-01-05T03:00:00.123456789Z"
ORDER = {
    "id": "o",
    "symbol": "ETH/USD",
    "side": "buy",
    "qty": "1",
    "status": "filled",
    "submitted_at": AT,
    "filled_at": AT,
}
FILL = {
    "id": "f",
    "activity_type": "FILL",
    "order_id": "o",
    "symbol": "ETH/USD",
    "side": "sell_short",
    "qty": "0.000000001",
    "price": "1e3",
    "transaction_time": AT,
}
FEE = {"id": "e", "activity_type": "CFEE", "symbol": "ETHUSD", "qty": "-0.5", "price": "0", "date": "2026-01-05"}


def test_symbols_of_orders_fills_and_fees_are_the_archives() -> None:
    symbols = {to_orders([ORDER], "x")[0].symbol, to_fills([FILL], "x")[0].symbol, to_fees([FEE], "x")[0].symbol}

    assert symbols == {"ETHUSD"}


def test_numbers_are_strings_and_moments_have_nine_decimals() -> None:
    (fill,) = to_fills([FILL], "x")

    assert (fill.side, fill.quantity, fill.price) == ("sell", 1e-9, 1_000.0)
    assert fill.at % 10**9 == 123_456_789


def test_a_fee_that_bears_a_day_only_counts_from_its_beginning() -> None:
    (fee,) = to_fees([FEE], "x")

    assert fee.at == parse_moment("2026-01-05T00:00:00Z")


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ("filled", "filled_at"),
        ("canceled", "canceled_at"),
        ("expired", "expired_at"),
        ("rejected", "failed_at"),
        ("replaced", "replaced_at"),
    ],
)
def test_an_order_ends_when_its_status_says(status: str, field: str) -> None:
    end = "2026-01-05T07:00:00Z"
    (order,) = to_orders([ORDER | {"status": status, field: end}], "x")

    assert order.ended == parse_moment(end)


@pytest.mark.parametrize("name", ["id", "symbol", "side", "submitted_at"])
def test_an_order_without_what_it_needs_is_refused(name: str) -> None:
    with pytest.raises(AccountError, match="here: an order lacks"):
        to_orders([{key: value for key, value in ORDER.items() if key != name}], "here")


@pytest.mark.parametrize(
    "changes", [{"qty": "-1"}, {"qty": "nan"}, {"side": "hold"}, {"submitted_at": "soon"}, {"legs": [3]}]
)
def test_an_order_of_nonsense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AccountError, match="an order lacks"):
        to_orders([ORDER | changes], "here")


@pytest.mark.parametrize("name", ["id", "order_id", "symbol", "side", "qty", "price", "transaction_time"])
def test_a_fill_without_what_it_needs_is_refused(name: str) -> None:
    with pytest.raises(AccountError, match="here: a fill lacks"):
        to_fills([{key: value for key, value in FILL.items() if key != name}], "here")


@pytest.mark.parametrize(
    "changes", [{"qty": None, "net_amount": None}, {"symbol": None}, {"date": None}, {"qty": "much"}]
)
def test_a_fee_of_nonsense_is_refused(changes: dict[str, Any]) -> None:
    row = {name: value for name, value in (FEE | changes).items() if value is not None}

    with pytest.raises(AccountError, match="here: a fee lacks"):
        to_fees([row], "here")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"account": {"equity": "1"}, "positions": []},
        {"account": {"equity": "1", "cash": "1"}, "positions": [{}]},
    ],
)
def test_a_snapshot_of_nonsense_is_refused(content: Any) -> None:
    with pytest.raises(AccountError, match="what the account was worth"):
        to_snapshot(0, content, "here")


@pytest.mark.parametrize("pairs", [[1], [[1, 2, 3]], [["a", 1]]])
def test_a_history_of_nonsense_is_refused(pairs: Any) -> None:
    with pytest.raises(AccountError, match="no history of equity"):
        to_equity(pairs, "here")
