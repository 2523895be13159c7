"""Context of a return: holding the market, chance, and the markets in which it was earned. It never blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.statistics.bootstrap import resampled_sums
from pytest_modelgate.core.statistics.sharpe import (
    deflated_sharpe,
    min_track_record_length,
    probabilistic_sharpe,
    sharpe_shape,
)
from pytest_modelgate.core.typing import Floats

_CONFIDENCE = 0.90
_PROVEN = 0.95  # probability at which a Sharpe ratio counts as proven
_VOLATILITY_BARS, _TREND_BARS = 24, 120
_RUIN = -1.0 + 1e-12  # what logarithms bear


@dataclass(frozen=True)
class Regime:
    """Bars of one kind, and what was earned at them.

    Attributes:
        share: of all bars.
        total_return: compounded over these bars alone, after costs; all regimes of a kind compound to the whole.
        market_return: of the market over the same bars.
    """

    name: str
    share: float
    total_return: float
    market_return: float


@dataclass(frozen=True)
class Context:
    """Figures to compare the walk-forward return of a model with; fractions unless stated otherwise.

    Attributes:
        buy_and_hold: return of the market over the same bars, fully invested and without costs.
        percentile: percent of the model's own positions on other days, free of costs, that earned less than it did.
        low, high: 90 % bootstrap interval of the return.
        days_needed: calendar days of such returns still missing until the Sharpe ratio is proven at 95 %; 0 when it
            is, inf when it never will be, NaN when there is none.
        psr: probability that the true Sharpe ratio is above 0 (probabilistic Sharpe ratio).
        deflated: the same, that it is above what the best of all trials shows without skill.
        regimes: terciles of volatility, then the market's trend.
    """

    buy_and_hold: float
    percentile: float
    low: float
    high: float
    days_needed: float
    psr: float
    deflated: float
    regimes: tuple[Regime, ...]


def put_in_context(attribution: BarAttribution, days: float, percentile: float, trials: float) -> Context:
    """Compare a walk-forward with holding the market, with random timing and with itself in other markets.

    Args:
        attribution: of all folds, in the order of time.
        days: calendar days they take.
        percentile: ``NetTiming.percentile`` of the same folds.
        trials: as proofs count them.
    """
    low, high = bootstrap_interval(attribution.returns)
    bars = len(attribution)
    shape = sharpe_shape(attribution.returns)
    missing = min_track_record_length(shape, _PROVEN) - bars
    return Context(
        buy_and_hold=_compound(attribution.market),
        percentile=percentile,
        low=low,
        high=high,
        days_needed=max(0.0, missing) * days / bars if not math.isnan(missing) else math.nan,
        psr=probabilistic_sharpe(shape),
        deflated=deflated_sharpe(shape, trials),
        regimes=(*_by_volatility(attribution), *_by_trend(attribution)),
    )


def with_trials(context: Context, attribution: BarAttribution, trials: float) -> Context:
    """The same for another number of trials.

    Args:
        attribution: that the context was measured on.
    """
    return replace(context, deflated=deflated_sharpe(sharpe_shape(attribution.returns), trials))


def bootstrap_interval(returns: Floats) -> tuple[float, float]:
    """90 % interval of the compounded return (circular block bootstrap, Politis & Romano 1992, percentile method).

    The draws are seeded by the returns themselves.
    """
    totals = np.expm1(resampled_sums(np.log1p(np.maximum(returns, _RUIN)), returns))
    low, high = np.quantile(totals, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(low), float(high)


def _by_volatility(attribution: BarAttribution) -> list[Regime]:
    """Terciles of the standard deviation of the market's returns over the day of bars before each bar."""
    before = pd.Series(attribution.market).rolling(_VOLATILITY_BARS, min_periods=2).std().shift(1).bfill()
    third = np.minimum(2, (3.0 * before.rank(method="first", pct=True).to_numpy()).astype(np.int64))
    return [_regime(name, attribution, third == number) for number, name in enumerate(("calm", "usual", "wild"))]


def _by_trend(attribution: BarAttribution) -> list[Regime]:
    """The market rising or falling over the 120 bars before each bar."""
    logs = np.log1p(np.maximum(attribution.market, _RUIN))
    before = pd.Series(logs).rolling(_TREND_BARS, min_periods=1).sum().shift(1).fillna(0.0).to_numpy()
    return [_regime("rising", attribution, before > 0.0), _regime("falling", attribution, before <= 0.0)]


def _regime(name: str, attribution: BarAttribution, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Regime:
    share = float(np.mean(mask))
    return Regime(name, share, _compound(attribution.returns[mask]), _compound(attribution.market[mask]))


def _compound(returns: Floats) -> float:
    return float(np.prod(np.maximum(0.0, 1.0 + returns)) - 1.0)
