"""As how many independent models those of an archive count, seen together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pytest_modelgate.core.typing import Floats, Integers

_NORMAL = NormalDist()
_DRAWS, _CHUNK = 40_000, 2_000  # the quantile's own error is 3.5 % of the count
_LEVEL = 0.98
_SEED = 20_160_101  # one for all: the same archive gives the same draws
_FLAT = 1e-12


@dataclass(frozen=True, eq=False)
class DayGains:
    """What a model's copies gained, shifted by every number of whole days; some hundred numbers of all its bars.

    Attributes:
        days: (D,) the days that were shifted; models on the same days are compared shift by shift.
        gains: (D,) ``NetTiming.gains``.
    """

    days: Integers
    gains: Floats


def effective_models(gains: Mapping[str, DayGains]) -> float:
    """Independent models without skill whose best is as lucky as the best of these.

    Models that hold the same at the same hours are lucky together: their copies gain alike, shift by shift. With C the
    correlation of the gains, c is the 98 % quantile of the maximum of N(0, C), and as many independent models reach it
    as often: ln 0.98 / ln Phi(c) (Sidak 1967). The draws are sums of the standardised gains with normal weights, which
    have exactly that correlation. Models on other days, or whose copies all gain the same, count as independent.

    Args:
        gains: by model; neither their order nor anything else about the models makes a difference.

    Returns:
        At least 1 and at most their number, rounded up to the hundredth; 0 for none.
    """
    groups: defaultdict[bytes, list[Floats]] = defaultdict(list)
    alone = 0
    for name in sorted(gains):
        row = gains[name].gains - np.mean(gains[name].gains)
        size = math.sqrt(float(np.sum(row**2)))
        if size > _FLAT:
            groups[gains[name].days.tobytes()].append(row / size)
        else:
            alone += 1
    return float(alone) + sum(_independent(np.stack(rows)) for rows in groups.values())


def _independent(rows: Floats) -> float:
    """Args: rows: (models, D) of unit length, whose products are their correlations."""
    models, shifts = rows.shape
    if models == 1:
        return 1.0
    rng = np.random.default_rng(_SEED)
    best = np.empty(_DRAWS)
    for first in range(0, _DRAWS, _CHUNK):
        draws = rng.standard_normal((_CHUNK, shifts))
        # einsum and not a matrix product: neither BLAS nor the number of threads may change a figure
        best[first : first + _CHUNK] = np.einsum("md,nd->mn", rows, draws).max(axis=0)
    tail = math.log(_NORMAL.cdf(float(np.quantile(best, _LEVEL))))
    count = math.log(_LEVEL) / tail if tail < 0.0 else float(models)
    return min(float(models), max(1.0, math.ceil(100.0 * count) / 100.0))
