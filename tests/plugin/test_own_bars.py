"""From a file of one's own bars to a verdict that says so: recorded, judged, and kept apart from Alpaca's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from marketsim.server import serve
from support.market_factory import halves_of, random_walk, recorder, series_key, served
from support.model_factory import APPROVED, follow
from support.plugin_helpers import AS_OF, GateResult, model, pack

from pytest_modelgate import ModelArtifact
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import market_window
from pytest_modelgate.services.replaying import replay_bars

MODEL = model("RNDUSD", APPROVED, follow("momentum_24"))
FRAME = random_walk("2023-11-01", 24 * 430, seed=3)
STOCK = random_walk("2023-07-01", 24 * 560, seed=4)


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, market_folder: Path) -> None:
    """No key and no service: what is one's own needs neither. ``market_folder`` loads the libraries once."""
    assert market_folder.exists()
    for name in ("ALPACA_KEYS_FILE", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APCA_API_DATA_URL", "http://127.0.0.1:9")


def rows(symbol: str, timeframe: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename_axis("time").reset_index().assign(symbol=symbol, timeframe=timeframe)


def write(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    return path


def gate(pytester: pytest.Pytester, archive: Path, *options: str) -> GateResult:
    run = pytester.runpytest_inprocess(f"--model-archive={archive}", "--gate-feed=own", *options)
    return GateResult(run, pytester.path / "gate-report")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_bars_from_a_file_are_recorded_and_judged_under_their_name(
    kind: str, pytester: pytest.Pytester, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = pack(tmp_path, MODEL)
    own = write(tmp_path / f"mine.{kind}", rows("RND/USD", "1Hour", FRAME))

    status = main(["record", str(archive), "--from", str(own), f"--cassettes={pytester.path / 'cassettes'}"])
    told = capsys.readouterr()
    result = gate(pytester, archive)

    assert status == 0, told.err
    assert "[1/1] RNDUSD 1Hour: recorded, 9165 bars" in told.out
    (series,) = result.verdict["market_data"]
    assert (series["feed"], series["adjustment"], series["bars"]) == ("own", "own", 9165)
    assert series["source"].startswith(f"mine.{kind}, sha256 ")
    assert result.verdict["complete"] is True
    ((name, facts),) = json.loads((pytester.path / "cassettes" / "manifest.json").read_text())["cassettes"].items()
    assert name == "crypto/RND-USD/1Hour/2024-12-27T2000.own.json.gz"
    assert facts["source"] == series["source"]
    for told_of in (result.text, *((result.output / page).read_text() for page in ("summary.md", "report.html"))):
        assert "own bars, not Alpaca" in told_of.replace("&#39;", "'").replace("&#x27;", "'")
    assert "judging on bars of your own" in result.text


def test_ones_own_bars_and_alpacas_never_meet(
    pytester: pytest.Pytester, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, folder = pack(tmp_path, MODEL), pytester.path / "cassettes"
    instrument = Instrument.parse("RNDUSD")
    first, last = market_window(pd.Timestamp(AS_OF), Timeframe.HOUR_1, instrument.asset_class, 180)
    request = MarketRequest(instrument, Timeframe.HOUR_1, first, last, "sip", "all")
    with serve({series_key("RNDUSD"): FRAME}, crypto_page_size=10_000) as server:
        recorder(folder, server).record(request)
    own = write(tmp_path / "mine.csv", rows("RNDUSD", "1Hour", FRAME * 2.0))

    def record() -> str:
        main(["record", str(archive), "--from", str(own), f"--cassettes={folder}"])
        return capsys.readouterr().out.splitlines()[-1].rpartition(": ")[2]

    assert record() == "1 recorded"
    assert record() == "1 kept"
    write(own, rows("RNDUSD", "1Hour", FRAME * 3.0))
    assert record() == "1 recorded"

    assert replay_bars(request, folder).frame.equals(FRAME.loc[first:last])
    mine = MarketRequest(instrument, Timeframe.HOUR_1, first, last, "own", "all")
    assert replay_bars(mine, folder).frame.equals(FRAME.loc[first:last] * 3.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--feed", "own"], "Record them from their file: modelgate record ARCHIVE --from FILE"),
        (["--feed", "iex", "--from", "mine.csv"], "--feed: is 'iex', and the bars are to come from a file"),
        (["--from", "none.csv"], "none.csv: cannot be read: No such file or directory"),
    ],
)
def test_alpaca_is_never_asked_for_ones_own_bars(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = pack(tmp_path, MODEL)

    status = main(["record", str(archive), f"--cassettes={tmp_path / 'c'}", *options])

    assert status == 1
    assert said in capsys.readouterr().err


def test_a_gate_without_ones_own_recording_names_the_command(pytester: pytest.Pytester, tmp_path: Path) -> None:
    result = gate(pytester, pack(tmp_path, MODEL))

    assert result.decision("RNDUSD_1Hour") == "INCOMPLETE"
    assert "--feed own" in json.dumps(result.verdict)


@pytest.mark.parametrize("halves", [True, False], ids=["with half hours", "hours alone"])
def test_ones_own_hours_of_a_stock_open_with_their_session_where_half_hours_are_given(
    pytester: pytest.Pytester, tmp_path: Path, *, halves: bool
) -> None:
    archive = pack(tmp_path, stock())
    table = rows("AAPL", "1Hour", STOCK)
    table = pd.concat([table, rows("AAPL", "30Min", halves_of(STOCK))]) if halves else table
    main(
        ["record", str(archive), f"--from={write(tmp_path / 'mine.csv', table)}", f"--cassettes={pytester.path / 'c'}"]
    )

    result = gate(pytester, archive, f"--gate-cassettes={pytester.path / 'c'}")

    (judged,) = result.verdict["models"]
    waited = [fold.get("waited_orders", 0) for fold in judged["folds"]]
    assert all(waited) is halves
    warned = " ".join(result.verdict["market_data"][0]["quality"]["warnings"])
    assert ("sessions opened" in warned) is not halves


@pytest.mark.long
def test_orders_of_a_night_wait_for_the_session_and_the_verdict_counts_them(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path, stock())
    with serve(served("AAPL", STOCK)) as server:
        environ = {
            "APCA_API_DATA_URL": server.url,
            "APCA_API_KEY_ID": "PKTESTKEY",
            "APCA_API_SECRET_KEY": "s3cr3t-s3cr3t",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        main(["record", str(archive), f"--cassettes={pytester.path / 'cassettes'}", "--requests-per-minute=60000"])

    def run() -> dict[str, Any]:
        return GateResult(
            pytester.runpytest_inprocess(f"--model-archive={archive}"), pytester.path / "gate-report"
        ).verdict

    verdict = run()
    assert verdict["complete"] is True
    assert all(fold["waited_orders"] > 0 for fold in verdict["models"][0]["folds"])
    assert verdict["market_data"][0]["traded_sha256"]
    (half_hours,) = (pytester.path / "cassettes").rglob("30Min/*.gz")
    half_hours.unlink()
    manifest = pytester.path / "cassettes" / "manifest.json"
    document = json.loads(manifest.read_text())
    document["cassettes"] = {name: facts for name, facts in document["cassettes"].items() if "30Min" not in name}
    manifest.write_text(json.dumps(document))
    without = run()

    (judged,) = without["models"]
    (reason,) = judged["reasons"]
    assert (judged["decision"], without["promotable"]) == ("INCOMPLETE", [])
    assert "half hours tell at which price a session opened" in reason
    assert "modelgate record" in reason


def stock() -> ModelArtifact:
    return model("AAPL", APPROVED, follow("momentum_24"))
