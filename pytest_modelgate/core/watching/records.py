"""What is on record of a trading account, in plain types; every identifier in it is a pseudonym."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

AccountKind = Literal["paper", "live"]
OrderSide = Literal["buy", "sell"]
NANOSECONDS = 1_000_000_000  # moments are integers of them since 1970 UTC, as Alpaca writes up to nine decimals


@dataclass(frozen=True)
class Order:
    """One order as Alpaca last told of it.

    Attributes:
        key: pseudonym of its id.
        client_order_id: as the trader gave it where that is of a known scheme (``order_ids``); ``map.MODEL.`` and a
            pseudonym where a map told its model when it was recorded; else ``other-`` and a pseudonym.
        symbol: the archive's spelling, without a slash.
        quantity: units ordered; None where a notional was.
        notional: USD ordered; None where a quantity was.
        submitted, ended: moments; ``ended`` of the last fill, the cancellation, expiry or refusal, None while open.
        status: Alpaca's word; one that is unknown counts as open.
        filled_quantity: units, gross of fees in kind.
        filled_price: USD, average of its fills; None without any.
        parent: key of the order whose leg it is; None for most.
        replaces: key of the order that it took the place of; None for most.
    """

    key: str
    client_order_id: str
    symbol: str
    side: OrderSide
    quantity: float | None
    notional: float | None
    submitted: int
    ended: int | None
    status: str
    filled_quantity: float
    filled_price: float | None
    parent: str | None = None
    replaces: str | None = None


@dataclass(frozen=True)
class AccountFill:
    """One execution: ``order`` is the order's key, ``quantity`` units (positive), ``price`` USD, ``at`` the moment."""

    key: str
    order: str
    symbol: str
    side: OrderSide
    quantity: float
    price: float
    at: int


@dataclass(frozen=True)
class AccountFee:
    """One fee, which Alpaca ties to no order.

    Attributes:
        kind: ``CFEE`` of crypto or ``FEE`` of stocks.
        symbol: the archive's spelling; None where Alpaca does not say.
        quantity: units of the coin taken in kind, not negative; 0 where it was taken in USD.
        usd: USD taken, not negative; 0 where it was taken in kind.
        price: USD of a unit as Alpaca tells; 0 where it tells none.
        at: the moment of the fee, not of the trade.
    """

    key: str
    kind: Literal["CFEE", "FEE"]
    symbol: str | None
    quantity: float
    usd: float
    price: float
    at: int


@dataclass(frozen=True)
class Snapshot:
    """The account at the end of one recording: USD, and signed units by symbol."""

    at: int
    equity: float
    cash: float
    positions: Mapping[str, float]


@dataclass(frozen=True)
class Promotion:
    """One promotion that a recording saw in force: digest of its ``promotion.json``, and its models' sha256 by id."""

    digest: str
    models: Mapping[str, str]


@dataclass(frozen=True)
class AccountRecord:
    """Everything on record of one account, oldest first.

    Attributes:
        account: eight characters that stand for the account.
        spans: half-open stretches that were recorded without a gap, as pairs of moments; disjoint, ascending.
        equity: USD at the end of an hour by its beginning, from the portfolio history; sizes on a shared account refer
            to it.
        promotions: those that the recordings saw, oldest first.
        sha256: over all of it.
        since: moment from which the account is the same without a reset.
    """

    account: str
    kind: AccountKind
    spans: tuple[tuple[int, int], ...]
    orders: tuple[Order, ...]
    fills: tuple[AccountFill, ...]
    fees: tuple[AccountFee, ...]
    equity: tuple[tuple[int, float], ...]
    snapshots: tuple[Snapshot, ...]
    promotions: tuple[Promotion, ...]
    sha256: str
    since: int = 0


@dataclass(frozen=True)
class JournalLine:
    """What a trader says it decided at one bar.

    Attributes:
        bar: start of the bar at whose close it decided, seconds since 1970 UTC.
        sent: whether an order was sent; ``why`` says why none was, ``code`` the broker's number where it refused.
        close: USD that the trader saw; None where it does not say.
    """

    bar: int
    model: str
    sha256: str
    action: str
    probability: float | None
    sent: bool
    why: str
    code: int | None
    close: float | None


@dataclass(frozen=True)
class MappedModel:
    """Which orders are a model's, where their ids do not say: those of its symbols, or whose id fits a pattern.

    ``client_order_id`` is a regular expression that all of an id as it is recorded must fit.
    """

    id: str
    symbols: tuple[str, ...] = ()
    client_order_id: str | None = None


@dataclass(frozen=True)
class Explained:
    """Orders that the user explains: a kind of difference (``missing``, ``extra``, ...) of a model in a range of bars.

    ``start`` and ``end`` are half-open bounds of bar starts, seconds since 1970 UTC.
    """

    model: str
    kind: str
    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class TraderMap:
    """What the user says of the trader: whose orders are whose, and what explains a difference."""

    models: tuple[MappedModel, ...] = ()
    explained: tuple[Explained, ...] = ()
    journal: tuple[JournalLine, ...] = field(default=())
