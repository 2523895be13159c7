"""The command line, against a local server that speaks Alpaca's wire."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from market_factory import random_walk, series_key
from marketsim.server import serve

from pytest_modelgate import ModelArtifact, write_archive
from pytest_modelgate.adapters.profile_files import builtin_profiles
from pytest_modelgate.cli import main

HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    models = [ModelArtifact(symbol, "1Hour", b"x", HISTORY) for symbol in ("AAPL", "BTCUSD", "ETHUSD")]
    return write_archive(tmp_path, models, trained_at=datetime(2024, 3, 1, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALPACA_KEYS_FILE", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_API_DATA_URL"):
        monkeypatch.delenv(name, raising=False)


def _record(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, symbols: list[str], secret: str) -> int:
    frame = random_walk("2023-01-01", 24 * 430)
    with serve({series_key(symbol): frame for symbol in symbols}, keys=KEYS) as server:
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        monkeypatch.setenv("APCA_API_KEY_ID", KEYS[0])
        monkeypatch.setenv("APCA_API_SECRET_KEY", secret)
        return main(["record", str(archive), "--cassettes", str(folder)])


def test_one_cassette_per_series_is_recorded(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _record(archive, tmp_path / "c", monkeypatch, ["AAPL", "BTCUSD", "ETHUSD"], KEYS[1])

    assert status == 0
    recorded = json.loads((tmp_path / "c" / "manifest.json").read_text())["cassettes"]
    assert list(recorded) == [
        "crypto/BTC-USD/1Hour/2024-02-29T2300.json.gz",
        "crypto/ETH-USD/1Hour/2024-02-29T2300.json.gz",
        "us_equity/AAPL/1Hour/2024-02-29T2300.json.gz",
    ]
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["AAPL", "BTCUSD", "ETHUSD"]


def test_a_symbol_that_fails_is_told_and_the_others_are_recorded(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _record(archive, tmp_path / "c", monkeypatch, ["AAPL", "ETHUSD"], KEYS[1])

    assert status == 1
    assert "[2/3] BTCUSD 1Hour: market data of BTC/USD" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "c" / "manifest.json").read_text())["cassettes"]) == 2


def test_a_wrong_key_is_told_without_showing_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _record(archive, tmp_path / "c", monkeypatch, ["AAPL"], "wr0ng-wr0ng")

    shown = capsys.readouterr()
    assert status == 1
    assert "does not know these keys" in shown.err
    assert "wr0ng" not in shown.out + shown.err


def test_stocks_without_keys_end_with_one_message(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", str(archive), "--cassettes", str(tmp_path / "c")]) == 1

    assert "ALPACA_KEYS_FILE: no keys are set" in capsys.readouterr().err


def test_an_archive_that_cannot_be_used_ends_with_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", str(tmp_path / "nowhere.zip")]) == 1

    assert capsys.readouterr().err.startswith("modelgate: archive ")


def test_the_profiles_are_listed_with_their_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1::2]] == list(builtin_profiles())
    mission = next(line for line in lines if line.startswith("2.4.5 ") and "APPROVED" in line)
    assert mission.split() == ["2.4.5", "0.001", "APPROVED", ">=", "0.7", ">=", "1.8", ">=", "0.85", "<=", "0.08"]


def test_no_command_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])

    assert caught.value.code == 2
    assert "command" in capsys.readouterr().err
