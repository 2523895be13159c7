"""Rolling windows whose every value rests on its own window and nothing else.

Running sums (``pandas.rolling``, ``cumsum``) carry rounding from all earlier rows, and blocked sums add in an order
that depends on the length of the array. Here a window is added lag by lag: the same bars give the same bits wherever
the series starts or ends. Results have the length of the input; rows without a full window are NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pytest_modelgate.core.typing import Floats

_EMA_SPANS = 4  # an EMA kernel is cut here: at least 99.9 % of the infinite one


def lagged(values: Floats, lag: int) -> Floats:
    """Each row's value ``lag`` rows earlier."""
    out = np.full(len(values), np.nan)
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
    out = np.full(len(values), np.nan)
    if len(values) >= window:
        out[window - 1 :] = sliding_window_view(values, window).max(axis=1)
    return out


def rolling_min(values: Floats, window: int) -> Floats:
    """Smallest of the last ``window`` rows."""
    return -rolling_max(-values, window)


def rows_since_max(values: Floats, window: int) -> Floats:
    """Rows since the largest of the last ``window`` rows, the latest one on ties."""
    out = np.full(len(values), np.nan)
    if len(values) >= window:
        out[window - 1 :] = sliding_window_view(values, window)[:, ::-1].argmax(axis=1)
    return out


def weighted_offset(values: Floats, weights: Floats) -> Floats:
    """Sum over lags of ``weights[lag] * (value lag rows ago - present value)``: exactly 0 in a flat window."""
    total = np.zeros(len(values))
    for lag in range(1, len(weights)):
        total[lag:] += float(weights[lag]) * (values[:-lag] - values[lag:])
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
    offset = mean_offset(values, window)
    total = offset**2
    for lag in range(1, window):
        total[lag:] += (values[:-lag] - values[lag:] - offset[lag:]) ** 2
    total[: window - 1] = np.nan
    return np.sqrt(total / window)
