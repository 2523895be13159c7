"""The first layer over time: what the market features of every window add to it, without a matrix of observations.

An observation is a window of the feature series, so the first layer is a correlation over time. Long series are done
by overlap and save with discrete Fourier transforms (Oppenheim & Schafer, "Discrete-Time Signal Processing", ch. 8.7).
The transforms are matrix products: of the lengths in question they are as fast as FFTs here, what a spike in one block
can spoil is bounded whatever the order in which a kernel adds, and the same few lines run on a GPU.

Time is counted from the middle of a window, so that cosines meet only what is even in the weights and sines what is
odd: that halves the multiplications of the way there, and likewise of the way back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Floats, Weights

_STEP, _BLOCK, _DEPTH = 16, 256, 256
_FEW = 16  # blocks of which the weights are most of the work


@dataclass(frozen=True)
class Plan:
    """How several series are cut, each by itself.

    Attributes:
        counts: windows of each series.
        window: bars of each.
        length: rows of a block and points of a transform; 0 adds up row by row of the window instead.
        outputs: windows that a block yields.
    """

    counts: tuple[int, ...]
    window: int
    length: int
    outputs: int

    @property
    def frequencies(self) -> int:
        """Of a real transform."""
        return self.length // 2 + 1

    @property
    def blocks(self) -> int:
        """Of all series."""
        return sum(-(-count // self.outputs) for count in self.counts)

    @property
    def centre(self) -> int:
        """Where in a window time is 0."""
        return self.window // 2

    @property
    def middle(self) -> int:
        """Where among its outputs a block's time is 0."""
        return self.outputs // 2


def plan(counts: Sequence[int], window: int, n_market: int) -> Plan:
    """Cut series of so many windows each so that the multiplications are fewest."""
    chosen, least = Plan(tuple(counts), window, 0, _BLOCK), sum(counts) * window * n_market
    for length in range(window - window % _STEP + _STEP, 4 * window, _STEP):
        cut = Plan(tuple(counts), window, length, length - window + 1)
        each = window * n_market + cut.blocks * (4 * n_market + cut.outputs)
        if cut.frequencies * each < least:
            chosen, least = cut, cut.frequencies * each
    return chosen


def blocks_of(series: Sequence[Floats], cut: Plan) -> Floats:
    """(blocks, outputs + window - 1, n_market): consecutive blocks overlap by a window less one; zeros at the end."""
    rows, parts = cut.outputs + cut.window - 1, []
    for market, count in zip(series, cut.counts, strict=True):
        if not count:
            continue
        padded = np.zeros((-(-count // cut.outputs) * cut.outputs + cut.window - 1, market.shape[1]))
        padded[: len(market)] = market
        views = np.lib.stride_tricks.sliding_window_view(padded, rows, axis=0)
        parts.append(views[:: cut.outputs].transpose(0, 2, 1))
    return np.concatenate(parts)


def reach(series: Sequence[Floats], cut: Plan) -> Floats:
    """(windows,): Euclidean norm of all that rounding can carry into a window's result: its block."""
    blocks = blocks_of(series, cut)
    return in_order(np.repeat(np.sqrt(np.einsum("bij,bij->b", blocks, blocks)), cut.outputs), cut)


def in_order(rows: NDArray[Any], cut: Plan) -> NDArray[Any]:
    """The windows of all series one after the other, out of the outputs of all blocks (blocks x outputs, ...)."""
    if len(cut.counts) == 1:
        return rows[: cut.counts[0]]
    parts, first = [], 0
    for count in cut.counts:
        parts.append(rows[first : first + count])
        first += -(-count // cut.outputs) * cut.outputs
    return np.concatenate(parts)


def waves(cut: Plan, first: int, last: int) -> tuple[Floats, Floats]:
    """Cosines and sines of every frequency at the times from ``first`` to ``last``: (frequencies, times) each."""
    turns = np.arange(cut.frequencies)[:, None] * np.arange(first, last + 1) % cut.length
    angles = turns * (2.0 * math.pi / cut.length)
    return np.cos(angles), np.sin(angles)


def returns(cut: Plan, first: int, last: int) -> tuple[Floats, Floats]:
    """``waves`` for the way back, (times, frequencies) each: weighted by what a frequency stands for."""
    share = np.full((cut.frequencies, 1), 2.0 / cut.length)
    share[0] = 1.0 / cut.length
    if cut.length % 2 == 0:
        share[-1] = 1.0 / cut.length
    cosines, sines = waves(cut, first, last)
    return np.ascontiguousarray((cosines * share).T), np.ascontiguousarray((sines * share).T)


def spectra(series: Sequence[Floats], cut: Plan) -> Floats:
    """(frequencies, 2 x blocks, 2 x n_market): what the cosines and sines of a unit's weights are multiplied with.

    The product of a series' spectrum with the conjugate of the weights' is that of their correlation. Its real part
    comes from the first half of the rows, its imaginary part from the second.
    """
    blocks = blocks_of(series, cut)
    count, _, n_market = blocks.shape
    begin = -cut.centre - cut.middle
    cosines, sines = (wave @ blocks for wave in waves(cut, begin, begin + cut.length - 1))
    found = np.empty((cut.frequencies, 2 * count, 2 * n_market))
    found[:, :count, :n_market] = found[:, count:, n_market:] = cosines.transpose(1, 0, 2)
    found[:, :count, n_market:] = sines.transpose(1, 0, 2)
    found[:, count:, :n_market] = -found[:, :count, n_market:]
    return found


def convolve(
    policy: MlpPolicy, series: Sequence[Floats], cut: Plan, shift: Floats, kind: np.dtype[Any]
) -> NDArray[Any]:
    """What the market features of every window add to the first layer, plus a shift: (windows of all series, width).

    Args:
        series: (bars, n_market) each; at least one window in all.
        cut: of the windows, by ``plan``.
        shift: (width,)
        kind: what the sums, formed in float64, are rounded to.
    """
    hidden = np.empty((sum(cut.counts), len(policy.first_layer_weights)), kind)
    (_transform if cut.length else _add_up)(policy, series, cut, shift, hidden)
    return hidden


def _add_up(policy: MlpPolicy, series: Sequence[Floats], cut: Plan, shift: Floats, hidden: NDArray[Any]) -> None:
    sums = np.empty(hidden.shape)
    sums[:] = shift
    step = max(1, _DEPTH // policy.n_market)
    for lag in range(0, cut.window, step):
        lags = range(lag, min(lag + step, cut.window))
        part = policy.first_layer_weights[:, lags.start : lags.stop, : policy.n_market].reshape(hidden.shape[1], -1)
        weights, first = part.astype(np.float64).T, 0
        for market, count in zip(series, cut.counts, strict=True):
            if not count:
                continue
            seen = np.concatenate([market[row : row + count] for row in lags], axis=1)
            sums[first : first + count] += seen @ weights
            first += count
    hidden[:] = sums


def _transform(policy: MlpPolicy, series: Sequence[Floats], cut: Plan, shift: Floats, hidden: NDArray[Any]) -> None:
    seen, n_market = spectra(series, cut), policy.n_market
    (cosines, sines), back = waves(cut, 0, cut.centre), returns(cut, 0, cut.middle)
    chunk = 32 if cut.blocks < _FEW else 64  # units at a time: what is made of them stays in the cache
    space = _Workspace(cut, n_market, min(chunk, hidden.shape[1]))
    for first in range(0, hidden.shape[1], chunk):
        units = slice(first, first + chunk)
        rows = policy.first_layer_weights[units, :, :n_market]
        if len(rows) < space.even.shape[2]:
            space = _Workspace(cut, n_market, len(rows))
        _fold(rows.transpose(1, 2, 0), cut.centre, space.even, space.odd)
        np.matmul(cosines, _flat(space.even), out=space.cosines)
        np.matmul(sines[:, 1:], _flat(space.odd), out=space.sines)
        np.matmul(seen, space.spectrum, out=space.product)
        np.matmul(back[0], space.real, out=space.back_even)
        np.matmul(back[1][1:], space.imaginary, out=space.back_odd)
        _unfold(space.back_even, space.back_odd, space.found)
        space.found += np.tile(shift[units], cut.blocks)
        in_time = space.found.reshape(cut.outputs, cut.blocks, -1).transpose(1, 0, 2)
        hidden[:, units] = in_order(in_time.reshape(cut.blocks * cut.outputs, -1), cut)


class _Workspace:
    """Arrays for so many units, allocated once: memory that is new again and again costs more than the arithmetic.

    Attributes:
        even, odd: weights around the middle of the window, (times from 0 or from 1, n_market, units).
        spectrum: (frequencies, 2 x n_market, units); ``cosines`` and ``sines``, flat, are its halves.
        product: (frequencies, 2 x blocks, units); ``real`` and ``imaginary`` are its halves, a row for each frequency.
        back_even, back_odd: (times from 0 or from 1, blocks x units); ``found``: (outputs, blocks x units).
    """

    def __init__(self, cut: Plan, n_market: int, units: int) -> None:
        wide = cut.blocks * units
        self.even = np.empty((cut.centre + 1, n_market, units))
        self.odd = np.empty((cut.centre, n_market, units))
        self.spectrum = np.empty((cut.frequencies, 2 * n_market, units))
        self.cosines, self.sines = np.hsplit(_flat(self.spectrum), 2)
        self.product = np.empty((cut.frequencies, 2 * cut.blocks, units))
        self.real, self.imaginary = np.hsplit(_flat(self.product), 2)
        self.back_even = np.empty((cut.middle + 1, wide))
        self.back_odd = np.empty((cut.middle, wide))
        self.found = np.empty((cut.outputs, wide))


def _flat(rows: Floats) -> Floats:
    """A row for each of the first axis, without a copy."""
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _fold(weights: Weights, centre: int, even: Floats, odd: Floats) -> None:
    """Sums and differences of what is as far after the middle of the window as before; (window, features, units)."""
    later, earlier = weights[centre + 1 :], weights[:centre][::-1]
    both = len(later)  # of an even window the earliest row has no partner
    even[0] = weights[centre]
    np.add(later, earlier[:both], out=even[1 : both + 1], dtype=np.float64)
    np.subtract(later, earlier[:both], out=odd[:both], dtype=np.float64)
    even[both + 1 :] = earlier[both:]
    np.negative(earlier[both:], out=odd[both:], dtype=np.float64)


def _unfold(even: Floats, odd: Floats, found: Floats) -> None:
    """Values at all outputs: what is even in time, from 0 on, less what is odd, from 1 on; before 0 their sum."""
    middle, later = len(odd), len(found) - len(odd) - 1
    found[middle] = even[0]
    np.add(even[1:], odd, out=found[:middle][::-1])
    np.subtract(even[1 : later + 1], odd[:later], out=found[middle + 1 :])
