"""The intraday and calendar groups of the reference features. A day is a calendar day in UTC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.features.log_bars import LogBars, per, share, wide
from pytest_modelgate.core.features.rolling import lagged
from pytest_modelgate.core.typing import Floats

_DAY_NS = 86_400_000_000_000
_DAY_BARS = 96  # a day of 15-minute bars; the day counts no further back, so that warm-up is bounded


def intraday(bars: LogBars) -> dict[str, Floats]:
    """Position of the present close in its day so far."""
    row = np.arange(len(bars.time))
    since = np.minimum(row - _first_row_of_day(bars.time.ravel()), _DAY_BARS - 1)
    first, into = row - since, since[:, None]
    high, low = np.full_like(bars.close, -np.inf), np.full_like(bars.close, np.inf)
    traded, weighted = np.zeros_like(bars.close), np.zeros_like(bars.close)
    typical = (bars.high + bars.low + bars.close) / 3
    for lag in range(int(since.max(initial=-1)) + 1):
        today = lag <= into
        volume = np.where(today, lagged(bars.volume, lag), 0.0)
        high = np.where(today, np.maximum(high, lagged(bars.high, lag)), high)
        low = np.where(today, np.minimum(low, lagged(bars.low, lag)), low)
        traded += volume
        weighted += np.where(today, volume * (lagged(typical, lag) - bars.close), 0.0)
    expected = bars.volatility * np.sqrt(into + 1.0)
    return {
        "day_return": wide(per(bars.close - bars.open[first], expected)),
        "day_range_position": per(2 * bars.close - high - low, high - low),
        "day_vwap_distance": wide(per(-share(weighted, traded), expected)),
        "overnight_gap": wide(per(bars.open[first] - lagged(bars.close, 1)[first], bars.volatility)),
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
