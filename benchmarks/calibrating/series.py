"""Real series, cut into days and put together anew: whatever they could know of each other's order is gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pytest_modelgate.core.typing import Floats

from .grid import Grid, Venue

_BLOCK = 10.0  # days, on average
_SPLIT = 0.5  # a larger move is a split that nobody adjusted for
_ZONE = {"crypto": "UTC", "stocks": "America/New_York"}
_BARS = {"crypto": 24, "stocks": 7}


@dataclass(frozen=True, eq=False)
class Series:
    """Whole days of one series, (days, bars of a day) each, without drift and with an annual volatility of 1."""

    name: str
    venue: Venue
    gap: Floats
    move: Floats


def read_series(folder: Path) -> tuple[Series, ...]:
    """Every CSV file of hourly bars (timestamp, open, high, low, close, volume; plain or packed) in a folder.

    What trades at weekends is crypto.

    Raises:
        SystemExit: there is none.
    """
    found = tuple(_read(path) for path in sorted(folder.iterdir()) if ".csv" in path.name)
    if not found:
        raise SystemExit(f"{folder} holds no CSV file of hourly bars; name a folder that does with --series")
    return found


def _read(path: Path) -> Series:
    frame = pd.read_csv(path, index_col="timestamp", parse_dates=True)
    index = pd.DatetimeIndex(frame.index)
    venue: Venue = "crypto" if bool((index.day_of_week >= 5).any()) else "stocks"
    dates = index.tz_convert(_ZONE[venue]).normalize()
    moves = pd.DataFrame(
        {
            "date": dates,
            "gap": (frame["open"] / frame["close"].shift() - 1.0).fillna(0.0).to_numpy(),
            "move": (frame["close"] / frame["open"] - 1.0).to_numpy(),
        }
    )
    days = [
        day[["gap", "move"]].to_numpy().T
        for _, day in moves.groupby("date", sort=True)
        if len(day) == _BARS[venue] and day[["gap", "move"]].abs().to_numpy().max() < _SPLIT
    ]
    gap, move = np.stack(days, axis=1)
    gap[:, 0] -= gap[:, 0].mean()
    gap[:, 1:] -= gap[:, 1:].mean()
    move -= move.mean()
    yearly = math.sqrt(float(np.mean(np.sum(gap + move, axis=1) ** 2)) * (365.0 if venue == "crypto" else 252.0))
    return Series(path.name, venue, gap / yearly, move / yearly)


def resample(
    series: Sequence[Series], grid: Grid, rng: np.random.Generator, paths: int, volatility: float
) -> tuple[Floats, Floats]:
    """Gaps and moves, (paths, bars) each: each path from one series, in circular blocks (Politis & Romano 1994)."""
    gap, move = np.empty((paths, len(grid))), np.empty((paths, len(grid)))
    days = int(grid.day[-1]) + 1
    for path, one in enumerate(rng.integers(len(series), size=paths)):
        source = series[one]
        length = len(source.gap)
        fresh = rng.random(days) < 1.0 / _BLOCK
        fresh[0] = True
        begun = np.maximum.accumulate(np.where(fresh, np.arange(days), 0))
        rows = (rng.integers(length, size=days)[begun] + np.arange(days) - begun) % length
        gap[path] = source.gap[rows[grid.day], grid.slot]
        move[path] = source.move[rows[grid.day], grid.slot]
    return gap * volatility, move * volatility
