"""Blocks of a resampled series."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_modelgate.core.statistics.bootstrap import block_length, resampled_sums

BARS = 100
SEED = np.random.default_rng(1).normal(size=BARS)


@pytest.mark.parametrize(("bars", "length"), [(1, 1), (27, 3), (1000, 10), (4320, 16)])
def test_a_block_is_as_long_as_the_cube_root(bars: int, length: int) -> None:
    assert block_length(bars) == length


@pytest.mark.parametrize("bars", [1, 10, 96, 100])
def test_a_resampled_series_is_as_long_as_the_series(bars: int) -> None:
    assert set(resampled_sums(np.ones(bars), SEED)) == {float(bars)}


@pytest.mark.parametrize("bar", [0, BARS // 2, BARS - 1])
def test_every_bar_is_drawn_as_often_as_any_other(bar: int) -> None:
    """Blocks wrap around, or the first and the last bars would be drawn too seldom."""
    assert resampled_sums(np.eye(BARS)[bar], SEED).mean() == pytest.approx(1.0, abs=0.1)


def test_neighbours_are_drawn_together() -> None:
    sums = resampled_sums(np.eye(BARS)[50] - np.eye(BARS)[51], SEED)
    assert np.mean(sums == 0.0) > 0.5


def test_the_same_seed_gives_the_same_sums() -> None:
    assert resampled_sums(SEED, SEED).tolist() == resampled_sums(SEED, SEED.copy()).tolist()


def test_another_seed_gives_other_sums() -> None:
    assert resampled_sums(SEED, SEED).tolist() != resampled_sums(SEED, -SEED).tolist()
