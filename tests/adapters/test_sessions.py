"""Regular sessions of the New York Stock Exchange, by dates anyone can look up."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_factory import hourly_bars, random_walk

from pytest_modelgate.adapters.sessions import expected_starts, regular_hours
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


@settings(deadline=None, max_examples=25)
@given(
    timeframe=st.sampled_from([Timeframe.MIN_15, Timeframe.HOUR_1, Timeframe.HOUR_4]),
    day=st.integers(0, 9000),
    count=st.integers(1, 200),
)
def test_the_bars_expected_are_those_that_regular_hours_keep(timeframe: Timeframe, day: int, count: int) -> None:
    first = pd.Timestamp("2001-01-01", tz="UTC") + pd.Timedelta(days=day)
    index = pd.date_range(first, periods=count, freq=timeframe.delta, unit="ns")
    stock = hourly_bars("AAPL", random_walk("2024-01-01", 3)).instrument
    bars = Bars(stock, timeframe, random_walk("2024-01-01", count).set_index(index))

    expected = expected_starts(timeframe, index[0], index[-1])

    assert expected.equals(regular_hours(bars).index)


def test_days_start_at_midnight_in_new_york_on_either_side_of_daylight_saving() -> None:
    starts = expected_starts(
        Timeframe.DAY_1, pd.Timestamp("2024-03-07", tz="UTC"), pd.Timestamp("2024-03-13", tz="UTC")
    )

    hours = [f"{start:%d %H:%M}" for start in starts]
    assert hours == ["07 05:00", "08 05:00", "11 04:00", "12 04:00"]


def test_a_span_without_sessions_expects_nothing() -> None:
    weekend = expected_starts(
        Timeframe.HOUR_1, pd.Timestamp("2024-07-06", tz="UTC"), pd.Timestamp("2024-07-07", tz="UTC")
    )

    assert len(weekend) == 0
    assert str(weekend.dtype) == "datetime64[ns, UTC]"
