"""Drawdowns of an equity curve, episode by episode."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytest_modelgate.core.typing import Floats


class Drawdown(NamedTuple):
    """One stretch below a peak: rows of the peak, of the lowest point, and of the first that reaches the peak again.

    Attributes:
        recovery: None where the curve ends below the peak.
        depth: of the lowest point below the peak, a positive fraction.
    """

    start: int
    trough: int
    recovery: int | None
    depth: float


def worst_drawdowns(equity: Floats, most: int) -> list[Drawdown]:
    """The deepest drawdowns, the deepest first; of equal ones the earlier.

    Args:
        equity: (n,) of an account, its start first, above 0 there.
        most: that many, fewer where there are fewer.
    """
    peak = np.maximum.accumulate(equity)
    edges = np.diff(np.concatenate([[False], equity < peak, [False]]).astype(np.int8))
    found = []
    for first, end in zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True):
        trough = first + int(equity[first:end].argmin())
        recovery = end if end < len(equity) else None
        found.append(Drawdown(first - 1, trough, recovery, float(1.0 - equity[trough] / peak[first])))
    return sorted(found, key=lambda item: (-item.depth, item.start))[:most]
