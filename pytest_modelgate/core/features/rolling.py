"""Rolling windows whose every value rests on its own window and nothing else.

Running sums (``pandas.rolling``, ``cumsum``) carry rounding from all earlier rows, and blocked sums add in an order
that depends on the length of the array. Here a window is added lag by lag: the same bars give the same bits wherever
the series starts or ends. Results have the shape of the input; rows without a full window are NaN.

Time runs along the last axis. Further axes hold series side by side, each with the bits that it has alone: all are
shifted as one long row, and where a window reaches into the series before, it is not full.

Windows of several lengths, and several quantities, share one pass over the lags: for a series of a few thousand rows
calls of numpy take as long as its arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pytest_modelgate.core.typing import Floats

_EMA_SPANS = 4  # an EMA kernel is cut here: at least 99.9 % of the infinite one


def lagged(values: Floats, lag: int) -> Floats:
    """Each row's value ``lag`` rows earlier."""
    out = np.empty_like(values)
    out[..., :lag] = np.nan
    out[..., lag:] = values[..., : max(values.shape[-1] - lag, 0)]
    return out


def full(values: Floats, window: int) -> Floats:
    """The array itself, rows without a full window made NaN."""
    values[..., : window - 1] = np.nan
    return values


def rolling_sums(asked: Mapping[str, tuple[Floats, Sequence[int]]]) -> dict[tuple[str, int], Floats]:
    """Sums of the last rows of several quantities, arrays of one shape.

    Args:
        asked: each quantity and the numbers of rows it is summed over, by name.

    Returns:
        By name and number of rows.
    """
    names = sorted(asked, key=lambda name: -max(asked[name][1]))
    terms = np.stack([asked[name][0] for name in names])
    totals, sums = terms.copy(), {}
    windows = [max(asked[name][1]) for name in names]
    for lags, active in _passes(windows, [window for _, each in asked.values() for window in each]):
        total, term = totals[:active].reshape(-1), terms[:active].reshape(-1)
        for lag in lags:
            part = total[lag:]
            part += term[:-lag]
        for row, name in enumerate(names[:active]):
            if lags.stop in asked[name][1]:
                sums[name, lags.stop] = full(totals[row].copy(), lags.stop)
    return sums


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last ``window`` rows."""
    return rolling_sums({"": (values, [window])})["", window] / window


def rolling_max(values: Floats, window: int) -> Floats:
    """Largest of the last ``window`` rows."""
    out, covered = values.copy(), 1
    row = out.reshape(-1)
    while covered < window:  # each step covers up to twice as many rows
        step = min(covered, window - covered)
        row[step:] = np.maximum(row[step:], row[:-step])
        covered += step
    return full(out, window)


def rolling_min(values: Floats, window: int) -> Floats:
    """Smallest of the last ``window`` rows."""
    return -rolling_max(-values, window)


def rows_since_max(values: Floats, window: int) -> Floats:
    """Rows since the largest of the last ``window`` rows, the latest one on ties."""
    out = np.full_like(values, np.nan)
    if values.shape[-1] >= window:
        out[..., window - 1 :] = sliding_window_view(values, window, axis=-1)[..., ::-1].argmax(axis=-1)
    return out


def weighted_offsets(values: Floats, weights: Sequence[Floats]) -> list[Floats]:
    """Sums over lags of ``weights[lag] * (value lag rows ago - present value)``: exactly 0 in a flat window.

    Args:
        weights: of every sum, one a lag, no longer than those before.
    """
    windows = [len(each) for each in weights]
    totals = np.zeros((len(weights), values.size))
    terms, row, difference = np.empty_like(totals), values.reshape(-1), np.zeros(values.size)
    for lags, active in _passes(windows):
        total, term = totals[:active], terms[:active]
        columns = np.stack([each[lags.start : lags.stop] for each in weights[:active]], axis=1)[:, :, None]
        for lag, factors in zip(lags, columns, strict=True):
            np.subtract(row[:-lag], row[lag:], out=difference[lag:])
            np.multiply(difference, factors, out=term)
            total += term
    shaped = totals.reshape(len(windows), *values.shape)
    return [full(total, window) for total, window in zip(shaped, windows, strict=True)]


def mean_weights(window: int) -> Floats:
    """Weights of the mean of the last ``window`` rows less the present value."""
    return np.full(window, 1.0 / window)


def ema_weights(span: int) -> Floats:
    """Weights of the exponential moving average less the present value.

    (1 - 2 / (span + 1)) ** lag for 4 * span lags, normalised to 1: a finite memory, so that the value does not depend
    on where the series starts.
    """
    weights = ((1.0 - 2.0 / (span + 1)) ** np.arange(_EMA_SPANS * span)).astype(np.float64)
    normalised: Floats = weights / weights.sum()
    return normalised


def rolling_stds(values: Floats, means: Mapping[int, Floats]) -> dict[int, Floats]:
    """Population standard deviations of the last rows, in two passes of which this is the second.

    Args:
        means: of the last rows, less the present value, by their number, the largest one first.
    """
    windows, offsets = list(means), np.stack([mean.reshape(-1) for mean in means.values()])
    totals = offsets * offsets
    terms, row, difference = np.empty_like(offsets), values.reshape(-1), np.zeros(values.size)
    for lags, active in _passes(windows):
        total, term, offset = totals[:active], terms[:active], offsets[:active]
        for lag in lags:
            np.subtract(row[:-lag], row[lag:], out=difference[lag:])
            np.subtract(difference, offset, out=term)
            term *= term
            total += term
    shaped = totals.reshape(len(windows), *values.shape)
    return {window: full(np.sqrt(total / window), window) for window, total in zip(windows, shaped, strict=True)}


def _passes(windows: Sequence[int], also: Sequence[int] = ()) -> Iterator[tuple[range, int]]:
    """Lags from 1 on, cut where a window ends, and how many windows reach that far.

    Args:
        windows: the longest one first.
        also: further lags to cut before.
    """
    first = 1
    for end in sorted({*windows, *also}):
        yield range(first, end), sum(window >= end for window in windows)
        first = end
