from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_modelgate.core.features.rolling import (
    ema_weights,
    mean_weights,
    rolling_stds,
    rolling_sums,
    weighted_offsets,
)
from pytest_modelgate.core.typing import Floats

WINDOWS = (12, 5, 3)


def series(count: int, rows: int) -> Floats:
    return np.random.default_rng(rows).normal(5.0, 2.0, (count, rows))


def by_lags(row: list[float], window: int, weights: list[float] | None = None) -> list[float]:
    """One window after the other, each added from its last row to its first, as the promise of equal bits has it."""
    found = [math.nan] * min(window - 1, len(row))
    for present in range(window - 1, len(row)):
        total = row[present] if weights is None else 0.0
        for lag in range(1, window):
            value = row[present - lag]
            total += value if weights is None else (value - row[present]) * weights[lag]
        found.append(total)
    return found


def test_ema_and_mean_weights_add_up_to_one() -> None:
    assert [sum(weights) for weights in (mean_weights(20), ema_weights(12))] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("rows", [0, 1, 4, 12, 60])
def test_sums_of_several_windows_at_once_have_the_bits_of_each_alone(rows: int) -> None:
    first, second = series(3, rows), series(3, rows) * 0.1

    sums = rolling_sums({"second": (second, (3,)), "first": (first, WINDOWS)})

    assert sorted(sums) == [("first", 3), ("first", 5), ("first", 12), ("second", 3)]
    for (name, window), found in sums.items():
        values = {"first": first, "second": second}[name]
        np.testing.assert_array_equal(found, np.array([by_lags(row, window) for row in values.tolist()]))


@pytest.mark.parametrize("rows", [0, 1, 4, 12, 60])
def test_offsets_of_several_windows_at_once_have_the_bits_of_each_alone(rows: int) -> None:
    values, weights = series(2, rows), [ema_weights(3), mean_weights(12), mean_weights(5)]

    offsets = weighted_offsets(values, weights)

    for found, each in zip(offsets, weights, strict=True):
        expected = [by_lags(row, len(each), each.tolist()) for row in values.tolist()]
        np.testing.assert_array_equal(found, np.array(expected))


@pytest.mark.parametrize("rows", [0, 1, 4, 12, 60])
def test_deviations_of_several_windows_at_once_have_the_bits_of_each_alone(rows: int) -> None:
    values = series(2, rows)
    means = dict(zip(WINDOWS, weighted_offsets(values, [*map(mean_weights, WINDOWS)]), strict=True))

    stds = rolling_stds(values, means)

    for window, found in stds.items():
        for row, offsets, deviations in zip(values.tolist(), means[window].tolist(), found.tolist(), strict=True):
            for present in range(window - 1, rows):
                total = offsets[present] * offsets[present]
                for lag in range(1, window):
                    away = row[present - lag] - row[present] - offsets[present]
                    total += away * away
                assert deviations[present] == math.sqrt(total / window)
        assert np.isnan(found[:, : window - 1]).all()
