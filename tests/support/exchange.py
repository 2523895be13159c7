"""A brokerage account in a simulated market: orders fill at the next open, and time moves only when it is told to.

Moments are nanoseconds since 1970 UTC. A market order that arrives in a bar's first minute fills at that bar's open;
one that arrives later fills on the straight line from open to close, and one between bars at the next open.
"""

from __future__ import annotations

import heapq
import math
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

SECOND = 1_000_000_000
_MINUTE = 60 * SECOND
_LATENCY = SECOND // 3  # from an order's arrival to its first fill
_LEAST_USD = 1.0  # of an order
_SMALLEST = 1e-9  # of a coin
Side = Literal["buy", "sell"]
CLOSED = ("filled", "canceled", "expired", "rejected", "replaced")


class RefusedError(Exception):
    """A request the broker refuses: HTTP status, its number, and what it says."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Terms:
    """What trading costs, and how it is told.

    Attributes:
        half_spread: fraction by which a fill is worse than the price of the bar.
        crypto_fee: of the notional, in coins of a purchase and in USD of a sale.
        stock_fee: regulatory, of the notional of a sale.
        partial: chance that an order fills in two parts.
        fee_lag: longest time until a fee is told, seconds; it is taken at once.
        priceless_fees: fees in kind are told with a price of 0, as they are of coins with tiny prices.
        to_the_cent: fees in USD are rounded up to the cent.
        nameless_fees: fees in USD are told without their symbol.
    """

    half_spread: float = 0.0005
    crypto_fee: float = 0.0025
    stock_fee: float = 0.0
    partial: float = 0.1
    fee_lag: float = 60.0
    priceless_fees: bool = False
    to_the_cent: bool = True
    nameless_fees: bool = True


class Prices:
    """Raw bars of one symbol."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.starts = pd.DatetimeIndex(frame.index).as_unit("ns").asi8
        self.opens, self.highs, self.lows, self.closes = (
            frame[name].to_numpy(float) for name in ("open", "high", "low", "close")
        )
        self.length = int(np.diff(self.starts).min())

    def at(self, moment: int) -> float:
        """The price that the market has, or had last."""
        row = max(0, int(np.searchsorted(self.starts, moment, "right")) - 1)
        return self._inside(row, moment)

    def next_trade(self, moment: int) -> tuple[int, float] | None:
        """When and at which price an order that arrives at a moment can be filled; None after the last bar."""
        row = int(np.searchsorted(self.starts, moment, "right")) - 1
        if row >= 0 and moment < self.starts[row] + self.length:
            return moment, self._inside(row, moment)
        return (int(self.starts[row + 1]), float(self.opens[row + 1])) if row + 1 < len(self.starts) else None

    def stopped(self, moment: int, side: Side, stop: float) -> tuple[int, float] | None:
        """When and at which price the first later bar reaches a stop; None where none does."""
        rows = np.flatnonzero(
            (self.starts >= moment) & ((self.lows <= stop) if side == "sell" else (self.highs >= stop))
        )
        if not len(rows):
            return None
        row = rows[0]
        price = min(self.opens[row], stop) if side == "sell" else max(self.opens[row], stop)
        return int(self.starts[row] + self.length // 2), float(price)

    def _inside(self, row: int, moment: int) -> float:
        since = moment - int(self.starts[row])
        if since <= _MINUTE:
            return float(self.opens[row])
        share = min(1.0, since / self.length)
        return float(self.opens[row] + (self.closes[row] - self.opens[row]) * share)


@dataclass(eq=False)
class Placed:
    """One order; ``quantity`` or ``notional`` (USD) is what was asked for, ``paid`` USD over all of its fills."""

    id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: float | None
    notional: float | None
    submitted: int
    kind: Literal["market", "stop"] = "market"
    stop: float | None = None
    status: str = "new"
    filled: float = 0.0
    paid: float = 0.0
    ended: int | None = None
    legs: list[Placed] = field(default_factory=list)
    is_leg: bool = False
    replaces: str | None = None
    replaced_by: str | None = None

    @property
    def is_open(self) -> bool:
        return self.status not in CLOSED


@dataclass(frozen=True)
class Activity:
    """One thing that happened, told from ``told`` on; ``facts`` as Alpaca names them."""

    id: str
    kind: str
    at: int
    told: int
    facts: Mapping[str, str]


class Exchange:
    """One account.

    Args:
        series: raw bars by Alpaca's symbol; one with a slash is a coin's.
        now: moment at which it is opened, flat.
        cash: USD.
        seed: decides ids, partial fills and lags.
    """

    def __init__(
        self, series: Mapping[str, pd.DataFrame], now: int, cash: float, terms: Terms | None = None, seed: int = 0
    ) -> None:
        self.prices = {symbol: Prices(frame) for symbol, frame in series.items()}
        self.now, self.opened, self.cash, self.terms = now, now, cash, terms or Terms()
        self._rng = random.Random(seed)
        self.id = self._uuid()
        self.held: dict[str, float] = {}
        self.orders: list[Placed] = []
        self.activities: list[Activity] = []
        self._ids: set[str] = set()
        self._open: list[Placed] = []
        self._states: list[tuple[int, float, dict[str, float]]] = [(now, cash, {})]
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0

    # Time

    def move(self, to: int) -> None:
        """Let everything happen up to a moment.

        Raises:
            ValueError: it has passed.
        """
        if to < self.now:
            raise ValueError(f"{to} is before {self.now}")
        while self._due and self._due[0][0] <= to:
            moment, _, happens = heapq.heappop(self._due)
            self.now = max(self.now, moment)
            happens(self.now)
        self.now = to

    # What a trader does

    def submit(
        self,
        symbol: str,
        side: Side,
        quantity: float | None = None,
        *,
        notional: float | None = None,
        client_order_id: str | None = None,
        stop: float | None = None,
        stop_loss: float | None = None,
    ) -> Placed:
        """Send an order.

        Args:
            quantity, notional: units or USD; one of them.
            stop: price at which it becomes a market order.
            stop_loss: price of a leg that sells again what it bought.

        Raises:
            RefusedError: the account does not allow it (403), or it makes no sense (422); nothing is left of it.
        """
        order = Placed(
            self._uuid(),
            client_order_id or self._uuid(),
            symbol,
            side,
            quantity,
            notional,
            self.now,
            "stop" if stop is not None else "market",
            stop,
        )
        self._check(order)
        self.orders.append(order)
        self._ids.add(order.client_order_id)
        if stop_loss is not None:
            other: Side = "sell" if side == "buy" else "buy"
            leg = Placed(self._uuid(), self._uuid(), symbol, other, quantity, None, self.now, "stop", stop_loss, "held")
            leg.is_leg = True
            order.legs.append(leg)
        self._work(order)
        return order

    def cancel(self, order_id: str) -> None:
        """Cancel an order and its legs.

        Raises:
            RefusedError: there is none (404), or it has ended (422).
        """
        order = self.find(order_id)
        if not order.is_open:
            raise RefusedError(422, 42210000, f'order is already in "{order.status}" state')
        for each in (order, *order.legs):
            if each.is_open:
                each.status, each.ended = "canceled", self.now

    def replace(self, order_id: str, quantity: float) -> Placed:
        """Put another order in the place of one that is open.

        Raises:
            RefusedError: as of ``cancel``.
        """
        old = self.find(order_id)
        if not old.is_open:
            raise RefusedError(422, 42210000, f'order is already in "{old.status}" state')
        old.status, old.ended = "replaced", self.now
        new = Placed(self._uuid(), self._uuid(), old.symbol, old.side, quantity, None, self.now, old.kind, old.stop)
        old.replaced_by, new.replaces = new.id, old.id
        self.orders.append(new)
        self._work(new)
        return new

    def deposit(self, usd: float) -> None:
        """Pay in, or out."""
        self.cash += usd
        self._remember()
        self._tell("CSD", self.now, 0.0, {"net_amount": f"{usd:.2f}", "status": "executed"})

    # What an account shows

    def find(self, order_id: str) -> Placed:
        """The order of an id.

        Raises:
            RefusedError: there is none (404).
        """
        for order in self._all():
            if order.id == order_id:
                return order
        raise RefusedError(404, 40410000, f"order not found for {order_id}")

    @property
    def equity(self) -> float:
        """USD, at present prices."""
        return self._worth(self.now, self.cash, self.held)

    def equity_at(self, moments: list[int]) -> list[float]:
        """USD at moments, ascending, none before the account was opened."""
        worth, place = [], 0
        for moment in moments:
            while place + 1 < len(self._states) and self._states[place + 1][0] <= moment:
                place += 1
            worth.append(self._worth(moment, *self._states[place][1:]))
        return worth

    # Inside

    def _check(self, order: Placed) -> None:
        asked = order.notional if order.quantity is None else order.quantity
        if order.symbol not in self.prices:
            raise RefusedError(422, 40010001, f'asset "{order.symbol}" not found')
        if (order.quantity is None) == (order.notional is None) or asked is None or not 0 < asked < math.inf:
            raise RefusedError(422, 40010001, "qty or notional must be > 0")
        if order.client_order_id in self._ids:
            raise RefusedError(422, 40010001, "client_order_id must be unique")
        price = self.prices[order.symbol].at(self.now)
        size = asked / price if order.quantity is None else asked
        held = self.held.get(order.symbol, 0.0)
        if size * price < _LEAST_USD and size != held:  # all that is left may always be sold
            raise RefusedError(403, 40310000, "cost basis must be >= minimal amount of order 1")
        if order.side == "buy":
            if held >= 0.0 and size * price > self.cash * (1.0 + _SMALLEST):
                raise RefusedError(403, 40310000, "insufficient balance")
        else:
            free = held - sum(other.quantity or 0.0 for other in self._open_sales(order.symbol))
            if "/" in order.symbol and size > free + _SMALLEST:
                raise RefusedError(403, 40310000, "insufficient balance for the asset")
            if (size - held) * price > max(0.0, self.equity):
                raise RefusedError(403, 40310000, "insufficient buying power")

    def _open_sales(self, symbol: str) -> Iterator[Placed]:
        return (
            other
            for other in self._still_open()
            if other.status != "held" and other.side == "sell" and other.symbol == symbol
        )

    def _still_open(self) -> list[Placed]:
        self._open = [order for order in self._open if order.is_open]
        return self._open

    def _all(self) -> Iterator[Placed]:
        for order in self.orders:
            yield order
            yield from order.legs

    def _work(self, order: Placed) -> None:
        """Have an order filled when the market lets it."""
        self._open.append(order)
        prices = self.prices[order.symbol]
        if order.stop is not None:
            trade = prices.stopped(self.now, order.side, order.stop)
        else:
            trade = prices.next_trade(self.now)
        if trade is None:
            return
        moment, market = trade
        worse = 1.0 + self.terms.half_spread if order.side == "buy" else 1.0 - self.terms.half_spread
        price = round(market * worse, 6)
        whole = order.quantity if order.quantity is not None else math.floor((order.notional or 0) / price * 1e9) / 1e9
        part = round(whole * self._rng.uniform(0.2, 0.8), 9)
        first = part if part > 0.0 and self._rng.random() < self.terms.partial else whole
        self._plan(moment + _LATENCY, lambda at: self._fill(order, first, price, at, last=first == whole))
        if first != whole:
            rest = round(whole - first, 9)
            self._plan(moment + 5 * _LATENCY, lambda at: self._fill(order, rest, price, at, last=True))

    def _fill(self, order: Placed, size: float, price: float, at: int, *, last: bool) -> None:
        if not order.is_open:
            return
        order.filled, order.paid = round(order.filled + size, 9), order.paid + size * price
        order.status = "filled" if last else "partially_filled"
        is_coin, sold = "/" in order.symbol, order.side == "sell"
        taken, usd = 0.0, 0.0
        if is_coin and not sold:
            taken = round(size * self.terms.crypto_fee, 9)
        elif sold:
            usd = size * price * (self.terms.crypto_fee if is_coin else self.terms.stock_fee)
            usd = math.ceil(usd * 100 - _SMALLEST) / 100 if self.terms.to_the_cent else round(usd, 9)
        signed = -size if sold else size
        self.cash += -signed * price - usd
        held = round(self.held.get(order.symbol, 0.0) + signed - taken, 9)
        self.held = {symbol: amount for symbol, amount in {**self.held, order.symbol: held}.items() if amount}
        self._remember()
        fill = {
            "symbol": order.symbol,
            "side": order.side,
            "qty": number(size),
            "price": number(price),
            "cum_qty": number(order.filled),
            "leaves_qty": number(0.0 if last else (order.quantity or order.filled) - order.filled),
            "order_id": order.id,
            "order_status": order.status,
            "type": "fill" if last else "partial_fill",
        }
        self._tell("FILL", at, 0.0, fill)
        lag = self._rng.uniform(0.0, self.terms.fee_lag)
        if taken:
            told = "0" if self.terms.priceless_fees else number(price)
            symbol = order.symbol.replace("/", "")
            facts = {"symbol": symbol, "qty": number(-taken), "price": told, "net_amount": "0", "status": "executed"}
            self._tell("CFEE", at, lag, facts)
        if usd:
            facts = {"net_amount": number(-usd), "status": "executed"}
            symbol = order.symbol.replace("/", "")
            self._tell(
                "CFEE" if is_coin else "FEE", at, lag, facts | ({} if self.terms.nameless_fees else {"symbol": symbol})
            )
        if last:
            order.ended = at
            for leg in order.legs:
                leg.status = "new"
                self._work(leg)

    def _tell(self, kind: str, at: int, lag: float, facts: Mapping[str, str]) -> None:
        told = at + int(lag * SECOND)
        local = pd.Timestamp(at, tz="UTC").tz_convert("America/New_York")
        stamp = (
            f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}" if kind == "FILL" else f"{local:%Y%m%d}" + "0" * 9
        )
        activity = Activity(f"{stamp}::{self._uuid()}", kind, at, told, facts)
        if told > self.now:
            self._plan(told, lambda _: self.activities.append(activity))
        else:
            self.activities.append(activity)

    def _plan(self, moment: int, happens: Callable[[int], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (moment, self._count, happens))

    def _remember(self) -> None:
        self._states.append((self.now, self.cash, self.held))

    def _worth(self, moment: int, cash: float, held: Mapping[str, float]) -> float:
        return cash + sum(size * self.prices[symbol].at(moment) for symbol, size in held.items())

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))


def number(value: float) -> str:
    """A number as Alpaca writes it: text, without zeros at its end."""
    return f"{value:.9f}".rstrip("0").rstrip(".") or "0"


def moment_of(text: Any) -> int:
    """Nanoseconds since 1970 UTC."""
    moment = pd.Timestamp(text)
    return int((moment.tz_localize("UTC") if moment.tzinfo is None else moment).as_unit("ns").value)
