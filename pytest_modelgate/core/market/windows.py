"""Windows of bars that checks look at: backtest, walk-forward folds, and the market data they need.

A window is a half-open range of bar STARTS, so neighbours share a border and no bar. All times are UTC; nothing here
depends on a time zone with daylight saving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import pandas as pd

from pytest_modelgate.core.market.bars import AssetClass, Timeframe
from pytest_modelgate.core.market.grid import CLOCK
from pytest_modelgate.errors import SettingsError

_DAY = pd.Timedelta(days=1)
_SESSION = pd.Timedelta(hours=6.5)  # regular trading hours of the US stock market
_SESSIONS_PER_YEAR = 252
_HOLIDAY_SLACK = pd.Timedelta(days=14)
_WARMUP_BARS = 400  # features settle (up to 300 bars), then one observation of 100 bars
_LEAST_DAYS = 365  # one recording serves every usual check


@dataclass(frozen=True)
class TrainingWindow:
    """First and last moment of the data a model was trained on, or chosen by (UTC, both inclusive)."""

    start: pd.Timestamp
    end: pd.Timestamp


@dataclass(frozen=True)
class Window:
    """A half-open range of bar starts.

    Attributes:
        name: ``backtest`` or ``fold1of5``.
        start: first bar start that belongs to it, UTC.
        end: first bar start that no longer does, UTC.
    """

    name: str
    start: pd.Timestamp
    end: pd.Timestamp


class Sample(StrEnum):
    """Position of a window relative to the data its model was trained on."""

    IN_SAMPLE = "in-sample"
    GAP = "gap"
    OUT_OF_SAMPLE = "out-of-sample"
    UNKNOWN = "unknown"


def last_close(as_of: pd.Timestamp, timeframe: Timeframe, origin: pd.Timestamp = CLOCK) -> pd.Timestamp:
    """The latest bar close at or before a moment.

    Args:
        as_of: with a time zone.
        timeframe: the bar size.
        origin: a moment at which a bar begins, as of ``grid.origin_of``.
    """
    return origin + (as_of.tz_convert("UTC").as_unit("ns") - origin).floor(timeframe.delta)


def backtest_window(as_of: pd.Timestamp, timeframe: Timeframe, days: int, origin: pd.Timestamp = CLOCK) -> Window:
    """The last ``days`` days of closed bars.

    Raises:
        SettingsError: fewer than two bars fit.
    """
    (window,) = _split(as_of, timeframe, days, ("backtest",), origin)
    return window


def walk_forward_windows(
    as_of: pd.Timestamp, timeframe: Timeframe, days: int, folds: int, origin: pd.Timestamp = CLOCK
) -> tuple[Window, ...]:
    """The last ``days`` days of closed bars in contiguous folds, oldest first.

    Folds are equally long; where bars do not divide evenly they differ by one bar.

    Raises:
        SettingsError: no fold, or fewer than two bars in one.
    """
    return _split(as_of, timeframe, days, tuple(f"fold{number}of{folds}" for number in range(1, folds + 1)), origin)


@lru_cache(maxsize=64)  # the models of an archive share their windows
def _split(
    as_of: pd.Timestamp, timeframe: Timeframe, days: int, names: tuple[str, ...], origin: pd.Timestamp
) -> tuple[Window, ...]:
    bars = days * (_DAY // timeframe.delta)
    if not names or bars < 2 * len(names):
        raise SettingsError(
            f"{len(names)} windows of {timeframe} bars",
            f"{days} days hold {max(0, bars)} bars, expected at least one window and two bars in each",
            "Ask for more days or fewer folds",
        )
    start = last_close(as_of, timeframe, origin) - bars * timeframe.delta
    borders = [start + (bars * part // len(names)) * timeframe.delta for part in range(len(names) + 1)]
    return tuple(Window(name, borders[part], borders[part + 1]) for part, name in enumerate(names))


def sample_of(window: Window, training: TrainingWindow | None, index: pd.DatetimeIndex, embargo_bars: int) -> Sample:
    """Position of a window: whether it shows what a model does on data it never saw.

    Out-of-sample takes an embargo between training and window: a first observation without one bar of training data
    (Lopez de Prado 2018, ch. 7).

    Args:
        window: the window.
        training: the data that shaped the model, as the archive declares; None when it declares nothing.
        index: starts of all bars at hand, sorted, UTC.
        embargo_bars: bars that must start after the training's end and before the window's start.
    """
    if training is None:
        return Sample.UNKNOWN
    if window.start <= training.end:
        return Sample.IN_SAMPLE
    first = int(index.searchsorted(training.end, side="right"))
    between = int(index.searchsorted(window.start, side="left")) - first
    return Sample.OUT_OF_SAMPLE if between >= embargo_bars else Sample.GAP


def calendar_span(bars: int, timeframe: Timeframe, asset_class: AssetClass) -> pd.Timedelta:
    """Time that so many bars take: crypto around the clock, stocks in 252 sessions of 6.5 hours a year, on average."""
    if asset_class is AssetClass.CRYPTO:
        return bars * timeframe.delta
    sessions = math.ceil(bars / max(1, _SESSION // timeframe.delta))
    return sessions * (365 / _SESSIONS_PER_YEAR) * _DAY


def market_window(
    as_of: pd.Timestamp, timeframe: Timeframe, asset_class: AssetClass, days: int, origin: pd.Timestamp = CLOCK
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last bar start to ask the data provider for, both inclusive as Alpaca reads them.

    A year at least, or the longest check, plus a warm-up of 400 bars. The start is midnight UTC, so that requests for
    the same day are spelled alike. A bar off the UTC grid (Alpaca's days start at 04:00 to 06:00) is asked for only
    when it closed by ``last_close``.

    Args:
        as_of: with a time zone.
        timeframe: the bar size.
        asset_class: equities need more calendar days for the warm-up: 6.5 hours a session, 252 sessions a year.
        days: the longest check, calendar days.
        origin: as of ``last_close``.
    """
    close = last_close(as_of, timeframe, origin)
    warmup = calendar_span(_WARMUP_BARS, timeframe, asset_class)
    if asset_class is AssetClass.EQUITY:
        warmup += _HOLIDAY_SLACK
    start = close - max(_LEAST_DAYS, days) * _DAY - warmup
    return start.floor(_DAY), close - timeframe.delta
