"""Twenty models of 80 MB and more: seconds a model beyond the fixed cost, memory of a worker, and two workers."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from gate_runs import Cost, gate
from marketsim.generator import SeriesSpec, generate
from marketsim.server import serve
from rows import Row, make_row, medians
from support.checkpoints import contents
from support.model_factory import APPROVED

from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import market_window
from pytest_modelgate.services.recording import Recorder

FEW = 2
MANY = int(os.environ.get("BENCH_MODELS", "20"))
_AS_OF = pd.Timestamp("2024-12-27T21:18:19Z")
_80_MB, _148_MB = (1024, 512, 256), (2048, 1024, 512, 256)


def rows() -> Iterator[Row]:
    """One by one, since they take long; archives are removed as soon as they are not needed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        symbols = [f"{chr(65 + number)}{chr(65 + number)}XUSD" for number in range(MANY)]
        record(folder / "cassettes", symbols)
        few, many = (pack(folder, symbols[:count], _80_MB) for count in (FEW, MANY))
        alone = [run(folder, path, "-n0") for path in (few, many)]
        each = (alone[1].cpu - alone[0].cpu) / (MANY - FEW)
        loaded, least = reading(many)
        yield make_row(
            f"{MANY} models of 80 MB, stored, per model beyond the fixed cost",
            "s CPU",
            each,
            opponent=loaded,
            bound=least,
            note="opponent: the member through BytesIO and torch.load alone; bound: two sha256 and one CRC of it; "
            "models without an edge, whose weights need no shuffling; target at most 1.1; "
            f"fixed cost {alone[0].cpu - FEW * each:.1f} s",
        )
        yield make_row("peak memory, -n 0", "MB", alone[1].peak, note=f"{MANY} models of 80 MB; target 600")
        pair = [run(folder, path, "-n2") for path in (few, many)]
        many.unlink()
        work = [costs[1].wall - costs[0].wall for costs in (alone, pair)]
        yield make_row(
            f"-n 2 against -n 0, {MANY} models of 80 MB, beyond the fixed cost",
            "s",
            work[1],
            opponent=work[0],
            bound=work[0] / 2,
            note=f"wall clock; target: ratio at least 1.6 on two idle cores; {os.cpu_count()} cores here",
        )
        yield make_row(
            "peak memory, of controller and workers the largest, -n 2", "MB", pair[1].peak, note="target 600"
        )
        squeezed = [run(folder, pack(folder, symbols[:count], _80_MB, zipfile.ZIP_DEFLATED), "-n0") for count in (1, 3)]
        yield make_row(
            "3 models of 80 MB, deflated, per model beyond the fixed cost",
            "s CPU",
            (squeezed[1].cpu - squeezed[0].cpu) / 2,
            note="floats hardly shrink",
        )
        yield make_row("peak memory, 3 models of 80 MB, deflated", "MB", squeezed[1].peak, note="target 600")
        for words, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
            larger = run(folder, pack(folder, symbols[:2], _148_MB, method), "-n0")
            yield make_row(f"peak memory, 2 models of 148 MB, {words}", "MB", larger.peak, note="target 600")


def run(folder: Path, archive: Path, *options: str) -> Cost:
    """The gate on an archive; every window must have been evaluated."""
    cost = gate(folder, archive, *options, cassettes=folder / "cassettes")
    verdict = json.loads((cost.report / "verdict.json").read_text())
    assert verdict["complete"] is True, verdict["complete"]
    return cost


def record(cassettes: Path, symbols: Sequence[str]) -> None:
    """A market for each symbol, as the demo's."""
    start, end = pd.Timestamp("2023-09-01", tz="UTC"), pd.Timestamp("2024-12-29", tz="UTC")
    names = {symbol: Instrument.parse(symbol) for symbol in symbols}
    series = {
        ("crypto", instrument.alpaca_symbol, "1Hour"): generate(
            SeriesSpec("crypto", seed=number, start=start, end=end, price=100.0, volatility=0.5)
        )
        for number, instrument in enumerate(names.values())
    }
    with serve(series, crypto_page_size=10_000) as server:
        recorder = Recorder(cassettes, {"APCA_API_DATA_URL": server.url}, requests_per_minute=math.inf)
        for instrument in names.values():
            first, last = market_window(_AS_OF, Timeframe.HOUR_1, instrument.asset_class, 180)
            recorder.record(MarketRequest(instrument, Timeframe.HOUR_1, first, last, "sip", "all"))


def pack(folder: Path, symbols: Sequence[str], hidden: tuple[int, ...], method: int = zipfile.ZIP_STORED) -> Path:
    """An archive of networks with random weights, each its own."""
    path = folder / f"models{len(symbols)}of{len(hidden)}by{method}_20241227_211819.zip"
    made = contents("2.7.0", hidden, 100)
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        archive.writestr("training_summary_20241227_211819.json", json.dumps(dict.fromkeys(symbols, APPROVED)))
        for number, symbol in enumerate(symbols):
            torch.manual_seed(number)
            for tensor in made["policy_state_dict"].values():
                tensor.normal_(0.0, 1.0 / math.sqrt(tensor.shape[-1]))
            buffer = io.BytesIO()
            torch.save(made, buffer)
            archive.writestr(f"models/rl_symbols/{symbol}_1Hour.pt", buffer.getbuffer())
    return path


def reading(path: Path) -> tuple[float, float]:
    """Seconds of CPU for one member: read and loaded by torch; and its bytes hashed twice and summed once."""
    with zipfile.ZipFile(path) as archive:
        name = archive.namelist()[-1]

        def load() -> None:
            torch.load(io.BytesIO(archive.read(name)), weights_only=True)

        content = archive.read(name)

        def least() -> None:
            for _ in range(2):
                hashlib.sha256(content).hexdigest()
            zlib.crc32(content)

        loaded, bound = medians(3, load, least, clock=time.process_time)
    return loaded, bound
