"""The intraday and calendar groups of the reference features. A day is a calendar day in UTC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.features.log_bars import LogBars, per, share, wide
from pytest_modelgate.core.features.rolling import lagged
from pytest_modelgate.core.typing import Floats

_DAY_NS = 86_400_000_000_000
_DAY_BARS = 96  # a day of 15-minute bars; the day counts no further back, so that warm-up is bounded


def intraday(bars: LogBars, volatility: Floats) -> dict[str, Floats]:
    """Position of the present close in its day so far.

    Args:
        volatility: per bar, (series, rows).
    """
    row = np.arange(bars.time.size)
    since = np.minimum(row - _first_row_of_day(bars.time.ravel()), _DAY_BARS - 1)
    first = row - since
    high, low, close, volume = (each.ravel() for each in (bars.high, bars.low, bars.close, bars.volume))
    typical, into = (high + low + close) / 3, np.tile(since, len(bars.close))
    day_high, day_low, traded, weighted = high.copy(), low.copy(), volume.copy(), volume * (typical - close)
    for lag in range(1, int(since.max(initial=0)) + 1):  # all series as one row: no day reaches beyond its own
        today = into[lag:] >= lag
        distance = typical[:-lag] - close[lag:]
        distance *= volume[:-lag]
        np.maximum(day_high[lag:], high[:-lag], out=day_high[lag:], where=today)
        np.minimum(day_low[lag:], low[:-lag], out=day_low[lag:], where=today)
        np.add(traded[lag:], volume[:-lag], out=traded[lag:], where=today)
        np.add(weighted[lag:], distance, out=weighted[lag:], where=today)
    shape = bars.close.shape
    highest, lowest = day_high.reshape(shape), day_low.reshape(shape)
    flow = share(weighted.reshape(shape), traded.reshape(shape))
    expected = volatility * np.sqrt(since + 1.0)
    return {
        "day_return": wide(per(bars.close - bars.open[:, first], expected)),
        "day_range_position": per(2 * bars.close - highest - lowest, highest - lowest),
        "day_vwap_distance": wide(per(-flow, expected)),
        "overnight_gap": wide(per(bars.open[:, first] - lagged(bars.close, 1)[:, first], volatility)),
    }


def calendar(time: NDArray[np.int64]) -> dict[str, Floats]:
    """Phase of the bar's start in the day, the week (from Monday) and the month, and whether it is a weekend.

    The year is left out: a training window holds too few of them to learn a season from.

    Args:
        time: nanoseconds since the epoch, UTC, of any shape.
    """
    stamps = time.view("datetime64[ns]")
    day, month = stamps.astype("datetime64[D]"), stamps.astype("datetime64[M]")
    weekday = (day.astype(np.int64) + 3) % 7  # the epoch was a Thursday
    month_start = month.astype("datetime64[D]")
    month_days = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - month_start
    phases = {
        "time_of_day": (time % _DAY_NS) / _DAY_NS,
        "weekday": weekday / 7,
        "day_of_month": (day - month_start) / month_days,
    }
    features: dict[str, Floats] = {}
    for name, phase in phases.items():
        features[f"{name}_sin"] = np.sin(2 * np.pi * phase)
        features[f"{name}_cos"] = np.cos(2 * np.pi * phase)
    return features | {"weekend": (weekday >= 5).astype(np.float64)}


def _first_row_of_day(time: NDArray[np.int64]) -> NDArray[np.int64]:
    day = time // _DAY_NS
    opens = np.ones(len(time), dtype=bool)
    opens[1:] = day[1:] != day[:-1]
    return np.maximum.accumulate(np.where(opens, np.arange(len(time)), 0))
