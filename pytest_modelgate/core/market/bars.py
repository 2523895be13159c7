"""Validated OHLCV bars and the words for what they belong to."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.errors import ArchiveError, MarketDataError

COLUMNS = ("open", "high", "low", "close", "volume")
_CRYPTO = re.compile(r"(?P<base>[A-Z0-9]{2,10})(?P<quote>USDT|USDC|USD|BTC)")
# A class (BRK.B), a preferred share (JPM.PRC), a warrant or one of a series (XYZ.WS, XYZ.WS.A), a unit, a right.
_EQUITY = re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,3}){0,2}")


class AssetClass(StrEnum):
    """The two markets Alpaca serves bars for, spelled as Alpaca spells them."""

    CRYPTO = "crypto"
    EQUITY = "us_equity"


class Timeframe(StrEnum):
    """Bar sizes the gate understands, spelled as in file names and in Alpaca's requests."""

    MIN_1 = "1Min"
    MIN_5 = "5Min"
    MIN_15 = "15Min"
    MIN_30 = "30Min"
    HOUR_1 = "1Hour"
    HOUR_2 = "2Hour"
    HOUR_4 = "4Hour"
    DAY_1 = "1Day"

    @property
    def delta(self) -> pd.Timedelta:
        """The length of one bar."""
        return _DELTAS[self]


_DELTAS = {
    Timeframe.MIN_1: pd.Timedelta(minutes=1),
    Timeframe.MIN_5: pd.Timedelta(minutes=5),
    Timeframe.MIN_15: pd.Timedelta(minutes=15),
    Timeframe.MIN_30: pd.Timedelta(minutes=30),
    Timeframe.HOUR_1: pd.Timedelta(hours=1),
    Timeframe.HOUR_2: pd.Timedelta(hours=2),
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
        """Tell crypto pairs from stock tickers by their spelling alone.

        A US ticker has at most five letters, a crypto pair of Alpaca's ends in USD, USDT, USDC or BTC: six letters and
        more that do are a pair (``BTCUSD``, ``ETHBTC``), fewer are a ticker unless they could be both (``OPUSD``).

        Raises:
            ArchiveError: the symbol fits neither spelling, or both.
        """
        pair = _CRYPTO.fullmatch(symbol)
        if pair and len(symbol) >= 6:
            return cls(symbol, AssetClass.CRYPTO)
        if pair and _EQUITY.fullmatch(symbol):
            problem = f"may be the crypto pair {pair['base']}/{pair['quote']} as well as a US ticker of five letters"
            raise ArchiveError(f"symbol {symbol}", problem, "Models of such symbols cannot be judged")
        if _EQUITY.fullmatch(symbol):
            return cls(symbol, AssetClass.EQUITY)
        raise ArchiveError(
            f"symbol {symbol[:40]!r}",
            "is neither a crypto pair such as BTCUSD or ETHBTC nor a US ticker such as AAPL, BRK.B or JPM.PRC",
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
        traded: open, high and low (USD, on the same index) of the part of each bar in which orders are executed; None
            where that is all of it. An hour that holds pre-market opens with it, but an order waits for the session.
        source: the file of a user's own that they are from, and its digest; empty for Alpaca's.
    """

    instrument: Instrument
    timeframe: Timeframe
    frame: pd.DataFrame
    traded: pd.DataFrame | None = None
    source: str = ""

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
        """Prices that orders fill at, and closes, as a simulation wants them; made once for its many runs."""
        return self._executed["open"].tolist(), self.frame["close"].tolist()

    @cached_property
    def extremes(self) -> tuple[list[float], list[float]]:
        """Highs and lows as a simulation wants them: of all four prices, for feeds print opens and closes beyond."""
        prices = self._executed[["open", "high", "low"]].assign(close=self.frame["close"])
        return prices.max(axis=1).tolist(), prices.min(axis=1).tolist()

    @property
    def _executed(self) -> pd.DataFrame:
        return self.frame if self.traded is None else self.traded

    @cached_property
    def waits(self) -> NDArray[np.bool_]:
        """Whether an order is executed elsewhere than at a bar's own open (n,)."""
        return np.asarray(self._executed["open"].to_numpy() != self.frame["open"].to_numpy())

    def positions(self, start: pd.Timestamp, end: pd.Timestamp) -> slice:
        """Row range of the bars that start at or after ``start`` and before ``end``; asked for at every turn."""
        first, last = np.searchsorted(self.index.asi8, [start.as_unit("ns").value, end.as_unit("ns").value])
        return slice(int(first), int(last))

    def rows(self, positions: slice) -> Bars:
        """The bars of a row range; the same object for the same range."""
        key = (positions.start, positions.stop)
        if key not in self._parts:
            traded = None if self.traded is None else self.traded.iloc[positions]
            self._parts[key] = replace(self, frame=self.frame.iloc[positions], traded=traded)
        return self._parts[key]

    @cached_property
    def _parts(self) -> dict[tuple[int, int], Bars]:
        return {}

    def release(self) -> None:
        """Let go of the rows and quotes that were kept; whoever asks for them again gets them made anew."""
        for kept in ("_parts", "quotes", "extremes"):
            vars(self).pop(kept, None)

    @cached_property
    def sha256(self) -> str:
        """Digest of time stamps and values as little-endian 8-byte numbers; the cassette's encoding does not matter."""
        return _fingerprint(self.index, self.frame)

    @cached_property
    def traded_sha256(self) -> str:
        """As ``sha256``, of the prices that orders are executed at; empty where they are the bars' own."""
        return "" if self.traded is None else _fingerprint(self.index, self.traded)


def _fingerprint(index: pd.DatetimeIndex, frame: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(index.asi8, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(frame.to_numpy(dtype="<f8")).tobytes())
    return digest.hexdigest()
