"""What prices do: fat tails, volatility that clusters, jumps, loud days and hours, gaps overnight; and real series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pytest_modelgate.core.typing import Floats

from .grid import Grid, Venue
from .series import Series, resample

VOLATILITY = {"crypto": 0.80, "stocks": 0.30}  # annual
_GAP = 0.35  # of a stock's variance lies between the sessions
_MEMORY = math.exp(-1.0 / 96.0)  # of log volatility, per bar
_QUIET_WEEKEND = 0.5


@dataclass(frozen=True)
class Market:
    """A kind of market.

    Attributes:
        name: as shown.
        venue: says when there are bars, how much the market varies, and what trading it costs.
        sharpe: Sharpe ratio of holding it, annual.
        tails: degrees of freedom of Student's t.
        wander: standard deviation of log volatility.
        storms: volatility is so many times as high in spells of two weeks, a fifth of the time; 1 is none.
        jumps: of ten standard deviations of a bar, in a year.
        events: every tenth day is so many times as volatile, as all know beforehand; 1 is none.
        weekend: half as volatile on Saturday and Sunday.
        hours: twice as volatile in the middle third of the day (crypto), or in the first bar (stocks).
        rises: when the drift comes; overnight is between the sessions, or in the first eight hours of the day.
        real: days of the series are drawn in blocks instead of all that.
    """

    name: str
    venue: Venue = "crypto"
    sharpe: float = 0.0
    tails: float = 5.0
    wander: float = 0.35
    storms: float = 1.0
    jumps: float = 0.0
    events: float = 1.0
    weekend: bool = False
    hours: bool = False
    rises: Literal["ever", "overnight", "weekend"] = "ever"
    real: bool = False


@dataclass(frozen=True, eq=False)
class Prices:
    """Returns of the market, (paths, bars) each; how much each varies, and its mean, (bars,) each.

    Attributes:
        gap: from the close before to the open.
        move: from open to close.
    """

    gap: Floats
    move: Floats
    gap_scale: Floats
    move_scale: Floats
    gap_drift: Floats
    move_drift: Floats

    @property
    def total(self) -> Floats:
        """From close to close."""
        return self.gap + self.move


EVERY = 10  # days from event to event


def draw_prices(
    market: Market, grid: Grid, rng: np.random.Generator, paths: int, series: Sequence[Series] = ()
) -> Prices:
    """Draw markets without any edge."""
    gap_scale, move_scale = _scales(market, grid)
    if market.real:
        gap, move = resample(series, grid, rng, paths, VOLATILITY[market.venue])
    else:
        volatility = _volatility(market, grid, rng, paths)
        move = _shocks(market, grid, rng, paths) * volatility * move_scale
        gap = np.zeros_like(move)
        opens = np.flatnonzero(gap_scale)
        gap[:, opens] = _student(market, rng, (paths, len(opens))) * volatility[:, opens] * gap_scale[opens]
    mean = market.sharpe * VOLATILITY[market.venue] / grid.per_year
    gap_drift, move_drift = (mean * share for share in _drifts(market, grid))
    return Prices(gap + gap_drift, move + move_drift, gap_scale, move_scale, gap_drift, move_drift)


def _scales(market: Market, grid: Grid) -> tuple[Floats, Floats]:
    """Standard deviations of gap and move of every bar; over a year they make the market's volatility."""
    move = np.ones(len(grid))
    if market.hours:
        middle = (grid.slot >= 12) & (grid.slot < 20) if market.venue == "crypto" else grid.slot == 0
        move *= np.where(middle, 2.0, 1.0)
    if market.weekend:
        move *= np.where(grid.weekday >= 5, _QUIET_WEEKEND, 1.0)
    move *= np.where(grid.day % EVERY == EVERY // 2, market.events, 1.0)
    gap = np.zeros(len(grid))
    share = _GAP if market.venue == "stocks" else 0.0
    if share:
        gap[grid.slot == 0] = 1.0
        gap *= math.sqrt(share * len(grid) / np.sum(gap**2))
    move *= math.sqrt((1.0 - share) * len(grid) / np.sum(move**2))
    unit = VOLATILITY[market.venue] / math.sqrt(grid.per_year)
    return gap * unit, move * unit


def _drifts(market: Market, grid: Grid) -> tuple[Floats, Floats]:
    """Shares of the mean return of a bar that gap and move of every bar have."""
    none, stocks = np.zeros(len(grid)), market.venue == "stocks"
    opens = np.where(grid.slot == 0, 1.0, 0.0)
    opens *= len(grid) / opens.sum()
    if market.rises == "weekend":
        late = np.where(grid.weekday >= 5, 1.0, 0.0)
        return none, late * len(grid) / late.sum()
    if market.rises == "overnight":
        early = np.where(grid.slot < 8, 1.0, 0.0)
        return (opens, none) if stocks else (none, early * len(grid) / early.sum())
    return (opens * _GAP, none + 1.0 - _GAP) if stocks else (none, none + 1.0)


def _student(market: Market, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.standard_t(market.tails, shape) * math.sqrt((market.tails - 2.0) / market.tails)


def _shocks(market: Market, grid: Grid, rng: np.random.Generator, paths: int) -> Floats:
    shocks = _student(market, rng, (paths, len(grid)))
    if market.jumps:
        sides = rng.choice([-1.0, 1.0], shocks.shape)
        shocks += 10.0 * sides * (rng.random(shocks.shape) < market.jumps / grid.per_year)
    return shocks


def _volatility(market: Market, grid: Grid, rng: np.random.Generator, paths: int) -> Floats:
    """A factor with a mean square of one, which wanders over about four days of crypto."""
    drive = rng.normal(0.0, market.wander * math.sqrt(1.0 - _MEMORY**2), (len(grid), paths))
    state = rng.normal(0.0, market.wander, paths)
    for bar in drive:  # in place: what drove it becomes the state
        state = _MEMORY * state + bar
        bar[:] = state
    volatility = np.exp(drive.T - market.wander**2)
    if market.storms != 1.0:
        length = grid.slots * 14
        stormy = _blocks(rng, paths, len(grid), length) < 0.2
        volatility *= np.where(stormy, market.storms, 1.0) / math.sqrt(0.8 + 0.2 * market.storms**2)
    return np.ascontiguousarray(volatility)


def _blocks(rng: np.random.Generator, paths: int, bars: int, length: int) -> Floats:
    """Uniform, one draw for every block, the first of which begins anywhere."""
    offset = rng.integers(length, size=(paths, 1))
    block = (np.arange(bars) + offset) // length
    draws = rng.random((paths, bars // length + 2))
    return np.take_along_axis(draws, block, axis=1)
