"""A user's own bars out of a CSV or Parquet file, row by row: every fault is told by its row and column."""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from pytest_modelgate.core.market.bars import COLUMNS, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import MarketDataError, SettingsError
from pytest_modelgate.text import plain, shown

ROW = ("symbol", "timeframe", "time", *COLUMNS)
_MOST_BYTES, _MOST_ROWS = 4 << 30, 30_000_000  # twenty years of minutes of three symbols
_PRICE = "a finite number above 0", 1e-15, 1e15  # beyond, figures made of them overflow
_VOLUME = "a finite number of at least 0", 0.0, 1e24
_BATCH = 1 << 16
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_YEARS = range(1700, 2260)  # that nanoseconds reach
_SHIFT = pd.Timedelta(hours=2)  # days are counted in local time, whose clocks are changed
_Key = tuple[str, str]  # a symbol without slash and a timeframe, as they stand in the file
_Place = str  # of a row, for messages


@dataclass(frozen=True)
class OwnBars:
    """Bars of a file.

    Attributes:
        path: of the file.
        source: its name and digest, as they go into manifest and verdict.
        others: series that the file holds and nobody asked for.
    """

    path: Path
    source: str
    others: tuple[str, ...]
    _series: Mapping[_Key, _Series] = field(repr=False)

    def holds(self, instrument: Instrument, timeframe: Timeframe) -> bool:
        """Whether there is any bar of a series."""
        return (instrument.symbol, timeframe.value) in self._series

    def bars(self, request: MarketRequest) -> Bars:
        """The bars that a request asks for.

        Raises:
            MarketDataError: there are none.
        """
        key = (request.instrument.symbol, request.timeframe.value)
        where = f"file {plain(str(self.path))}"
        if key not in self._series:
            held = ", ".join(sorted({*self.others, *map(" ".join, self._series)})[:8]) or "none"
            problem = f"holds no row of {' '.join(key)}; it holds {held}"
            raise MarketDataError(where, problem, "Add its bars, with symbol and timeframe as the archive has them")
        frame = self._series[key].frame()[request.first : request.last]
        if not len(frame):
            problem = f"holds no bar for {request}"
            raise MarketDataError(where, problem, "Add the bars of this window; earlier and later ones may stay")
        return Bars(request.instrument, request.timeframe, frame, source=self.source)


@dataclass
class _Series:
    """Rows of one series, as they come."""

    delta_ns: int
    starts: array[int] = field(default_factory=lambda: array("q"))
    figures: array[float] = field(default_factory=lambda: array("d"))

    def frame(self) -> pd.DataFrame:
        index = pd.DatetimeIndex(np.array(self.starts, dtype="datetime64[ns]"), tz="UTC")
        values = np.array(self.figures, dtype=np.float64).reshape(-1, len(COLUMNS))
        return pd.DataFrame(values, index=index, columns=list(COLUMNS))


def read_own_bars(path: Path, wanted: Collection[tuple[Instrument, Timeframe]]) -> OwnBars:
    """Read the bars of some series; rows of others are passed over.

    Columns are symbol, timeframe, time (of the bar's start, with its offset from UTC), open, high, low, close (USD) and
    volume, in any order and among others. Rows of a series stand in the order of time.

    Raises:
        SettingsError: the file is not there, is too large, or is neither CSV nor Parquet.
        MarketDataError: a row of a wanted series is no bar.
    """
    rows_of = _KINDS.get(path.suffix.lower())
    where = f"file {plain(str(path))}"
    if rows_of is None:
        raise SettingsError(where, "is neither .csv nor .parquet", "Write the bars as one of these")
    series: dict[_Key, _Series] = {}
    asked = {(instrument.symbol, timeframe.value) for instrument, timeframe in wanted}
    others: dict[_Key, None] = {}
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) > _MOST_BYTES:
                problem = f"is larger than {_MOST_BYTES >> 30} GiB"
                raise SettingsError(where, problem, "Leave out series and years that are not judged")
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            for number, (place, row) in enumerate(rows_of(file, where)):
                if number >= _MOST_ROWS:
                    problem = f"holds more than {_MOST_ROWS:,} rows"
                    raise SettingsError(where, problem, "Leave out series and years that are not judged")
                key = (str(row[0]).replace("/", "", 1), str(row[1]))
                if key in asked:
                    _add(series, key, row, f"{where}, {place}")
                else:
                    others[key] = None
    except OSError as error:
        raise SettingsError(where, f"cannot be read: {error.strerror}", "Check the path and its permissions") from None
    source = f"{plain(path.name)}, sha256 {digest}"
    return OwnBars(path, source, tuple(f"{shown(symbol)} {shown(size)}" for symbol, size in others), series)


def _add(series: dict[_Key, _Series], key: _Key, row: Sequence[Any], where: str) -> None:
    """Add one row to its series."""
    held = series.get(key)
    if held is None:
        delta = Timeframe(key[1]).delta
        least = delta - _SHIFT if key[1] == Timeframe.DAY_1 else delta
        held = series[key] = _Series(least.as_unit("ns").value)
    start = _start(row[2], where)
    if held.starts and start - held.starts[-1] < held.delta_ns:
        before = pd.Timestamp(held.starts[-1], tz="UTC")
        found = f"is {shown(str(row[2]))}, after a bar of {before:%Y-%m-%d %H:%M} UTC"
        remedy = "Sort each series by time, and give each bar once"
        raise MarketDataError(
            f"{where}, column time", f"{found}, expected a later bar at least {key[1]} after it", remedy
        )
    held.starts.append(start)
    for name, value in zip(COLUMNS, row[3:], strict=True):
        number = _number(value)
        kind, low, high = _VOLUME if name == "volume" else _PRICE
        if not low <= number <= high:
            problem = f"is {shown(str(value))}, expected {kind} (from {low:g} to {high:g})"
            raise MarketDataError(f"{where}, column {name}", problem, "Correct the row, or leave it out")
        held.figures.append(number)


def _start(value: object, where: str) -> int:
    """A moment in nanoseconds since 1970."""
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
        if isinstance(moment, pd.Timestamp) and moment.tzinfo is not None:
            return int(moment.as_unit("ns").value)
        if isinstance(moment, datetime) and moment.tzinfo is not None and moment.year in _YEARS:
            return (moment - _EPOCH) // _MICROSECOND * 1000
    except ValueError:  # no date, or none that nanoseconds reach
        pass
    problem = f"is {shown(str(value))}, expected a date and time with its offset from UTC, such as 2024-12-27T20:00:00Z"
    raise MarketDataError(f"{where}, column time", problem, "Write all times in UTC, with a Z at the end")


def _number(value: object) -> float:
    if isinstance(value, str):
        try:
            return math.nan if "_" in value else float(value)
        except ValueError:
            return math.nan
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else math.nan


def _columns(names: Sequence[str], where: str) -> list[int]:
    """Places of the columns of a row."""
    for name in ROW:
        if names.count(name) != 1:
            problem = f"has {names.count(name)} columns {name}, expected one of each of {', '.join(ROW)}"
            raise MarketDataError(where, f"{problem}; found {shown(', '.join(names), 200)}", "Rename the columns")
    return [names.index(name) for name in ROW]


def _csv_rows(file: IO[bytes], where: str) -> Iterator[tuple[_Place, Sequence[Any]]]:
    """Rows of a CSV file with their lines."""
    lines = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(file))
    reader = csv.reader(lines, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        places = _columns(names, f"{where}, line 1")
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                problem = f"has {len(row)} fields, expected {len(names)}"
                raise MarketDataError(f"{where}, line {reader.line_num}", problem, "Correct the row, or leave it out")
            yield f"line {reader.line_num}", [row[place] for place in places]
    except csv.Error as error:
        problem = f"is no line of a CSV file ({error})"
        raise MarketDataError(f"{where}, line {reader.line_num}", problem, "Write it anew") from None
    except UnicodeDecodeError:
        line = reader.line_num + 1
        raise MarketDataError(f"{where}, line {line}", "is not text in UTF-8", "Write it anew") from None


def _parquet_rows(file: IO[bytes], where: str) -> Iterator[tuple[_Place, Sequence[Any]]]:
    """Rows of a Parquet file, numbered from 1."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        remedy = "Install it (pip install pyarrow), or write the bars as .csv"
        raise SettingsError(where, "is a Parquet file, and pyarrow is not installed", remedy) from None
    number = 0
    try:
        table = parquet.ParquetFile(file)
        _columns(table.schema_arrow.names, where)
        for batch in table.iter_batches(_BATCH, columns=list(ROW)):
            columns = [batch.column(name).to_pylist() for name in ROW]
            for row in zip(*columns, strict=True):
                number += 1
                yield f"row {number}", row
    except (ArrowException, ValueError) as error:
        said = plain(str(error).partition("\n")[0])[:120]
        raise MarketDataError(where, f"is no Parquet file that can be read ({said})", "Write it anew") from None


_KINDS = {".csv": _csv_rows, ".parquet": _parquet_rows}
