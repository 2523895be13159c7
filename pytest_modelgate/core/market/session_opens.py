"""Orders of a closed session: they wait for its open, while the hour they fall into begins in the pre-market.

Alpaca's hours lie on the clock, so the one of 09:00 New York opens with a pre-market trade. What a model observes stays
that hour; what it trades at is told by half hours, of which one begins with the session.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.core.config.settings import Sessions
from pytest_modelgate.core.market.bars import AssetClass, Bars, Timeframe
from pytest_modelgate.core.market.requests import NIGHT_FEEDS, MarketRequest
from pytest_modelgate.core.market.sessions import SessionTimes

_SAME = 5e-4  # of a price: more than Alpaca's rounding of adjusted ones, less than a dividend


@dataclass(frozen=True, eq=False)
class Opened:
    """Bars with the prices at which orders are executed.

    Attributes:
        sessions: how many began within a bar.
        unknown: of how many of these no open is known; orders are executed at their bar's own.
    """

    bars: Bars
    sessions: int
    unknown: int


def opens_request(request: MarketRequest, timeframe: Timeframe, sessions: Sessions) -> MarketRequest | None:
    """The half hours that tell at which prices sessions opened; None where bars begin with their session.

    Args:
        request: for the bars that a model is judged on, of this timeframe.
    """
    stock = request.instrument.asset_class is AssetClass.EQUITY and request.feed not in NIGHT_FEEDS
    if not stock or sessions != "regular" or timeframe is not Timeframe.HOUR_1:
        return None
    last = request.closes_at - Timeframe.MIN_30.delta
    return replace(request, timeframe=Timeframe.MIN_30, last=last)


def open_with_sessions(bars: Bars, halves: Bars | None, regular: SessionTimes) -> Opened:
    """Execute orders of bars that began before their session at the prices of the session alone.

    A half hour counts when it is of the same prices: its close is the hour's, its open lies within it. A session in
    whose first hour nobody traded opens with its first trade.

    Args:
        bars: those that overlap a session.
        halves: as of ``opens_request``; None where there are none.
        regular: at least the sessions of the bars.
    """
    ends = bars.index + bars.timeframe.delta
    session = np.asarray(regular.opens.searchsorted(ends, side="left") - 1)
    rows = np.flatnonzero((session >= 0) & (regular.opens[session.clip(0)] > bars.index))
    if halves is None or not len(rows):
        return Opened(bars, len(rows), len(rows))
    traded = bars.frame[["open", "high", "low"]].to_numpy(dtype=np.float64, copy=True)
    prices, whole = (frame.to_numpy(dtype=np.float64) for frame in (halves.frame, bars.frame))
    moments = (regular.opens[session[rows]], ends[rows], regular.closes[session[rows]])
    places = np.column_stack([halves.index.searchsorted(times) for times in moments])
    unknown = 0
    for row, (first, after, over) in zip(rows.tolist(), places.tolist(), strict=True):
        if first == over or not _same_prices(prices[first:after], whole[row]):
            unknown += 1
            continue
        inside = prices[first : max(after, first + 1)]
        high, low = (inside[:, 1].max(), inside[:, 2].min()) if after > first else (inside[0, 0], inside[0, 0])
        traded[row] = inside[0, 0], high, low
    frame = pd.DataFrame(traded, index=bars.index, columns=["open", "high", "low"])
    return Opened(replace(bars, traded=frame), len(rows), unknown)


def _same_prices(halves: NDArray[np.float64], hour: NDArray[np.float64]) -> bool:
    """Whether half hours (open, high, low, close, volume) may be those of an hour; none of them contradicts it."""
    if not len(halves):
        return True
    high, low, close = hour[:4].max(), hour[:4].min(), hour[3]
    opened = halves[0, 0]
    return bool(abs(halves[-1, 3] / close - 1.0) <= _SAME and low * (1 - _SAME) <= opened <= high * (1 + _SAME))
