"""Statistics of the Sharpe ratio: plain functions of the returns of every bar.

Every sum is numpy's own, so neither BLAS nor the number of threads can change a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pytest_modelgate.core.typing import Floats

_NORMAL = NormalDist()
_FLAT = 1e-12  # returns that vary by no more than rounding do not vary


@dataclass(frozen=True)
class SharpeShape:
    """A Sharpe ratio per bar with what its uncertainty depends on; NaN where undefined.

    Attributes:
        sharpe: mean over standard deviation (ddof 1).
        error: standard error of ``sharpe`` times the square root of ``bars - 1``:
            sqrt(1 - skewness x sharpe + (kurtosis - 1) / 4 x sharpe^2), kurtosis 3 for a normal distribution.
        bars: number of returns.
    """

    sharpe: float
    error: float
    bars: int


def sharpe_shape(returns: Floats) -> SharpeShape:
    """Measure returns for the Sharpe ratio's distribution (Mertens 2002; Bailey & Lopez de Prado 2012, eq. 8).

    Args:
        returns: (n,) simple bar returns.
    """
    bars = len(returns)
    if bars < 3 or not np.ptp(returns) > _FLAT:
        return SharpeShape(math.nan, math.nan, bars)
    centred = returns - np.mean(returns)
    variance = float(np.mean(centred**2))
    skewness = float(np.mean(centred**3)) / variance**1.5
    kurtosis = float(np.mean(centred**4)) / variance**2
    sharpe = float(np.mean(returns)) / math.sqrt(variance * bars / (bars - 1))
    squared = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return SharpeShape(sharpe, math.sqrt(squared) if squared > 0.0 else math.nan, bars)


def probabilistic_sharpe(shape: SharpeShape, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds a benchmark (Bailey & Lopez de Prado 2012, eq. 11).

    Args:
        shape: of the returns.
        benchmark: per bar.
    """
    if math.isnan(shape.error):
        return math.nan
    return _NORMAL.cdf((shape.sharpe - benchmark) * math.sqrt(shape.bars - 1) / shape.error)


def sharpe_interval(shape: SharpeShape, confidence: float) -> tuple[float, float]:
    """Interval of the true Sharpe ratio per bar, by its asymptotic normal distribution (Mertens 2002).

    Args:
        shape: of the returns.
        confidence: that the interval covers it, such as 0.9; both tails alike.

    Returns:
        NaN twice where the Sharpe ratio is undefined.
    """
    reach = _NORMAL.inv_cdf((1.0 + confidence) / 2.0) * shape.error / math.sqrt(max(1, shape.bars - 1))
    return shape.sharpe - reach, shape.sharpe + reach


def expected_max_sharpe(trials: float, bars: int) -> float:
    """The Sharpe ratio per bar that the best of so many models without skill is expected to show.

    Bailey & Lopez de Prado 2014, "The Deflated Sharpe Ratio", eq. 1, with the variance that the Sharpe ratio of a
    model without skill has over n bars, 1 / (n - 1): what the trials of other runs measured is not at hand.

    Args:
        trials: at least 1, not always whole; one trial was not chosen among others, and gives 0.
        bars: at least 2.
    """
    if trials <= 1:
        return 0.0
    gamma = float(np.euler_gamma)
    first = -_NORMAL.inv_cdf(1.0 / trials)
    second = -_NORMAL.inv_cdf(1.0 / (trials * math.e))
    return ((1.0 - gamma) * first + gamma * second) / math.sqrt(bars - 1)


def deflated_sharpe(shape: SharpeShape, trials: float) -> float:
    """Probability that the true Sharpe ratio exceeds what the best of so many unskilled models shows by chance."""
    return probabilistic_sharpe(shape, expected_max_sharpe(trials, max(2, shape.bars)))


def min_track_record_length(shape: SharpeShape, confidence: float) -> float:
    """Bars after which the Sharpe ratio seen would be proven (minimum track record length, ibid. 2012, eq. 13).

    Args:
        shape: of the returns.
        confidence: that the true Sharpe ratio is above 0, above 0.5 and below 1.

    Returns:
        Number of bars; inf when the Sharpe ratio is 0 or less, NaN when it is undefined.
    """
    if math.isnan(shape.error):
        return math.nan
    if shape.sharpe <= 0.0:
        return math.inf
    return 1.0 + (shape.error * _NORMAL.inv_cdf(confidence) / shape.sharpe) ** 2
