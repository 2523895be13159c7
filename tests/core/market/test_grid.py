"""Bars that began at other hours in training than those a model is judged on."""

from __future__ import annotations

import pandas as pd
import pytest
from support.market_factory import random_walk

from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe
from pytest_modelgate.core.market.grid import off_grid, untold_grid


def bars(symbol: str, timeframe: Timeframe, start: str) -> Bars:
    frame = random_walk("2024-03-01", 30)
    frame.index = pd.date_range(start, periods=30, freq=timeframe.delta, tz="UTC", unit="ns")
    return Bars(Instrument.parse(symbol), timeframe, frame)


FOUR_HOURS = bars("BTCUSD", Timeframe.HOUR_4, "2024-03-01T00:00")


@pytest.mark.parametrize(
    ("judged", "moment", "words"),
    [
        (FOUR_HOURS, "2023-01-07T08:00", ""),
        (FOUR_HOURS, "2023-01-07T03:00", "a bar begins at 03:00 UTC, those judged begin at 00:00, 04:00, 08:00"),
        (bars("BTCUSD", Timeframe.DAY_1, "2024-03-01T05:00"), "2023-01-07T00:00", "those judged begin at 05:00"),
        (bars("BTCUSD", Timeframe.HOUR_1, "2024-03-01T00:00"), "2023-01-07T03:00", ""),
        (bars("BTCUSD", Timeframe.HOUR_1, "2024-03-01T00:00"), "2023-01-07T03:30", "a bar begins at :30 UTC"),
        (bars("BTCUSD", Timeframe.MIN_15, "2024-03-01T00:00"), "2023-01-07T03:45", ""),
    ],
)
def test_a_bar_off_the_grid_is_named(judged: Bars, moment: str, words: str) -> None:
    found = off_grid([pd.Timestamp(moment, tz="UTC")], judged)
    assert words in found
    assert bool(found) == bool(words)


def test_hours_of_bars_are_compared_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pd.DatetimeIndex, "strftime")  # spelling a year of them takes longer than all the rest

    assert off_grid([FOUR_HOURS.index[1]], FOUR_HOURS) == ""


def test_stocks_are_held_against_new_yorks_clock_in_winter_and_summer() -> None:
    opens = pd.DatetimeIndex(["2024-07-01T13:30", "2024-07-01T17:30"], tz="UTC").as_unit("ns")
    frame = random_walk("2024-03-01", 2).set_index(opens)
    judged = Bars(Instrument.parse("AAPL"), Timeframe.HOUR_4, frame)
    assert off_grid([pd.Timestamp("2024-01-05T14:30Z")], judged) == ""
    assert "begins at 08:30 America/New_York" in off_grid([pd.Timestamp("2024-01-05T13:30Z")], judged)


def test_long_bars_of_which_nothing_tells_the_hours_are_warned_of() -> None:
    assert "bar_origin" in untold_grid([], FOUR_HOURS)
    assert untold_grid([FOUR_HOURS.index[0]], FOUR_HOURS) == ""
    assert untold_grid([], bars("BTCUSD", Timeframe.HOUR_1, "2024-03-01T00:00")) == ""
