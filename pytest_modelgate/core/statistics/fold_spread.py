"""Spread of the folds of a walk-forward, against that which chance alone explains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.profiles import Profile, SpreadLimits

Column = Literal["low", "moderate", "high", "undefined"]

_LARGEST_SHARPE = 1e9  # no window measures more, and squares of it cannot overflow


@dataclass(frozen=True)
class Spread:
    """Spread of the Sharpe ratios of the folds. All but ``chance_std`` are NaN when ``column`` is undefined.

    Attributes:
        column: of the walk-forward table, by the profile's reading.
        reading: what ``column`` rests on: ``chance`` on the p-value, ``annualised`` on ``annualised_std``.
        q: sum over folds of n x (s - s_bar)^2 with per-bar Sharpe s, n bars and the n-weighted mean s_bar.
        p_value: probability of a spread at least this large if every fold had the same skill.
        noise_units: sqrt(q / (folds - 1)); 1 is what chance alone gives, whatever the bar size or fold length.
        annualised_mean: of the annualised fold Sharpes.
        annualised_std: their standard deviation, ddof 1.
        chance_std: the ``annualised_std`` that chance alone gives, root mean square over the folds.
    """

    column: Column
    reading: Literal["chance", "annualised"]
    q: float
    p_value: float
    noise_units: float
    annualised_mean: float
    annualised_std: float
    chance_std: float

    def __str__(self) -> str:
        """Half a sentence about the folds, for people who do not read p-values."""
        if self.column == "undefined":
            return "the spread of their Sharpe ratios is undefined (a fold that did not trade has none)"
        if self.reading == "annualised":
            return (
                f"the standard deviation of their annualised Sharpe ratios is {self.annualised_std:.2f} ({self.column})"
            )
        extent = {
            "low": "no more than chance explains",
            "moderate": "more than chance usually explains",
            "high": "far more than chance explains",
        }[self.column]
        return f"their Sharpe ratios differ {extent} ({self.noise_units:.2f} noise units, p = {self.p_value:.2g})"


def measure_spread(folds: Sequence[FoldResult], profile: Profile) -> Spread:
    """Measure the spread of fold Sharpes; undefined with fewer than two folds or when any fold has no Sharpe.

    A per-bar Sharpe over n bars has a sampling variance of about 1 / n (Lo 2002, "The Statistics of Sharpe Ratios"),
    so under constant skill q is chi-squared with folds - 1 degrees of freedom (Cochran 1954). All sums are exact
    before they are rounded once, so the order of the folds cannot matter.

    Args:
        folds: in any order, at least one.
        profile: its ``spread`` says how to read the figures.
    """
    chance_std = math.sqrt(statistics.fmean(fold.bars_per_year / fold.bars for fold in folds))
    if len(folds) < 2 or not all(abs(fold.sharpe) <= _LARGEST_SHARPE for fold in folds):
        nan = math.nan
        return Spread("undefined", profile.spread.reading, nan, nan, nan, nan, nan, chance_std)
    mean = math.fsum(fold.bars * fold.sharpe for fold in folds) / sum(fold.bars for fold in folds)
    q = math.fsum(fold.bars * (fold.sharpe - mean) ** 2 for fold in folds)
    p_value = chi_squared_tail(q, len(folds) - 1)
    annualised = [fold.sharpe_annualised for fold in folds]
    annualised_std = statistics.stdev(annualised)
    return Spread(
        column=_column(p_value, annualised_std, profile.spread),
        reading=profile.spread.reading,
        q=q,
        p_value=p_value,
        noise_units=math.sqrt(q / (len(folds) - 1)),
        annualised_mean=statistics.fmean(annualised),
        annualised_std=annualised_std,
        chance_std=chance_std,
    )


def chi_squared_tail(q: float, dof: int) -> float:
    """Probability that a chi-squared variable is at least ``q``.

    The closed form for integer degrees of freedom (Abramowitz & Stegun 26.4.4 and 26.4.5), with h = q / 2:
    the sum over j of exp(-h) h^j / Gamma(j + 1), where j runs in steps of 1 up to dof / 2 - 1, from 0 for even dof;
    for odd dof from 1/2, plus erfc(sqrt(h)).

    Args:
        q: finite, not negative.
        dof: at least 1.
    """
    half, odd = q / 2.0, dof % 2
    if half == 0.0:
        return 1.0
    powers = (step + odd / 2.0 for step in range(dof // 2))
    terms = [math.exp(power * math.log(half) - half - math.lgamma(power + 1.0)) for power in powers]
    return min(1.0, math.fsum(terms) + (math.erfc(math.sqrt(half)) if odd else 0.0))


def _column(p_value: float, annualised_std: float, limits: SpreadLimits) -> Column:
    if limits.reading == "chance":
        if p_value > limits.moderate:
            return "low"
        return "moderate" if p_value > limits.high else "high"
    spread = round(annualised_std, 9)  # annualising rounds in the last digit; that must not decide a tie
    if spread < limits.moderate:
        return "low"
    return "moderate" if spread <= limits.high else "high"
