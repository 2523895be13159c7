"""CPU time to replay a year of hourly bars for many symbols, against alpaca-py's own models and data frame.

    python benchmarks/replay.py [--symbols 20] [--page-size 170] [--rounds 3] [--json FILE]

Both sides replay the same cassettes through the same recorder and end in a frame of the same figures; they take turns,
and medians are compared. Generated bars are served in Alpaca's format and recorded first, which is not timed.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from marketsim.generator import SeriesSpec, generate
from marketsim.server import serve

from pytest_modelgate.adapters.alpaca.transport import RecordedSession
from pytest_modelgate.adapters.cassettes import files as cassette_files
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.core.market.bars import COLUMNS, Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.services.recording import Recorder
from pytest_modelgate.services.replaying import replay_bars

_START, _END = pd.Timestamp("2023-01-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="UTC")


def main() -> None:
    """Record, replay both ways, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--page-size", type=int, default=170, help="bars a page; Alpaca takes 126 to 420 for crypto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        requests = record(folder, options.symbols, options.page_size)
        check_equal(requests[0], folder)
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(cpu_seconds(lambda: [replay_bars(request, folder) for request in requests]))
            theirs.append(cpu_seconds(lambda: [frame_of_models(request, folder) for request in requests]))
    row = {
        "name": f"replay a year of hours, {options.symbols} symbols, {math.ceil(8760 / options.page_size)} pages each",
        "unit": "CPU s",
        "ours": statistics.median(ours),
        "opponent": statistics.median(theirs),
        "ratio": statistics.median(theirs) / statistics.median(ours),
    }
    print(f"{'work':<58} {'ours':>8} {'models + .df':>14} {'ratio':>7}")
    print(f"{row['name']:<58} {row['ours']:>6.2f} s {row['opponent']:>12.2f} s {row['ratio']:>6.1f}x")
    if options.json:
        options.json.write_text(json.dumps([row], indent=2) + "\n", encoding="utf-8")


def record(folder: Path, count: int, page_size: int) -> list[MarketRequest]:
    """Cassettes of made-up symbols."""
    symbols = [f"{chr(65 + number // 26)}{chr(65 + number % 26)}X" for number in range(count)]
    series = {
        ("crypto", f"{symbol}/USD", "1Hour"): generate(
            SeriesSpec("crypto", seed=number, start=_START, end=_END, price=100.0, volatility=0.5)
        )
        for number, symbol in enumerate(symbols)
    }
    requests = [
        MarketRequest(
            Instrument.parse(f"{symbol}USD"), Timeframe.HOUR_1, _START, _END - pd.Timedelta(hours=1), "sip", "all"
        )
        for symbol in symbols
    ]
    with serve(series, crypto_page_size=page_size) as server:
        recorder = Recorder(folder, {"APCA_API_DATA_URL": server.url}, requests_per_minute=math.inf)
        for request in requests:
            recorder.record(request)
    return requests


def frame_of_models(request: MarketRequest, folder: Path) -> pd.DataFrame:
    """The same replay the way alpaca-py documents it: pydantic models, then ``.df``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alpaca.common.enums import Sort
        from alpaca.data.historical import CryptoHistoricalDataClient
        from alpaca.data.requests import CryptoBarsRequest
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

        question = CryptoBarsRequest(
            symbol_or_symbols=request.instrument.alpaca_symbol,
            timeframe=TimeFrame(1, TimeFrameUnit.Hour),
            start=request.first.to_pydatetime(),
            end=request.last.to_pydatetime(),
            sort=Sort.ASC,
        )
        text = cassette_files.read_cassette(folder, cassette_files.path_of(request))
        client = CryptoHistoricalDataClient()
        with cassettes.play(text, "benchmark", "") as player:
            client._session = RecordedSession(player.answer)  # noqa: SLF001 - there is no public way
            answer: Any = client.get_crypto_bars(question)  # a dict only where raw data is asked for
            frame: pd.DataFrame = answer.df
    return frame


def check_equal(request: MarketRequest, folder: Path) -> None:
    """Both sides end in the same figures; it also loads what either imports, outside the timing."""
    ours = replay_bars(request, folder).frame.to_numpy()
    assert np.array_equal(ours, frame_of_models(request, folder)[list(COLUMNS)].to_numpy())


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    main()
