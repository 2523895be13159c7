"""Rolling windows whose every value rests on its own window and nothing else.

Running sums (``pandas.rolling``, ``cumsum``) carry rounding from all earlier rows, and blocked sums add in an order
that depends on the length of the array. Here a window is added lag by lag: the same bars give the same bits wherever
the series starts or ends. Results have the shape of the input; rows without a full window are NaN.

Time runs along the first axis. Further axes hold series side by side, each with the bits that it has alone.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pytest_modelgate.core.typing import Floats

_EMA_SPANS = 4  # an EMA kernel is cut here: at least 99.9 % of the infinite one


def lagged(values: Floats, lag: int) -> Floats:
    """Each row's value ``lag`` rows earlier."""
    out = np.empty_like(values)
    out[:lag] = np.nan
    out[lag:] = values[: max(len(values) - lag, 0)]
    return out


def rolling_sum(values: Floats, window: int) -> Floats:
    """Sum of the last ``window`` rows."""
    total = values.copy()
    for lag in range(1, window):
        total[lag:] += values[:-lag]
    total[: window - 1] = np.nan
    return total


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last ``window`` rows."""
    return rolling_sum(values, window) / window


def rolling_rms(values: Floats, window: int) -> Floats:
    """Root mean square of the last ``window`` rows."""
    return np.sqrt(rolling_mean(values * values, window))


def rolling_max(values: Floats, window: int) -> Floats:
    """Largest of the last ``window`` rows."""
    out, covered = values.copy(), 1
    while covered < window:  # each step covers up to twice as many rows
        step = min(covered, window - covered)
        out[step:] = np.maximum(out[step:], out[:-step])
        covered += step
    out[: window - 1] = np.nan
    return out


def rolling_min(values: Floats, window: int) -> Floats:
    """Smallest of the last ``window`` rows."""
    return -rolling_max(-values, window)


def rows_since_max(values: Floats, window: int) -> Floats:
    """Rows since the largest of the last ``window`` rows, the latest one on ties."""
    out = np.full_like(values, np.nan)
    if len(values) >= window:
        out[window - 1 :] = sliding_window_view(values, window, axis=0)[..., ::-1].argmax(axis=-1)
    return out


def weighted_offset(values: Floats, weights: Floats) -> Floats:
    """Sum over lags of ``weights[lag] * (value lag rows ago - present value)``: exactly 0 in a flat window."""
    total, term = np.zeros_like(values), np.empty_like(values)
    for lag in range(1, len(weights)):
        part = np.subtract(values[:-lag], values[lag:], out=term[lag:])
        part *= float(weights[lag])
        total[lag:] += part
    total[: len(weights) - 1] = np.nan
    return total


def mean_offset(values: Floats, window: int) -> Floats:
    """Mean of the last ``window`` rows less the present value."""
    return weighted_offset(values, np.full(window, 1.0 / window))


def ema_offset(values: Floats, span: int) -> Floats:
    """Exponential moving average less the present value.

    Weights (1 - 2 / (span + 1)) ** lag for 4 * span lags, normalised to 1: a finite memory, so that the value does not
    depend on where the series starts.
    """
    weights = (1.0 - 2.0 / (span + 1)) ** np.arange(_EMA_SPANS * span)
    return weighted_offset(values, weights / weights.sum())


def rolling_std(values: Floats, window: int) -> Floats:
    """Population standard deviation of the last ``window`` rows, in two passes."""
    return mean_and_std(values, window)[1]


def mean_and_std(values: Floats, window: int) -> tuple[Floats, Floats]:
    """``mean_offset`` and ``rolling_std``, which needs it."""
    offset = mean_offset(values, window)
    total, term = offset**2, np.empty_like(values)
    for lag in range(1, window):
        part = np.subtract(values[:-lag], values[lag:], out=term[lag:])
        part -= offset[lag:]
        part *= part
        total[lag:] += part
    total[: window - 1] = np.nan
    return offset, np.sqrt(total / window)
