"""Requests for market data, and the recordings that together hold one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pandas as pd

from pytest_modelgate.core.config.settings import OWN_FEED
from pytest_modelgate.core.market.bars import AssetClass, Instrument, Timeframe
from pytest_modelgate.errors import MarketDataError

NIGHT_FEEDS = frozenset({"boats", "overnight"})
"""Feeds of stocks from 20:00 to 04:00 New York alone."""
_CRYPTO_FEED, _RAW = "us", "raw"
_CRYPTO_PAGE, _STOCK_PAGE = 300, 10_000  # bars; Alpaca sizes crypto pages itself, 126 to 420 have been seen
# Until a closed bar is final: trades are reported late, and stocks' last 15 minutes are not shown to free plans.
_SETTLES = {AssetClass.CRYPTO: pd.Timedelta(minutes=5), AssetClass.EQUITY: pd.Timedelta(minutes=16)}
_STOCK_WEEK = 80 / 168  # share of a week's hours with bars: five days from 04:00 to 20:00 New York


@dataclass(frozen=True)
class MarketRequest:
    """One series of bars.

    Attributes:
        first, last: bar starts, both inclusive, UTC.
        feed, adjustment: in Alpaca's words. Crypto has one feed and nothing to adjust, whatever is asked for stocks.
            Bars of the user's own have the feed ``own``, and are as the file has them.
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
        if self.own:
            object.__setattr__(self, "adjustment", OWN_FEED)
        elif self.instrument.asset_class is AssetClass.CRYPTO:
            object.__setattr__(self, "feed", _CRYPTO_FEED)
            object.__setattr__(self, "adjustment", _RAW)
        if not (str(self.first.tz) == str(self.last.tz) == "UTC" and self.first <= self.last):
            problem = "the window is not a span of UTC time"
            raise MarketDataError(f"market data of {self}", problem, "Choose other dates, with a time zone")

    def __str__(self) -> str:
        """For messages: everything that makes one request differ from another."""
        crypto = self.instrument.asset_class is AssetClass.CRYPTO
        pins = ", own bars" if self.own else "" if crypto else f", feed {self.feed}, {self.adjustment}"
        window = f"from {self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M} UTC"
        return f"{self.instrument.alpaca_symbol} {self.timeframe} {window}{pins}"

    @property
    def own(self) -> bool:
        """Whether bars of the user's own are asked for, and not Alpaca's."""
        return self.feed == OWN_FEED

    @property
    def grows_only(self) -> bool:
        """Whether later recordings can be added to earlier ones.

        Adjusted prices cannot: a split or a dividend changes their whole past.
        """
        return self.adjustment == _RAW

    @property
    def closes_at(self) -> pd.Timestamp:
        """Moment at which the last bar closes, UTC: the as-of moment, as far as bars of this size tell it."""
        return self.last + self.timeframe.delta

    @property
    def final_at(self) -> pd.Timestamp:
        """Moment from which on the last bar is taken for final, UTC: 5 minutes after its close, for stocks 16."""
        return self.closes_at + _SETTLES[self.instrument.asset_class]

    @property
    def asof(self) -> str:
        """The as-of date (UTC, ISO 8601): whose bars a stock's symbol means, since symbols are renamed and reused.

        Empty for crypto, whose symbols are not.
        """
        return "" if self.instrument.asset_class is AssetClass.CRYPTO else f"{self.closes_at:%Y-%m-%d}"

    @property
    def estimated_pages(self) -> int:
        """About how many requests Alpaca will take to serve all bars."""
        if self.own:
            return 0
        bars = (self.last - self.first) / self.timeframe.delta + 1
        if self.instrument.asset_class is AssetClass.CRYPTO:
            return math.ceil(bars / _CRYPTO_PAGE)
        return math.ceil(bars * _STOCK_WEEK / _STOCK_PAGE)

    def over(self, span: Span) -> MarketRequest:
        """The same series over another window."""
        return replace(self, first=span.first, last=span.last)


@dataclass(frozen=True, order=True)
class Span:
    """The window a recording was asked for: bar starts, both inclusive, UTC.

    Attributes:
        asof: as of which date the symbol was asked for; empty where it was not said.
        continues: ``last`` of the recording that this one was held against when it was made; None where there is none.
    """

    last: pd.Timestamp
    first: pd.Timestamp
    asof: str = field(default="", compare=False)
    continues: pd.Timestamp | None = field(default=None, compare=False)

    def holds(self, moment: pd.Timestamp) -> bool:
        """Whether a moment lies in it."""
        return self.first <= moment <= self.last


def cover(request: MarketRequest, recorded: Iterable[Span]) -> tuple[Span, ...] | None:
    """Recordings that together hold a request, oldest first; None when some of it was never recorded.

    Neighbours share at least one moment, so that a past that was revised between two recordings shows, and one that was
    made to continue another follows that one and no other, for it was held against that one. Of several that hold the
    last moment the one that ends first is taken: what is recorded later never changes what an earlier request is
    answered with; but it must mean the same company by the symbol. Adjusted prices come from one recording that ends
    with the request.
    """
    spans = sorted(recorded)
    named = [span for span in spans if span.asof in ("", request.asof)]
    if not request.grows_only:
        whole = (span for span in named if span.last == request.last and span.first <= request.first)
        recording = next(whole, None)
        return (recording,) if recording else None
    chains = (_chain(span, request.first, spans) for span in named if span.holds(request.last))
    return next((chain for chain in chains if chain), None)


def _chain(latest: Span, first: pd.Timestamp, spans: Iterable[Span]) -> tuple[Span, ...] | None:
    """A recording and those that go on from it into the past, oldest first; None where they end before ``first``."""
    chain = [latest]
    while (later := chain[-1]).first > first:
        fitting = (span for span in spans if span.holds(later.first) and span.first < later.first)
        step = next((span for span in fitting if _continues(later, span)), None)
        if step is None:
            return None
        chain.append(step)
    return tuple(reversed(chain))


def _continues(later: Span, earlier: Span) -> bool:
    """Whether one recording was made to continue another, or nothing says that they are not of one company."""
    if later.continues is None:
        return earlier.asof in ("", later.asof)
    return earlier.last == later.continues
