"""Timing against circular shifts of the positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution

_NORMAL = NormalDist()
_TIE = 1e-9  # of the largest gain possible: what the transform rounds must not tell two equal shifts apart


@dataclass(frozen=True)
class Timing:
    """A model's timing against every other timing of the very same positions.

    Attributes:
        p_value: probability of a gain at least this far above the shifts' mean, in their standard deviations, if the
            timing knows nothing; never below 1 / shifts, for beyond what was seen nothing is claimed.
        rank: share of shifts, the model's own among them, that gained at least as much.
        percentile: percent of the other shifts that gained less.
        own, mean, deviation: gain of the model; mean and standard deviation over all shifts. Gains are sums of bar
            returns before costs; what stops and targets add to the model's own is not counted, what they cost is.
        shifts: how many there are.
    """

    p_value: float
    rank: float
    percentile: float
    own: float
    mean: float
    deviation: float
    shifts: int


def shift_test(attribution: BarAttribution) -> Timing:
    """Shift the positions circularly against the market, by every number of bars.

    A shifted model has the same exposure, turnover and costs, and no timing. If the positions know nothing of the
    market, the model's own gain is a draw like any other: a permutation test over the group of circular shifts
    (Lehmann & Romano 2005, "Testing Statistical Hypotheses", ch. 15.2). Its rank is exact but coarse, for neighbouring
    shifts gain nearly the same: a model that holds for days cannot rank above its own shifts by some hours, whatever
    its skill. A gain is a sum over many bars, hence all but normal, so its distance from the mean is read from the
    normal distribution. All shifts at once are a circular cross-correlation, which Fourier transforms give. Equal gains
    count against the model.

    Args:
        attribution: of all windows, n >= 1 bars.
    """
    bars = len(attribution)
    spectrum = sum(
        np.conj(np.fft.rfft(weight)) * np.fft.rfft(market)
        for weight, market in (
            (attribution.overnight_weight, attribution.overnight_return),
            (attribution.intraday_weight, attribution.intraday_return),
        )
    )
    gains = np.fft.irfft(spectrum, bars)
    own = float(min(np.sum(attribution.gross), np.sum(attribution.held_to_close)))  # no copy has stops or targets
    largest = float(np.sum(np.abs(attribution.overnight_weight)) * np.max(np.abs(attribution.overnight_return)))
    largest += float(np.sum(np.abs(attribution.intraday_weight)) * np.max(np.abs(attribution.intraday_return)))
    tie = _TIE * largest
    less = int(np.count_nonzero(gains[1:] < own - tie))
    percentile = 100.0 * less / (bars - 1) if bars > 1 else math.nan
    mean, deviation = float(np.mean(gains)), float(np.std(gains))
    tail = _NORMAL.cdf((mean - own) / deviation) if deviation > tie else 1.0
    return Timing(max(tail, 1.0 / bars), 1.0 - less / bars, percentile, own, mean, deviation, bars)
