"""What is done to observations before a policy sees them: every feature less its mean, by its deviation, clipped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.typing import Floats


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Statistics of the features of a row; the same for every row of a window.

    A number that is not finite stays one that is none: no clip makes a feature of it.

    Attributes:
        mean, deviation, limit: (n_features,); of a feature that is left alone 0, 1 and infinite.
    """

    mean: Floats
    deviation: Floats
    limit: Floats

    @classmethod
    def of(cls, mean: Floats, deviation: Floats, limit: float, columns: Sequence[int], n_features: int) -> Normaliser:
        """Statistics of some columns of a row of so many features; the others are left alone."""
        whole = np.zeros(n_features), np.ones(n_features), np.full(n_features, math.inf)
        for part, values in zip(whole, (mean, deviation, limit), strict=True):
            part[list(columns)] = values
        return cls(*whole)

    def apply(self, values: NDArray[Any], columns: Sequence[int]) -> NDArray[Any]:
        """Normalise values (..., n), of these columns of a row, in their own precision."""
        mean, deviation, limit = (
            part[list(columns)].astype(values.dtype) for part in (self.mean, self.deviation, self.limit)
        )
        normalised: NDArray[Any] = np.clip((values - mean) / deviation, -limit, limit)
        return np.where(np.isfinite(values), normalised, np.nan).astype(values.dtype, copy=False)
