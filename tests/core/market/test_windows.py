from __future__ import annotations

from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_modelgate.core.market.bars import AssetClass, Timeframe
from pytest_modelgate.core.market.windows import (
    Sample,
    TrainingWindow,
    Window,
    backtest_window,
    last_close,
    market_window,
    sample_of,
    walk_forward_windows,
)
from pytest_modelgate.errors import SettingsError

DAY = pd.Timedelta(days=1)
moments = st.integers(1_500_000_000, 1_900_000_000).map(lambda second: pd.Timestamp(second, unit="s", tz="UTC"))
timeframes = st.sampled_from(Timeframe)
thorough = settings(deadline=None, max_examples=100)


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@thorough
@given(moments, timeframes)
def test_the_last_close_is_the_latest_bar_border_that_has_passed(as_of: pd.Timestamp, timeframe: Timeframe) -> None:
    close = last_close(as_of, timeframe)
    assert close <= as_of < close + timeframe.delta
    assert (close - pd.Timestamp(0, tz="UTC")) % timeframe.delta == pd.Timedelta(0)


@pytest.mark.parametrize(
    ("timeframe", "expected"),
    [
        (Timeframe.MIN_15, "2024-12-27 21:15"),
        (Timeframe.HOUR_1, "2024-12-27 21:00"),
        (Timeframe.HOUR_4, "2024-12-27 20:00"),
        (Timeframe.DAY_1, "2024-12-27 00:00"),
    ],
)
def test_the_last_close_before_an_archives_time_stamp(timeframe: Timeframe, expected: str) -> None:
    assert last_close(utc("2024-12-27 21:18:19"), timeframe) == utc(expected)


@thorough
@given(moments, timeframes, st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]))
def test_the_zone_a_moment_is_written_in_does_not_matter(as_of: pd.Timestamp, timeframe: Timeframe, zone: str) -> None:
    assert walk_forward_windows(as_of.tz_convert(zone), timeframe, 180, 5) == walk_forward_windows(
        as_of, timeframe, 180, 5
    )


@thorough
@given(moments, timeframes, st.integers(1, 400), st.integers(1, 24))
def test_folds_cover_the_days_without_gap_or_overlap(
    as_of: pd.Timestamp, timeframe: Timeframe, days: int, folds: int
) -> None:
    assume(days * DAY // timeframe.delta >= 2 * folds)
    windows = walk_forward_windows(as_of, timeframe, days, folds)
    assert all(left.end == right.start for left, right in pairwise(windows))
    assert windows[-1].end == last_close(as_of, timeframe)
    assert windows[-1].end - windows[0].start == days * DAY


@thorough
@given(moments, timeframes, st.integers(1, 400), st.integers(1, 24))
def test_folds_are_whole_bars_and_differ_by_one_at_most(
    as_of: pd.Timestamp, timeframe: Timeframe, days: int, folds: int
) -> None:
    assume(days * DAY // timeframe.delta >= 2 * folds)
    lengths = [
        (window.end - window.start) / timeframe.delta for window in walk_forward_windows(as_of, timeframe, days, folds)
    ]
    assert all(length == int(length) for length in lengths)
    assert max(lengths) - min(lengths) <= 1


def test_folds_are_named_in_order() -> None:
    windows = walk_forward_windows(utc("2024-12-27"), Timeframe.HOUR_1, 180, 3)
    assert [window.name for window in windows] == ["fold1of3", "fold2of3", "fold3of3"]


def test_the_missions_folds_are_36_days_each() -> None:
    windows = walk_forward_windows(utc("2024-12-27 21:18:19"), Timeframe.HOUR_1, 180, 5)
    assert windows[0] == Window("fold1of5", utc("2024-06-30 21:00"), utc("2024-08-05 21:00"))
    assert {window.end - window.start for window in windows} == {36 * DAY}


def test_the_backtest_window_is_the_last_days() -> None:
    window = backtest_window(utc("2024-03-01 00:30"), Timeframe.HOUR_1, 30)
    assert window == Window("backtest", utc("2024-01-31"), utc("2024-03-01"))


@pytest.mark.parametrize(("days", "folds"), [(1, 1), (5, 3), (0, 1), (-3, 1), (30, 0)])
def test_windows_without_two_bars_each_are_refused(days: int, folds: int) -> None:
    with pytest.raises(SettingsError, match="1Day"):
        walk_forward_windows(utc("2024-12-27"), Timeframe.DAY_1, days, folds)


INDEX = pd.date_range("2024-01-01", "2024-03-01", freq="h", tz="UTC", unit="ns")
FOLD = Window("fold1of1", utc("2024-02-10"), utc("2024-02-20"))


def sample(training_end: str, embargo: int) -> Sample:
    return sample_of(FOLD, TrainingWindow(utc("2023-01-01"), utc(training_end)), INDEX, embargo)


def test_an_undeclared_training_window_makes_the_sample_unknown() -> None:
    assert sample_of(FOLD, None, INDEX, 0) is Sample.UNKNOWN


@pytest.mark.parametrize("training_end", ["2024-02-10 00:00", "2024-02-15", "2024-06-01"])
def test_a_window_that_starts_by_the_training_end_is_in_sample(training_end: str) -> None:
    assert sample(training_end, 0) is Sample.IN_SAMPLE


@pytest.mark.parametrize(
    ("training_end", "expected"),
    [
        ("2024-02-09 13:00", Sample.OUT_OF_SAMPLE),
        ("2024-02-09 13:30", Sample.OUT_OF_SAMPLE),
        ("2024-02-09 14:00", Sample.GAP),
    ],
)
def test_the_embargo_counts_bars_after_the_training_end(training_end: str, expected: Sample) -> None:
    assert sample(training_end, 10) is expected


def test_the_embargo_counts_bars_not_hours() -> None:
    sparse = INDEX[INDEX.hour < 2]
    training = TrainingWindow(utc("2023-01-01"), utc("2024-02-05 12:00"))
    assert sample_of(FOLD, training, sparse, 8) is Sample.OUT_OF_SAMPLE
    assert sample_of(FOLD, training, sparse, 9) is Sample.GAP


@thorough
@given(st.integers(0, 1_500), st.integers(0, 200))
def test_a_later_training_end_never_makes_a_window_more_out_of_sample(hour: int, embargo: int) -> None:
    order = [Sample.OUT_OF_SAMPLE, Sample.GAP, Sample.IN_SAMPLE]
    ends = [INDEX[0] + pd.Timedelta(hours=hour + extra) for extra in (0, 1)]
    early, late = (sample_of(FOLD, TrainingWindow(INDEX[0], end), INDEX, embargo) for end in ends)
    assert order.index(early) <= order.index(late)


@thorough
@given(moments, timeframes, st.sampled_from(AssetClass), st.integers(1, 800))
def test_the_market_window_ends_with_the_last_closed_bar(
    as_of: pd.Timestamp, timeframe: Timeframe, asset_class: AssetClass, days: int
) -> None:
    first, last = market_window(as_of, timeframe, asset_class, days)
    assert last + timeframe.delta == last_close(as_of, timeframe)
    assert first == first.normalize()


@thorough
@given(moments, timeframes, st.integers(1, 800))
def test_crypto_has_its_warm_up_before_the_longest_check(as_of: pd.Timestamp, timeframe: Timeframe, days: int) -> None:
    first, _ = market_window(as_of, timeframe, AssetClass.CRYPTO, days)
    longest = last_close(as_of, timeframe) - max(365, days) * DAY
    assert 400 * timeframe.delta <= longest - first < 400 * timeframe.delta + DAY


@thorough
@given(moments, st.sampled_from([Timeframe.HOUR_1, Timeframe.HOUR_4, Timeframe.DAY_1]))
def test_equities_have_400_bars_of_business_days_before_the_longest_check(
    as_of: pd.Timestamp, timeframe: Timeframe
) -> None:
    first, _ = market_window(as_of, timeframe, AssetClass.EQUITY, 180)
    longest = last_close(as_of, timeframe) - 365 * DAY
    per_session = {Timeframe.HOUR_1: 6, Timeframe.HOUR_4: 1, Timeframe.DAY_1: 1}[timeframe]
    holidays = 10 * ((longest - first) / (365 * DAY)) + 10
    assert (len(pd.bdate_range(first, longest)) - 1 - holidays) * per_session >= 390


def test_requests_of_one_hour_start_alike() -> None:
    starts = {
        market_window(utc(f"2024-12-27 {hour:02}:59"), Timeframe.HOUR_1, AssetClass.CRYPTO, 180)[0] for hour in (18, 23)
    }
    assert len(starts) == 1
