"""Features of a whole series of bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE, compute_all
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

_REMEDY = "Correct the feature set's code, or name another with --gate-feature-set"


@dataclass(frozen=True, eq=False)
class FeatureSeries:
    """Market features of a whole series of bars, computed once and shared by every window and model that needs them.

    Attributes:
        bars: the series.
        matrix: (bars, features) float64; rows before ``warmup`` are not defined.
        warmup: first usable row.
    """

    bars: Bars
    matrix: Floats
    warmup: int
    columns: tuple[str, ...]


def compute_features(bars: Bars, feature_set: FeatureSet) -> FeatureSeries:
    """Compute a feature set over a series.

    Raises:
        CheckpointError: the feature set broke its promise: other columns or rows, or a value that is not finite.
    """
    frame = feature_set.compute(bars.frame)
    if tuple(frame.columns) != feature_set.columns or not frame.index.equals(bars.index):
        raise CheckpointError(_location(bars, feature_set), "returned other columns or rows than it declares", _REMEDY)
    return _checked(bars, feature_set, frame.to_numpy(dtype=np.float64))


def compute_features_of_all(series: Sequence[Bars], feature_set: FeatureSet) -> list[FeatureSeries]:
    """``compute_features`` of several series with the same times; the gate's own set takes all of them at once.

    Raises:
        CheckpointError: as ``compute_features``.
    """
    if feature_set is not REFERENCE:
        return [compute_features(bars, feature_set) for bars in series]
    matrices = compute_all([bars.frame for bars in series])
    return [_checked(bars, feature_set, matrix) for bars, matrix in zip(series, matrices, strict=True)]


def _location(bars: Bars, feature_set: FeatureSet) -> str:
    return f"feature set {feature_set.name!r} on {bars.instrument.symbol} {bars.timeframe}"


def _checked(bars: Bars, feature_set: FeatureSet, matrix: Floats) -> FeatureSeries:
    values = np.ascontiguousarray(matrix)
    if not np.isfinite(values[feature_set.warmup :]).all():
        row, column = (int(part) for part in np.argwhere(~np.isfinite(values[feature_set.warmup :]))[0])
        stamp = bars.index[feature_set.warmup + row]
        problem = f"column {feature_set.columns[column]!r} is not finite at {stamp}"
        raise CheckpointError(_location(bars, feature_set), problem, _REMEDY)
    return FeatureSeries(bars, values, feature_set.warmup, feature_set.columns)
