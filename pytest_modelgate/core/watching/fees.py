"""Which fill a fee was for: Alpaca ties fees to no order, and posts them up to a day later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_modelgate.core.market.bars import AssetClass, Instrument
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountFee, AccountFill
from pytest_modelgate.errors import ArchiveError

WAIT = 48 * 3600 * NANOSECONDS  # after which a fee that was not posted is none
_LEAST, _MOST = 0.0005, 0.0035  # of a notional; maker 0.15 %, taker 0.25 %, both in one order


@dataclass(frozen=True)
class FillFee:
    """Fee of one fill: units of the coin taken in kind and USD, neither negative; all of it was ``posted`` by then."""

    coin: float
    usd: float
    posted: int


def fees_of(fills: Sequence[AccountFill], fees: Sequence[AccountFee]) -> dict[str, FillFee]:
    """Fees by the key of their fill; fills without any are left out.

    A fee belongs to the first fill of the two days before it whose size it fits and that has none yet; one that fits
    none, such as that of a whole day, is shared by size among those that have none of their own.

    Args:
        fills, fees: of the whole account.
    """
    ordered = sorted(fills, key=lambda fill: (fill.at, fill.key))
    own: dict[str, FillFee] = {}
    common = []
    for fee in sorted(fees, key=lambda fee: (fee.at, fee.key)):
        fits = (fill for fill in ordered if fill.key not in own and _may_be(fill, fee) and _fits(fill, fee))
        fill = next(fits, None)
        if fill is None:
            common.append(fee)
        else:
            own[fill.key] = FillFee(fee.quantity, fee.usd, fee.at)
    shared: dict[str, FillFee] = {}
    for fee in common:
        among = [fill for fill in ordered if fill.key not in own and _may_be(fill, fee)]
        whole = sum(_basis(fill, fee) for fill in among)
        for fill in among:
            part, before = _basis(fill, fee) / whole, shared.get(fill.key, FillFee(0.0, 0.0, 0))
            shared[fill.key] = FillFee(before.coin + fee.quantity * part, before.usd + fee.usd * part, fee.at)
    return {**own, **shared}


def presumed_fee(fill: AccountFill, known: Mapping[str, FillFee], end: int, rate: float) -> FillFee:
    """The fee of a fill; of a coin bought so lately that none is posted yet, the one assumed if any ever was.

    Args:
        end: of the record.
        rate: of the notional.
    """
    if fill.key in known:
        return known[fill.key]
    pending = bool(known) and is_pending(fill, known, end) and fill.side == "buy"
    return FillFee(rate * fill.quantity if pending else 0.0, 0.0, fill.at)


def is_pending(fill: AccountFill, known: Mapping[str, FillFee], end: int) -> bool:
    """Whether a fee may still come."""
    return fill.key not in known and fill.at > end - WAIT and is_crypto(fill.symbol)


def is_crypto(symbol: str) -> bool:
    """Whether fees are taken in kind; no for what is no symbol."""
    try:
        return Instrument.parse(symbol).asset_class is AssetClass.CRYPTO
    except ArchiveError:
        return False


def _may_be(fill: AccountFill, fee: AccountFee) -> bool:
    if not fill.at <= fee.at < fill.at + WAIT or is_crypto(fill.symbol) != (fee.kind == "CFEE"):
        return False
    if fee.symbol is not None and fee.symbol != fill.symbol:
        return False
    return fill.side == ("buy" if fee.quantity > 0.0 else "sell")


def _fits(fill: AccountFill, fee: AccountFee) -> bool:
    return _LEAST <= _size(fee) / _basis(fill, fee) <= _MOST


def _size(fee: AccountFee) -> float:
    return fee.quantity if fee.quantity > 0.0 else fee.usd


def _basis(fill: AccountFill, fee: AccountFee) -> float:
    """What the fee is a share of: units where it was taken in kind, else USD."""
    return fill.quantity if fee.quantity > 0.0 else fill.quantity * fill.price
