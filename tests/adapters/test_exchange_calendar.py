"""Regular sessions of the New York Stock Exchange, by dates anyone can look up."""

from functools import cache
from itertools import pairwise
from typing import Any

import exchange_calendars
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.tseries.holiday import Holiday
from support.market_factory import hourly_bars, random_walk

from pytest_modelgate.adapters.exchange_calendar import regular_sessions
from pytest_modelgate.core.market.bars import Bars, Timeframe
from pytest_modelgate.core.market.sessions import SessionTimes, expected_starts, resample, within_sessions


def sessions_of(bars: Bars) -> SessionTimes:
    return regular_sessions(bars.index[0], bars.index[-1])


@cache
def years_of_sessions() -> SessionTimes:
    """Made once: the calendar takes a while to lay out its days."""
    return regular_sessions(pd.Timestamp("2023-01-01", tz="UTC"), pd.Timestamp("2025-06-30", tz="UTC"))


def regular_hours(bars: Bars) -> Bars:
    return within_sessions(bars, sessions_of(bars))


def expected(timeframe: Timeframe, first: str, until: str, *, extended: bool = False) -> pd.DatetimeIndex:
    start, end = pd.Timestamp(first, tz="UTC"), pd.Timestamp(until, tz="UTC")
    regular = regular_sessions(start, end)
    return expected_starts(timeframe, regular, regular.extended if extended else regular, start, end)


def quarters(first: str, until: str) -> Bars:
    """Quarter hours around the clock, New York time."""
    index = pd.date_range(first, until, freq="15min", tz="America/New_York", inclusive="left").tz_convert("UTC")
    frame = random_walk("2024-01-01", len(index)).set_index(pd.DatetimeIndex(index).as_unit("ns"))
    return Bars(hourly_bars("AAPL", random_walk("2024-07-02", 3)).instrument, Timeframe.MIN_15, frame)


def new_york(index: pd.DatetimeIndex) -> list[str]:
    return [f"{moment:%d %H:%M}" for moment in index.tz_convert("America/New_York")]


def new_york_hours(day: str) -> list[int]:
    """Start hours, New York time, of the bars that remain of a day with a bar in every hour."""
    midnight = pd.Timestamp(day, tz="America/New_York").tz_convert("UTC").tz_localize(None)
    kept = regular_hours(hourly_bars("AAPL", random_walk(str(midnight), 24)))
    return [int(hour) for hour in kept.index.tz_convert("America/New_York").hour]


@pytest.mark.filterwarnings("ignore")  # it uses what pandas is about to change
def test_holidays_of_other_years_are_not_asked_for_and_change_nothing() -> None:
    found = regular_sessions(pd.Timestamp("2001-08-01", tz="UTC"), pd.Timestamp("2002-01-10", tz="UTC"))

    schedule = exchange_calendars.get_calendar("XNYS", start="2001-07-25", end="2002-01-17").schedule
    assert found.opens.equals(pd.DatetimeIndex(schedule["open"]).as_unit("ns"))
    assert found.closes.equals(pd.DatetimeIndex(schedule["close"]).as_unit("ns"))


def test_each_rule_of_holidays_is_worked_out_once_and_for_the_years_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    worked, dates = list[Holiday](), Holiday.dates

    def noted(rule: Holiday, *arguments: Any, **options: Any) -> Any:
        worked.append(rule)
        return dates(rule, *arguments, **options)

    monkeypatch.setattr(Holiday, "dates", noted)
    regular_sessions(pd.Timestamp("2003-08-02", tz="UTC"), pd.Timestamp("2004-01-11", tz="UTC"))

    assert 10 < len(worked) == len({id(rule) for rule in worked})
    assert all(rule.start_date and rule.start_date.year >= 2002 for rule in worked)


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


def test_daily_bars_pass_as_they_are() -> None:
    hourly = hourly_bars("AAPL", random_walk("2024-07-04", 48))
    daily = Bars(hourly.instrument, Timeframe.DAY_1, hourly.frame.iloc[::24])

    assert regular_hours(daily) is daily


def test_quarter_hours_begin_with_the_open() -> None:
    kept = regular_hours(quarters("2024-07-02", "2024-07-03")).index

    assert (new_york(kept)[0], new_york(kept)[-1], len(kept)) == ("02 09:30", "02 15:45", 26)


def test_extended_hours_last_from_four_to_eight() -> None:
    bars = quarters("2024-07-02", "2024-07-03")

    kept = within_sessions(bars, sessions_of(bars).extended).index

    assert (new_york(kept)[0], new_york(kept)[-1], len(kept)) == ("02 04:00", "02 19:45", 64)


@given(
    timeframe=st.sampled_from([Timeframe.MIN_15, Timeframe.HOUR_1]),
    day=st.integers(0, 700),
    count=st.integers(1, 200),
)
def test_the_bars_expected_are_those_that_lie_in_sessions(timeframe: Timeframe, day: int, count: int) -> None:
    first = pd.Timestamp("2023-02-01", tz="UTC") + pd.Timedelta(days=day)
    index = pd.date_range(first, periods=count, freq=timeframe.delta, unit="ns")
    stock = hourly_bars("AAPL", random_walk("2024-01-01", 3)).instrument
    bars = Bars(stock, timeframe, random_walk("2024-01-01", count).set_index(index))
    sessions = years_of_sessions()

    starts = expected_starts(timeframe, sessions, sessions, index[0], index[-1] + timeframe.delta)

    assert starts.equals(within_sessions(bars, sessions).index)


def test_days_start_at_midnight_in_new_york_on_either_side_of_daylight_saving() -> None:
    starts = expected(Timeframe.DAY_1, "2024-03-07", "2024-03-14")

    assert [f"{start:%d %H:%M}" for start in starts] == ["07 05:00", "08 05:00", "11 04:00", "12 04:00"]


def test_a_span_without_sessions_expects_nothing() -> None:
    weekend = expected(Timeframe.HOUR_1, "2024-07-06", "2024-07-07")

    assert len(weekend) == 0
    assert str(weekend.dtype) == "datetime64[ns, UTC]"


def test_four_hours_are_counted_from_the_open() -> None:
    bars = quarters("2024-07-02", "2024-07-04")

    joined = resample(bars, Timeframe.HOUR_4, sessions_of(bars), bars.index[-1])

    assert new_york(joined.index) == ["02 09:30", "02 13:30", "03 09:30"]  # the 3rd closes at 13:00
    assert joined.timeframe is Timeframe.HOUR_4


def test_four_hours_of_extended_sessions_are_counted_from_four_in_the_morning() -> None:
    bars = quarters("2024-07-02", "2024-07-03")

    joined = resample(bars, Timeframe.HOUR_4, sessions_of(bars).extended, bars.index[-1])

    assert new_york(joined.index) == ["02 04:00", "02 08:00", "02 12:00", "02 16:00"]


def test_a_bar_that_has_not_closed_is_not_known() -> None:
    bars = quarters("2024-07-02", "2024-07-02 15:00")

    joined = resample(bars, Timeframe.HOUR_4, sessions_of(bars), bars.index[-1] + Timeframe.MIN_15.delta)

    assert new_york(joined.index) == ["02 09:30"]


def test_the_last_bar_of_a_session_is_known_at_its_close() -> None:
    bars = quarters("2024-07-02", "2024-07-02 16:00")

    joined = resample(bars, Timeframe.HOUR_4, sessions_of(bars), bars.index[-1] + Timeframe.MIN_15.delta)

    assert new_york(joined.index) == ["02 09:30", "02 13:30"]


def test_sessions_keep_to_new_york_time_across_daylight_saving() -> None:
    bars = quarters("2024-03-08", "2024-03-12")

    joined = resample(bars, Timeframe.HOUR_4, sessions_of(bars), bars.index[-1])

    assert new_york(joined.index) == ["08 09:30", "08 13:30", "11 09:30", "11 13:30"]
    assert [f"{start:%H:%M}" for start in joined.index[::2]] == ["14:30", "13:30"]


@given(day=st.integers(0, 400), kept=st.sets(st.integers(0, 95), min_size=1))
def test_a_joined_bar_opens_with_its_first_part_and_closes_with_its_last(day: int, kept: set[int]) -> None:
    start = pd.Timestamp("2024-01-01") + pd.Timedelta(days=day)
    whole = quarters(str(start.date()), str((start + pd.Timedelta(days=1)).date()))
    parts = Bars(whole.instrument, whole.timeframe, whole.frame.iloc[sorted(row for row in kept if row < len(whole))])
    sessions = years_of_sessions()

    joined = resample(parts, Timeframe.HOUR_4, sessions, whole.index[-1] + pd.Timedelta(days=1))

    inside = within_sessions(parts, sessions).frame
    assert joined.frame["volume"].sum() == inside["volume"].sum()
    borders = [*joined.index, whole.index[-1] + pd.Timedelta(days=1)]
    for begin, end in pairwise(borders):
        part = inside[(inside.index >= begin) & (inside.index < end)]
        of_parts = [part["open"].iloc[0], part["high"].max(), part["low"].min(), part["close"].iloc[-1]]
        assert joined.frame.loc[begin].tolist()[:4] == of_parts


def test_the_four_hours_expected_are_those_that_a_whole_market_gives() -> None:
    bars = quarters("2024-07-01", "2024-07-09")
    until = bars.index[-1] + Timeframe.MIN_15.delta

    joined = resample(bars, Timeframe.HOUR_4, sessions_of(bars), until)

    assert expected(Timeframe.HOUR_4, "2024-07-01", "2024-07-09 04:00").equals(joined.index)


def test_four_hours_outside_regular_trading_are_not_expected() -> None:
    starts = expected(Timeframe.HOUR_4, "2024-07-02 04:00", "2024-07-03 03:00", extended=True)

    assert new_york(starts) == ["02 08:00", "02 12:00"]
