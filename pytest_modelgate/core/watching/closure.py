"""Whether fills and fees account for what became of cash and position between two recordings of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from pytest_modelgate.core.watching.fills import NetFill
from pytest_modelgate.core.watching.market import RawMarket
from pytest_modelgate.core.watching.period import split_between
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountRecord, Snapshot

_LOOKING = 60 * NANOSECONDS


def closure(
    record: AccountRecord, market: RawMarket, fills: Sequence[NetFill], *, symbol: str, start: int, rate: float
) -> float | None:
    """Largest share of equity that nothing accounts for, between any two recordings in a row.

    Cash changes by fills in all symbols, models' and foreign ones, and by fees in USD; the position in the model's
    symbol by its fills, less fees in kind. What changes neither, such as prices, needs no account.

    Args:
        fills: of the whole account.
        start: moment from which on it matters.
        rate: what fees that are not posted yet, or were posted after a recording, are allowed to be, of the notional.

    Returns:
        None where there are fewer than two recordings since then.
    """
    begun = [snapshot for snapshot in record.snapshots if snapshot.at <= start][-1:]
    seen = [*begun, *(snapshot for snapshot in record.snapshots if snapshot.at > start)]
    apart = [
        min(
            _unaccounted(earlier, later, record, market, fills, symbol=symbol, rate=rate)
            for earlier in _moments(one)
            for later in _moments(other)
        )
        for one, other in pairwise(seen)
    ]
    return float(np.max(apart)) if apart else None  # NaN where one of them is


def _moments(snapshot: Snapshot) -> tuple[Snapshot, Snapshot]:
    """It was looked at some requests before its recording ended: a fill in between may be in it or not."""
    return snapshot, replace(snapshot, at=snapshot.at - _LOOKING)


def _unaccounted(
    one: Snapshot,
    other: Snapshot,
    record: AccountRecord,
    market: RawMarket,
    fills: Sequence[NetFill],
    *,
    symbol: str,
    rate: float,
) -> float:
    inside = [fill for fill in fills if one.at < fill.at <= other.at]
    late = [fill for fill in fills if any(_in_flight(fill, moment.at) for moment in (one, other))]
    slack = rate * sum(abs(fill.quantity) * fill.price for fill in late)
    posted = sum(fee.usd for fee in record.fees if one.at < fee.at <= other.at)
    cash = other.cash - one.cash + posted + sum(fill.quantity * fill.price for fill in inside)
    held = one.positions.get(symbol, 0.0) * split_between(market, one.at, other.at)
    held += sum(fill.net * split_between(market, fill.at, other.at) for fill in inside if fill.symbol == symbol)
    price = float(market.closes[max(0, min(market.row_of(other.at), len(market.closes) - 1))])
    position = (other.positions.get(symbol, 0.0) - held) * price
    if not other.equity > 0.0:
        return 1.0
    return max(abs(cash) + abs(position) - slack, 0.0) / other.equity


def _in_flight(fill: NetFill, moment: int) -> bool:
    """Whether the fee of a fill was taken or told only after a moment that the fill came before."""
    return fill.at <= moment and (fill.pending or fill.posted > moment)
