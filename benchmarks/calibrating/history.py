"""Spells, and what can be known of the past: arrays of (paths, bars)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.typing import Floats

from .grid import Ints

Bools = NDArray[np.bool_]


def draw_spells(rng: np.random.Generator, paths: int, bars: int, inside: float, outside: float) -> Ints:
    """Number of the spell that each bar is in, (paths, bars): even ones are inside. Begun in equilibrium."""
    pairs = int(bars / (inside + outside) * 1.5 + 12.0 * math.sqrt(bars / (inside + outside)) + 12)
    lengths = np.empty((paths, 2 * pairs), dtype=np.int64)
    lengths[:, 0::2] = rng.geometric(1.0 / inside, (paths, pairs))
    lengths[:, 1::2] = rng.geometric(1.0 / outside, (paths, pairs))
    lengths[:, 0] *= rng.random(paths) < inside / (inside + outside)  # a spell has no memory: what is left is as long
    ends = np.cumsum(lengths, axis=1)
    ended = np.zeros((paths, bars + 1), dtype=np.int64)
    rows = np.repeat(np.arange(paths), 2 * pairs)
    np.add.at(ended, (rows, np.minimum(ends, bars).ravel()), 1)
    return np.asarray(np.cumsum(ended[:, :bars], axis=1))


def before(values: Floats) -> Floats:
    """What was known at the close before; 0 before anything was."""
    return np.concatenate([np.zeros((len(values), 1)), values[:, :-1]], axis=1)


def trailing(values: Floats, lookback: int) -> Floats:
    """Sum over the bars before each; 0 until there are enough."""
    sums = np.cumsum(values, axis=1)
    found = np.zeros_like(values)
    found[:, lookback + 1 :] = sums[:, lookback:-1] - sums[:, : -lookback - 1]
    return found


def decided(rng: np.random.Generator, wanted: Floats, every: int) -> Floats:
    """What was wanted at the last of the moments of decision, which begin anywhere."""
    bars = wanted.shape[1]
    moments = np.arange(bars) + rng.integers(every, size=(len(wanted), 1))
    return np.asarray(np.take_along_axis(wanted, np.maximum(np.arange(bars) - moments % every, 0), axis=1))


def since(values: Floats, starts: Ints) -> Floats:
    """Sum from the bar named, itself included."""
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    begun = np.take_along_axis(sums, np.broadcast_to(starts, values.shape), axis=1)
    return np.asarray(sums[:, 1:] - begun)


def happened(event: Bools, starts: Ints) -> Bools:
    """Whether it was seen at a close before, since the bar named."""
    latest = np.maximum.accumulate(np.where(event, np.arange(event.shape[1]), -1), axis=1)
    before = np.concatenate([np.full((len(event), 1), -1), latest[:, :-1]], axis=1)
    return np.asarray(before >= starts)
