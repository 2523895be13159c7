"""Alpaca's answers to requests for bars, without the network: query in, JSON-ready answer out."""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice

import numpy as np
import pandas as pd

SeriesKey = tuple[str, str, str]
"""Asset class, Alpaca's symbol, timeframe: ``("crypto", "BTC/USD", "1Hour")``, ``("us_equity", "AAPL", "1Hour")``."""

Bar = dict[str, str | float | int]

ASSET_CLASSES = {"/v1beta3/crypto/us/bars": "crypto", "/v2/stocks/bars": "us_equity"}
_SYMBOL = {"crypto": re.compile(r"[A-Z0-9]+/[A-Z0-9]+"), "us_equity": re.compile(r"[A-Z]+(\.[A-Z]+)?")}
_COMMON = frozenset({"symbols", "timeframe", "start", "end", "limit", "page_token", "sort"})
_PARAMETERS = {"crypto": _COMMON, "us_equity": _COMMON | {"adjustment", "asof", "feed", "currency"}}
_CHOICES = {
    "sort": ("asc", "desc"),
    "feed": ("sip", "iex", "otc", "boats", "overnight", "delayed_sip"),
    "adjustment": ("raw", "split", "dividend", "spin-off", "all"),
}
_TIMEFRAME = re.compile(r"(?P<count>\d+)(?P<unit>[A-Za-z]+)")
_COUNTS: dict[str, Container[int]] = {  # how many of each unit make a bar Alpaca serves
    **dict.fromkeys(("Min", "T"), range(1, 60)),
    **dict.fromkeys(("Hour", "H"), range(1, 24)),
    **dict.fromkeys(("Day", "D", "Week", "W"), range(1, 2)),
    **dict.fromkeys(("Month", "M"), (1, 2, 3, 4, 6, 12)),
}
_LIMIT_DEFAULT, _LIMIT_MOST = 1000, 10_000
_TODAY = "9999-12-31"
_BEGINNING, _END = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class BadRequestError(Exception):
    """A query Alpaca answers with status 400; the text is the answer's ``message``."""


@dataclass(frozen=True)
class _Series:
    times: list[int]  # epoch nanoseconds, increasing
    bars: list[Bar]


class Market:
    """Series that the server knows.

    Args:
        series: per SeriesKey a frame with UTC index (bar starts, increasing) and columns open, high, low, close,
            volume (USD; shares or coins), optionally trade_count and vwap.
        page_size: the most bars in one page per asset class, whatever the request's limit.
        listings: per symbol of a stock that was renamed or reused, from which date on (ISO 8601, increasing) it means
            which of the stocks in ``series``; before, it means none. Other symbols mean themselves at any time.

    Raises:
        ValueError: a key is not spelled as Alpaca spells it, or an index is not increasing UTC time.
    """

    def __init__(
        self,
        series: Mapping[SeriesKey, pd.DataFrame],
        page_size: Mapping[str, int],
        listings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._series = {key: _series(key, frame) for key, frame in series.items()}
        self._page_size = page_size
        self._listings = listings or {}

    def page(self, asset_class: str, query: Mapping[str, str]) -> dict[str, object]:
        """One page of bars: by symbol, then by time.

        Without ``start`` or ``end`` the series' own bounds hold: a generated market has no today.

        Raises:
            BadRequestError: Alpaca would answer 400.
        """
        if unknown := sorted(query.keys() - _PARAMETERS[asset_class]):
            raise BadRequestError(f"unexpected query parameter(s): {', '.join(unknown)}")
        for name, choices in _CHOICES.items():
            several = query.get(name, choices[0]).split(",") if name == "adjustment" else [query.get(name, choices[0])]
            if not set(several) <= set(choices):
                raise BadRequestError(f"invalid {name}: {query[name]}")
        size = min(_limit(query.get("limit")), self._page_size[asset_class])
        unit = _unit(query.get("timeframe", ""))
        rows = list(islice(self._after(asset_class, query), size + 1))
        bars: dict[str, list[Bar]] = {}
        for symbol, _, bar in rows[:size]:
            bars.setdefault(symbol, []).append(bar)
        token = _encode_token(*rows[size - 1][:2], unit) if len(rows) > size else None
        return {"bars": bars, "next_page_token": token}

    def _after(self, asset_class: str, query: Mapping[str, str]) -> Iterator[tuple[str, int, Bar]]:
        """All bars the query asks for that follow its page token, in the order they are served."""
        start, end = _time(query, "start", _BEGINNING), _time(query, "end", _END)
        if end < start:
            raise BadRequestError("end should not be before start")
        descending = query.get("sort") == "desc"
        asof = _date(query)
        token = _decode_token(query["page_token"]) if query.get("page_token") else ("", _BEGINNING)
        for symbol in _symbols(asset_class, query.get("symbols", "")):
            series = self._series.get((asset_class, self._meant(symbol, asof), query["timeframe"]))
            if series is None or symbol < token[0]:
                continue
            first, last = bisect_left(series.times, start), bisect_right(series.times, end)
            if symbol == token[0] and descending:
                last = min(last, bisect_left(series.times, token[1]))
            elif symbol == token[0]:
                first = max(first, bisect_right(series.times, token[1]))
            for row in reversed(range(first, last)) if descending else range(first, last):
                yield symbol, series.times[row], series.bars[row]

    def _meant(self, symbol: str, asof: str) -> str:
        """The stock that a symbol meant on a date, by the name it has in ``series``; empty where it meant none."""
        listed = self._listings.get(symbol)
        if listed is None:
            return symbol
        return next((stock for since, stock in reversed(list(listed.items())) if since <= asof), "")


def _series(key: SeriesKey, frame: pd.DataFrame) -> _Series:
    asset_class, symbol, timeframe = key
    index = frame.index
    if asset_class not in _SYMBOL or not _SYMBOL[asset_class].fullmatch(symbol) or not _TIMEFRAME.fullmatch(timeframe):
        raise ValueError(f"{key}: expected a key such as ('crypto', 'BTC/USD', '1Hour')")
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        raise ValueError(f"{key}: the index is not UTC time")
    if not (index.is_monotonic_increasing and index.is_unique):
        raise ValueError(f"{key}: time does not increase")
    prices = {name: frame[name].to_numpy(np.float64) for name in ("open", "high", "low", "close", "volume")}
    traded = prices["volume"] > 0
    typical = np.round((prices["high"] + prices["low"] + prices["close"]) / 3, 6)
    vwap = frame["vwap"].to_numpy(np.float64) if "vwap" in frame else typical
    # Trades grow more slowly than volume: large bars are made of larger trades.
    counts = frame["trade_count"] if "trade_count" in frame else np.maximum(1, np.round(np.sqrt(prices["volume"])))
    columns = {
        "c": prices["close"],
        "h": prices["high"],
        "l": prices["low"],
        "n": np.where(traded, counts, 0).astype(np.int64),
        "o": prices["open"],
        "t": index.strftime("%Y-%m-%dT%H:%M:%SZ").to_numpy(),
        "v": prices["volume"] if asset_class == "crypto" else prices["volume"].astype(np.int64),
        "vw": np.where(traded, vwap, 0.0),
    }
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return _Series(index.as_unit("ns").asi8.tolist(), [dict(zip(columns, row, strict=True)) for row in rows])


def _symbols(asset_class: str, text: str) -> list[str]:
    symbols = sorted(set(text.split(",")))
    for symbol in symbols:
        if not _SYMBOL[asset_class].fullmatch(symbol):
            raise BadRequestError(f"invalid symbol: {symbol}")
    return symbols


def _limit(text: str | None) -> int:
    if text is None:
        return _LIMIT_DEFAULT
    if not text.isdecimal() or not 1 <= int(text) <= _LIMIT_MOST:
        raise BadRequestError(f"invalid limit: {text}, expected 1 to {_LIMIT_MOST}")
    return int(text)


def _unit(timeframe: str) -> str:
    """The letter of a timeframe in page tokens."""
    match = _TIMEFRAME.fullmatch(timeframe)
    if not match or int(match["count"]) not in _COUNTS.get(match["unit"], ()):
        raise BadRequestError(f"invalid timeframe: {timeframe}")
    return match["unit"][0]


def _time(query: Mapping[str, str], name: str, default: int) -> int:
    if name not in query:
        return default
    try:
        moment = datetime.fromisoformat(query[name])
    except ValueError:
        raise BadRequestError(f"invalid {name}: {query[name]}") from None
    utc = moment.replace(tzinfo=moment.tzinfo or UTC)
    return pd.Timestamp(utc).as_unit("ns").value


def _date(query: Mapping[str, str]) -> str:
    """As of which date symbols are meant; without one it is today, after every date there is."""
    asof = query.get("asof", _TODAY)
    try:
        date.fromisoformat(asof)
    except ValueError:
        raise BadRequestError(f"invalid asof: {asof}") from None
    return asof


def _encode_token(symbol: str, time: int, unit: str) -> str:
    return base64.b64encode(f"{symbol}|{unit}|{time}".encode()).decode()


def _decode_token(token: str) -> tuple[str, int]:
    try:
        symbol, _, time = base64.b64decode(token, validate=True).decode().split("|")
        return symbol, int(time)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise BadRequestError(f"invalid page_token: {token}") from None
