"""Curves that a report draws of a model, computed from its evidence: growth, drawdown, prices, trades."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.attribution import BarAttribution, concatenate
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.statistics.exposure import equal_exposure
from pytest_modelgate.core.typing import Floats

Seconds = NDArray[np.int64]


class Span(NamedTuple):
    """One window among others: seconds since 1970 UTC, and how it lies to the training data."""

    start: int
    end: int
    sample: str


@dataclass(frozen=True, eq=False)
class Growth:
    """Growth over windows one after the other, n bars; every array is (n + 1,), the start and then each bar's close.

    Attributes:
        times: seconds since 1970 UTC.
        model, market: return since the start, fractions; the market fully invested and without costs.
        equal: the market's at the model's own mean position, without costs.
        drawdown: of the model, from its running peak, positive fractions.
        spans: the windows.
    """

    times: Seconds
    model: Floats
    market: Floats
    equal: Floats
    drawdown: Floats
    spans: tuple[Span, ...]

    def thinned(self, most: int) -> Growth:
        """At most about ``most`` points: of each stretch its end, its lowest, its highest and its deepest point."""
        count = len(self.times)
        if count <= most:
            return self
        kept = {0, count - 1}
        for part in np.array_split(np.arange(count), most // 4):
            levels = self.model[part]
            kept |= {int(part[-1]), int(part[levels.argmin()]), int(part[levels.argmax()])}
            kept.add(int(part[self.drawdown[part].argmax()]))
        rows = sorted(kept)
        arrays = {name: getattr(self, name)[rows] for name in ("times", "model", "market", "equal", "drawdown")}
        return replace(self, **arrays)

    def table(self, most: int) -> list[tuple[int, float, float, float, float]]:
        """Time, model, equal exposure, market, deepest drawdown since the row above; at most ``most`` even steps."""
        ends = np.unique(np.linspace(0, len(self.times) - 1, most).round().astype(np.int64))
        starts = np.concatenate([[0], ends[:-1] + 1])
        return [
            (
                int(self.times[end]),
                float(self.model[end]),
                float(self.equal[end]),
                float(self.market[end]),
                float(self.drawdown[a : end + 1].max()),
            )
            for a, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]


class Trip(NamedTuple):
    """One round trip: rows of the bars that open and close it, its side, and the prices there, USD, before slippage.

    The exit's price is the bar's open, the level of a stop or a target within it, or the last close.
    """

    entered: int
    left: int
    side: int
    entry: float
    exit: float

    @property
    def change(self) -> float:
        """Of the price, in the direction of the position, a fraction before costs."""
        return self.side * (self.exit / self.entry - 1.0)


@dataclass(frozen=True, eq=False)
class Prices:
    """The market of one window, n bars, and when the model was in it.

    Attributes:
        times: (n,) starts of bars, seconds since 1970 UTC.
        close: (n,) USD.
        trips: oldest first.
    """

    times: Seconds
    close: Floats
    trips: tuple[Trip, ...]

    def last(self, bars: int) -> Prices:
        """The last bars, and the round trips that begin within them."""
        cut = max(0, len(self.times) - bars)
        moved = [trip._replace(entered=trip.entered - cut, left=trip.left - cut) for trip in self.trips]
        return Prices(self.times[cut:], self.close[cut:], tuple(trip for trip in moved if trip.entered >= 0))


def growth(windows: Sequence[WindowEvidence]) -> Growth:
    """Windows one after the other, gains reinvested; nothing comes back from a ruin.

    Args:
        windows: oldest first, at least one.
    """
    attribution = concatenate([window.bars.attribution() for window in windows])
    model = np.concatenate([[1.0], np.cumprod(np.maximum(0.0, 1.0 + attribution.returns))])
    market = np.concatenate([[1.0], np.cumprod(1.0 + attribution.market)])
    held = equal_exposure(attribution.intraday_weight, attribution.market)
    equal = np.concatenate([[1.0], np.cumprod(np.maximum(0.0, 1.0 + held.returns))])
    times = np.concatenate([np.array(window.times, dtype=np.int64) for window in windows])
    spans = tuple(Span(_seconds(window.start), _seconds(window.end), window.sample) for window in windows)
    return Growth(
        times=np.concatenate([times, [spans[-1].end]]),
        model=model - 1.0,
        market=market - 1.0,
        equal=equal - 1.0,
        drawdown=1.0 - model / np.maximum.accumulate(model),
        spans=spans,
    )


def prices(window: WindowEvidence) -> Prices:
    """Prices and round trips of one window, from what was held and how the market moved."""
    attribution = window.bars.attribution()
    close = window.first_open / (1.0 + attribution.overnight_return[0]) * np.cumprod(1.0 + attribution.market)
    opens = close / (1.0 + attribution.intraday_return)
    return Prices(np.array(window.times, dtype=np.int64), close, tuple(_trips(attribution, opens, close)))


class TradeLine(NamedTuple):
    """One trade as a report lists it.

    Attributes:
        entered, left: starts of the bars of the first and the last fill, seconds since 1970 UTC.
        bars: from the one to the other.
        entry, exit: prices there, USD, before slippage; NaN where they are unknown.
        pnl, costs: USD, after all costs, and those costs; NaN in evidence that does not keep them.
        share: ``pnl`` over the equity before the first fill.
    """

    entered: int
    left: int
    bars: int
    side: int
    entry: float
    exit: float
    pnl: float
    costs: float
    share: float


def trade_lines(window: WindowEvidence) -> list[TradeLine]:
    """All trades of a window, oldest first: what the account booked, and the prices there."""
    trips, times = prices(window).trips, window.times
    lines = []
    if not window.trades:
        return [
            TradeLine(times[a], times[b], b - a, side, entry, left, math.nan, math.nan, math.nan)
            for a, b, side, entry, left in trips
        ]
    known = {(trip.entered, trip.left): trip for trip in trips}
    for trade in window.trades:
        trip = known.get((trade.entry_row, trade.exit_row))
        before = window.equity[trade.entry_row]
        lines.append(
            TradeLine(
                times[trade.entry_row],
                times[trade.exit_row],
                trade.exit_row - trade.entry_row,
                1 if trade.side == "long" else -1,
                trip.entry if trip else math.nan,
                trip.exit if trip else math.nan,
                trade.pnl,
                trade.costs,
                trade.pnl / before if before > 0.0 else math.nan,
            )
        )
    return lines


def _trips(attribution: BarAttribution, opens: Floats, close: Floats) -> Iterator[Trip]:
    sides = np.sign(attribution.intraday_weight).astype(np.int64).tolist()
    entered, last = -1, len(close) - 1
    for row, side in enumerate(sides):
        if entered >= 0 and side != sides[entered]:
            yield Trip(entered, row, sides[entered], float(opens[entered]), float(opens[row]))
            entered = -1
        if side and entered < 0:
            entered = row
        forgone = attribution.forgone[row]
        if entered >= 0 and (forgone or row == last):  # what is left is sold at the last close
            level = close[row] - opens[row] * forgone / attribution.intraday_weight[row]
            yield Trip(entered, row, side, float(opens[entered]), float(level))
            entered = -1


def _seconds(moment: str) -> int:
    return int(pd.Timestamp(moment).timestamp())
