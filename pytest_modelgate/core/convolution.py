"""The first layer over time: what the market features of every window add to it, without a matrix of observations.

An observation is a window of the feature series, so the first layer is a correlation over time. Long series are done
by overlap and save with discrete Fourier transforms (Oppenheim & Schafer, "Discrete-Time Signal Processing", ch. 8.7).
The transforms are matrix products: of the lengths in question they are as fast as FFTs here, what a spike in one block
can spoil is bounded whatever the order in which a kernel adds, and the same few lines run on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.policy import Floats, MlpPolicy

UNITS = 128  # of the first layer that are transformed at a time: bounds the memory, and keeps it in the cache
_STEP, _BLOCK, _DEPTH = 16, 256, 256


@dataclass(frozen=True)
class Plan:
    """How a series is cut.

    Attributes:
        length: rows of a block and points of a transform; 0 adds up row by row of the window instead.
        outputs: windows that a block yields.
        blocks: how many.
    """

    length: int
    outputs: int
    blocks: int

    @property
    def frequencies(self) -> int:
        """Of a real transform."""
        return self.length // 2 + 1


def plan(count: int, window: int, n_market: int) -> Plan:
    """Cut a series of ``count`` windows so that the multiplications are fewest."""
    direct = count * window * n_market
    best, choice = direct, Plan(0, _BLOCK, -(-count // _BLOCK))
    for length in range(window - window % _STEP + _STEP, 4 * window, _STEP):
        outputs = length - window + 1
        blocks = -(-count // outputs)
        cost = length * window * n_market + 2 * length * blocks * n_market + length * outputs * blocks
        if cost < best:
            best, choice = cost, Plan(length, outputs, blocks)
    return choice


def blocks_of(market: Floats, cut: Plan, window: int) -> Floats:
    """(blocks, outputs + window - 1, n_market): consecutive blocks overlap by a window less one; zeros at the end."""
    padded = np.zeros((cut.blocks * cut.outputs + window - 1, market.shape[1]))
    padded[: len(market)] = market
    views = np.lib.stride_tricks.sliding_window_view(padded, cut.outputs + window - 1, axis=0)
    return np.ascontiguousarray(views[:: cut.outputs].transpose(0, 2, 1))


def reach(market: Floats, cut: Plan, window: int) -> Floats:
    """(windows,): Euclidean norm of all that rounding can carry into a window's result: its block."""
    count = len(market) - window + 1
    energies = np.zeros(cut.blocks * cut.outputs + window - 1)
    energies[: len(market)] = np.einsum("ij,ij->i", market, market)
    sums = [float(energies[at : at + cut.outputs + window - 1].sum()) for at in range(0, count, cut.outputs)]
    return np.repeat(np.sqrt(sums), cut.outputs)[:count]


def rotations(cut: Plan, points: int) -> Floats:
    """(2 x frequencies, points): real and imaginary parts of the transform of so many points, alternating."""
    turns = np.arange(cut.frequencies)[:, None] * np.arange(points) % cut.length
    angles = turns * (2.0 * math.pi / cut.length)
    return np.stack([np.cos(angles), -np.sin(angles)], axis=1).reshape(-1, points)


def returns(cut: Plan) -> Floats:
    """(outputs, 2 x frequencies): the inverse transform, for the points that are no wrap-around."""
    share = np.full(cut.frequencies, 2.0 / cut.length)
    share[0] = 1.0 / cut.length
    if cut.length % 2 == 0:
        share[-1] = 1.0 / cut.length
    return np.ascontiguousarray((rotations(cut, cut.outputs) * np.repeat(share, 2)[:, None]).T)


def spectra(blocks: Floats, cut: Plan) -> Floats:
    """(frequencies, 2 x blocks, 2 x n_market): what a unit's spectrum is multiplied with.

    The product of a series' spectrum with the conjugate of the weights' is that of their correlation. Its real part
    comes from the first half of the rows, its imaginary part from the second.
    """
    count, _, n_market = blocks.shape
    seen = (rotations(cut, cut.length) @ blocks).reshape(count, cut.frequencies, 2, n_market).transpose(1, 2, 0, 3)
    real, imaginary = seen[:, 0], seen[:, 1]
    stacked = np.stack([np.stack([real, imaginary], 2), np.stack([imaginary, -real], 2)], axis=1)
    return stacked.reshape(cut.frequencies, 2 * count, 2 * n_market)


def convolve(policy: MlpPolicy, market: Floats, cut: Plan) -> Floats:
    """What the market features of every window add to the first layer: (windows, width).

    Args:
        market: (bars, n_market).
        cut: of the windows, by ``plan``.
    """
    count = len(market) - policy.window + 1
    return _transformed(policy, market, cut)[:count] if cut.length else _direct(policy, market, count)


def _direct(policy: MlpPolicy, market: Floats, count: int) -> Floats:
    hidden = np.zeros((count, len(policy.rows)))
    step = max(1, _DEPTH // policy.n_market)
    for lag in range(0, policy.window, step):
        lags = range(lag, min(lag + step, policy.window))
        seen = np.concatenate([market[row : row + count] for row in lags], axis=1)
        part = policy.rows[:, lags.start : lags.stop, : policy.n_market]
        hidden += seen @ part.reshape(len(hidden[0]), -1).astype(np.float64).T
    return hidden


def _transformed(policy: MlpPolicy, market: Floats, cut: Plan) -> Floats:
    seen = spectra(blocks_of(market, cut, policy.window), cut)
    forth, back = rotations(cut, policy.window), returns(cut)
    hidden = np.empty((cut.blocks, cut.outputs, len(policy.rows)))
    for units, weights in chunks(policy):
        spectrum = (forth @ weights).reshape(len(weights), cut.frequencies, -1)
        product = seen @ spectrum.transpose(1, 2, 0)
        found = back @ product.reshape(2 * cut.frequencies, -1)
        hidden[:, :, units] = found.reshape(cut.outputs, cut.blocks, -1).transpose(1, 0, 2)
    return hidden.reshape(cut.blocks * cut.outputs, -1)


def chunks(policy: MlpPolicy) -> Iterator[tuple[slice, Floats]]:
    """Market weights (units, window, n_market) in float64, some units at a time."""
    for first in range(0, len(policy.rows), UNITS):
        units = slice(first, first + UNITS)
        yield units, policy.rows[units, :, : policy.n_market].astype(np.float64)
