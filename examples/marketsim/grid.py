"""Trading hours of a generated market: five-minute steps, the hourly bars they add up to, and how busy each is."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS_PER_HOUR = 12
_STEP = pd.Timedelta(hours=1) / STEPS_PER_HOUR
_CRYPTO_HOURS = 8760.0
_SESSION_HOURS, _EXTENDED_HOURS, _SESSIONS = 6.5, 9.5, 252
# Share of a day's variance that stocks earn in regular hours, before and after them, and overnight.
_REGULAR, _EXTENDED, _OVERNIGHT = 0.6, 0.1, 0.3
_PRE_MARKET, _POST_MARKET = pd.Timedelta(hours=5.5), pd.Timedelta(hours=4)
_EXTENDED_CROWD = 0.03  # volume outside regular hours over that inside


@dataclass(frozen=True, eq=False)
class Grid:
    """Steps and bars of one series; s steps, n bars.

    Attributes:
        index: (n,) bar starts, UTC.
        steps: (s,) starts of the steps, UTC.
        first: (n,) row of each bar's first step.
        bar: (s,) which bar a step belongs to.
        trading: (n,) whether a bar holds any regular trading; regimes move on only there.
        trading_share: (s,) share of an hour of regular trading, 1 / STEPS_PER_HOUR or 0.
        deviation: (s,) standard deviation of the sum of twelve such steps, in units of a year's.
        gap_deviation: (n,) standard deviation of the gap before a bar, in units of a year's; 0 within a day.
        crowd: (n,) typical volume over that of an hour of regular trading.
        hours_per_year: hours of regular trading.
        regular_variance: share of a year's variance that falls into them.
    """

    index: pd.DatetimeIndex
    steps: pd.DatetimeIndex
    first: NDArray[np.int64]
    bar: NDArray[np.int64]
    trading: NDArray[np.bool_]
    trading_share: Floats
    deviation: Floats
    gap_deviation: Floats
    crowd: Floats
    hours_per_year: float
    regular_variance: float


def crypto_grid(start: pd.Timestamp, end: pd.Timestamp) -> Grid:
    """Steps around the clock; busiest at 16:00 UTC, when London and New York are both at their desks."""
    steps = pd.date_range(start, end, freq=_STEP, inclusive="left", unit="ns")
    wave = np.cos((steps.hour.to_numpy() - 16) * (2 * math.pi / 24))
    every = np.ones(len(steps), dtype=bool)
    variance = (1 + 0.35 * wave) / _CRYPTO_HOURS
    return _grid(steps, every, variance, 1 + 0.5 * wave, opens=~every, hours=_CRYPTO_HOURS, regular_variance=1.0)


def stock_grid(start: pd.Timestamp, end: pd.Timestamp) -> Grid:
    """Sessions of XNYS: five and a half hours before the open, regular hours, four hours after the close.

    Holidays, early closes and daylight saving are the calendar's. Busy at the open and the close, quiet at noon.
    """
    days, progress, opens = [], [], []
    for opened, closed in _sessions(start, end):
        day = pd.date_range(opened - _PRE_MARKET, closed + _POST_MARKET, freq=_STEP, inclusive="left", unit="ns")
        days.append(day)
        progress.append(np.asarray((day - opened) / (closed - opened), dtype=np.float64))
        opens.append(np.arange(len(day)) == 0)
    steps = days[0].append(days[1:])
    keep = np.asarray((steps >= start) & (steps < end))
    steps = pd.DatetimeIndex(steps[keep])
    of_session, first = np.concatenate(progress)[keep], np.concatenate(opens)[keep]
    regular = (of_session >= 0) & (of_session < 1)
    smile = 0.6 + 1.2 * (2 * of_session - 1) ** 2  # its mean over a session is 1
    variance = np.where(regular, smile * _REGULAR / _SESSION_HOURS, _EXTENDED / _EXTENDED_HOURS) / _SESSIONS
    crowd = np.where(regular, smile, _EXTENDED_CROWD)
    hours = _SESSION_HOURS * _SESSIONS
    return _grid(steps, regular, variance, crowd, opens=first, hours=hours, regular_variance=_REGULAR)


def _sessions(start: pd.Timestamp, end: pd.Timestamp) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Open and close of every session of XNYS that touches the range, UTC."""
    import exchange_calendars

    first, last = start.tz_convert(None).floor("D"), end.tz_convert(None).floor("D")
    with warnings.catch_warnings():  # exchange_calendars 4.13 uses what pandas 3.1 deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        schedule = exchange_calendars.get_calendar("XNYS", start=first, end=last).schedule
    return list(zip(schedule["open"], schedule["close"], strict=True))


def _grid(
    steps: pd.DatetimeIndex,
    regular: NDArray[np.bool_],
    variance: Floats,
    crowd: Floats,
    *,
    opens: NDArray[np.bool_],
    hours: float,
    regular_variance: float,
) -> Grid:
    index, first, bar = np.unique(steps.floor("h").asi8, return_index=True, return_inverse=True)
    return Grid(
        index=pd.DatetimeIndex(index, tz="UTC"),
        steps=steps,
        first=first,
        bar=bar,
        trading=np.logical_or.reduceat(regular, first),
        trading_share=regular / STEPS_PER_HOUR,
        deviation=np.sqrt(variance),
        gap_deviation=np.where(opens[first], math.sqrt(_OVERNIGHT / _SESSIONS), 0.0),
        crowd=np.add.reduceat(crowd, first) / STEPS_PER_HOUR,
        hours_per_year=hours,
        regular_variance=regular_variance,
    )
