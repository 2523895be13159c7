"""Champion against challenger on identical bars."""

from dataclasses import replace

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.statistics.bootstrap import block_length
from pytest_modelgate.core.statistics.paired_comparison import compare

BARS = 900
SHA256 = "c" * 64


def _attribution(returns: NDArray[np.float64], seed: int = 1) -> BarAttribution:
    market = np.random.default_rng(seed).normal(0.0, 0.01, len(returns))
    nothing = np.zeros(len(returns))
    return BarAttribution(returns, nothing, nothing, nothing, market, nothing, nothing)


def _noise(seed: int, scale: float = 0.01, bars: int = BARS) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.0, scale, bars)


def test_a_steady_edge_is_better_and_its_lack_worse() -> None:
    deployed = _noise(2)
    fresh = deployed + 0.001 + _noise(3, 0.002)

    better = compare([_attribution(deployed)], [_attribution(fresh)], SHA256)
    worse = compare([_attribution(fresh)], [_attribution(deployed)], SHA256)

    assert (better.outcome, worse.outcome) == ("better", "worse")
    assert better.low == pytest.approx(-worse.high, abs=5e-5)
    assert better.challenger_return == pytest.approx(float(np.prod(1 + fresh)) - 1)
    assert "better than the deployed cccccccccccc on the same bars" in better.sentence


def test_what_compounds_to_a_loss_is_worse_though_its_returns_average_to_nothing() -> None:
    idle, swinging = np.zeros(BARS), np.tile([0.1, -0.1], BARS // 2)  # 0.99 after every two bars

    assert compare([_attribution(idle)], [_attribution(swinging)], SHA256).outcome == "worse"


def test_the_difference_is_that_of_mean_logarithmic_returns() -> None:
    deployed, fresh = _noise(5, 0.2), _noise(6, 0.2)

    expected = np.mean(np.log(1.0 + fresh)) - np.mean(np.log(1.0 + deployed))
    assert compare([_attribution(deployed)], [_attribution(fresh)], SHA256).difference == pytest.approx(expected)


def test_pairing_takes_out_what_both_earned() -> None:
    """The same edge is lost in the noise of either alone, but not in their difference."""
    deployed = _noise(2, 0.03)

    assert compare([_attribution(deployed)], [_attribution(deployed + 0.0005)], SHA256).outcome == "better"
    assert compare([_attribution(_noise(4, 0.03))], [_attribution(deployed + 0.0005)], SHA256).outcome == "equal"


def test_the_same_bytes_are_equal_with_an_interval_of_nothing() -> None:
    same = _attribution(_noise(2))

    found = compare([same], [same], SHA256)

    assert (found.outcome, found.difference, found.low, found.high) == ("equal", 0.0, 0.0, 0.0)


def test_the_interval_is_that_of_an_independent_implementation() -> None:
    deployed, fresh = _noise(5), _noise(6) + 0.0002
    found = compare([_attribution(deployed)], [_attribution(fresh)], SHA256)

    paired = np.log1p(fresh) - np.log1p(deployed)
    other = CircularBlockBootstrap(block_length(BARS), paired, seed=1)
    low, high = other.conf_int(np.mean, reps=4000, method="percentile", size=0.90).ravel()

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_two_equal_models_are_seldom_told_apart() -> None:
    outcomes = [
        compare([_attribution(_noise(2 * n))], [_attribution(_noise(2 * n + 1))], SHA256).outcome for n in range(1, 101)
    ]

    assert outcomes.count("equal") >= 82  # 90 expected; fewer than 82 of 100 would be a 1 in 100 accident


@given(st.integers(0, 50), st.integers(2, 40))
def test_folds_pool_and_results_repeat(seed: int, cut: int) -> None:
    deployed, fresh = _noise(seed, bars=60), _noise(seed + 1, bars=60)
    whole = compare([_attribution(deployed)], [_attribution(fresh)], SHA256)
    market = _attribution(deployed).intraday_return

    def split(returns: NDArray[np.float64]) -> list[BarAttribution]:
        return [replace(_attribution(part), intraday_return=move) for part, move in zip(
            np.split(returns, [cut]), np.split(market, [cut]), strict=True)]  # fmt: skip

    assert compare(split(deployed), split(fresh), SHA256) == whole


def test_a_ruin_is_worse_not_an_error() -> None:
    ruined = _noise(2)
    ruined[10:40] = -1.0

    assert compare([_attribution(_noise(2))], [_attribution(ruined)], SHA256).outcome == "worse"


@pytest.mark.parametrize(
    "other",
    [
        _attribution(_noise(2), seed=9),
        _attribution(_noise(2, bars=BARS - 1)),
        replace(_attribution(_noise(2)), overnight_return=np.full(BARS, 0.01)),
    ],
    ids=["other moves", "fewer bars", "other gaps"],
)
def test_other_bars_are_refused(other: BarAttribution) -> None:
    with pytest.raises(ValueError, match="traded other bars"):
        compare([_attribution(_noise(2))], [other], SHA256)
