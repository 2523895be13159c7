"""Each figure of the quality gate, at its limit and beyond."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market_factory import hourly_bars, random_walk

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.profiles import MarketDataLimits
from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe
from pytest_modelgate.core.market.quality import Quality, assess
from pytest_modelgate.core.market.windows import Window

LIMITS = load_profile("2.4.5").market_data
FRAME = random_walk("2024-01-01", 1000)


def crypto(frame: pd.DataFrame, windows: tuple[Window, ...] = ()) -> Quality:
    return assess(hourly_bars("BTCUSD", frame), pd.DatetimeIndex(FRAME.index), windows, LIMITS)


def silent(count: int) -> pd.DataFrame:
    frame = FRAME.copy()
    frame.iloc[:count, 4] = 0.0
    return frame


def test_a_whole_series_has_nothing_to_say() -> None:
    quality = crypto(FRAME)

    assert (quality.expected, quality.missing, quality.longest_gap, quality.zero_volume) == (1000, 0, 0, 0)
    assert (quality.inconsistent, quality.jumps, quality.splits) == (0, 0, ())
    assert (quality.failures, quality.warnings) == ((), ())


@pytest.mark.parametrize(
    ("missing", "warns", "fails"), [(20, False, False), (21, True, False), (200, True, False), (201, False, True)]
)
def test_missing_bars_warn_above_one_limit_and_fail_above_the_other(missing: int, warns: bool, fails: bool) -> None:
    quality = crypto(FRAME.iloc[missing:])

    assert (quality.missing, quality.longest_gap) == (missing, missing)
    assert (bool(quality.warnings), bool(quality.failures)) == (warns, fails)


@pytest.mark.parametrize(
    ("count", "warns", "fails"), [(50, False, False), (51, True, False), (200, True, False), (201, False, True)]
)
def test_bars_without_a_trade_warn_above_one_limit_and_fail_above_the_other(
    count: int, warns: bool, fails: bool
) -> None:
    quality = crypto(silent(count))

    assert quality.zero_volume == count
    assert (bool(quality.warnings), bool(quality.failures)) == (warns, fails)


def test_a_failure_names_place_count_share_and_limit() -> None:
    assert crypto(silent(250)).failures == (
        "250 of 1000 bars of the series are without a trade (25.0%), more than 20%",
    )


def test_a_hole_in_one_fold_is_not_lost_in_the_whole() -> None:
    fold = Window("fold2of5", FRAME.index[400], FRAME.index[500])
    frame = FRAME.drop(FRAME.index[420:445])

    quality = crypto(frame, (fold,))

    assert quality.failures == ("25 of 100 bars of fold2of5 are missing (25.0%), more than 20%",)
    assert crypto(frame).failures == ()


def test_silence_in_one_fold_is_not_lost_in_the_whole() -> None:
    fold = Window("fold1of5", FRAME.index[0], FRAME.index[100])

    assert crypto(silent(30), (fold,)).failures == (
        "30 of 100 bars of fold1of5 are without a trade (30.0%), more than 20%",
    )


@given(st.sets(st.integers(0, 59)))
def test_the_longest_gap_is_the_longest_run_of_what_is_missing(gone: set[int]) -> None:
    frame = FRAME.iloc[:60]
    kept = frame.drop(frame.index[sorted(gone)])
    marks = "".join("x" if row in gone else "." for row in range(60))

    quality = assess(hourly_bars("BTCUSD", kept), pd.DatetimeIndex(frame.index), (), LIMITS)

    assert (quality.missing, quality.longest_gap) == (len(gone), max(map(len, marks.split("."))))


def test_a_bar_that_opens_above_its_high_is_reported_and_not_refused() -> None:
    frame = FRAME.copy()
    frame.iloc[7, 0] = frame["high"].iloc[7] + 0.01

    quality = crypto(frame)

    assert quality.inconsistent == 1
    assert quality.failures == ()
    assert quality.warnings == ("1 bar opens or closes outside its range from low to high",)


@pytest.mark.parametrize(("factor", "jumps"), [(1.2, 0), (1.3, 1), (0.7, 1), (0.8, 0)])
def test_a_jump_is_a_move_beyond_the_limit_up_or_down(factor: float, jumps: int) -> None:
    frame = FRAME.copy()
    frame.iloc[500:, :4] *= factor

    quality = crypto(frame)

    assert quality.jumps == jumps == len(quality.warnings)
    assert quality.largest_move == pytest.approx(factor - 1, abs=0.02)
    assert quality.largest_move_at == FRAME.index[500].isoformat()
    assert quality.failures == ()


def test_days_are_known_by_their_date() -> None:
    """Midnight in New York is 05:00 UTC in winter and 04:00 in summer."""
    days = pd.date_range("2024-03-01", "2024-03-20", tz="America/New_York").tz_convert("UTC").as_unit("ns")
    bars = Bars(Instrument.parse("BTCUSD"), Timeframe.DAY_1, random_walk("2024-03-01", len(days)).set_index(days))
    expected = pd.date_range(days[0], periods=len(days), freq="D", unit="ns")

    assert assess(bars, expected, (), LIMITS).missing == 0
    assert assess(bars.rows(slice(0, 15)), expected, (), LIMITS).missing == 5


def stock(price_factor: float, share_factor: float, limits: MarketDataLimits = LIMITS) -> Quality:
    """Sixty days of hours, with prices and shares multiplied from one day on."""
    frame = random_walk("2024-05-01 13:00", 24 * 60)
    index = pd.DatetimeIndex(frame.index)
    frame = frame[(index.hour >= 13) & (index.hour < 20) & (index.day_of_week < 5)].copy()
    after = np.asarray(frame.index >= pd.Timestamp("2024-06-10", tz="UTC"))
    frame.loc[after, list(frame.columns[:4])] *= price_factor
    frame.loc[after, "volume"] *= share_factor
    return assess(hourly_bars("AAPL", frame), pd.DatetimeIndex(frame.index), (), limits)


@pytest.mark.parametrize(
    ("factor", "split"),
    [
        (1 / 4, "4:1 on 2024-06-10"),
        (1 / 4 * 1.05, "4:1 on 2024-06-10"),
        (2 / 3, "3:2 on 2024-06-10"),
        (1 / 20, "20:1 on 2024-06-10"),
        (10.0, "1:10 on 2024-06-10"),
    ],
)
def test_a_split_that_prices_were_not_adjusted_for_fails(factor: float, split: str) -> None:
    quality = stock(factor, 1 / factor)

    assert quality.splits == (split,)
    assert quality.failures == (f"prices are not adjusted for what looks like a split of {split}",)


def test_a_profile_may_let_a_split_pass_with_a_warning() -> None:
    lenient = replace(LIMITS, max_splits=1)

    quality = stock(0.25, 4.0, limits=lenient)

    assert quality.failures == ()
    assert "prices are not adjusted for what looks like a split of 4:1 on 2024-06-10" in quality.warnings


def test_a_crash_by_half_in_heavy_trading_is_no_split() -> None:
    quality = stock(0.5, 20.0)

    assert quality.splits == ()
    assert quality.jumps == 1


def test_an_ordinary_fall_is_no_split() -> None:
    assert stock(0.8, 1.0).splits == ()


def test_a_fall_within_a_day_is_no_split() -> None:
    frame = random_walk("2024-06-10 13:00", 7)
    frame.iloc[3:, :4] /= 4

    assert assess(hourly_bars("AAPL", frame), pd.DatetimeIndex(frame.index), (), LIMITS).splits == ()


def test_crypto_has_no_splits() -> None:
    frame = FRAME.copy()
    frame.iloc[480:, :4] /= 4

    assert crypto(frame).splits == ()
