"""Features of a whole series of bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError


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
    location = f"feature set {feature_set.name!r} on {bars.instrument.symbol} {bars.timeframe}"
    remedy = "Correct the feature set's code, or name another with --gate-feature-set"
    frame = feature_set.compute(bars.frame)
    if tuple(frame.columns) != feature_set.columns or not frame.index.equals(bars.index):
        raise CheckpointError(location, "returned other columns or rows than it declares", remedy)
    values = np.ascontiguousarray(frame.to_numpy(dtype=np.float64))
    if not np.isfinite(values[feature_set.warmup :]).all():
        row, column = (int(part) for part in np.argwhere(~np.isfinite(values[feature_set.warmup :]))[0])
        stamp = bars.index[feature_set.warmup + row]
        raise CheckpointError(location, f"column {feature_set.columns[column]!r} is not finite at {stamp}", remedy)
    return FeatureSeries(bars, values, feature_set.warmup, feature_set.columns)
