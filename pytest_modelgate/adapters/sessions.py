"""The stock market's sessions. The only file that imports exchange_calendars."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from pytest_modelgate.core.bars import AssetClass, Bars, Timeframe

_EXCHANGE = "XNYS"


def regular_hours(bars: Bars) -> Bars:
    """The bars that overlap a regular session of the New York Stock Exchange; crypto and daily bars pass as they are.

    Alpaca labels hours on the clock: the bar of 09:00 New York holds the half hour before the open too, and is kept.
    Holidays, early closes and daylight saving are the calendar's.
    """
    if bars.instrument.asset_class is AssetClass.CRYPTO or bars.timeframe is Timeframe.DAY_1 or not len(bars):
        return bars
    opens, closes = _sessions(bars.index[0], bars.index[-1])
    # The session that opened last before a bar ends is the only one the bar can overlap.
    latest = opens.searchsorted(bars.index + bars.timeframe.delta, side="left") - 1
    kept = (latest >= 0) & (bars.index < closes[latest.clip(0)])
    return Bars(bars.instrument, bars.timeframe, bars.frame[kept])


def expected_starts(timeframe: Timeframe, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Starts of the bars a stock has when it trades throughout the regular sessions (UTC, nanoseconds).

    Intraday bars lie on the UTC clock, as Alpaca labels them, so the first bar of a session may start before the open;
    they are the ones that ``regular_hours`` keeps. Daily bars start at midnight in New York.

    Args:
        first, last: bar starts, both inclusive, UTC.
    """
    opens, closes = _sessions(first, last)
    if timeframe is Timeframe.DAY_1:
        starts = opens.tz_convert("America/New_York").normalize().tz_convert("UTC")
    else:
        step = timeframe.delta.as_unit("ns").value
        days = zip(opens.floor(timeframe.delta).asi8, closes.asi8, strict=True)
        starts = pd.DatetimeIndex(np.concatenate([np.arange(start, close, step) for start, close in days]), tz="UTC")
    return starts[(starts >= first) & (starts <= last)]


def _sessions(first: pd.Timestamp, last: pd.Timestamp) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Opens and closes (UTC) of the sessions around a span; explicit bounds keep the calendar off the wall clock."""
    import exchange_calendars

    margin = pd.Timedelta(days=7)
    start, end = ((moment.tz_localize(None)).normalize() for moment in (first - margin, last + margin))
    with warnings.catch_warnings():
        # It uses what pandas is about to change; under -W error that would end the gate.
        warnings.simplefilter("ignore")
        schedule = exchange_calendars.get_calendar(_EXCHANGE, start=start, end=end).schedule
    return pd.DatetimeIndex(schedule["open"]).as_unit("ns"), pd.DatetimeIndex(schedule["close"]).as_unit("ns")
