"""When there are bars: crypto around the clock, stocks in the sessions of the New York Stock Exchange."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.adapters.exchange_calendar import regular_sessions
from pytest_modelgate.core.market.bars import AssetClass
from pytest_modelgate.core.market.sessions import DayPlaces, day_places

Venue = Literal["crypto", "stocks"]
Ints = NDArray[np.int64]
_START = pd.Timestamp("2023-03-06", tz="UTC")  # a Monday
_DAY, _HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
_BACKTEST = 30  # days


@dataclass(frozen=True, eq=False)
class Grid:
    """The bars of a walk-forward.

    Attributes:
        venue: what is traded.
        times: start of every bar, UTC.
        days: calendar days.
        folds: how many.
    """

    venue: Venue
    times: pd.DatetimeIndex
    days: int
    folds: int

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def day(self) -> Ints:
        """Trading day of every bar, from 0."""
        return np.unique(self._dates, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def slot(self) -> Ints:
        """Place of every bar in its trading day, from 0."""
        return np.arange(len(self)) - np.searchsorted(self.day, self.day)

    @cached_property
    def last(self) -> NDArray[np.bool_]:
        """Whether a bar is the last of its trading day."""
        return np.append(np.diff(self.day) > 0, True)

    @cached_property
    def weekday(self) -> Ints:
        """Monday is 0."""
        return np.asarray(self._dates.day_of_week, dtype=np.int64)

    @cached_property
    def bounds(self) -> Ints:
        """First bar of every fold, and the end."""
        starts = [_START + _DAY * (self.days * fold / self.folds) for fold in range(self.folds + 1)]
        return np.asarray(self.times.searchsorted(pd.DatetimeIndex(starts)), dtype=np.int64)

    @cached_property
    def fold(self) -> Ints:
        """Fold of every bar, from 0."""
        return np.repeat(np.arange(self.folds), np.diff(self.bounds))

    @cached_property
    def backtest(self) -> int:
        """First bar of the last 30 days."""
        return int(self.times.searchsorted(_START + _DAY * (self.days - _BACKTEST)))

    @cached_property
    def places(self) -> DayPlaces:
        """Days and hours, as the gate counts them."""
        kind = AssetClass.CRYPTO if self.venue == "crypto" else AssetClass.EQUITY
        return day_places(self.times.as_unit("s").asi8, kind)

    @property
    def per_year(self) -> float:
        """Bars in a year of 365 days."""
        return len(self) * 365.0 / self.days

    @property
    def slots(self) -> int:
        """Most bars that a trading day has."""
        return int(self.slot.max()) + 1

    @property
    def _dates(self) -> pd.DatetimeIndex:
        return self.times.normalize()


@lru_cache(maxsize=8)
def lay_out(venue: Venue, days: int, folds: int) -> Grid:
    """The bars of hourly crypto or stocks over so many calendar days."""
    end = _START + _DAY * days
    if venue == "crypto":
        return Grid(venue, pd.date_range(_START, end, freq="h", inclusive="left"), days, folds)
    sessions = regular_sessions(_START, end)
    hours = [
        pd.date_range(opens.floor("h"), closes, freq="h", inclusive="left")
        for opens, closes in zip(sessions.opens, sessions.closes, strict=True)
        if opens >= _START and closes <= end
    ]
    return Grid(venue, pd.DatetimeIndex(np.concatenate([index.to_numpy() for index in hours]), tz="UTC"), days, folds)
