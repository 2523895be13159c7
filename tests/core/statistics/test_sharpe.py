"""The statistics behind the proofs, against the slow and obvious way and against independent implementations."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from skfolio.measures import deflated_sharpe_ratio, expected_max_sharpe_ratio, probabilistic_sharpe_ratio

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.statistics.sharpe import (
    deflated_sharpe,
    expected_max_sharpe,
    min_track_record_length,
    probabilistic_sharpe,
    sharpe_shape,
)
from pytest_modelgate.core.statistics.timing import shift_test

Floats = NDArray[np.float64]


def attribution(held: Any, move: Any, carried: Any = None, gap: Any = None) -> BarAttribution:
    """Positions and market returns; without costs."""
    held, move = np.array(held, dtype=np.float64), np.array(move, dtype=np.float64)
    none = np.zeros(len(held))
    carried = none if carried is None else np.array(carried, dtype=np.float64)
    gap = none if gap is None else np.array(gap, dtype=np.float64)
    return BarAttribution(carried * gap + held * move, carried, held, gap, move, none, none)


def drawn(seed: int, bars: int, mean: float = 0.0) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, bars) * 0.01 + mean


seeds, lengths = st.integers(0, 10**6), st.integers(3, 60)


def test_what_exits_within_bars_cost_counts_against_the_timing_and_what_they_add_does_not() -> None:
    plain = attribution([0.1, 0.0, 0.2, 0.0], [0.01, -0.01, 0.02, -0.03])
    own = shift_test(plain).own
    costly, helpful = (replace(plain, forgone=np.array([sign * 0.001, 0.0, 0.0, 0.0])) for sign in (1.0, -1.0))
    assert shift_test(costly).own == pytest.approx(own - 0.001)
    assert shift_test(helpful) == shift_test(plain)


@given(seed=seeds, bars=lengths)
def test_all_shifts_at_once_are_each_shift_by_itself(seed: int, bars: int) -> None:
    rng = np.random.default_rng(seed)
    held, carried = rng.choice([0.0, 0.1, -0.2], bars), rng.choice([0.0, 0.1], bars)
    move, gap = rng.normal(0, 0.01, bars), rng.normal(0, 0.005, bars)
    one_by_one = [
        sum(carried[bar] * gap[(bar + shift) % bars] + held[bar] * move[(bar + shift) % bars] for bar in range(bars))
        for shift in range(bars)
    ]

    timing = shift_test(attribution(held, move, carried, gap))

    own = one_by_one[0]
    assert timing.rank == pytest.approx(sum(gain >= own - 1e-12 for gain in one_by_one) / bars)
    if np.std(one_by_one) > 1e-12:
        tail = float(norm.sf((own - np.mean(one_by_one)) / np.std(one_by_one)))
        assert timing.p_value == pytest.approx(max(tail, 1 / bars), rel=1e-6)
    assert timing.percentile == pytest.approx(100 * sum(gain < own - 1e-12 for gain in one_by_one) / (bars - 1))
    assert [timing.own, timing.mean] == pytest.approx([own, np.mean(one_by_one)])
    assert timing.shifts == bars


def test_a_position_that_never_changes_has_no_timing_whatever_the_market_does() -> None:
    timing = shift_test(attribution([0.3] * 500, drawn(1, 500, mean=0.01)))
    assert (timing.p_value, timing.rank, timing.percentile) == (1.0, 1.0, 0.0)


def test_a_model_that_never_trades_has_no_timing() -> None:
    assert shift_test(attribution([0.0] * 50, drawn(1, 50))).p_value == 1.0


def test_a_single_bar_has_no_other_shifts() -> None:
    timing = shift_test(attribution([0.1], [0.01]))
    assert (timing.p_value, timing.rank, math.isnan(timing.percentile)) == (1.0, 1.0, True)


def test_a_shift_that_gains_the_same_is_not_behind() -> None:
    """In a market that repeats itself every seven bars, one shift in seven is the model itself, however it rounds."""
    move = drawn(7, 7)
    timing = shift_test(attribution(np.tile(np.where(move > 0, 0.1, 0.0), 40), np.tile(move, 40)))
    assert timing.rank == pytest.approx(1 / 7)


def test_perfect_foresight_is_beaten_by_no_shift() -> None:
    move = drawn(2, 400)
    timing = shift_test(attribution(np.where(move > 0, 0.1, 0.0), move))
    assert (timing.p_value, timing.percentile) == (1 / 400, 100.0)
    assert timing.rank == pytest.approx(1 / 400)


def test_drift_of_the_market_does_not_help_a_long_position_that_knows_nothing() -> None:
    held = np.random.default_rng(3).choice([0.0, 0.1], 800, p=[0.1, 0.9])
    calm, bull = drawn(4, 800), drawn(4, 800, mean=0.01)
    # Every shift gets the same share of the drift.
    assert shift_test(attribution(held, bull)).p_value == pytest.approx(shift_test(attribution(held, calm)).p_value)


def test_without_skill_every_p_value_is_as_likely() -> None:
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(1500):
        held = np.repeat(rng.choice([0.0, 0.1], 30), 10)
        p_values.append(shift_test(attribution(held, rng.standard_t(4, 300))).p_value)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=3.5 * math.sqrt(level / 1500))


@given(seed=seeds, bars=st.integers(3, 400), mean=st.floats(-0.01, 0.01))
def test_the_probabilistic_sharpe_ratio_is_that_of_skfolio(seed: int, bars: int, mean: float) -> None:
    returns = drawn(seed, bars, mean)
    expected = float(probabilistic_sharpe_ratio(returns))
    assert probabilistic_sharpe(sharpe_shape(returns)) == pytest.approx(expected, rel=1e-9, nan_ok=True)


@given(seed=seeds, trials=st.integers(2, 500))
def test_the_deflated_sharpe_ratio_is_that_of_skfolio(seed: int, trials: int) -> None:
    bars = 300
    returns = drawn(seed, bars, 0.001)
    # Trials whose standard deviation (ddof 1) is what chance gives over so many bars.
    spread = np.linspace(-1.0, 1.0, trials)
    others = spread / spread.std(ddof=1) / math.sqrt(bars - 1)
    expected = float(deflated_sharpe_ratio(returns, others))
    assert deflated_sharpe(sharpe_shape(returns), trials) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("trials", [1, 2, 8, 20, 1000, 10**6])
def test_the_expected_maximum_is_that_of_skfolio(trials: int) -> None:
    expected = expected_max_sharpe_ratio(trials, 1 / math.sqrt(4319))
    assert expected_max_sharpe(trials, 4320) == pytest.approx(expected, rel=1e-9)


def test_the_expected_maximum_is_what_the_best_of_many_draws_shows() -> None:
    best = np.random.default_rng(6).normal(size=(20_000, 20)).max(axis=1).mean()
    assert expected_max_sharpe(20, 101) * math.sqrt(100) == pytest.approx(best, abs=0.05)


@given(seed=seeds, more=st.integers(1, 1000), trials=st.integers(1, 1000))
def test_more_trials_never_make_a_model_more_credible(seed: int, more: int, trials: int) -> None:
    shape = sharpe_shape(drawn(seed, 200, 0.001))
    assert deflated_sharpe(shape, trials + more) <= deflated_sharpe(shape, trials) <= probabilistic_sharpe(shape)


def test_a_track_record_of_the_least_length_is_just_proven() -> None:
    returns = drawn(7, 500, 0.002)
    shape = sharpe_shape(returns)
    bars = min_track_record_length(shape, 0.95)
    z = shape.sharpe * math.sqrt(bars - 1) / shape.error
    assert norm.cdf(z) == pytest.approx(0.95)


@pytest.mark.parametrize("returns", [drawn(7, 500, -0.01), np.tile([0.01, -0.01], 50)], ids=["loss", "nothing"])
def test_no_track_record_proves_a_loss_or_nothing(returns: Floats) -> None:
    assert min_track_record_length(sharpe_shape(returns), 0.95) == math.inf


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.2], [0.0] * 50, [0.01] * 50])
def test_returns_that_say_nothing_have_no_figures(returns: list[float]) -> None:
    shape = sharpe_shape(np.array(returns))
    figures = (probabilistic_sharpe(shape), deflated_sharpe(shape, 5), min_track_record_length(shape, 0.95))
    assert all(math.isnan(figure) for figure in figures)
