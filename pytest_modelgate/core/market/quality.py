"""Quality of a series of bars that a verdict is to rest on: gaps, silence, jumps and splits, with their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.core.config.profiles import MarketDataLimits
from pytest_modelgate.core.market.bars import AssetClass, Bars, Timeframe
from pytest_modelgate.core.market.corporate_actions import CorporateAction
from pytest_modelgate.core.market.overnight import Overnight, judge_nights
from pytest_modelgate.core.market.prints import Prints, find_prints
from pytest_modelgate.core.market.windows import Window

_NO_NIGHTS = Overnight((), (), ())

# A stretch of a series: its name, which expected bars are missing there, and which bars are without a trade.
_Stretch = tuple[str, NDArray[np.bool_], NDArray[np.bool_]]


@dataclass(frozen=True)
class Quality:
    """Figures of one series; counts are bars.

    Attributes:
        expected: how many a market that trades throughout would have had, from the first bar to the last asked for.
        missing: how many of these are not there; longest_gap: the most of them in a row.
        zero_volume: without a trade.
        inconsistent: whose open or close lies outside low to high; feeds do print them.
        jumps: how many moved further than the profile's ``warn_jump``, close to close.
        largest_move: signed fraction, close to close; ``largest_move_at`` is the start of that bar (ISO 8601, UTC),
            empty for a single bar.
        splits: what prices were not adjusted for, or what looks like it, as ``4:1 on 2020-08-31``.
        failures: why no verdict may rest on the series; warnings: what a reader should know.
        flagged_at: starts of bars with doubtful prices, seconds since 1970 UTC: prices that went far away and came
            straight back, prices that stood still for too long.
        worst_spike: signed fraction by which the furthest of these prices lay beyond all around it; 0 without any.
        worst_spike_at: start of that bar (ISO 8601, UTC), empty without any.
        frozen_run: the most bars in a row whose prices are all one and the same; 0 for a single one.
        coarse: bars whose price is so low that the smallest step of prices is a large share of it.
        actions: what happened to the company's shares meanwhile, as ``5:4 split of 2024-06-10``.
        actions_from: ``recorded``: the list of actions was; ``guessed``: it was not, so moves are all there is to tell
            splits by; empty for crypto, which has none.
    """

    expected: int
    missing: int
    longest_gap: int
    zero_volume: int
    inconsistent: int
    jumps: int
    largest_move: float
    largest_move_at: str
    splits: tuple[str, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    flagged_at: tuple[int, ...] = ()
    worst_spike: float = 0.0
    worst_spike_at: str = ""
    frozen_run: int = 0
    coarse: int = 0
    actions: tuple[str, ...] = ()
    actions_from: str = ""

    @property
    def flagged(self) -> int:
        """How many bars have doubtful prices."""
        return len(self.flagged_at)


def assess(
    bars: Bars,
    expected: pd.DatetimeIndex,
    windows: Sequence[Window],
    limits: MarketDataLimits,
    *,
    actions: Sequence[CorporateAction] | None = None,
    adjustment: str = "raw",
) -> Quality:
    """Measure a series and hold it against the limits.

    What ``Bars`` refuses - times out of order or twice, values that are not finite, prices of 0 or less - cannot occur.

    Args:
        bars: the series as it will be judged.
        expected: starts of the bars there should be, sorted, from the first bar to the last one asked for.
        windows: each is held against the limits by itself, so that a hole in one fold is not lost in a year.
        actions: what happened to the company's shares, by day; None where nobody recorded it.
        adjustment: what was asked of a stock's prices, in Alpaca's words.
    """
    values = bars.frame.to_numpy(dtype=np.float64)
    absent, silent = _absent(bars, expected), values[:, 4] == 0.0
    body = values[:, [0, 3]]
    inconsistent = int(np.count_nonzero((body.max(axis=1) > values[:, 1]) | (body.min(axis=1) < values[:, 2])))
    moves = values[1:, 3] / values[:-1, 3] - 1.0
    jumps = int(np.count_nonzero(np.abs(moves) > limits.warn_jump))
    largest = int(np.argmax(np.abs(np.log1p(moves)))) if len(moves) else -1
    stock = bars.instrument.asset_class is AssetClass.EQUITY
    nights = judge_nights(bars, actions, adjustment) if stock else _NO_NIGHTS
    stretches: list[_Stretch] = [("the series", absent, silent)]
    for window in windows:
        first, last = expected.searchsorted([window.start, window.end])
        stretches.append((window.name, absent[first:last], silent[bars.positions(window.start, window.end)]))
    failures, warnings = _shares(stretches, limits)
    (failures if len(nights.unadjusted) > limits.max_splits else warnings).extend(nights.failures)
    warnings += nights.warnings
    furthest = f"{moves[largest]:+.1%} at {bars.index[largest + 1]:%Y-%m-%d %H:%M} UTC" if jumps else ""
    warnings += _oddities(inconsistent, jumps, furthest, limits)
    prints = find_prints(bars, limits)
    worst = int(np.argmax(np.abs(np.log1p(prints.spikes)))) if prints.spikes.any() else -1
    absurd, doubtful = _doubts(prints, bars.index, worst, limits)
    return Quality(
        expected=len(expected),
        missing=int(np.count_nonzero(absent)),
        longest_gap=_longest_run(absent),
        zero_volume=int(np.count_nonzero(silent)),
        inconsistent=inconsistent,
        jumps=jumps,
        largest_move=float(moves[largest]) if len(moves) else 0.0,
        largest_move_at=bars.index[largest + 1].isoformat() if len(moves) else "",
        splits=nights.unadjusted,
        failures=(*failures, *absurd),
        warnings=(*warnings, *doubtful),
        flagged_at=tuple(bars.index[prints.flagged].as_unit("s").asi8.tolist()),
        worst_spike=float(prints.spikes[worst]) if worst >= 0 else 0.0,
        worst_spike_at=bars.index[worst].isoformat() if worst >= 0 else "",
        frozen_run=prints.longest_run if prints.longest_run > 1 else 0,
        coarse=prints.coarse,
        actions=tuple(map(str, actions or ())),
        actions_from=("guessed" if actions is None else "recorded") if stock else "",
    )


def _absent(bars: Bars, expected: pd.DatetimeIndex) -> NDArray[np.bool_]:
    """Whether each expected bar is missing; days start at midnight of some American city: their date tells them."""
    if bars.timeframe is Timeframe.DAY_1:
        return ~expected.normalize().isin(bars.index.normalize())
    return ~expected.isin(bars.index)


def _shares(stretches: Sequence[_Stretch], limits: MarketDataLimits) -> tuple[list[str], list[str]]:
    """Failures and warnings of missing and of silent bars, stretch by stretch."""
    failures: list[str] = []
    warnings: list[str] = []
    for name, absent, silent in stretches:
        for what, marked, warn, most in (
            ("missing", absent, limits.warn_missing, limits.max_missing),
            ("without a trade", silent, limits.warn_zero_volume, limits.max_zero_volume),
        ):
            share = float(marked.mean()) if len(marked) else 0.0
            if share > warn:
                limit = most if share > most else warn
                sentence = f"{np.count_nonzero(marked)} of {len(marked)} bars of {name} are {what} ({share:.1%})"
                (failures if share > most else warnings).append(f"{sentence}, more than {limit:.0%}")
    return failures, warnings


def _oddities(inconsistent: int, jumps: int, furthest: str, limits: MarketDataLimits) -> list[str]:
    """Warnings of bars outside their own range, and of jumps, the furthest of which is described."""
    warnings = []
    if inconsistent:
        verbs = "bar opens or closes outside its" if inconsistent == 1 else "bars open or close outside their"
        warnings.append(f"{inconsistent} {verbs} range from low to high")
    if jumps:
        plural = "s" if jumps > 1 else ""
        warnings.append(f"{jumps} bar{plural} moved more than {limits.warn_jump:.0%}, the furthest by {furthest}")
    return warnings


def _doubts(
    prints: Prints, index: pd.DatetimeIndex, worst: int, limits: MarketDataLimits
) -> tuple[list[str], list[str]]:
    """Failures and warnings of prices that nobody may have paid; ``worst`` is the row of the furthest, -1 without."""
    failures, warnings = [], []
    if worst >= 0:
        furthest = f"{prints.spikes[worst]:+.1%} at {index[worst]:%Y-%m-%d %H:%M} UTC"
        beyond = int(np.count_nonzero(np.abs(np.log1p(prints.spikes)) > np.log1p(limits.max_spike)))
        count = int(np.count_nonzero(prints.spikes))
        verb = "bar has a price" if count == 1 else "bars have prices"
        sentence = f"{count} {verb} far from all around it that came straight back, the furthest by {furthest}"
        if beyond:
            limit = f"{limits.max_spike:+.0%} or {1 / (1 + limits.max_spike) - 1:+.0%}"
            failures.append(f"{sentence}, {beyond} of them further than {limit}")
        else:
            warnings.append(sentence)
    if prints.frozen.any():
        most = f"a run of {prints.longest_run}, longer than {limits.max_frozen_run}"
        warnings.append(f"{np.count_nonzero(prints.frozen)} bars stand still or end {most}: no price in it changed")
    if prints.coarse:
        least = f"a step of prices is {limits.coarse_tick:.0%} of the price or more"
        warnings.append(f"{prints.coarse} of {len(index)} bars are so cheap that {least}")
    return failures, warnings


def _longest_run(marked: NDArray[np.bool_]) -> int:
    borders = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return int(np.max(borders[1::2] - borders[::2], initial=0))
