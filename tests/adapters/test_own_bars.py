"""Bars of one's own: every fault of a row is told by file, row, column, what is there and what should be."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.market_factory import hourly_bars, random_walk, request_for

from pytest_modelgate.adapters.own_bars import ROW, OwnBars, read_own_bars
from pytest_modelgate.core.market.bars import COLUMNS, Instrument, Timeframe
from pytest_modelgate.errors import MarketDataError, SettingsError

FRAME = random_walk("2024-03-01", 50)
WANTED = {(Instrument.parse("BTCUSD"), Timeframe.HOUR_1)}
REQUEST = request_for("BTCUSD", FRAME)
STARTS = hourly_bars("BTCUSD", FRAME).index


def table(symbol: str = "BTCUSD", timeframe: str = "1Hour", frame: pd.DataFrame = FRAME) -> pd.DataFrame:
    own = frame.rename_axis("time").reset_index()
    return own.assign(symbol=symbol, timeframe=timeframe)


def csv_of(folder: Path, rows: pd.DataFrame, edits: Mapping[tuple[int, str], str] | None = None) -> Path:
    text = rows.assign(time=[moment.isoformat() for moment in rows["time"]]).astype(str)
    for (row, column), value in (edits or {}).items():
        text.loc[row, column] = value
    path = folder / "bars.csv"
    text.to_csv(path, index=False)
    return path


def read(path: Path) -> OwnBars:
    return read_own_bars(path, WANTED)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_bars_of_a_series_come_as_they_stand(kind: str, tmp_path: Path) -> None:
    mixed = pd.concat([table(), table("XRPUSD"), table("BTC/USD", "4Hour")]).sort_values("time", kind="stable")
    path = tmp_path / f"bars.{kind}"
    mixed.assign(vwap=1.0).to_csv(path, index=False) if kind == "csv" else mixed.to_parquet(path)

    own = read(path)

    bars = own.bars(REQUEST)
    assert bars.frame.equals(FRAME)
    assert bars.source == own.source
    assert own.source.startswith(f"bars.{kind}, sha256 ")
    assert own.others == ("'XRPUSD' '1Hour'", "'BTCUSD' '4Hour'")


def test_prices_of_a_parquet_file_may_be_decimals_as_databases_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    table().assign(close=FRAME["close"].map("{:.4f}".format).map(Decimal).to_numpy()).to_parquet(path)

    assert read(path).bars(REQUEST).frame.equals(FRAME)


def test_a_file_name_brings_no_control_codes_into_verdict_and_terminal(tmp_path: Path) -> None:
    path = csv_of(tmp_path, table()).rename(tmp_path / "\x1b[2Jmine.csv")

    assert "\x1b" not in read(path).source
    assert "[2Jmine.csv, sha256 " in read(path).source


@pytest.mark.parametrize("offset", ["+02:00", "-05:00", "Z"])
def test_a_time_means_the_moment_that_its_offset_tells(offset: str, tmp_path: Path) -> None:
    local = STARTS.tz_convert("UTC" if offset == "Z" else offset)
    path = csv_of(tmp_path, table().assign(time=local))

    assert read(path).bars(REQUEST).index.equals(STARTS)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("time", "2024-03-01T07:00:00", "is '2024-03-01T07:00:00', expected a date and time with its offset from UTC"),
        ("time", "yesterday", "is 'yesterday', expected a date and time with its offset from UTC"),
        ("time", "9999-12-31T00:00:00Z", "is '9999-12-31T00:00:00Z', expected a date and time"),
        ("time", "2024-03-01T06:00:00+00:00", "after a bar of 2024-03-01 06:00 UTC, expected a later bar"),
        ("time", "2024-03-01T02:00:00+00:00", "after a bar of 2024-03-01 06:00 UTC, expected a later bar"),
        ("time", "2024-03-01T06:30:00+00:00", "expected a later bar at least 1Hour after it"),
        ("open", "nan", "is 'nan', expected a finite number above 0"),
        ("high", "inf", "is 'inf', expected a finite number above 0"),
        ("low", "0", "is '0', expected a finite number above 0"),
        ("close", "1_000", "is '1_000', expected a finite number above 0"),
        ("close", "", "is '', expected a finite number above 0"),
        ("volume", "-1", "is '-1', expected a finite number of at least 0"),
        ("high", "1e308", "is '1e308', expected a finite number above 0 (from 1e-15 to 1e+15)"),
        ("low", "5e-324", "is '5e-324', expected a finite number above 0 (from 1e-15 to 1e+15)"),
        ("volume", "1e300", "is '1e300', expected a finite number of at least 0 (from 0 to 1e+24)"),
    ],
)
def test_a_fault_is_told_by_line_and_column(column: str, value: str, expected: str, tmp_path: Path) -> None:
    path = csv_of(tmp_path, table(), {(7, column): value})

    with pytest.raises(MarketDataError) as refused:
        read(path)

    assert refused.value.where == f"file {path}, line 9, column {column}"
    assert expected in refused.value.problem


@pytest.mark.parametrize(
    ("column", "value"), [("open", float("nan")), ("close", None), ("volume", -1.0)], ids=["nan", "null", "negative"]
)
def test_a_fault_in_a_parquet_file_is_told_by_row(column: str, value: Any, tmp_path: Path) -> None:
    rows, path = table().astype({column: object}), tmp_path / "bars.parquet"
    rows.loc[7, column] = value
    rows.to_parquet(path)

    with pytest.raises(MarketDataError, match="row 8, column " + column):
        read(path)


def test_times_of_a_parquet_file_without_a_zone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    table().assign(time=STARTS.tz_localize(None)).to_parquet(path)

    with pytest.raises(MarketDataError, match=r"row 1, column time: .*with its offset from UTC"):
        read(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"line 1: has 0 columns symbol, expected one of each of symbol, timeframe, time"),
        (b"symbol,timeframe,time,open,high,low,close\n", r"line 1: has 0 columns volume"),
        (b",".join(name.encode() for name in ROW) + b",open\n", r"line 1: has 2 columns open"),
        (b",".join(name.encode() for name in ROW) + b"\nBTCUSD,1Hour\n", r"line 2: has 2 fields, expected 8"),
        (b",".join(name.encode() for name in ROW) + b"\nBTC\xff,1Hour\n", r"line 2: is not text in UTF-8"),
        (b",".join(name.encode() for name in ROW) + b'\n"BTC"USD,1Hour\n', r"line 2: is no line of a CSV file"),
    ],
)
def test_what_is_no_table_of_bars_is_refused_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(content)

    with pytest.raises(MarketDataError, match=said):
        read(path)


def test_a_file_that_only_calls_itself_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    path.write_bytes(b"PAR1 and no more")

    with pytest.raises(MarketDataError, match="is no Parquet file that can be read"):
        read(path)


def test_without_pyarrow_a_parquet_file_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "bars.parquet", builtins.__import__
    table().to_parquet(path)

    def without(name: str, *rest: Any) -> Any:
        if name == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pyarrow is not installed\. Install it"):
        read(path)


@pytest.mark.parametrize("name", ["bars.txt", "none.csv"])
def test_a_file_that_is_none_or_of_no_known_kind_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "bars.txt").touch()

    with pytest.raises(SettingsError, match=name):
        read(tmp_path / name)


def test_a_series_that_the_file_lacks_is_named_with_those_it_has(tmp_path: Path) -> None:
    own = read(csv_of(tmp_path, table("ETHUSD")))

    with pytest.raises(MarketDataError, match="holds no row of BTCUSD 1Hour; it holds 'ETHUSD' '1Hour'"):
        own.bars(REQUEST)


def test_days_may_be_an_hour_shorter_where_clocks_are_changed(tmp_path: Path) -> None:
    index = pd.date_range("2024-03-05", periods=10, freq="D", tz="America/New_York", unit="ns").tz_convert("UTC")
    days = FRAME.iloc[:10][list(COLUMNS)].set_index(index)
    path = csv_of(tmp_path, table("AAPL", "1Day", days))
    wanted = {(Instrument.parse("AAPL"), Timeframe.DAY_1)}

    assert len(read_own_bars(path, wanted).bars(request_for("AAPL", days, Timeframe.DAY_1))) == 10
