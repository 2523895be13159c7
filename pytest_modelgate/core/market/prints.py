"""Bad prints: prices that go far away and come straight back, and prices that stand still.

A move that stays is news. A print goes out and comes back within its bar or the next one, and nothing around it moves.
How far is far is a matter of the series: everything is measured in robust deviations of its own moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.config.profiles import MarketDataLimits
from pytest_modelgate.core.market.bars import AssetClass, Bars, Timeframe
from pytest_modelgate.core.market.sessions import exchange_time
from pytest_modelgate.core.typing import Floats

_DEVIATION = 1.4826  # a standard deviation, in median absolute ones, of what is normal
_ENOUGH = 30  # moves that tell a scale
_ENOUGH_OF_DAY = 100  # moves at one time of day, for them to have a scale of their own
_CHANCE = 1.25  # by which six bars of a market that is as ever reach further than it usually does
_BESIDE = 3  # bars to either side, that tell whether the market is wild just now
_STAYS = 0.5  # of a spike: what moved further than that for good has not come back
_LENGTHS = (1, 2, 3)  # prices in a row, of open, close, open ..., that may be bad together

_Marks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Prints:
    """What is doubtful in a series of n bars.

    Attributes:
        spikes: (n,) signed fractions: how far a price of the bar lies from all around it, where that is beyond the
            limit; 0 elsewhere. Its half way back is marked with it: it stands at every bar that it moved.
        frozen: (n,) bars of runs, longer than the limit, in which no price changed, and the bar that ends each.
        longest_run: bars in a row whose four prices are one and the same.
        coarse: bars whose price is so low that the smallest step of prices is a large share of it.
    """

    spikes: Floats
    frozen: _Marks
    longest_run: int
    coarse: int

    @property
    def flagged(self) -> _Marks:
        """(n,) bars on which nothing should hang."""
        return np.asarray(self.frozen | (self.spikes != 0.0))


def find_prints(bars: Bars, limits: MarketDataLimits) -> Prints:
    """Look at every price of a series; the scale of prices does not matter."""
    prices = np.log(bars.frame.to_numpy(dtype=np.float64)[:, :4].T.copy())
    spikes = np.zeros(len(bars))
    if len(bars) > 2 * _BESIDE:
        groups = _times_of_day(bars)
        far = np.diff(bars.index.asi8, prepend=bars.index.asi8[0]) > bars.timeframe.delta.as_unit("ns").value
        path, wick = (_usual_limit(scale, limits) for scale in _scales(prices, groups, far))
        wild, absurd = _wildness(prices), float(np.log1p(limits.max_spike))
        _spikes_of_bodies(prices, path, wild, absurd, spikes)
        _spikes_of_wicks(prices, np.minimum(wick * wild, absurd), spikes)
    frozen, longest = _frozen(prices, limits.max_frozen_run)
    return Prints(np.expm1(spikes), frozen, longest, _coarse(bars, limits.coarse_tick))


def _usual_limit(scale: Floats, limits: MarketDataLimits) -> Floats:
    """How far is too far in a calm market; without end where no moves tell it."""
    return np.asarray(np.where(scale > 0.0, limits.spike_deviations * scale, np.inf))


def _times_of_day(bars: Bars) -> NDArray[np.int64]:
    """Which hour each bar starts in, by the clock that its market goes by."""
    if bars.timeframe is Timeframe.DAY_1:
        return np.zeros(len(bars), dtype=np.int64)
    crypto = bars.instrument.asset_class is AssetClass.CRYPTO
    return np.asarray(bars.index.hour if crypto else exchange_time(bars.index).hour, dtype=np.int64)


def _scales(prices: Floats, groups: NDArray[np.int64], far: _Marks) -> tuple[Floats, Floats]:
    """Robust deviations (n,) at every bar: of bodies and gaps; of these and wicks.

    Args:
        prices: logarithms (4, n).
        groups: (n,) time of day.
        far: (n,) whether a night or a hole lies before the bar; gaps over these are a group of their own.
    """
    opened, high, low, close = prices
    gaps = np.abs(opened - np.concatenate([opened[:1], close[:-1]]))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    kinds = [top - bottom, np.where(far, 0.0, gaps), high - top, bottom - low]
    body, gap, *wicks = _by_time_of_day(kinds, groups)
    if np.isfinite(night := _deviation(gaps[far])):
        gap = np.where(far, night, gap)
    path = np.maximum(body, gap)
    return path, np.maximum(path, np.maximum(*wicks))


def _by_time_of_day(kinds: Sequence[Floats], groups: NDArray[np.int64]) -> list[Floats]:
    """Of each kind of moves their robust deviation (n,) at that time of day, and of all where too few tell it."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    scales = []
    for moves in kinds:
        scale = np.full(len(moves), whole if np.isfinite(whole := _deviation(moves)) else 0.0)
        for rows in parts:
            if np.isfinite(own := _deviation(moves[rows], _ENOUGH_OF_DAY)):
                scale[rows] = own
        scales.append(scale)
    return scales


def _deviation(moves: Floats, enough: int = _ENOUGH) -> float:
    """Robust deviation of sizes of moves; those of no size are bars without a trade. NaN where too few tell it."""
    moved = moves[moves > 0.0]
    middle = len(moved) // 2
    return _DEVIATION * float(np.partition(moved, middle)[middle]) if len(moved) >= enough else math.nan


def _wildness(prices: Floats) -> Floats:
    """How much further the three bars to either side reach than bars usually do, at least 1; their median counts."""
    opened, high, low, close = prices
    ranges = np.maximum(np.maximum(opened, close), high) - np.minimum(np.minimum(opened, close), low)
    usual = float(np.median(ranges))
    if usual <= 0.0:
        return np.ones(len(ranges))
    padded = np.pad(ranges, _BESIDE, mode="reflect")
    beside = [padded[shift : shift + len(ranges)] for shift in range(2 * _BESIDE + 1) if shift != _BESIDE]
    for last in range(len(beside) - 1, 0, -1):  # sorted by exchanges, all rows at once
        for place in range(last):
            a, b = beside[place], beside[place + 1]
            beside[place], beside[place + 1] = np.minimum(a, b), np.maximum(a, b)
    wild: Floats = np.maximum(1.0, (beside[_BESIDE - 1] + beside[_BESIDE]) / 2.0 / usual / _CHANCE)
    return wild


def _spikes_of_bodies(prices: Floats, usual: Floats, wild: Floats, absurd: float, spikes: Floats) -> None:
    """Opens and closes, up to three in a row, too far beyond what came before and after them.

    Of the wildness at the steps out and back the smaller counts: a bad close makes its own bar look wild to the next.
    """
    path = prices[[0, 3]].T.ravel()  # open, close, open ...
    limits, wilder = usual.repeat(2), wild.repeat(2)
    lowest = highest = path[1:]
    for length in _LENGTHS:
        count = len(path) - length - 1
        if length > 1:
            lowest, highest = (
                np.minimum(lowest[:-1], path[length:]),
                np.maximum(highest[:-1], path[length:]),
            )
        before, after = path[:count], path[length + 1 :]
        up = lowest[:count] - np.maximum(before, after)
        down = np.minimum(before, after) - highest[:count]
        height = np.maximum(up, down)
        out, back = slice(1, count + 1), slice(length + 1, None)
        limit = np.maximum(limits[out], limits[back]) * np.minimum(wilder[out], wilder[back])
        limit = np.minimum(limit, absurd)
        for place in np.flatnonzero((height > limit) & (np.abs(after - before) <= _STAYS * height)).tolist():
            first, last = place + 1, place + length + 1
            if length == 3 and first % 2:
                continue  # close, open, close: back only after the next bar
            _mark(spikes, slice(first // 2, last // 2 + 1), height[place] if up[place] > 0.0 else -height[place])


def _spikes_of_wicks(prices: Floats, most: Floats, spikes: Floats) -> None:
    """Highs and lows further than ``most`` beyond the bodies of their own bar and of those beside it."""
    opened, high, low, close = prices
    before = np.concatenate([opened[:1], close[:-1]])
    after = np.concatenate([opened[1:], close[-1:]])
    top = np.maximum(np.maximum(before, opened), np.maximum(close, after))
    bottom = np.minimum(np.minimum(before, opened), np.minimum(close, after))
    for height, sign in ((high - top, 1.0), (bottom - low, -1.0)):
        for row in np.flatnonzero((height > most) & (np.abs(after - before) <= _STAYS * height)).tolist():
            _mark(spikes, slice(row, row + 1), sign * height[row])


def _mark(spikes: Floats, rows: slice, height: float) -> None:
    spikes[rows] = np.where(np.abs(spikes[rows]) < abs(height), height, spikes[rows])


def _frozen(prices: Floats, most: int) -> tuple[_Marks, int]:
    """Bars of runs longer than ``most``, with the bar that ends each; and the longest run."""
    opened = prices[0]
    still = (prices[1:] == opened).all(axis=0)
    goes_on = still[1:] & still[:-1] & (opened[1:] == opened[:-1])
    borders = np.flatnonzero(np.diff(np.concatenate([[False], goes_on, [False]]).astype(np.int8)))
    starts, stops = borders[::2], borders[1::2]
    frozen = np.zeros(len(opened), dtype=np.bool_)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        if stop - start + 1 > most:
            frozen[start : stop + 2] = True
    return frozen, int(np.max(stops - starts + 1, initial=int(still.any())))


def _coarse(bars: Bars, share: float) -> int:
    """Bars at whose close the smallest step between two prices of the series is such a share of the price."""
    prices = np.unique(bars.frame.to_numpy(dtype=np.float64)[:, :4])
    if len(prices) < 3:  # two prices tell no step
        return 0
    return int(np.count_nonzero(np.diff(prices).min() >= share * bars.frame["close"].to_numpy()))
