"""Validated OHLCV bars and the words for what they belong to."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd

from pytest_modelgate.errors import ArchiveError, MarketDataError

COLUMNS = ("open", "high", "low", "close", "volume")
_CRYPTO = re.compile(r"(?P<base>[A-Z0-9]{2,10})(?P<quote>USDT|USDC|USD)")
_EQUITY = re.compile(r"[A-Z]{1,5}(\.[A-Z])?")


class AssetClass(StrEnum):
    """The two markets Alpaca serves bars for, spelled as Alpaca spells them."""

    CRYPTO = "crypto"
    EQUITY = "us_equity"


class Timeframe(StrEnum):
    """Bar sizes the gate understands, spelled as in file names and in Alpaca's requests."""

    MIN_15 = "15Min"
    HOUR_1 = "1Hour"
    HOUR_4 = "4Hour"
    DAY_1 = "1Day"

    @property
    def delta(self) -> pd.Timedelta:
        """The length of one bar."""
        return _DELTAS[self]


_DELTAS = {
    Timeframe.MIN_15: pd.Timedelta(minutes=15),
    Timeframe.HOUR_1: pd.Timedelta(hours=1),
    Timeframe.HOUR_4: pd.Timedelta(hours=4),
    Timeframe.DAY_1: pd.Timedelta(days=1),
}


@dataclass(frozen=True, order=True)
class Instrument:
    """A tradable symbol.

    Attributes:
        symbol: the archive's spelling, without a slash: ``BTCUSD``, ``AAPL``.
        asset_class: which of Alpaca's markets it trades on.
    """

    symbol: str
    asset_class: AssetClass

    @classmethod
    def parse(cls, symbol: str) -> Instrument:
        """Tell crypto pairs from stock tickers by their spelling.

        ``XXXUSD``, ``XXXUSDC`` and ``XXXUSDT`` of at least six letters are crypto pairs: a US ticker has at most five.

        Raises:
            ArchiveError: the symbol fits neither spelling.
        """
        if len(symbol) >= 6 and _CRYPTO.fullmatch(symbol):
            return cls(symbol, AssetClass.CRYPTO)
        if _EQUITY.fullmatch(symbol):
            return cls(symbol, AssetClass.EQUITY)
        raise ArchiveError(
            f"symbol {symbol[:40]!r}",
            "is neither a crypto pair such as BTCUSD nor a US ticker such as AAPL or BRK.B",
            "Name models SYMBOL_TIMEFRAME with Alpaca's symbol, without a slash",
        )

    @property
    def alpaca_symbol(self) -> str:
        """Alpaca's spelling: ``BTC/USD``, ``AAPL``."""
        pair = _CRYPTO.fullmatch(self.symbol) if self.asset_class is AssetClass.CRYPTO else None
        return f"{pair['base']}/{pair['quote']}" if pair else self.symbol

    @property
    def file_symbol(self) -> str:
        """The spelling used in paths: ``BTC-USD``, ``AAPL``."""
        return self.alpaca_symbol.replace("/", "-")


@dataclass(frozen=True, eq=False)
class Bars:
    """A validated series of bars.

    Attributes:
        instrument: what was traded.
        timeframe: the bar size.
        frame: columns open, high, low, close, volume (float64; prices in USD), indexed by bar start
            (UTC, nanoseconds, strictly increasing). Treat as read-only.
    """

    instrument: Instrument
    timeframe: Timeframe
    frame: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse what no verdict may rest on.

        Raises:
            MarketDataError: wrong columns, an index that is not increasing UTC, values that are not finite,
                prices that are not positive or volumes that are negative.
        """
        location = f"bars of {self.instrument.symbol} {self.timeframe}"
        remedy = "Record the cassette again with `modelgate record`, or ask the data provider about this bar"
        index = self.frame.index
        if tuple(self.frame.columns) != COLUMNS:
            raise MarketDataError(location, f"columns are {list(self.frame.columns)}, expected {list(COLUMNS)}", remedy)
        if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC" or index.unit != "ns":
            raise MarketDataError(location, "the index is not UTC time in nanoseconds", remedy)
        if not (index.is_monotonic_increasing and index.is_unique):
            late = np.flatnonzero(np.diff(index.asi8) <= 0)
            raise MarketDataError(location, f"time does not increase after {index[int(late[0])]}", remedy)
        values = self.frame.to_numpy(dtype=np.float64)
        bad = ~np.isfinite(values)
        bad[:, :4] |= values[:, :4] <= 0
        bad[:, 4] |= values[:, 4] < 0
        if bad.any():
            row, column = (int(part) for part in np.argwhere(bad)[0])
            problem = f"{COLUMNS[column]} at {index[row]} is {values[row, column]!r}"
            raise MarketDataError(location, f"{problem}, expected a finite positive number", remedy)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def index(self) -> pd.DatetimeIndex:
        """Bar starts, UTC."""
        index = self.frame.index
        assert isinstance(index, pd.DatetimeIndex)
        return index

    @cached_property
    def quotes(self) -> tuple[list[float], list[float]]:
        """Opens and closes as a simulation wants them; made once, for it may be run many times."""
        return self.frame["open"].tolist(), self.frame["close"].tolist()

    @cached_property
    def extremes(self) -> tuple[list[float], list[float]]:
        """Highs and lows as a simulation wants them: of all four prices, for feeds print opens and closes beyond."""
        prices = self.frame[["open", "high", "low", "close"]]
        return prices.max(axis=1).tolist(), prices.min(axis=1).tolist()

    def positions(self, start: pd.Timestamp, end: pd.Timestamp) -> slice:
        """Row range of the bars that start at or after ``start`` and before ``end``."""
        first, last = self.index.searchsorted([start, end])
        return slice(int(first), int(last))

    def rows(self, positions: slice) -> Bars:
        """The bars of a row range; the same object for the same range."""
        key = (positions.start, positions.stop)
        if key not in self._parts:
            self._parts[key] = Bars(self.instrument, self.timeframe, self.frame.iloc[positions])
        return self._parts[key]

    @cached_property
    def _parts(self) -> dict[tuple[int, int], Bars]:
        return {}

    def release(self) -> None:
        """Let go of the rows and quotes that were kept; whoever asks for them again gets them made anew."""
        for kept in ("_parts", "quotes"):
            vars(self).pop(kept, None)

    @cached_property
    def sha256(self) -> str:
        """Digest of time stamps and values as little-endian 8-byte numbers; the cassette's encoding does not matter."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.index.asi8, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(self.frame.to_numpy(dtype="<f8")).tobytes())
        return digest.hexdigest()
