from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.statistics.fold_spread import Spread, chi_squared_tail, measure_spread

MISSION, LITERAL = load_profile("2.4.5"), load_profile("2.4.5-literal")
HOURS = 8760.0
thorough = settings(deadline=None, max_examples=100)


def folds_of(sharpes: Sequence[float], bars: int = 864, bars_per_year: float = HOURS) -> list[FoldResult]:
    return [FoldResult(0.01, sharpe, bars, bars_per_year) for sharpe in sharpes]


def folds_with_noise(count: int, noise_units: float) -> list[FoldResult]:
    shape = statistics.stdev(range(count))
    return folds_of([0.05 + step * noise_units / shape / math.sqrt(864) for step in range(count)])


def literal(annualised: Sequence[float]) -> Spread:
    return measure_spread(folds_of([value / math.sqrt(HOURS) for value in annualised]), LITERAL)


@thorough
@given(dof=st.integers(1, 400), units=st.floats(0.0, 3.0))
def test_the_closed_form_agrees_with_scipy(dof: int, units: float) -> None:
    q = dof * units**2
    assert chi_squared_tail(q, dof) == pytest.approx(float(chi2.sf(q, dof)), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("dof", [1, 4, 364])
def test_the_tail_of_an_absurd_spread_is_zero(dof: int) -> None:
    assert chi_squared_tail(1e30, dof) == 0.0


@pytest.mark.parametrize(("count", "moderate", "high"), [(5, 1.54, 1.93), (10, 1.37, 1.62)])
def test_the_limits_in_noise_units_are_those_documented(count: int, moderate: float, high: float) -> None:
    dof = count - 1
    limits = [math.sqrt(chi2.isf(p, dof) / dof) for p in (0.05, 0.005)]
    assert [round(limit, 2) for limit in limits] == [moderate, high]
    expected = [
        (limits[0] - 1e-6, "low"),
        (limits[0] + 1e-6, "moderate"),
        (limits[1] - 1e-6, "moderate"),
        (limits[1] + 1e-6, "high"),
    ]
    for noise_units, column in expected:
        spread = measure_spread(folds_with_noise(count, noise_units), MISSION)
        assert spread.noise_units == pytest.approx(noise_units)
        assert spread.column == column


@pytest.mark.parametrize(("nudge", "column"), [(0.0, "moderate"), (-1.0, "low")])
def test_a_p_value_exactly_at_the_moderate_limit_is_moderate(nudge: float, column: str) -> None:
    folds = folds_with_noise(5, 1.5)
    p_value = measure_spread(folds, MISSION).p_value
    limits = replace(MISSION.spread, moderate=math.nextafter(p_value, p_value + nudge))

    assert measure_spread(folds, replace(MISSION, spread=limits)).column == column


@pytest.mark.parametrize(("nudge", "column"), [(0.0, "high"), (-1.0, "moderate")])
def test_a_p_value_exactly_at_the_high_limit_is_high(nudge: float, column: str) -> None:
    folds = folds_with_noise(5, 1.9)
    p_value = measure_spread(folds, MISSION).p_value
    limits = replace(MISSION.spread, high=math.nextafter(p_value, p_value + nudge))

    assert measure_spread(folds, replace(MISSION, spread=limits)).column == column


def test_q_weighs_every_fold_by_its_bars() -> None:
    spread = measure_spread([FoldResult(0.0, 0.1, 100, HOURS), FoldResult(0.0, 0.4, 200, HOURS)], MISSION)
    mean = (100 * 0.1 + 200 * 0.4) / 300
    assert spread.q == pytest.approx(100 * (0.1 - mean) ** 2 + 200 * (0.4 - mean) ** 2)
    assert spread.p_value == pytest.approx(math.erfc(math.sqrt(spread.q / 2)))
    assert spread.noise_units == pytest.approx(math.sqrt(spread.q))


def test_folds_of_one_and_the_same_skill_are_called_low_as_often_as_the_p_value_says() -> None:
    paths, folds, bars = 4000, 5, 200
    returns = np.random.default_rng(7).normal(0.05, 1.0, (paths, folds, bars))
    sharpes = returns.mean(axis=2) / returns.std(axis=2, ddof=1)
    columns = [measure_spread(folds_of(row.tolist(), bars), MISSION).column for row in sharpes]
    assert columns.count("low") / paths == pytest.approx(0.95, abs=0.015)
    assert columns.count("high") / paths == pytest.approx(0.005, abs=0.005)


def test_annualised_figures_are_reported() -> None:
    spread = measure_spread(folds_of([0.01, -0.02, 0.03]), MISSION)
    annualised = [value * math.sqrt(HOURS) for value in (0.01, -0.02, 0.03)]
    assert spread.annualised_mean == pytest.approx(statistics.mean(annualised))
    assert spread.annualised_std == pytest.approx(statistics.stdev(annualised))


def test_chance_alone_spreads_the_annualised_sharpe_of_a_36_day_fold_by_3_2() -> None:
    assert measure_spread(folds_of([0.0, 0.0], bars=36 * 24), MISSION).chance_std == pytest.approx(3.18, abs=0.01)


def test_a_fold_without_a_sharpe_leaves_the_spread_undefined() -> None:
    spread = measure_spread(folds_of([0.1, 0.1, math.nan, 0.1, 0.1]), MISSION)
    assert spread.column == "undefined"
    assert all(math.isnan(value) for value in (spread.q, spread.p_value, spread.noise_units, spread.annualised_std))
    assert spread.chance_std > 0.0


@pytest.mark.parametrize("sharpes", [[0.1], [math.inf, 0.1], [1e200, -1e200]])
def test_sharpes_that_cannot_be_compared_leave_the_spread_undefined(sharpes: list[float]) -> None:
    assert measure_spread(folds_of(sharpes), MISSION).column == "undefined"


@pytest.mark.parametrize(
    ("annualised", "column"),
    [
        ((-0.999, 0.0, 0.999), "low"),
        ((-1.0, 0.0, 1.0), "moderate"),
        ((1.2, 2.2, 3.2), "moderate"),
        ((-2.0, 0.0, 2.0), "moderate"),
        ((-1.3, 0.7, 2.7), "moderate"),
        ((-2.001, 0.0, 2.001), "high"),
    ],
)
def test_the_literal_reading_calls_exactly_1_and_2_moderate(annualised: tuple[float, ...], column: str) -> None:
    assert literal(annualised).column == column


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_fold_without_a_finite_return_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="total return is"):
        FoldResult(value, 0.1, 864, HOURS)


@pytest.mark.parametrize(("bars", "per_year"), [(0, HOURS), (-1, HOURS), (864, 0.0), (864, math.nan), (864, math.inf)])
def test_a_fold_without_bars_is_an_error(bars: int, per_year: float) -> None:
    with pytest.raises(ValueError, match="expected positive numbers"):
        FoldResult(0.01, 0.1, bars, per_year)


@pytest.mark.parametrize(
    ("spread", "text"),
    [
        (
            measure_spread(folds_with_noise(5, 1.0), MISSION),
            "no more than chance explains (1.00 noise units, p = 0.41)",
        ),
        (measure_spread(folds_with_noise(5, 1.7), MISSION), "more than chance usually explains (1.70 noise units"),
        (measure_spread(folds_with_noise(5, 3.0), MISSION), "far more than chance explains (3.00 noise units"),
        (measure_spread(folds_of([math.nan] * 5), MISSION), "is undefined (a fold that did not trade has none)"),
        (literal((-2.0, 0.0, 2.0)), "the standard deviation of their annualised Sharpe ratios is 2.00 (moderate)"),
    ],
)
def test_a_spread_is_told_in_words(spread: Spread, text: str) -> None:
    assert text in str(spread)
