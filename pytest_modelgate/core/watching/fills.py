"""Fills of an account, each with what it really brought; an order whose fills are not on record counts as one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_modelgate.core.watching.attribution import Chain
from pytest_modelgate.core.watching.fees import fees_of, is_pending, presumed_fee
from pytest_modelgate.core.watching.records import AccountFill, AccountRecord, Order

_SAME = 1e-3  # relative: what Alpaca rounds


@dataclass(frozen=True)
class NetFill:
    """One fill: signed units gross of fees, USD a unit, fee in kind and in USD; ``order`` is the order's key.

    Attributes:
        pending: a fee may still come.
        posted: moment by which the fee was; that of the fill without one.
    """

    order: str
    symbol: str
    at: int
    quantity: float
    price: float
    coin: float
    usd: float
    pending: bool
    posted: int

    @property
    def net(self) -> float:
        """Signed units that the position changed by."""
        return self.quantity - self.coin


def net_fills(record: AccountRecord, rate: float) -> list[NetFill]:
    """All fills of an account, oldest first.

    Args:
        rate: fee in kind that is assumed while none is posted, of the notional.
    """
    end = record.spans[-1][1] if record.spans else 0
    told = {fill.order for fill in record.fills}
    fills = [*record.fills, *(_whole(order) for order in record.orders if _lacks(order, told))]
    known, found = fees_of(fills, record.fees), []
    for fill in sorted(fills, key=lambda fill: (fill.at, fill.key)):
        fee, sign = presumed_fee(fill, known, end, rate), 1.0 if fill.side == "buy" else -1.0
        found.append(
            NetFill(
                order=fill.order,
                symbol=fill.symbol,
                at=fill.at,
                quantity=sign * fill.quantity,
                price=fill.price,
                coin=fee.coin,
                usd=fee.usd,
                pending=is_pending(fill, known, end),
                posted=fee.posted,
            )
        )
    return found


def contradiction(record: AccountRecord, symbol: str, start: int) -> str:
    """Half a sentence on orders and fills that do not fit each other since a moment; empty where all do."""
    orders = {order.key: order for order in record.orders}
    filled: dict[str, float] = {}
    for fill in record.fills:
        if fill.symbol == symbol:
            filled[fill.order] = filled.get(fill.order, 0.0) + fill.quantity
            if fill.order not in orders and fill.at >= start:
                return f"a fill in {symbol} is of an order that is not on record"
    for key, quantity in filled.items():
        order = orders.get(key)
        if order is None or order.submitted < start:
            continue
        if abs(quantity - order.filled_quantity) > _SAME * max(quantity, order.filled_quantity):
            share = quantity / order.filled_quantity if order.filled_quantity else math.inf
            return f"an order in {symbol} was filled for something else than its fills say, {share:.1%} of it"
    return ""


def of_chains(fills: Iterable[NetFill], chains: Sequence[Chain]) -> list[NetFill]:
    """Those of some orders."""
    keys = {order.key for chain in chains for order in chain.orders}
    return [fill for fill in fills if fill.order in keys]


def _lacks(order: Order, told: set[str]) -> bool:
    return order.filled_quantity > 0.0 and order.filled_price is not None and order.key not in told


def _whole(order: Order) -> AccountFill:
    at = order.submitted if order.ended is None else order.ended
    return AccountFill(
        order.key, order.key, order.symbol, order.side, order.filled_quantity, order.filled_price or 0.0, at
    )
