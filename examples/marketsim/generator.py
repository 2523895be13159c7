"""Seeded hourly bars that behave like a market: clustered volatility, fat tails, jumps, sessions, trend regimes.

Prices are a sum of five-minute steps, so open, high, low and close agree by construction. Every random number is a
plain uniform of PCG64 and every price is rounded, so a seed gives the same bytes on every platform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from marketsim.grid import STEPS_PER_HOUR, Grid, crypto_grid, stock_grid

Floats = NDArray[np.float64]

_TRENDS = np.array([1.0, 0.0, -1.0])  # bull, flat, bear, then bull again
_WEATHERS = np.array([0.8, 0.8, 0.8, 1.6])  # calm and storm, times the typical volatility; mean square about 1
_WEATHER_SPELL = 60.0
_PHASES = 4
_PERSISTENCE, _SPREAD = 0.97, 0.3  # log volatility: autocorrelation per bar, standard deviation
_JUMP_CHANCE, _JUMP_SIZE = 0.0005, 6.0  # per bar; in units of the bar's volatility


@dataclass(frozen=True)
class SeriesSpec:
    """One generated series.

    Attributes:
        asset_class: ``crypto`` trades around the clock; ``us_equity`` has regular, pre- and post-market hours of XNYS.
        seed: decides all noise; two specs that differ in ``edge`` alone share theirs.
        start: first moment, a full hour, UTC.
        end: no bar starts at or after it, UTC.
        price: at the start, USD.
        volatility: typical standard deviation of log returns, fraction per year.
        drift: log return per year that is there in every regime, fraction; a bull market when positive.
        edge: log drift of a trend regime (up in a bull's, down in a bear's) per bar of trading, in units of the
            typical standard deviation of such a bar. 0 leaves nothing to learn; 0.25 is plain to a short momentum rule.
        edge_until: bars from here on have no edge, UTC; None keeps it to the end.
        spell: mean length of a trend regime, bars of (regular) trading.
        turnover: typical notional per bar of (regular) trading, USD.
        decimals: of prices.
        zero_volume: fraction of bars, the thinnest, in which nothing trades; crypto only.
    """

    asset_class: Literal["crypto", "us_equity"]
    seed: int
    start: pd.Timestamp
    end: pd.Timestamp
    price: float
    volatility: float
    drift: float = 0.0
    edge: float = 0.0
    edge_until: pd.Timestamp | None = None
    spell: float = 50.0
    turnover: float = 1e6
    decimals: int = 2
    zero_volume: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be generated.

        Raises:
            ValueError: a field is outside its domain.
        """
        if self.start >= self.end or self.start != self.start.floor("h"):
            raise ValueError(f"start {self.start}, end {self.end}: expected a full hour before the end")
        if min(self.price, self.volatility, self.turnover, self.spell - _PHASES) <= 0 or self.edge < 0:
            raise ValueError(f"{self}: price, volatility and turnover must be > 0, spell > 4, edge >= 0")
        if self.zero_volume and self.asset_class != "crypto":
            raise ValueError("zero_volume: Alpaca serves no stock bar without a trade, expected 0")


def generate(spec: SeriesSpec) -> pd.DataFrame:
    """Hourly bars as Alpaca labels them: by their start, on UTC clock hours.

    Returns:
        Columns open, high, low, close (USD), volume (coins or whole shares); index UTC, nanoseconds, increasing.
    """
    return _generate(spec)[0]


def generate_halves(spec: SeriesSpec) -> pd.DataFrame:
    """Half hours of the same prices as ``generate``; they share an hour's volume by their length."""
    hours, grid, before, after = _generate(spec)
    halves = grid.steps.floor("30min")
    index, first, counts = np.unique(halves.asi8, return_index=True, return_counts=True)
    frame = _bars(before, after, pd.DatetimeIndex(index, tz="UTC"), first).round(spec.decimals)
    hour = grid.bar[first]
    share = counts / np.bincount(grid.bar)[hour]
    return frame.assign(volume=np.maximum(1.0, np.round(hours["volume"].to_numpy()[hour] * share)))


def _generate(spec: SeriesSpec) -> tuple[pd.DataFrame, Grid, Floats, Floats]:
    """Hourly bars, and the steps that they are made of, with the prices before and after each."""
    make_grid = crypto_grid if spec.asset_class == "crypto" else stock_grid
    grid = make_grid(spec.start, spec.end)
    rng = np.random.Generator(np.random.PCG64(spec.seed))
    trend = _regimes(rng, grid.trading, spec.spell, _TRENDS)
    level = _volatility_level(rng, grid.trading)
    tail = _tails(rng, len(grid.index))
    jump = _jumps(rng, len(grid.index))
    shocks = _centred(rng, (len(grid.bar), 1))[:, 0]
    gaps = _normal(rng, len(grid.index))
    crowd = _normal(rng, len(grid.index))

    hourly = spec.volatility / math.sqrt(grid.hours_per_year / grid.regular_variance)
    scale = spec.volatility * level * tail
    push = trend * spec.edge * hourly
    if spec.edge_until is not None:
        push[grid.index >= spec.edge_until] = 0.0
    steady = spec.drift / grid.hours_per_year
    moves = grid.deviation * scale[grid.bar] * shocks + grid.trading_share * (push + steady)[grid.bar]
    moves[grid.first] += jump * level * hourly
    opening = np.zeros(len(grid.bar))
    opening[grid.first] = grid.gap_deviation * spec.volatility * level * gaps

    log_after = math.log(spec.price) + np.cumsum(opening + moves)
    before, after = np.exp(log_after - moves), np.exp(log_after)
    frame = _bars(before, after, grid.index, grid.first)
    surprise = np.abs(np.log(frame["close"].to_numpy() / frame["open"].to_numpy())) / hourly
    notional = spec.turnover * grid.crowd * (0.4 + 0.6 * surprise) * np.exp(0.5 * crowd)
    return _with_volume(frame.round(spec.decimals), notional, spec), grid, before, after


def _bars(before: Floats, after: Floats, index: pd.DatetimeIndex, first: NDArray[np.int64]) -> pd.DataFrame:
    """Open, high, low and close of each bar, from the prices before and after each of its steps."""
    last = np.append(first[1:], len(before)) - 1
    return pd.DataFrame(
        {
            "open": before[first],
            "high": np.maximum.reduceat(np.maximum(before, after), first),
            "low": np.minimum.reduceat(np.minimum(before, after), first),
            "close": after[last],
        },
        index=index,
    )


def _with_volume(frame: pd.DataFrame, notional: Floats, spec: SeriesSpec) -> pd.DataFrame:
    volume = notional / frame["close"].to_numpy()
    if spec.asset_class == "us_equity":
        return frame.assign(volume=np.maximum(1.0, np.round(volume)))
    quiet = volume < np.quantile(volume, spec.zero_volume)
    # Without a trade Alpaca reports the midpoint of the quote four times.
    for column in ("open", "high", "low"):
        frame[column] = frame[column].mask(quiet, frame["close"])
    return frame.assign(volume=np.where(quiet, 0.0, np.maximum(0.0001, np.round(volume, 4))))


def _regimes(rng: np.random.Generator, trading: NDArray[np.bool_], spell: float, cycle: Floats) -> Floats:
    """The regime of each bar, from a Markov chain that moves on in trading bars only.

    A spell is passed in four phases of geometric length, so its own length is Erlang-like: ``spell`` bars on average,
    half of that as standard deviation. Plain geometric spells would leave whole months in one regime.
    """
    moves_on = (rng.random(len(trading)) < _PHASES / spell) & trading
    begun = math.floor(rng.random() * _PHASES * len(cycle))
    return np.asarray(cycle[(begun + np.cumsum(moves_on)) // _PHASES % len(cycle)])


def _volatility_level(rng: np.random.Generator, trading: NDArray[np.bool_]) -> Floats:
    """Volatility per bar over the typical one: calm and stormy spells times a slow lognormal (Taylor 1986)."""
    weather = _regimes(rng, trading, _WEATHER_SPELL, _WEATHERS)
    news = _normal(rng, len(trading)) * _SPREAD * math.sqrt(1 - _PERSISTENCE**2)
    wander = np.array(list(accumulate(news.tolist(), lambda log_level, shock: _PERSISTENCE * log_level + shock)))
    return np.asarray(weather * np.exp(wander - _SPREAD**2))


def _tails(rng: np.random.Generator, count: int) -> Floats:
    """A factor per bar that turns a normal shock of unit variance into a Student t of 4 degrees of freedom and as much.

    Chi-squared with 4 degrees of freedom is -2 log of a product of two uniforms.
    """
    product = (1.0 - rng.random(count)) * (1.0 - rng.random(count))
    return np.asarray(1.0 / np.sqrt(np.maximum(-np.log(product), 1e-3)))


def _jumps(rng: np.random.Generator, count: int) -> Floats:
    """Rare moves, up or down alike, in units of the bar's volatility."""
    happens = rng.random(count) < _JUMP_CHANCE
    return np.asarray(np.where(happens, np.sign(rng.random(count) - 0.5) * _JUMP_SIZE, 0.0))


def _centred(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Uniforms about 0. Twelve add up to unit variance and are normal but for the far tails (Irwin-Hall).

    A library's normal sampler may change with its version or platform; these are the same bits everywhere.
    """
    return rng.random(shape) - 0.5


def _normal(rng: np.random.Generator, count: int) -> Floats:
    return np.asarray(_centred(rng, (count, STEPS_PER_HOUR)).sum(axis=1))
