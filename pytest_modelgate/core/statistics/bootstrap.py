"""Resampling of time series."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from pytest_modelgate.core.typing import Floats

_DRAWS = 2000


def block_length(bars: int) -> int:
    """Bars of a block: the cube root, the rate that Hall, Horowitz & Jing (1995) find best for a variance."""
    return max(1, round(math.cbrt(bars)))


def resampled_sums(values: Floats, seed: Floats) -> Floats:
    """Sums over resampled series of the same length (circular block bootstrap, Politis & Romano 1992).

    Args:
        values: (bars,).
        seed: (bars,) figures whose bytes seed the draws, so that the same content gives the same sums anywhere.

    Returns:
        (draws,).
    """
    bars = len(values)
    rng = np.random.default_rng(int(hashlib.sha256(seed.astype("<f8").tobytes()).hexdigest(), 16))
    length = block_length(bars)
    count = math.ceil(bars / length)
    summed = np.concatenate([[0.0], np.cumsum(np.tile(values, 2))])
    starts = rng.integers(0, bars, (_DRAWS, count))
    rest = bars - length * (count - 1)  # rows of the last block
    whole, last = (summed[rows : rows + bars] - summed[:bars] for rows in (length, rest))
    blocks = whole[starts]
    blocks[:, -1] = last[starts[:, -1]]
    sums: Floats = blocks.sum(axis=1)
    return sums
