"""Which market data to ask for."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.bars import Instrument, Timeframe
from pytest_modelgate.errors import MarketDataError


@dataclass(frozen=True)
class MarketRequest:
    """One series of bars.

    Attributes:
        first, last: bar starts, both inclusive, UTC.
        feed, adjustment: in Alpaca's words; they matter for stocks only.
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
        if not (str(self.first.tz) == str(self.last.tz) == "UTC" and self.first <= self.last):
            problem = "the window is not a span of UTC time"
            raise MarketDataError(f"market data of {self}", problem, "Choose other dates, with a time zone")

    def __str__(self) -> str:
        """For messages."""
        return f"{self.instrument.alpaca_symbol} {self.timeframe} from {self.first} to {self.last}"
