"""A stock's bars and the sessions they belong to: which to keep, which to expect, how to put longer ones together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.core.market.bars import COLUMNS, AssetClass, Bars, Timeframe
from pytest_modelgate.core.typing import Integers, Mask

_EXCHANGE_ZONE = "America/New_York"
_DAY_SECONDS = 86_400
_BEFORE_OPEN, _AFTER_CLOSE, _NIGHT = (pd.Timedelta(hours=hours) for hours in (5.5, 4, 8))
_FROM_OPEN = (Timeframe.HOUR_2, Timeframe.HOUR_4)  # of stocks


@dataclass(frozen=True, eq=False)
class SessionTimes:
    """Consecutive sessions: (n,) opens and closes, UTC, nanoseconds, both increasing."""

    opens: pd.DatetimeIndex
    closes: pd.DatetimeIndex

    @property
    def extended(self) -> SessionTimes:
        """The same days with pre-market, from 04:00 New York, and after-hours, four hours past the close."""
        return SessionTimes(self.opens - _BEFORE_OPEN, self.closes + _AFTER_CLOSE)

    @property
    def nights(self) -> SessionTimes:
        """The nights before the same days, from 20:00 to 04:00 New York: when stocks trade on overnight feeds."""
        return SessionTimes(self.opens - _NIGHT - _BEFORE_OPEN, self.opens - _BEFORE_OPEN)

    @classmethod
    def around_the_clock(cls, first: pd.Timestamp, until: pd.Timestamp, timeframe: Timeframe) -> SessionTimes:
        """What a market that never closes has: one session (UTC), of all whole bars from ``first`` to ``until``."""
        opened = until - (until - first) // timeframe.delta * timeframe.delta
        return cls(*(pd.DatetimeIndex([moment]).as_unit("ns") for moment in (opened, until)))

    def overlap(self, starts: pd.DatetimeIndex, ends: pd.DatetimeIndex) -> NDArray[np.bool_]:
        """Whether each half-open span shares a moment with a session; spans are shorter than the nights between."""
        # The session that opened last before a span ends is the only one the span can overlap.
        latest = self.opens.searchsorted(ends, side="left") - 1
        return np.asarray((latest >= 0) & (starts < self.closes[latest.clip(0)]))

    def bars_from_open(self, timeframe: Timeframe) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
        """Starts and ends (UTC) of the bars counted from each open; the last of a session may be shorter."""
        step = timeframe.delta.as_unit("ns").value
        spans = list(zip(self.opens.asi8.tolist(), self.closes.asi8.tolist(), strict=True))
        starts = [start for opened, closed in spans for start in range(opened, closed, step)]
        ends = [min(start + step, closed) for opened, closed in spans for start in range(opened, closed, step)]
        return _utc(starts), _utc(ends)


@dataclass(frozen=True, eq=False)
class DayPlaces:
    """Where bars stand, n of them: (n,) number of the day, and of the slot within it; both only tell bars apart."""

    days: Integers
    slots: Integers

    def __len__(self) -> int:
        return len(self.days)

    def of(self, kept: Mask) -> DayPlaces:
        """Those of some of the bars."""
        return DayPlaces(self.days[kept], self.slots[kept])


def join_places(parts: Sequence[DayPlaces]) -> DayPlaces:
    """Those of windows, one after the other."""
    return DayPlaces(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("days", "slots")))


def day_places(seconds: Sequence[int] | Integers, asset_class: AssetClass) -> DayPlaces:
    """Days and hours of bars: UTC days for crypto, for stocks New York days, whose sessions daylight saving moves.

    Args:
        seconds: starts of the bars, since 1970 UTC.
        asset_class: of the instrument.
    """
    starts = np.asarray(seconds, dtype=np.int64)
    if asset_class is AssetClass.EQUITY:
        utc = pd.DatetimeIndex(starts.astype("datetime64[s]"), tz="UTC")
        starts = exchange_time(utc).as_unit("s").asi8
    days, slots = np.divmod(starts, _DAY_SECONDS)
    return DayPlaces(days, slots)


def source_timeframe(timeframe: Timeframe, asset_class: AssetClass) -> Timeframe:
    """The bar size to ask Alpaca for.

    Alpaca's two and four hours lie on the UTC clock and would mix a stock's session with its pre-market; quarter hours
    begin with the New York open. Crypto never closes, so its bars are taken as they are, unless a trainer's began at
    other hours (``market.grid``).
    """
    if timeframe in _FROM_OPEN and asset_class is AssetClass.EQUITY:
        return Timeframe.MIN_15
    return timeframe


def within_sessions(bars: Bars, sessions: SessionTimes) -> Bars:
    """The bars that overlap a session; daily bars pass as they are.

    Alpaca labels hours on the clock: the bar of 09:00 New York holds the half hour before the open too, and is kept.
    """
    if bars.timeframe is Timeframe.DAY_1:
        return bars
    kept = sessions.overlap(bars.index, bars.index + bars.timeframe.delta)
    return replace(bars, frame=bars.frame[kept])


def expected_starts(
    timeframe: Timeframe, regular: SessionTimes, grid: SessionTimes, first: pd.Timestamp, until: pd.Timestamp
) -> pd.DatetimeIndex:
    """Starts of the bars a stock has when it trades throughout the regular sessions (UTC, nanoseconds).

    Minutes and hours lie on the UTC clock, as Alpaca labels them, so the first of a session may start before the open;
    two and four hours are counted from the open; days start at midnight in New York. Outside regular hours no bar is
    expected: there it is normal that nobody trades.

    Args:
        regular: regular sessions.
        grid: the sessions that bars of two and four hours are counted from.
        first: the earliest start, UTC.
        until: bars that close later are not expected yet, UTC.
    """
    if timeframe is Timeframe.DAY_1:
        starts = regular.opens.tz_convert(_EXCHANGE_ZONE).normalize().tz_convert("UTC")
        ends = starts + timeframe.delta
    elif timeframe in _FROM_OPEN:
        starts, ends = grid.bars_from_open(timeframe)
    else:
        starts, _ = SessionTimes(regular.opens.floor(timeframe.delta), regular.closes).bars_from_open(timeframe)
        ends = starts + timeframe.delta
    return starts[regular.overlap(starts, ends) & (starts >= first) & (ends <= until)]


def resample(bars: Bars, timeframe: Timeframe, sessions: SessionTimes, until: pd.Timestamp) -> Bars:
    """Put bars together into longer ones, counted from each session's open.

    Args:
        bars: shorter bars; those outside every session are left out.
        timeframe: of the result.
        sessions: at least those of the bars.
        until: UTC; a bar that closes later is not known yet, and is left out.
    """
    starts, ends = sessions.bars_from_open(timeframe)
    place = np.asarray(starts.searchsorted(bars.index, side="right") - 1)
    known = (place >= 0) & (bars.index < ends[place.clip(0)]) & (ends[place.clip(0)] <= until)
    groups = bars.frame[known].groupby(starts[place[known]])
    how = dict(zip(COLUMNS, ("first", "max", "min", "last", "sum"), strict=True))
    return replace(bars, timeframe=timeframe, frame=groups.agg(how)[list(COLUMNS)].rename_axis(None))


def exchange_time(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The New York time each bar starts at, without a zone."""
    return index.tz_convert(_EXCHANGE_ZONE).tz_localize(None)


def exchange_dates(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The New York date each bar starts on."""
    return exchange_time(index).normalize()


def _utc(nanoseconds: list[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.array(nanoseconds, dtype="datetime64[ns]"), tz="UTC")
