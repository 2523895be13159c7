"""Figures that describe a record, against the slow and obvious way and against independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kurtosis, norm, skew

from pytest_modelgate.core.statistics.drawdowns import worst_drawdowns
from pytest_modelgate.core.statistics.exposure import equal_exposure
from pytest_modelgate.core.statistics.periods import compounded_by, correlation
from pytest_modelgate.core.statistics.rolling import rolling_mean, rolling_sharpe
from pytest_modelgate.core.statistics.sharpe import sharpe_interval, sharpe_shape

curves = st.lists(st.integers(1, 9), min_size=1, max_size=40).map(lambda steps: np.array(steps, dtype=np.float64))
seeds = st.integers(0, 10**6)


@given(curves)
def test_drawdowns_are_those_found_row_by_row(equity: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    expected, start = [], 0
    for row in range(1, len(equity) + 1):
        if row == len(equity) or equity[row] >= equity[start]:
            below = equity[start + 1 : row]
            if len(below):
                trough = start + 1 + int(below.argmin())
                depth = 1.0 - equity[trough] / equity[start]
                expected.append((start, trough, row if row < len(equity) else None, depth))
            start = row

    found = worst_drawdowns(equity, 100)

    assert sorted(found) == expected
    assert [item.depth for item in found] == sorted((item[3] for item in expected), reverse=True)
    assert worst_drawdowns(equity, 2) == found[:2]


@given(st.floats(-0.9, 0.9), seeds)
def test_a_constant_position_without_costs_is_its_own_equal_exposure(weight: float, seed: int) -> None:
    market = np.random.default_rng(seed).normal(0.0, 0.01, 50)

    found = equal_exposure(np.full(50, weight), market)

    assert found.weight == pytest.approx(weight)
    assert found.total_return == pytest.approx(math.prod(1.0 + weight * move for move in market) - 1.0)


def test_longs_and_shorts_offset_each_other() -> None:
    assert equal_exposure(np.array([0.3, -0.3]), np.array([0.1, 0.1])).total_return == 0.0


@given(seeds, st.integers(3, 300), st.floats(0.5, 0.99))
def test_the_interval_of_a_sharpe_ratio_is_mertens(seed: int, bars: int, confidence: float) -> None:
    returns = np.random.default_rng(seed).standard_t(4, bars) * 0.01 + 0.001
    sharpe = returns.mean() / returns.std(ddof=1)
    variance = 1.0 - skew(returns) * sharpe + (kurtosis(returns, fisher=False) - 1.0) / 4.0 * sharpe**2

    low, high = sharpe_interval(sharpe_shape(returns), confidence)

    if variance <= 0.0:
        assert math.isnan(low)
        return
    reach = norm.ppf(0.5 + confidence / 2) * math.sqrt(variance / (bars - 1))
    assert (low, high) == pytest.approx((sharpe - reach, sharpe + reach))


def test_a_90_percent_interval_covers_the_truth_in_nine_cases_of_ten() -> None:
    rng, truth, covered = np.random.default_rng(7), 0.1, 0
    for _ in range(1000):
        low, high = sharpe_interval(sharpe_shape(rng.normal(truth, 1.0, 400)), 0.9)
        covered += low <= truth <= high

    assert 870 <= covered <= 930


@given(seeds, st.integers(2, 10))
def test_a_rolling_sharpe_ratio_is_that_of_every_window(seed: int, bars: int) -> None:
    returns = np.random.default_rng(seed).normal(0.0, 0.01, 30)
    returns[10:20] = 0.001  # where they do not vary there is none

    found = rolling_sharpe(returns, bars, 250.0)

    for row in range(30):
        window = returns[row - bars + 1 : row + 1]
        expected = math.nan
        if row >= bars - 1 and np.ptp(window) > 0.0:
            expected = window.mean() / window.std(ddof=1) * math.sqrt(250.0)
        assert found[row] == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_a_rolling_mean_begins_when_its_window_is_full() -> None:
    assert rolling_mean(np.array([1.0, 2.0, 3.0]), 2).tolist()[1:] == [1.5, 2.5]
    assert math.isnan(rolling_mean(np.array([1.0, 2.0, 3.0]), 2)[0])


@given(seeds)
def test_returns_by_period_are_pandas_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    periods, returns = np.sort(rng.integers(-5, 5, 40)), rng.normal(0.0, 0.1, 40)

    expected = (1.0 + pd.Series(returns)).groupby(periods).prod() - 1.0

    assert compounded_by(periods, returns) == pytest.approx(expected.to_dict())


@given(seeds, st.integers(0, 19))
def test_a_correlation_is_numpys_over_the_days_that_both_have(seed: int, shift: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, 40))
    one, other = dict(enumerate(x.tolist())), {day + shift: value for day, value in enumerate(y.tolist())}

    assert correlation(one, other) == pytest.approx(np.corrcoef(x[shift:], y[: 40 - shift])[0, 1])


def test_few_common_days_and_days_without_change_have_no_correlation() -> None:
    moving, still = {day: float(day % 3) for day in range(40)}, dict.fromkeys(range(40), 1.0)

    assert math.isnan(correlation(moving, {day + 21: value for day, value in moving.items()}))
    assert math.isnan(correlation(moving, still))
