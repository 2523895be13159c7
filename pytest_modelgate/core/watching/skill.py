"""Evidence that may be looked at every night: e-processes of skill, and of orders that go wrong.

A p-value is good for one look. An e-value is what a bet would have made of one unit: under the hypothesis it bets
against nobody expects to gain, whenever one stops, so it exceeds 50 with a probability of at most 1 in 50 however often
one looks (Ville 1939; Ramdas, Gruenwald, Vovk & Shafer 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.typing import Floats

SHARPES = (2.0, 3.0, 4.5, 6.0, 9.0)
"""Annual Sharpe ratios that are bet on, in equal parts."""
_PRIOR_DAYS = 30.0  # that the walk-forward's deviation weighs as much as
_MOST = 700.0  # exponent beyond which a float overflows


@dataclass(frozen=True)
class Claim:
    """What the walk-forward says of a day: ``sharpe`` a year in excess, ``deviation`` of a day's timing gain."""

    sharpe: float
    deviation: float


def timing_gains(attribution: BarAttribution) -> Floats:
    """(n,) what each bar gained beyond a constant position: (h - b) R - costs.

    b is the mean of the positions held before the bar, 0 before the first: nothing that comes later.
    """
    held = attribution.intraday_weight
    count = np.arange(len(held))
    usual = np.concatenate([[0.0], np.cumsum(held)[:-1]])[: len(held)] / np.maximum(count, 1)
    beyond = (attribution.overnight_weight - usual) * attribution.overnight_return
    beyond = beyond + (held - usual) * attribution.intraday_return
    gains: Floats = beyond - attribution.forgone - attribution.fees - attribution.slippage
    return gains


def claim_of(attribution: BarAttribution, bars_per_year: float, days_per_year: float) -> Claim:
    """The claim of a walk-forward, from its timing gains by stretches of a day's length; its Sharpe is 0 at least.

    Args:
        attribution: of all folds, oldest first.
    """
    gains = timing_gains(attribution)
    length = max(1, round(bars_per_year / days_per_year))
    days = len(gains) // length
    if days < 2:
        return Claim(0.0, 0.0)
    daily = gains[: days * length].reshape(days, length).sum(axis=1)
    deviation = float(np.sqrt(np.mean(daily**2)))
    spread = float(np.std(daily, ddof=1))
    if not spread > 0.0:
        return Claim(0.0, deviation)
    return Claim(max(0.0, float(np.mean(daily)) / spread * math.sqrt(days_per_year)), deviation)


def standardised(gains: Floats, deviation: float | Floats) -> Floats:
    """Each day's gain over what was known of its size the day before: s^2 = (30 v0^2 + sum of earlier x^2) / (29 + d).

    Args:
        gains: (..., days), oldest first.
        deviation: v0, of a day, above 0; one, or one for each series (..., 1).
    """
    scaled: Floats = gains / np.sqrt(_variances(gains, deviation))
    return scaled


def _variances(gains: Floats, deviation: float | Floats) -> Floats:
    """(..., days) s^2 of ``standardised``."""
    squares = np.cumsum(gains**2, axis=-1)
    earlier = np.concatenate([np.zeros_like(squares[..., :1]), squares[..., :-1]], axis=-1)
    found: Floats = (_PRIOR_DAYS * deviation**2 + earlier) / (_PRIOR_DAYS - 1.0 + np.arange(1, gains.shape[-1] + 1))
    return found


def for_skill(gains: Floats, deviation: float | Floats, days_per_year: float) -> Floats:
    """(..., days) evidence for skill: the less of two bets, so that either's assumption is enough.

    One is ``e_process``, for days that are symmetric. Many small gains and a rare large loss are not, and would look
    like skill until the loss comes. The other takes days of any shape whose deviation is no more than the
    walk-forward's or the record's own, whichever is larger: V = sum of (u^2 + 2) / 3 (Delyon 2009).

    Args:
        gains, deviation: as of ``standardised``.
    """
    bounded = gains / np.sqrt(np.maximum(_variances(gains, deviation), np.square(deviation)))
    any_shape = _mixed(bounded, (bounded**2 + 2.0) / 3.0, days_per_year)
    return np.minimum(e_process(standardised(gains, deviation), days_per_year), any_shape)


def e_process(units: Floats, days_per_year: float) -> Floats:
    """(..., days) E after each day: mean over delta of exp(delta S - delta^2 V / 2), S = sum u, V = sum u^2.

    For u that are symmetric about 0 given the past, each term expects no growth, whatever their size
    (de la Pena 1999): heavy tails need no bound.

    Args:
        units: (..., days) as of ``standardised``.
    """
    return _mixed(units, units**2, days_per_year)


def _mixed(units: Floats, variances: Floats, days_per_year: float) -> Floats:
    total, square = np.cumsum(units, axis=-1), np.cumsum(variances, axis=-1)
    terms = [
        np.exp(np.minimum(delta * total - delta**2 * square / 2.0, _MOST))
        for delta in (sharpe / math.sqrt(days_per_year) for sharpe in SHARPES)
    ]
    mixed: Floats = np.mean(terms, axis=0)
    return mixed


def against_claim(units: Floats, claim: float, days_per_year: float) -> Floats:
    """(..., days) the same against an excess Sharpe ratio a year that was claimed."""
    return e_process(claim / math.sqrt(days_per_year) - units, days_per_year)


def miss_evidence(misses: int, orders: int, rate: float) -> float:
    """E-value that more orders than ``rate`` go wrong: likelihood ratios, mixed uniformly over rates in (rate, 1].

    The integral is an incomplete beta function, which whole numbers make a binomial sum.

    Args:
        misses: of ``orders``, 0 at least.
        rate: above 0, below 1.
    """
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    hits = orders - misses
    beta = math.lgamma(misses + 1) + math.lgamma(hits + 1) - math.lgamma(orders + 2)
    tail = math.fsum(
        math.exp(_log_choose(orders + 1, count) + count * log_rate + (orders + 1 - count) * log_rest)
        for count in range(misses + 1)
    )
    exponent = beta + math.log(max(tail, 5e-324)) - misses * log_rate - (hits + 1) * log_rest
    return math.exp(min(exponent, _MOST))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
