"""The bars of a period as they were traded, beside those that decisions rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.market.bars import AssetClass, Bars, Timeframe
from pytest_modelgate.core.market.sessions import exchange_time
from pytest_modelgate.core.typing import Floats, Integers, Mask
from pytest_modelgate.core.watching.records import NANOSECONDS

_SPLIT = 1.2  # a step of the adjustment by more is a split, by less a dividend; 5:4 is the smallest
_PARTS = 12  # largest number of old or new shares, the other one small
_LATE = 0.10  # of a bar
_DAY = 86_400 * NANOSECONDS
_OPENS, _CLOSES = 34_200 * NANOSECONDS, 57_600 * NANOSECONDS  # 09:30 and 16:00 New York


@dataclass(frozen=True, eq=False)
class RawMarket:
    """Bars, n of them, every array (n,); prices in USD as traded, NaN where nothing says.

    Attributes:
        starts, ends: moments, nanoseconds since 1970 UTC; a stock's bar that reaches past 16:00 New York ends there.
        trading: moments from which orders of the bar before can be filled: a day of a stock begins long before that.
        opens: at which orders are filled; ``highs`` and ``lows`` of what is traded then.
        splits: new shares for each old one, since the bar before; 1 for none.
        waits: orders wait for a session's open within the bar.
    """

    starts: Integers
    ends: Integers
    trading: Integers
    opens: Floats
    closes: Floats
    highs: Floats
    lows: Floats
    splits: Floats
    waits: Mask

    @classmethod
    def of(cls, bars: Bars, raw: Bars | None) -> RawMarket:
        """Bars with their own prices, or those of the same bars unadjusted.

        Args:
            bars: that decisions rest on.
            raw: None where these are not adjusted.
        """
        traded = bars if raw is None else raw
        rows = traded.index.get_indexer(bars.index)
        known = rows >= 0
        prices = [*traded.quotes, *traded.extremes]
        opens, closes, highs, lows = (np.where(known, np.append(price, np.nan)[rows], np.nan) for price in prices)
        ends, trading = _sessions(bars)
        return cls(
            starts=bars.index.asi8,
            ends=ends,
            trading=trading,
            opens=opens,
            closes=closes,
            highs=highs,
            lows=lows,
            splits=_splits(np.array(bars.quotes[1]) / closes),
            waits=bars.waits,
        )

    def late(self, row: int) -> int:
        """The moment from which an order decided at a bar's close is late: a tenth of a bar after it can be filled."""
        length = int(self.ends[row] - self.starts[row])
        opened = max(int(self.ends[row]), int(self.trading[row + 1]))
        return opened + round(_LATE * length) + (length // 2 if self.waits[row + 1] else 0)

    def row_of(self, moment: int) -> int:
        """The last bar that closed at a moment or before it; -1 before the first."""
        return int(self.ends.searchsorted(moment, side="right")) - 1

    def row_starting(self, seconds: int) -> int | None:
        """The bar that starts then, in seconds since 1970 UTC."""
        row = int(self.starts.searchsorted(seconds * NANOSECONDS))
        return row if row < len(self.starts) and self.starts[row] == seconds * NANOSECONDS else None


def _sessions(bars: Bars) -> tuple[Integers, Integers]:
    """Moments at which bars end, and from which orders are filled in them; an early close is not known here."""
    starts, length = bars.index.asi8, bars.timeframe.delta.value
    if bars.instrument.asset_class is AssetClass.CRYPTO:
        return starts + length, starts
    local = exchange_time(bars.index).as_unit("ns").asi8
    since_midnight = local % _DAY
    left = _CLOSES - since_midnight
    ends = starts + np.where((left > 0) & (left < length), left, length)
    whole_day = bars.timeframe is Timeframe.DAY_1
    return ends, starts + (_OPENS - since_midnight) if whole_day else starts


def _splits(factors: Floats) -> Floats:
    """Shares that each became at every bar, from adjusted over raw closes."""
    steps = np.ones(len(factors))
    with np.errstate(invalid="ignore"):
        steps[1:] = factors[1:] / factors[:-1]
        far = np.isfinite(steps) & (np.maximum(steps, 1.0 / steps) >= _SPLIT)
    return np.array([_ratio(step) if split else 1.0 for step, split in zip(steps.tolist(), far.tolist(), strict=True)])


def _ratio(step: float) -> float:
    """The ratio of small whole numbers nearest to a step, which dividends of the same day blur."""
    usual = [new / old for old in range(1, _PARTS) for new in range(1, _PARTS) if min(new, old) <= 4]
    usual += [float(many) for many in range(_PARTS, 101)] + [1.0 / many for many in range(_PARTS, 101)]
    return min(usual, key=lambda ratio: abs(np.log(step / ratio)))
