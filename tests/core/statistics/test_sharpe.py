"""The statistics behind the proofs, against the slow and obvious way and against independent implementations."""

from __future__ import annotations

import math
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
