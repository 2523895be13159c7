"""Records of an account out of the rows that Alpaca serves, as they are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_modelgate.core.watching.moments import parse_moment
from pytest_modelgate.core.watching.records import AccountFee, AccountFill, Order, OrderSide, Snapshot
from pytest_modelgate.errors import AccountError

_Row = Mapping[str, Any]
_ENDED = {  # words for orders that nothing more will come of, and what tells when that was; any other is open
    "filled": "filled_at",
    "canceled": "canceled_at",
    "expired": "expired_at",
    "rejected": "failed_at",
    "replaced": "replaced_at",
}
_TORN = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_REMEDY = "Record the account again later, and report it if it stays"


def to_orders(rows: Iterable[_Row], where: str) -> list[Order]:
    """Orders, each followed by its legs.

    Args:
        where: names the cassette in error messages.

    Raises:
        AccountError: a row is no order.
    """
    try:
        return [order for row in rows for order in _with_legs(row, None)]
    except _TORN:
        problem = "an order lacks its id, symbol, side, or the moment of its submission, or has no such quantity"
        raise AccountError(where, problem, _REMEDY) from None


def to_fills(rows: Iterable[_Row], where: str) -> list[AccountFill]:
    """Fills among an account's activities; args and errors as of ``to_orders``."""
    try:
        return [_fill(row) for row in rows if row["activity_type"] == "FILL"]
    except _TORN:
        problem = "a fill lacks its id, order, symbol, side, quantity, price or moment"
        raise AccountError(where, problem, _REMEDY) from None


def to_fees(rows: Iterable[_Row], where: str) -> list[AccountFee]:
    """Fees among an account's activities, but those that were taken back; args and errors as of ``to_orders``."""
    try:
        return [_fee(row) for row in rows if row["activity_type"] != "FILL" and row.get("status") != "canceled"]
    except _TORN:
        raise AccountError(where, "a fee lacks its id, its amount or its day", _REMEDY) from None


def to_snapshot(at: int, content: _Row, where: str) -> Snapshot:
    """What an account was worth and held at a moment; args and errors as of ``to_orders``."""
    try:
        positions = {_symbol(row): _signed(row) for row in content["positions"]}
        account = content["account"]
        return Snapshot(at, float(account["equity"]), float(account["cash"]), dict(sorted(positions.items())))
    except _TORN:
        raise AccountError(where, "does not say what the account was worth and held", _REMEDY) from None


def to_equity(pairs: Sequence[Sequence[Any]], where: str) -> list[tuple[int, float]]:
    """Moments and USD of a portfolio history; args and errors as of ``to_orders``."""
    try:
        return [(int(at), float(usd)) for at, usd in pairs]
    except _TORN:
        raise AccountError(where, "is no history of equity", _REMEDY) from None


def _with_legs(row: _Row, parent: str | None) -> Iterator[Order]:
    order = _order(row, parent)
    yield order
    for leg in row.get("legs", ()):
        yield from _with_legs(leg, order.key)


def _order(row: _Row, parent: str | None) -> Order:
    status = row.get("status", "")
    ended = row.get(_ENDED[status]) if status in _ENDED else None
    submitted = _moment(row, "submitted_at", "created_at")
    return Order(
        key=row["id"],
        client_order_id=row.get("client_order_id", ""),
        symbol=_symbol(row),
        side=_side(row),
        quantity=_positive(row.get("qty")),
        notional=_positive(row.get("notional")),
        submitted=submitted,
        ended=parse_moment(ended) if ended else submitted if status in _ENDED else None,
        status=status,
        filled_quantity=_positive(row.get("filled_qty")) or 0.0,
        filled_price=_positive(row.get("filled_avg_price")),
        parent=parent,
        replaces=row.get("replaces"),
    )


def _fill(row: _Row) -> AccountFill:
    quantity, price = _positive(row["qty"]), _positive(row["price"])
    if quantity is None or price is None:
        raise ValueError(row["activity_type"])
    moment = _moment(row, "transaction_time", "created_at")
    return AccountFill(row["id"], row["order_id"], _symbol(row), _side(row), quantity, price, moment)


def _fee(row: _Row) -> AccountFee:
    """In kind where a quantity is told, else in USD: then a symbol may be missing, and the price is of nothing."""
    quantity = abs(_number(row.get("qty", "0")))
    usd = 0.0 if quantity else abs(_number(row["net_amount"]))
    symbol = _symbol(row) if row.get("symbol") else None
    if quantity and symbol is None:
        raise ValueError(row["activity_type"])
    price = abs(_number(row.get("price", "0"))) if quantity else 0.0
    moment = parse_moment(row.get("created_at") or row.get("transaction_time") or f"{row['date'][:10]}T00:00:00Z")
    return AccountFee(row["id"], row["activity_type"], symbol, quantity, usd, price, moment)


def _moment(row: _Row, *names: str) -> int:
    return parse_moment(next((row[name] for name in names if row.get(name)), ""))


def _symbol(row: _Row) -> str:
    """The archive's spelling."""
    return str(row["symbol"].replace("/", ""))


def _side(row: _Row) -> OrderSide:
    """``sell_short`` and ``buy_minus`` are sales and purchases, too."""
    return "buy" if row["side"].startswith("buy") else _sold(row)


def _sold(row: _Row) -> OrderSide:
    if not row["side"].startswith("sell"):
        raise ValueError(row["side"])
    return "sell"


def _signed(row: _Row) -> float:
    quantity = abs(_number(row["qty"]))
    return -quantity if row["side"] == "short" or row["qty"].startswith("-") else quantity


def _positive(text: str | None) -> float | None:
    """A number above zero; None where there is none, or zero."""
    value = _number(text) if text else 0.0
    if value < 0:
        raise ValueError(text)
    return value or None


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
