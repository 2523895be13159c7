"""The bars that a record is compared over: from the first flat one in force to the last on record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pytest_modelgate.core.typing import Floats
from pytest_modelgate.core.watching.attribution import Chain, Owned
from pytest_modelgate.core.watching.fills import NetFill, of_chains
from pytest_modelgate.core.watching.market import RawMarket
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountRecord

_FLAT = 0.005  # share of the largest position: what fees in kind leave
_NOTHING = 1e-9
_HOUR = 3600 * NANOSECONDS


@dataclass(frozen=True)
class Period:
    """Rows of the bars compared: decisions at the closes of ``first`` to ``last - 1``, the last one filled in ``last``.

    Attributes:
        problem: why there is none, half a sentence; empty where there is one.
        held: units at the start: what fees in kind left of earlier positions.
    """

    first: int
    last: int
    problem: str = ""
    held: float = 0.0

    @property
    def bars(self) -> int:
        """How many are compared."""
        return max(0, self.last - self.first)


def find_period(
    record: AccountRecord,
    market: RawMarket,
    owned: Owned,
    fills: Sequence[NetFill],
    *,
    symbol: str,
    sha256: str,
    since: int,
    as_of: int,
    earliest: int,
) -> Period:
    """Find the period of a model.

    Args:
        fills: all in its symbol.
        since, as_of: moments.
        earliest: row before which nothing can be decided.
    """
    if not record.spans:
        return Period(0, 0, "nothing was recorded")
    if as_of <= since:
        return Period(0, 0, "it was put in force after the moment that the run judges as of (--gate-as-of)")
    begins = max(since, record.since)
    if (begun := record.spans[0][0]) > begins:
        return Period(0, 0, f"its first {(begun - begins) / _HOUR:.1f} hours in force are not on record")
    other = _before_handover(owned.own, sha256, since)
    begins = max([begins, *(chain.last.submitted for chain in other)])
    held = own_position(record, market, owned.own, fills, symbol)
    ready = np.flatnonzero((market.ends >= begins) & (np.abs(held) <= _FLAT * _largest(held)))
    ready = ready[ready >= earliest]
    if not len(ready):
        return Period(0, 0, _not_ready(other, since, held))
    first = int(ready[0])
    last = market.row_of(min(as_of, record.spans[-1][1]))
    gaps = [(ended, begun) for (_, ended), (begun, _) in pairwise(record.spans) if begun > market.ends[first]]
    if gaps:
        hours = (gaps[0][1] - gaps[0][0]) / _HOUR
        return Period(first, first, f"{hours:.1f} hours of the period are not on record")
    if last <= first:
        return Period(first, first, _other_bytes(other, since) or "no bar that could fill an order is on record yet")
    if not np.isfinite(market.closes[first : last + 1]).all():
        return Period(first, first, "bars as they were traded are missing in the period")
    return Period(first, last, held=float(held[first]))


def own_position(
    record: AccountRecord, market: RawMarket, own: Sequence[Chain], fills: Sequence[NetFill], symbol: str
) -> Floats:
    """(n,) units that a model holds at every close; NaN before it is known.

    What the account held when the record began is nobody's, so the model's part is known from there if that was
    nothing, and else once the account holds nothing.
    """
    at_start = _held_at_start(record, fills, symbol, market)
    whole = _course(market, fills, at_start)
    largest = _largest(whole)
    flat = np.flatnonzero((np.abs(whole) <= _FLAT * largest) & (market.ends >= record.spans[0][0]))
    mine = _course(market, of_chains(fills, own), 0.0)
    if abs(at_start) <= _NOTHING + _FLAT * largest:
        return mine
    if not len(flat):
        return np.full(len(mine), np.nan)
    known = int(flat[0])
    return np.where(np.arange(len(mine)) >= known, mine - mine[known], np.nan)


def _held_at_start(record: AccountRecord, fills: Sequence[NetFill], symbol: str, market: RawMarket) -> float:
    """Units in the account when the record began, from its first snapshot less all fills until then."""
    if not record.snapshots:
        return 0.0
    snapshot = record.snapshots[0]
    held = snapshot.positions.get(symbol, 0.0)
    for fill in reversed([fill for fill in fills if fill.at <= snapshot.at]):
        held -= fill.net * split_between(market, fill.at, snapshot.at)
    return held / split_between(market, record.spans[0][0], snapshot.at)


def split_between(market: RawMarket, start: int, end: int) -> float:
    """What one share of a moment is at a later one."""
    inside = (market.starts > start) & (market.starts <= end)
    return float(np.prod(market.splits[inside]))


def _course(market: RawMarket, fills: Sequence[NetFill], start: float) -> Floats:
    """(n,) units at every close; a fill at the very moment of a close belongs to the bar after it."""
    changes = np.zeros(len(market.ends) + 1)
    for fill in fills:
        changes[int(market.ends.searchsorted(fill.at, side="right"))] += fill.net
    held, course = start, []
    for change, ratio in zip(changes[:-1].tolist(), market.splits.tolist(), strict=True):
        held = held * ratio + change
        course.append(held)
    return np.array(course)


def _largest(held: Floats) -> float:
    return float(np.nanmax(np.abs(held), initial=0.0)) if len(held) else 0.0


def _not_ready(other: Sequence[Chain], since: int, held: Floats) -> str:
    if told := _other_bytes(other, since):
        return told
    if np.isnan(held).all():
        return "it is not known which part of the position is the model's, for the account was never flat in its symbol"
    return "no bar at which it was flat is on record since it was put in force"


def _before_handover(own: Sequence[Chain], sha256: str, since: int) -> list[Chain]:
    """Orders of other bytes until the model's own ones come: whatever comes later is a fault, and forgives none."""
    ours = (chain for chain in own if chain.told and sha256.startswith(chain.told.sha8))
    handover = next((chain.first.submitted for chain in ours if chain.first.submitted >= since), math.inf)
    return [
        chain
        for chain in own
        if chain.told and not sha256.startswith(chain.told.sha8) and chain.first.submitted < handover
    ]


def _other_bytes(other: Sequence[Chain], since: int) -> str:
    told = [chain.told for chain in other if chain.told and chain.first.submitted >= since]
    return f"the trader still trades other bytes of it, {told[-1].sha8}..." if told else ""


def by_bar(chains: Sequence[Chain], market: RawMarket, first: int) -> Mapping[int, tuple[Chain, ...]]:
    """Orders by the row of the bar that they were decided at: by their id, or else by submission; legs by theirs.

    An id that names a bar before the ``first`` one, or one that had not begun, is wrong: it hides no order.
    """
    found: dict[int, list[Chain]] = {}
    for chain in chains:
        told = None if chain.told is None or chain.leg else market.row_starting(chain.told.bar)
        if told is not None and (told < first or market.starts[told] > chain.first.submitted):
            told = None
        moment = chain.last.ended if chain.leg and chain.last.ended is not None else chain.first.submitted
        row = market.row_of(moment) if told is None else told
        found.setdefault(row, []).append(chain)
    return {row: tuple(kept) for row, kept in found.items()}
