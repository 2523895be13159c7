"""Which market data to ask for."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.bars import Instrument, Timeframe


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

    def __str__(self) -> str:
        """For messages."""
        return f"{self.instrument.alpaca_symbol} {self.timeframe} from {self.first} to {self.last}"
