"""Returns by day or month, and how far two models move together."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.typing import Floats

_FEWEST = 20  # common days, below which a correlation says nothing: its standard error is above 0.22


def compounded_by(periods: NDArray[np.int64], returns: Floats) -> dict[int, float]:
    """Returns compounded by period, in the order of time; nothing comes back from a ruin.

    Args:
        periods: (n,) the period of every return, such as days since 1970, not falling.
        returns: (n,) fractions.
    """
    if not len(periods):
        return {}
    starts = np.flatnonzero(np.diff(periods, prepend=periods[0] - 1))
    totals = np.multiply.reduceat(np.maximum(0.0, 1.0 + returns), starts) - 1.0
    return dict(zip(periods[starts].tolist(), totals.tolist(), strict=True))


def correlation(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    """Pearson's correlation of two series over the periods that both have.

    Returns:
        NaN where these are fewer than 20, or one of the two does not vary over them.
    """
    common = sorted(one.keys() & other.keys())
    if len(common) < _FEWEST:
        return math.nan
    x, y = (np.array([series[period] for period in common]) for series in (one, other))
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float((x**2).sum()) * float((y**2).sum()))
    return float((x * y).sum()) / scale if scale > 0.0 else math.nan
