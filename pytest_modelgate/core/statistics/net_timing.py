"""Net timing: what a model earned after costs, against its own positions on other days, at the same hours, for free.

A model that follows the session - holds overnight, sells at noon - is compared with copies that do so, too: only whole
days are shifted, so a habit that any day would have rewarded is no timing. Bars stand as days d x slots s; with k the
share carried into a bar, h the share held in it, g the market's gap before the bar and r its move in it,

    G_j = sum over d, s of k[d, s] g[d + j, s] + h[d, s] r[d + j, s]        (d + j counted around the end)

is what the copy shifted by j days gains. Folds follow one another in time, so all of them make one circle of days: a
shift carries positions from one fold into the next, and those of the last into the first. A day that two folds share
holds the bars of both; bars that are not there - missing ones, those of a short session, or of the day before the first
and after the last bar - move nothing and hold nothing. Days without a single bar are no days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.market.sessions import DayPlaces
from pytest_modelgate.core.typing import Floats, Integers, Mask

NORMAL = NormalDist()
_TIE = 1e-9  # of the largest gain possible: what the transform rounds must not tell two equal copies apart


@dataclass(frozen=True, eq=False)
class NetTiming:
    """A model's timing after costs; gains are sums of bar returns, fractions.

    Attributes:
        z: (own - mean) / deviation; NaN where the copies gain all the same.
        p_value: that of ``z`` in the normal distribution; 1 where it is undefined.
        rank: share of all shifts, the model's own among them, that gained at least as much.
        percentile: percent of the other shifts that gained less; NaN where there are none.
        own: gain of the model after all costs, and without what stops and targets added: no copy has any.
        edge: ``z`` before costs; 0 where it is undefined.
        mean: of the gains of all shifts, before costs.
        deviation: of the gains of all shifts, or of what the model's own days gained beyond its habit if that is more
            (ddof 1), once its own edge is taken out of the market.
        gains: (shifts,) gain of the copy shifted by 0, 1, ... days, before costs; the first is the model's own.
        days: (shifts,) number of every day.
    """

    z: float
    p_value: float
    rank: float
    percentile: float
    own: float
    edge: float
    mean: float
    deviation: float
    gains: Floats
    days: Integers

    @property
    def shifts(self) -> int:
        """Number of days, hence of ways to shift."""
        return len(self.gains)


def net_timing(attribution: BarAttribution, places: DayPlaces) -> NetTiming:
    """Measure timing after costs.

    If the positions know nothing of the market, the model's own gain is one of D like draws (Lehmann & Romano 2005,
    "Testing Statistical Hypotheses", ch. 15.2), less its costs. It is a sum over many bars, hence all but normal, so
    its distance from the mean is read from the normal distribution: a rank alone is no finer than 1 / D. A true edge
    also widens the scatter of the copies, which meet at other places the moves that the model was right about; so the
    scatter is that in a market from whose moves the best line through the model's own positions is taken out.
    Copies lie on all days alike. Who trades on loud days only, or more when it is loud, has more luck than they have;
    so the scatter is at least that of the model's own days.

    Args:
        attribution: of the bars of all windows, n >= 1 bars in any order.
        places: day and slot of every bar, (n,) each; no two bars have the same.
    """
    days, grids = _grids(attribution, places)
    carried, gap, held, move, without_edge = grids
    shifts = len(days)
    carry, gaps, hold, moves, rests = np.fft.rfft(grids, axis=2)
    overnight = np.conj(carry) * gaps
    gains = _back(overnight + np.conj(hold) * moves, shifts)
    paid = float(np.sum(attribution.fees) + np.sum(attribution.slippage))
    own = float(min(np.sum(attribution.gross), np.sum(attribution.held_to_close))) - paid
    tie = _TIE * sum(_largest(position, market) for position, market in ((carried, gap), (held, move)))
    less = int(np.count_nonzero(gains[1:] < own - tie))
    percentile = 100.0 * less / (shifts - 1) if shifts > 1 else math.nan
    mean = float(np.mean(gains))
    copies = float(np.std(_back(overnight + np.conj(hold) * rests, shifts), ddof=1)) if shifts > 1 else 0.0
    deviation = max(copies, _days_deviation(carried, gap, held, without_edge)) if copies > tie else copies
    rank = 1.0 - less / shifts
    if not deviation > tie:
        return NetTiming(math.nan, 1.0, rank, percentile, own, 0.0, mean, deviation, gains, days)
    z, edge = (own - mean) / deviation, (own + paid - mean) / deviation
    return NetTiming(z, NORMAL.cdf(-z), rank, percentile, own, edge, mean, deviation, gains, days)


def without_each(attribution: BarAttribution, places: DayPlaces, windows: Integers) -> tuple[float, ...]:
    """The z of all windows but one, for each of them in turn: the days of the others make a shorter circle.

    Args:
        attribution, places: as for ``net_timing``.
        windows: (n,) number of the window of every bar.

    Returns:
        One figure per number, in their order; NaN where nothing is left, or the copies gain all the same.
    """
    found = []
    for window in np.unique(windows):
        kept = windows != window
        found.append(net_timing(_bars(attribution, kept), places.of(kept)).z if kept.any() else math.nan)
    return tuple(found)


def needed_p(max_p: float, trials: float) -> float:
    """The p that the best of so many independent models without skill reaches with probability ``max_p`` (Sidak 1967).

    Args:
        max_p: above 0, below 1.
        trials: at least 1; need not be whole.
    """
    return -math.expm1(math.log1p(-max_p) / trials)


def _without_edge(attribution: BarAttribution) -> Floats:
    """(n,) moves without their regression on the positions held."""
    held, move = attribution.intraday_weight, attribution.intraday_return
    centred = held - np.mean(held)
    square = float(np.sum(centred**2))
    return move - float(np.sum(centred * move)) / square * centred if square > 0.0 else move


def _grids(attribution: BarAttribution, places: DayPlaces) -> tuple[Integers, Floats]:
    """The days, and (5, slots, days): carried, gap, held, move, moves without the edge; 0 where there is no bar."""
    days, rows = np.unique(places.days, return_inverse=True)
    slots, columns = np.unique(places.slots, return_inverse=True)
    values = (
        attribution.overnight_weight,
        attribution.overnight_return,
        attribution.intraday_weight,
        attribution.intraday_return,
        _without_edge(attribution),
    )
    grids = np.zeros((len(values), len(slots), len(days)))
    grids[:, columns, rows] = values
    return days, grids


def _days_deviation(carried: Floats, gap: Floats, held: Floats, move: Floats) -> float:
    """Standard deviation of the sum over days of what positions and market beyond what is usual at that hour made."""
    carried, gap, held, move = (grid - grid.mean(axis=1, keepdims=True) for grid in (carried, gap, held, move))
    days = np.sum(carried * gap + held * move, axis=0)
    return float(np.std(days, ddof=1) * math.sqrt(len(days)))


def _back(spectrum: NDArray[np.complex128], shifts: int) -> Floats:
    """(shifts,) circular cross-correlation along the days, summed over the slots."""
    return np.fft.irfft(np.sum(spectrum, axis=0), shifts)


def _largest(position: Floats, market: Floats) -> float:
    """The most that any shift could gain or lose."""
    return float(np.sum(np.abs(position)) * np.max(np.abs(market)))


def _bars(attribution: BarAttribution, kept: Mask) -> BarAttribution:
    return BarAttribution(*(getattr(attribution, field.name)[kept] for field in fields(BarAttribution)))
