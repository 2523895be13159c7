"""The first layer over time: its sums of every window's market features, without a matrix of observations.

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
_DEAR = 2  # what a multiplication of the transforms takes, in those of the plain product: their matrices are small
_FEW = 16  # blocks of which the weights are most of the work


@dataclass(frozen=True)
class Blocking:
    """Overlapping blocks that several series are cut into, each series by itself.

    Attributes:
        counts: windows of each series.
        lookback: bars of a window.
        length: rows of a block and points of a transform; 0 adds up row by row of the window instead.
        outputs: windows that a block yields.
    """

    counts: tuple[int, ...]
    lookback: int
    length: int
    outputs: int

    @property
    def frequencies(self) -> int:
        """Number of frequencies of a real transform."""
        return self.length // 2 + 1

    @property
    def blocks(self) -> int:
        """Number of blocks of all series."""
        return sum(-(-count // self.outputs) for count in self.counts)

    @property
    def centre(self) -> int:
        """Row of a window at which time is 0."""
        return self.lookback // 2

    @property
    def middle(self) -> int:
        """Output of a block at which time is 0."""
        return self.outputs // 2


def choose_blocking(counts: Sequence[int], lookback: int, n_market: int) -> Blocking:
    """The blocking of series of so many windows each that takes the least time, estimated by multiplications."""
    chosen, fewest = Blocking(tuple(counts), lookback, 0, _BLOCK), sum(counts) * lookback * n_market
    for length in range(lookback - lookback % _STEP + _STEP, 4 * lookback, _STEP):
        blocking = Blocking(tuple(counts), lookback, length, length - lookback + 1)
        per_frequency = lookback * n_market + blocking.blocks * (4 * n_market + blocking.outputs)
        if _DEAR * blocking.frequencies * per_frequency < fewest:
            chosen, fewest = blocking, _DEAR * blocking.frequencies * per_frequency
    return chosen


def blocks_of(series: Sequence[Floats], blocking: Blocking) -> Floats:
    """(blocks, outputs + lookback - 1, n_market): neighbours overlap by a window less one row; zeros at the end."""
    rows, parts = blocking.outputs + blocking.lookback - 1, []
    for market, count in zip(series, blocking.counts, strict=True):
        if not count:
            continue
        padded = np.zeros((-(-count // blocking.outputs) * blocking.outputs + blocking.lookback - 1, market.shape[1]))
        padded[: len(market)] = market
        views = np.lib.stride_tricks.sliding_window_view(padded, rows, axis=0)
        parts.append(views[:: blocking.outputs].transpose(0, 2, 1))
    return np.concatenate(parts)


def block_norms(series: Sequence[Floats], blocking: Blocking) -> Floats:
    """(windows,): Euclidean norm of all that rounding can carry into a window's result: its block."""
    blocks = blocks_of(series, blocking)
    return in_order(np.repeat(np.sqrt(np.einsum("bij,bij->b", blocks, blocks)), blocking.outputs), blocking)


def in_order(rows: NDArray[Any], blocking: Blocking) -> NDArray[Any]:
    """The windows of all series one after the other, out of the outputs of all blocks (blocks x outputs, ...)."""
    if len(blocking.counts) == 1:
        return rows[: blocking.counts[0]]
    parts, first = [], 0
    for count in blocking.counts:
        parts.append(rows[first : first + count])
        first += -(-count // blocking.outputs) * blocking.outputs
    return np.concatenate(parts)


def fourier_basis(blocking: Blocking, first: int, last: int) -> tuple[Floats, Floats]:
    """Cosines and sines of every frequency at the times from ``first`` to ``last``: (frequencies, times) each."""
    turns = np.arange(blocking.frequencies)[:, None] * np.arange(first, last + 1) % blocking.length
    angles = turns * (2.0 * math.pi / blocking.length)
    return np.cos(angles), np.sin(angles)


def inverse_basis(blocking: Blocking, first: int, last: int) -> tuple[Floats, Floats]:
    """``fourier_basis`` for the way back, (times, frequencies) each: weighted by what a frequency stands for."""
    share = np.full((blocking.frequencies, 1), 2.0 / blocking.length)
    share[0] = 1.0 / blocking.length
    if blocking.length % 2 == 0:
        share[-1] = 1.0 / blocking.length
    cosines, sines = fourier_basis(blocking, first, last)
    return np.ascontiguousarray((cosines * share).T), np.ascontiguousarray((sines * share).T)


def spectra(series: Sequence[Floats], blocking: Blocking) -> Floats:
    """(frequencies, 2 x blocks, 2 x n_market): what the cosines and sines of a unit's weights are multiplied with.

    The product of a series' spectrum with the conjugate of the weights' is that of their correlation. Its real part
    comes from the first half of the rows, its imaginary part from the second.
    """
    blocks = blocks_of(series, blocking)
    count, _, n_market = blocks.shape
    begin = -blocking.centre - blocking.middle
    cosines, sines = (wave @ blocks for wave in fourier_basis(blocking, begin, begin + blocking.length - 1))
    factors = np.empty((blocking.frequencies, 2 * count, 2 * n_market))
    factors[:, :count, :n_market] = factors[:, count:, n_market:] = cosines.transpose(1, 0, 2)
    factors[:, :count, n_market:] = sines.transpose(1, 0, 2)
    factors[:, count:, :n_market] = -factors[:, :count, n_market:]
    return factors


def convolve(policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats) -> Floats:
    """Sums of the market features of every window in the first layer, plus a shift: (windows of all series, width).

    Args:
        series: (bars, n_market) each; at least one window in all.
        blocking: of the windows, by ``choose_blocking``.
        shift: (width,)
    """
    return (_transform if blocking.length else _add_up)(policy, series, blocking, shift)


def _add_up(policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats) -> Floats:
    sums = np.tile(shift, (sum(blocking.counts), 1))
    step = max(1, _DEPTH // policy.n_market)
    for lag in range(0, blocking.lookback, step):
        lags = range(lag, min(lag + step, blocking.lookback))
        part = policy.market_weights[:, lags.start : lags.stop].reshape(len(shift), -1)
        weights, first = part.astype(np.float64).T, 0
        for market, count in zip(series, blocking.counts, strict=True):
            if not count:
                continue
            seen = np.concatenate([market[row : row + count] for row in lags], axis=1)
            sums[first : first + count] += seen @ weights
            first += count
    return sums


def _transform(policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats) -> Floats:
    sums = np.empty((sum(blocking.counts), len(shift)))
    series_spectra = spectra(series, blocking)
    chunk = 16 if blocking.blocks < _FEW else 64  # units at a time: what is made of them stays in the cache
    correlation = _Correlation(blocking, policy.n_market, min(chunk, len(shift)))
    for first in range(0, len(shift), chunk):
        units = slice(first, first + chunk)
        weights = policy.market_weights[units]
        if len(weights) < correlation.units:
            correlation = _Correlation(blocking, policy.n_market, len(weights))
        correlation.analyse(weights)
        correlation.multiply(series_spectra)
        sums[:, units] = correlation.synthesise(shift[units])
    return sums


class _Correlation:
    """Some units' weights correlated with all blocks: analyse the weights, multiply the spectra, synthesise the sums.

    Arrays are allocated once: memory that is new again and again costs more than the arithmetic.
    """

    def __init__(self, blocking: Blocking, n_market: int, units: int) -> None:
        self.units, self._blocking = units, blocking
        self._cosines, sines = fourier_basis(blocking, 0, blocking.centre)
        self._sines = sines[:, 1:]
        self._inverse_cosines, sines = inverse_basis(blocking, 0, blocking.middle)
        self._inverse_sines = sines[1:]
        self._weights = np.empty((blocking.lookback, n_market, units))
        # Weights around the middle of the window: (times from 0 or from 1, n_market, units).
        self._even = np.empty((blocking.centre + 1, n_market, units))
        self._odd = np.empty((blocking.centre, n_market, units))
        self._weight_spectra = np.empty((blocking.frequencies, 2 * n_market, units))  # cosines, then sines
        self._product = np.empty((blocking.frequencies, 2 * blocking.blocks, units))  # real, then imaginary parts
        # Sums around the middle of the outputs: (times from 0 or from 1, blocks x units); and at all outputs.
        self._even_sums = np.empty((blocking.middle + 1, blocking.blocks * units))
        self._odd_sums = np.empty((blocking.middle, blocking.blocks * units))
        self._sums = np.empty((blocking.outputs, blocking.blocks * units))

    def analyse(self, weights: Weights) -> None:
        """Transform weights (units, lookback, n_market)."""
        self._weights[...] = weights.transpose(1, 2, 0)  # far apart and in another precision: touched once
        _fold(self._weights, self._blocking.centre, self._even, self._odd)
        cosines, sines = np.hsplit(_flat(self._weight_spectra), 2)
        np.matmul(self._cosines, _flat(self._even), out=cosines)
        np.matmul(self._sines, _flat(self._odd), out=sines)

    def multiply(self, series_spectra: Floats) -> None:
        """Multiply with what ``spectra`` made of the series: the spectra of the correlations."""
        np.matmul(series_spectra, self._weight_spectra, out=self._product)

    def synthesise(self, shift: Floats) -> Floats:
        """Transform back, and add a shift (units,): (windows of all series, units)."""
        real, imaginary = np.hsplit(_flat(self._product), 2)
        np.matmul(self._inverse_cosines, real, out=self._even_sums)
        np.matmul(self._inverse_sines, imaginary, out=self._odd_sums)
        _unfold(self._even_sums, self._odd_sums, self._sums)
        blocking = self._blocking
        self._sums += np.tile(shift, blocking.blocks)
        in_time = self._sums.reshape(blocking.outputs, blocking.blocks, -1).transpose(1, 0, 2)
        return in_order(in_time.reshape(blocking.blocks * blocking.outputs, -1), blocking)


def _flat(rows: Floats) -> Floats:
    """A row for each of the first axis, without a copy."""
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _fold(weights: Floats, centre: int, even: Floats, odd: Floats) -> None:
    """Sums and differences of what is as far after the middle of the window as before; (lookback, n_market, units)."""
    later, earlier = weights[centre + 1 :], weights[:centre][::-1]
    both = len(later)  # of an even window the earliest row has no partner
    even[0] = weights[centre]
    np.add(later, earlier[:both], out=even[1 : both + 1])
    np.subtract(later, earlier[:both], out=odd[:both])
    even[both + 1 :] = earlier[both:]
    np.negative(earlier[both:], out=odd[both:])


def _unfold(even: Floats, odd: Floats, values: Floats) -> None:
    """Values at all outputs: what is even in time, from 0 on, less what is odd, from 1 on; before 0 their sum."""
    middle, later = len(odd), len(values) - len(odd) - 1
    values[middle] = even[0]
    np.add(even[1:], odd, out=values[:middle][::-1])
    np.subtract(even[1 : later + 1], odd[:later], out=values[middle + 1 :])
