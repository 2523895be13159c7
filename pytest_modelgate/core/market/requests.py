"""Requests for market data, and the recordings that together hold one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from pytest_modelgate.core.market.bars import AssetClass, Instrument, Timeframe
from pytest_modelgate.errors import MarketDataError

_CRYPTO_FEED, _RAW = "us", "raw"
_CRYPTO_PAGE, _STOCK_PAGE = 300, 10_000  # bars; Alpaca sizes crypto pages itself, 126 to 420 have been seen
_STOCK_WEEK = 80 / 168  # share of a week's hours with bars: five days from 04:00 to 20:00 New York


@dataclass(frozen=True)
class MarketRequest:
    """One series of bars.

    Attributes:
        first, last: bar starts, both inclusive, UTC.
        feed, adjustment: in Alpaca's words. Crypto has one feed and nothing to adjust, whatever is asked for stocks.
    """

    instrument: Instrument
    timeframe: Timeframe
    first: pd.Timestamp
    last: pd.Timestamp
    feed: str
    adjustment: str

    def __post_init__(self) -> None:
        """Refuse a window that would be read in another way than it was meant.

        Raises:
            MarketDataError: an end is not in UTC, or the first bar comes after the last.
        """
        if self.instrument.asset_class is AssetClass.CRYPTO:
            object.__setattr__(self, "feed", _CRYPTO_FEED)
            object.__setattr__(self, "adjustment", _RAW)
        if not (str(self.first.tz) == str(self.last.tz) == "UTC" and self.first <= self.last):
            problem = "the window is not a span of UTC time"
            raise MarketDataError(f"market data of {self}", problem, "Choose other dates, with a time zone")

    def __str__(self) -> str:
        """For messages: everything that makes one request differ from another."""
        pins = "" if self.instrument.asset_class is AssetClass.CRYPTO else f", feed {self.feed}, {self.adjustment}"
        window = f"from {self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M} UTC"
        return f"{self.instrument.alpaca_symbol} {self.timeframe} {window}{pins}"

    @property
    def grows_only(self) -> bool:
        """Whether later recordings can be added to earlier ones.

        Adjusted prices cannot: a split or a dividend changes their whole past.
        """
        return self.adjustment == _RAW

    @property
    def estimated_pages(self) -> int:
        """About how many requests Alpaca will take to serve all bars."""
        bars = (self.last - self.first) / self.timeframe.delta + 1
        if self.instrument.asset_class is AssetClass.CRYPTO:
            return math.ceil(bars / _CRYPTO_PAGE)
        return math.ceil(bars * _STOCK_WEEK / _STOCK_PAGE)

    def over(self, span: Span) -> MarketRequest:
        """The same series over another window."""
        return replace(self, first=span.first, last=span.last)


@dataclass(frozen=True, order=True)
class Span:
    """The window a recording was asked for: bar starts, both inclusive, UTC."""

    last: pd.Timestamp
    first: pd.Timestamp

    def holds(self, moment: pd.Timestamp) -> bool:
        """Whether a moment lies in it."""
        return self.first <= moment <= self.last


def cover(request: MarketRequest, recorded: Iterable[Span]) -> tuple[Span, ...] | None:
    """Recordings that together hold a request, oldest first; None when some of it was never recorded.

    Neighbours share at least one moment, so that a past that was revised between two recordings shows. Of several that
    hold a moment the one that ends first is taken: what is recorded later never changes what an earlier request is
    answered with. Adjusted prices come from one recording that ends with the request.
    """
    spans = sorted(recorded)
    if not request.grows_only:
        whole = (span for span in spans if span.last == request.last and span.first <= request.first)
        recording = next(whole, None)
        return (recording,) if recording else None
    chosen: list[Span] = []
    cursor = request.last
    while not chosen or chosen[-1].first > request.first:
        step = next((span for span in spans if span.holds(cursor) and (not chosen or span.first < cursor)), None)
        if step is None:
            return None
        chosen.append(step)
        cursor = step.first
    return tuple(reversed(chosen))
