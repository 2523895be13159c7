"""Prices that go far away and come straight back, told from moves that stay; prices that stand still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.market_factory import hourly_bars, random_walk

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.market.bars import COLUMNS, Bars
from pytest_modelgate.core.market.prints import Prints, find_prints
from pytest_modelgate.core.market.quality import Quality, assess
from pytest_modelgate.core.typing import Floats

LIMITS = load_profile("2.4.5").market_data
HOURS, ROW = 24 * 60, 700
FRAME = random_walk("2024-01-01", HOURS, seed=5)
DEVIATION = 0.005  # of the logarithm of random_walk's prices, from open to close


def prints(values: Floats, symbol: str = "BTCUSD") -> Prints:
    return find_prints(bars_of(values, symbol), LIMITS)


def bars_of(values: Floats, symbol: str = "BTCUSD") -> Bars:
    return hourly_bars(symbol, pd.DataFrame(values, columns=list(COLUMNS), index=FRAME.index[: len(values)]))


def values_of(seed: int) -> Floats:
    return random_walk("2024-01-01", HOURS, seed=seed).to_numpy(dtype=np.float64).copy()


def spiked(values: Floats, row: int, what: str, factor: float) -> Floats:
    """One price, or one bar, of another size; highs and lows go along."""
    values = values.copy()
    columns = {"open": [0], "close": [3], "high": [1], "low": [2], "bar": [0, 1, 2, 3]}[what]
    values[row, columns] *= factor
    body = values[row, [0, 3]]
    values[row, 1], values[row, 2] = max(values[row, 1], *body), min(values[row, 2], *body)
    return values


def flagged(values: Floats, symbol: str = "BTCUSD") -> list[int]:
    return np.flatnonzero(prints(values, symbol).flagged).tolist()


@given(growth=st.floats(1e-4, 0.01), up=st.sampled_from([-1, 1]), level=st.floats(1e-3, 1e5), turn=st.integers(0, 200))
def test_a_series_without_noise_flags_nothing(growth: float, up: int, level: float, turn: int) -> None:
    moves = up * np.where(np.arange(200) < turn, growth, -growth)
    close = level * np.exp(np.cumsum(moves))
    opened = np.concatenate([[level], close[:-1]])
    values = np.stack([opened, np.maximum(opened, close), np.minimum(opened, close), close, close], axis=1)

    assert flagged(values) == []


def test_a_market_that_seldom_trades_flags_no_trade() -> None:
    """Two bars of three stand still: most moves are none, and tell nothing of the size of those that are."""
    values = FRAME.to_numpy(dtype=np.float64).copy()
    for row in range(1, HOURS):
        if row % 3:
            values[row, :4] = values[row - 1, 3]
    assert not prints(values).spikes.any()
    assert flagged(spiked(values, ROW, "high", 1.5)) == [ROW]


def test_an_absurd_price_is_flagged_in_a_series_too_short_or_still_to_have_a_scale() -> None:
    values = np.tile([5.0, 5.0, 5.0, 5.0, 1.0], (20, 1))
    assert flagged(spiked(values, 10, "low", 0.4)) == [10]
    assert flagged(spiked(values, 10, "low", 0.6)) == []


@given(seed=st.integers(0, 500))
@settings(max_examples=30)
def test_an_ordinary_market_flags_nothing(seed: int) -> None:
    assert flagged(values_of(seed)) == []


@given(factor=st.floats(1e-6, 1e6), row=st.integers(10, HOURS - 10), what=st.sampled_from(["open", "high", "bar"]))
@settings(max_examples=30)
def test_the_scale_of_prices_changes_nothing(factor: float, row: int, what: str) -> None:
    values = spiked(FRAME.to_numpy(dtype=np.float64), row, what, 1.3)
    scaled = values * np.array([factor] * 4 + [1.0])

    once, again = prints(values), prints(scaled)

    assert np.array_equal(once.flagged, again.flagged)
    assert once.flagged[row]
    np.testing.assert_allclose(once.spikes, again.spikes, atol=1e-9)
    assert (once.longest_run, once.coarse) == (again.longest_run, again.coarse)


@given(
    seed=st.integers(0, 500),
    row=st.integers(10, HOURS - 10),
    size=st.floats(0.0, 2.0),
    sign=st.sampled_from([-1, 1]),
    at_open=st.booleans(),
)
@settings(max_examples=60)
def test_a_move_that_stays_is_never_flagged(seed: int, row: int, size: float, sign: int, at_open: bool) -> None:
    """Whether it comes with the open or within the bar; split detection is for stocks and another matter."""
    values, factor = values_of(seed), np.exp(sign * size)
    values[row + 1 :, :4] *= factor
    values[row, 3] *= factor
    if at_open:
        values[row, :3] *= factor
    values[row, 1] = max(values[row, 1], values[row, 3])
    values[row, 2] = min(values[row, 2], values[row, 3])

    assert flagged(values) == []


@pytest.mark.parametrize(("overshoot", "marked"), [(0.10, []), (0.60, [ROW, ROW + 1])])
def test_news_may_overshoot_by_less_than_it_stays(overshoot: float, marked: list[int]) -> None:
    """Up by a fifth for good, and a tenth beyond for one close: no print. Three fifths beyond are one."""
    values = values_of(5)
    values[ROW + 1 :, :4] *= 1.2
    values[ROW, 3] *= 1.2 * (1.0 + overshoot)
    values[ROW + 1, 0] = values[ROW, 3]
    for row in (ROW, ROW + 1):
        values[row, 1], values[row, 2] = values[row, :4].max(), values[row, :4].min()

    assert flagged(values) == marked


@given(
    seed=st.integers(0, 500),
    row=st.integers(10, HOURS - 10),
    what=st.sampled_from(["open", "close", "high", "low", "bar"]),
    sign=st.sampled_from([-1, 1]),
)
@settings(max_examples=100)
def test_a_spike_of_a_dozen_deviations_that_comes_back_is_flagged(seed: int, row: int, what: str, sign: int) -> None:
    """Beyond all around it by a dozen of those that are usual there; what prices around it differ by comes on top."""
    sign = {"high": 1, "low": -1}.get(what, sign)
    before = values_of(seed)
    around = np.log(before[row - 1 : row + 2, [0, 3]])
    wild = max(wildness(before, row), wildness(before, row + 1))
    height = 12.0 * DEVIATION * wild + float(np.ptp(around))

    found = flagged(spiked(before, row, what, float(np.exp(sign * height))))

    assert row in found
    assert set(found) <= {row, row + 1}


def wildness(values: Floats, row: int) -> float:
    """How far, of what is usual, the six bars beside one reach, at least 1."""
    ranges = np.log(values[:, 1] / values[:, 2])
    beside = np.delete(ranges[row - 3 : row + 4], 3)
    return max(1.0, float(np.median(beside) / np.median(ranges)))


def test_a_stocks_night_has_a_scale_of_its_own() -> None:
    """Gaps of four percent each morning are nothing; within the day they are, and come back."""
    whole = pd.DatetimeIndex(FRAME.index)
    kept = np.asarray((whole.hour >= 14) & (whole.hour < 21))
    index, values = whole[kept], FRAME.to_numpy(dtype=np.float64)[kept].copy()
    rng = np.random.default_rng(3)
    nights = np.flatnonzero(np.diff(index.asi8) > 3600 * 10**9) + 1
    for row in nights.tolist():  # out by night, and back within the first hour
        values[row, 0] *= np.exp(rng.normal(0.0, 0.04))
        values[row, 1], values[row, 2] = values[row, :4].max(), values[row, :4].min()
    usual = find_prints(hourly_bars("AAPL", frame_of(values, index)), LIMITS)
    within = spiked(values, int(nights[20]) + 3, "open", 1.08)

    assert not usual.flagged.any()
    found = find_prints(hourly_bars("AAPL", frame_of(within, index)), LIMITS)
    assert np.flatnonzero(found.flagged).tolist() == [int(nights[20]) + 3]


def frame_of(values: Floats, index: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame(values, columns=list(COLUMNS), index=index)


@pytest.mark.parametrize(("bars", "marked"), [(24, 0), (25, 26), (200, 201)])
def test_bars_of_one_price_are_counted_and_flagged_beyond_the_limit(bars: int, marked: int) -> None:
    """With the bar that ends them: it is there that what happened meanwhile is earned."""
    values = FRAME.to_numpy(dtype=np.float64).copy()
    values[ROW : ROW + bars, :4] = values[ROW, 0]

    found = prints(values)

    assert found.longest_run == bars
    assert np.flatnonzero(found.frozen).tolist() == list(range(ROW, ROW + marked))


def test_prices_that_stand_still_but_for_steps_are_not_frozen() -> None:
    values = FRAME.to_numpy(dtype=np.float64).copy()
    values[ROW : ROW + 100, :4] = values[ROW, 0] + 0.01 * (np.arange(100) % 2)[:, None]

    assert not prints(values).frozen.any()


@pytest.mark.parametrize(("price", "coarse"), [(0.0008, True), (0.0009, False)])
def test_steps_of_an_eighth_of_the_price_are_coarse(price: float, coarse: bool) -> None:
    values = np.tile([price, price + 1e-4, price - 1e-4, price, 1.0], (50, 1))

    assert prints(values).coarse == (50 if coarse else 0)


def quality(values: Floats, **limits: float) -> Quality:
    bars = bars_of(values)
    return assess(bars, bars.index, (), replace(LIMITS, **limits))  # type: ignore[arg-type]


def test_a_flagged_bar_is_told_with_its_moment_and_the_series_stays_fit() -> None:
    found = quality(spiked(FRAME.to_numpy(dtype=np.float64), ROW, "open", 1.8))

    assert found.failures == ()
    assert (found.flagged, found.flagged_at) == (1, (int(FRAME.index[ROW].timestamp()),))
    assert found.worst_spike == pytest.approx(0.8, abs=0.03)
    assert found.worst_spike_at == FRAME.index[ROW].isoformat()
    (told,) = found.warnings
    assert "1 bar has a price far from all around it that came straight back, the furthest by +" in told
    assert f"{FRAME.index[ROW]:%Y-%m-%d %H:%M} UTC" in told


@pytest.mark.parametrize(("what", "factor"), [("high", 10.0), ("open", 2.2), ("low", 0.2), ("low", 1e-4)])
def test_an_absurd_price_fails_unless_the_profile_allows_it(what: str, factor: float) -> None:
    values = spiked(FRAME.to_numpy(dtype=np.float64), ROW, what, factor)

    (failure,) = quality(values).failures

    assert "1 of them further than +100% or -50%" in failure
    assert quality(values, max_spike=1e6).failures == ()


def test_frozen_and_coarse_bars_warn() -> None:
    values = FRAME.to_numpy(dtype=np.float64).copy()
    values[ROW : ROW + 30, :4] = values[ROW, 0]
    cheap = np.tile([3e-4, 4e-4, 2e-4, 3e-4, 1.0], (50, 1)) * np.linspace(1.0, 1.0, 50)[:, None]

    (frozen,) = quality(values).warnings
    assert frozen == "31 bars stand still or end a run of 30, longer than 24: no price in it changed"
    assert "50 of 50 bars are so cheap that a step of prices is 12% of the price or more" in quality(cheap).warnings
