"""Figures over a window that moves along a series of returns."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from pytest_modelgate.core.typing import Floats

_FLAT = 1e-12  # returns that vary by no more than rounding do not vary


def rolling_sharpe(returns: Floats, bars: int, bars_per_year: float) -> Floats:
    """Annualised Sharpe ratio of the last so many returns (Lo 2002, for returns without memory).

    Args:
        returns: (n,) simple bar returns.
        bars: length of the window, at least 2.
        bars_per_year: what annualises.

    Returns:
        (n,); NaN before the window is full, and where the returns in it do not vary.
    """
    window = pd.Series(returns, dtype=np.float64).rolling(bars)
    varied = (window.max() - window.min()) > _FLAT
    ratio = window.mean() / window.std() * math.sqrt(bars_per_year)
    result: Floats = ratio.where(varied).to_numpy(dtype=np.float64)
    return result


def rolling_mean(values: Floats, bars: int) -> Floats:
    """Mean of the last so many values (n,); NaN before there are as many."""
    result: Floats = pd.Series(values, dtype=np.float64).rolling(bars).mean().to_numpy(dtype=np.float64)
    return result
