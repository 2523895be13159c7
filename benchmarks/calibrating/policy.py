"""What is held: policies without any knowledge of what comes, which see the market's past at most.

Each gives the share of equity held during every bar, (paths, bars), decided at the close before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from pytest_modelgate.core.typing import Floats

from .grid import Grid
from .history import before, decided, draw_spells, happened, since, trailing
from .market import EVERY, Prices

SIZE = 0.10  # of equity in the market
_MOST = 3.0  # times that: what a profile allows


class Policy(Protocol):
    """Decides without an edge."""

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:
        """Shares of equity, (paths, bars), signed."""
        ...


@dataclass(frozen=True)
class Spells:
    """In the market for spells of geometric length, whatever happens.

    Attributes:
        inside, outside: mean length of a spell in and out of the market, bars.
        both: every spell is long or short, as a coin falls; without one outside it is always in.
    """

    inside: float = 48.0
    outside: float = 48.0
    both: bool = False

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:
        """See ``Policy``."""
        return SIZE * self.sides(rng, len(prices.move), len(grid))

    def sides(self, rng: np.random.Generator, paths: int, bars: int) -> Floats:
        """1 in the market, -1 short, 0 out."""
        if not self.outside:
            spells = draw_spells(rng, paths, bars, self.inside, self.inside)
            return np.where(spells % 2 == 0, 1.0, -1.0)
        spells = draw_spells(rng, paths, bars, self.inside, self.outside)
        coins = rng.choice([-1.0, 1.0], (paths, int(spells.max()) + 1)) if self.both else None
        signs = np.take_along_axis(coins, spells, axis=1) if coins is not None else 1.0
        return np.where(spells % 2 == 0, signs, 0.0)


@dataclass(frozen=True)
class Trend:
    """Follows what the market did, or goes against it.

    Attributes:
        sign: 1 follows, -1 goes against it.
        lookback, every: bars looked at, and from decision to decision.
        both: short where it is not long.
    """

    sign: float
    lookback: int = 72
    every: int = 12
    both: bool = False

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:  # noqa: ARG002
        """See ``Policy``."""
        score = self.sign * trailing(prices.total, self.lookback)
        side = np.where(score > 0.0, 1.0, -1.0 if self.both else 0.0)
        return SIZE * decided(rng, np.where(score == 0.0, 0.0, side), self.every)


@dataclass(frozen=True)
class Loud:
    """Looks at the volatility of the last days: is in while it is high, or holds more or less as it rises."""

    way: Literal["in", "more", "less"]

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:
        """See ``Policy``."""
        lookback = 2 * grid.slots
        loud = np.sqrt(trailing(prices.total**2, lookback) / lookback)
        typical = math.sqrt(float(np.mean(prices.total**2)))
        loud = np.where(loud > 0.0, loud / typical, 1.0)
        if self.way == "in":
            return SIZE * decided(rng, np.where(loud > 1.0, 1.0, 0.0), grid.slots)
        size = decided(rng, np.clip(loud if self.way == "more" else 1.0 / loud, 0.2, _MOST), grid.slots)
        return SIZE * size * Spells().sides(rng, *size.shape)


@dataclass(frozen=True)
class Coins:
    """A coin falls on every day: whether it holds then, during the slots named.

    Attributes:
        first, end: slots of the day; both 0: the whole day.
        days: which of them.
        overnight: from the last bar of the day to the first of the next, instead.
        both: short on the days when it is not long.
    """

    first: int = 0
    end: int = 0
    days: Literal["all", "week", "weekend", "events"] = "all"
    overnight: bool = False
    both: bool = False

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:
        """See ``Policy``."""
        there = grid.last if self.overnight else (grid.slot >= self.first) & (grid.slot < (self.end or grid.slots))
        weekend, event = grid.weekday >= 5, grid.day % EVERY == EVERY // 2
        days = {"all": grid.day >= 0, "week": ~weekend, "weekend": weekend, "events": event}[self.days]
        heads = (rng.random((len(prices.move), int(grid.day[-1]) + 1)) < 0.5)[:, grid.day]
        return np.asarray(SIZE * (there & days) * np.where(heads, 1.0, -1.0 if self.both else 0.0))


@dataclass(frozen=True)
class Early:
    """Short spells in the first days of every fold, and then none."""

    days: int

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:
        """See ``Policy``."""
        begun = np.arange(len(grid)) - grid.bounds[grid.fold]
        return Spells(8.0, 8.0).hold(rng, prices, grid) * (begun < self.days * grid.slots)


@dataclass(frozen=True)
class Quits:
    """Spells, but in every fold it stays out for good once it is ahead by so many standard deviations of its luck."""

    deviations: float

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:
        """See ``Policy``."""
        held = Spells().hold(rng, prices, grid)
        starts = grid.bounds[grid.fold]
        luck = np.sqrt(since(held**2 * np.mean(prices.total**2), starts))
        enough = np.sqrt(0.1 * np.diff(grid.bounds)[grid.fold] * np.mean((held * prices.total) ** 2))
        ahead = since(held * prices.total, starts) > self.deviations * np.maximum(luck, enough)
        return np.where(happened(ahead, starts), 0.0, held)


@dataclass(frozen=True)
class Pyramid:
    """Spells in which it adds to its position, up to three times its size.

    Attributes:
        sign: 1 adds as the market rises, -1 averages down as it falls, and takes its profit as soon as it rises.
    """

    sign: float

    def hold(self, rng: np.random.Generator, prices: Prices, grid: Grid) -> Floats:
        """See ``Policy``."""
        inside = Spells(96.0, 48.0).sides(rng, len(prices.move), len(grid)) > 0.0
        bars = np.arange(len(grid))
        entries = inside & ~np.concatenate([np.zeros((len(inside), 1), np.bool_), inside[:, :-1]], axis=1)
        starts = np.maximum.accumulate(np.where(entries, bars, 0), axis=1)
        run = since(np.where(inside, prices.total, 0.0), starts)
        step = 4.0 * math.sqrt(float(np.mean(prices.total**2)))
        added = before(np.floor(np.clip(self.sign * run / step, 0.0, _MOST - 1.0)))
        held = SIZE * np.where(inside, 1.0 + np.where(entries, 0.0, added), 0.0)
        return held if self.sign > 0 else np.where(happened(run > step, starts), 0.0, held)
