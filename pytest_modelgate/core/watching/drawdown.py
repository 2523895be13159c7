"""How deep a drawdown the walk-forward's own returns give by chance, over as many days as a record has."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from pytest_modelgate.core.statistics.bootstrap import block_length
from pytest_modelgate.core.typing import Floats

_DRAWS = 2000


def max_drawdowns(returns: Floats) -> Floats:
    """(...) largest fall below a peak, the start included, a positive fraction.

    Args:
        returns: (..., days); nothing comes back from a ruin.
    """
    equity = np.cumprod(np.maximum(0.0, 1.0 + returns), axis=-1)
    peak = np.maximum(1.0, np.maximum.accumulate(equity, axis=-1))
    deepest: Floats = np.max(1.0 - equity / peak, axis=-1, initial=0.0)
    return deepest


def drawdown_by_chance(daily: Floats, days: int, quantile: float) -> float:
    """A quantile of the largest drawdown over so many days (circular block bootstrap, Politis & Romano 1992).

    The same returns give the same figure anywhere: they seed the draws.

    Args:
        daily: (n,) the walk-forward's returns by day, fractions; n >= 1.
        days: of the record.
    """
    count = len(daily)
    rng = np.random.default_rng(int(hashlib.sha256(daily.astype("<f8").tobytes()).hexdigest(), 16))
    length = block_length(count)
    starts = rng.integers(0, count, (_DRAWS, math.ceil(days / length)))
    rows = (starts[:, :, None] + np.arange(length)) % count
    return float(np.quantile(max_drawdowns(daily[rows.reshape(_DRAWS, -1)[:, :days]]), quantile))
