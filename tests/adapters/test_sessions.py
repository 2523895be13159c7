"""Regular sessions of the New York Stock Exchange, by dates anyone can look up."""

import pandas as pd
import pytest
from market_factory import hourly_bars, random_walk

from pytest_modelgate.adapters.sessions import regular_hours
from pytest_modelgate.core.bars import Bars, Timeframe


def new_york_hours(day: str) -> list[int]:
    """Start hours, New York time, of the bars that remain of a day with a bar in every hour."""
    midnight = pd.Timestamp(day, tz="America/New_York").tz_convert("UTC").tz_localize(None)
    kept = regular_hours(hourly_bars("AAPL", random_walk(str(midnight), 24)))
    return [int(hour) for hour in kept.index.tz_convert("America/New_York").hour]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param("2024-07-02", range(9, 16), id="an ordinary day, with the hour that holds the open"),
        pytest.param("2024-01-16", range(9, 16), id="in winter, an hour later in UTC"),
        pytest.param("2024-07-03", range(9, 13), id="early close"),
        pytest.param("2024-07-04", [], id="holiday"),
        pytest.param("2024-07-06", [], id="weekend"),
    ],
)
def test_only_bars_of_the_regular_session_remain(day: str, hours: range) -> None:
    assert new_york_hours(day) == list(hours)


def test_crypto_knows_no_sessions() -> None:
    bars = hourly_bars("BTCUSD", random_walk("2024-07-04", 48))

    assert regular_hours(bars) is bars


def test_daily_bars_pass_as_they_are() -> None:
    hourly = hourly_bars("AAPL", random_walk("2024-07-04", 48))
    daily = Bars(hourly.instrument, Timeframe.DAY_1, hourly.frame.iloc[::24])

    assert regular_hours(daily) is daily


def test_quarter_hours_begin_with_the_open() -> None:
    index = pd.date_range("2024-07-02 13:00", "2024-07-02 20:30", freq="15min", tz="UTC", unit="ns")
    frame = random_walk("2024-07-02", len(index)).set_index(index)
    bars = Bars(hourly_bars("AAPL", random_walk("2024-07-02", 3)).instrument, Timeframe.MIN_15, frame)

    kept = regular_hours(bars).index.tz_convert("America/New_York")

    assert (f"{kept[0]:%H:%M}", f"{kept[-1]:%H:%M}", len(kept)) == ("09:30", "15:45", 26)
