"""The command line, against a local server that speaks Alpaca's wire."""

import json
import os
import re
import struct
import sys
from datetime import UTC, datetime
from email.message import Message
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from marketsim.server import Answer, serve
from support.archives import pack_unopened
from support.market_factory import random_walk, series_key, served
from support.model_factory import WINDOW, checkpoint, follow

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.config_files.profiles import builtin_profiles
from pytest_modelgate.cli.main import main, make_parser
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.services.recording import Outcome, Recorder

if sys.platform != "win32":
    import fcntl
    import termios

HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")
FRAME = random_walk("2024-01-15", 24 * 60)
SERIES = ["AAPL", "BTCUSD", "ETHUSD"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    models = [ModelArtifact(symbol, "1Hour", b"x", HISTORY) for symbol in ("AAPL", "BTCUSD", "ETHUSD")]
    return pack_unopened(tmp_path, models, trained_at=datetime(2024, 3, 1, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALPACA_KEYS_FILE", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_API_DATA_URL"):
        monkeypatch.delenv(name, raising=False)


def _record(
    archive: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    symbols: list[str],
    *options: str,
    secret: str = KEYS[1],
    frame: pd.DataFrame = FRAME,
) -> int:
    series = {key: bars for symbol in symbols for key, bars in served(symbol, frame).items()}
    with serve(series, keys=KEYS, crypto_page_size=10_000) as server:
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        monkeypatch.setenv("APCA_API_KEY_ID", KEYS[0])
        monkeypatch.setenv("APCA_API_SECRET_KEY", secret)
        given = ["--cassettes", str(folder), "--requests-per-minute", "60000", "--walk-forward-days", "40"]
        return main(["record", str(archive), *given, *options])


def recorded_bars(folder: Path) -> list[str]:
    """Cassettes of bars, by the manifest."""
    return [name for name in json.loads((folder / "manifest.json").read_text())["cassettes"] if "/actions/" not in name]


def test_one_cassette_per_series_is_recorded(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _record(archive, tmp_path / "c", monkeypatch, SERIES)

    assert status == 0
    recorded = json.loads((tmp_path / "c" / "manifest.json").read_text())["cassettes"]
    assert list(recorded) == [
        "crypto/BTC-USD/1Hour/2024-02-29T2300.json.gz",
        "crypto/ETH-USD/1Hour/2024-02-29T2300.json.gz",
        "us_equity/AAPL/1Hour/2024-02-29T2300.sip.all.json.gz",
        "us_equity/AAPL/30Min/2024-02-29T2330.sip.all.json.gz",
        "us_equity/AAPL/actions/2022-11-03_2024-03-01.json.gz",
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 series as of 2024-03-01 00:00 UTC, 4 of them to be fetched in about 0:00:")
    assert lines[3] == "[3/4] BTCUSD 1Hour: recorded, 1104 bars, 2024-01-15 00:00 to 2024-02-29 23:00 UTC"
    assert lines[-1] == f"{tmp_path / 'c'}: 4 recorded"


def test_what_is_there_is_kept_and_a_later_moment_extends_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _record(archive, tmp_path / "c", monkeypatch, SERIES)
    _record(archive, tmp_path / "c", monkeypatch, SERIES)
    _record(archive, tmp_path / "c", monkeypatch, SERIES, "--as-of", "2024-03-02")
    _record(archive, tmp_path / "c", monkeypatch, SERIES, "--record-mode", "all")

    out = capsys.readouterr().out
    ends = [line.partition(": ")[2] for line in out.splitlines() if line.startswith(str(tmp_path))]
    assert ends == ["4 recorded", "4 kept", "2 extended, 2 recorded", "4 recorded"]
    assert "4 series as of 2024-03-01 00:00 UTC\n" in out


def test_bars_no_verdict_may_rest_on_are_told_when_they_are_recorded(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = FRAME.assign(volume=FRAME["volume"].where(FRAME.index.to_series().dt.hour > 5, 0.0))

    status = _record(archive, tmp_path / "c", monkeypatch, SERIES, frame=silent)

    shown = capsys.readouterr()
    assert status == 1
    assert "unfit: BTCUSD 1Hour: 276 of 1104 bars of the series are without a trade (25.0%), more than 20%" in shown.err
    assert shown.out.endswith("4 recorded, 2 unfit\n")


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is POSIX")
def test_a_terminal_shows_progress_and_what_is_left(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        _record(archive, tmp_path / "c", monkeypatch, SERIES)
        terminal.flush()
        shown = os.read(leader, 100_000).decode()
    os.close(leader)

    assert re.search(r"\d+% \|.*\| \d+ of 1718 days of market, \d\d:\d\d elapsed, \d\d:\d\d left", shown)


def test_no_bar_is_drawn_where_nobody_looks(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _record(archive, tmp_path / "c", monkeypatch, SERIES)

    assert capsys.readouterr().err == ""


def test_an_interrupted_recording_says_so_and_keeps_what_it_has(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, seen = Recorder.record, []

    def interrupted(recorder: Recorder, request: MarketRequest) -> tuple[Outcome, Bars]:
        seen.append(request)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(recorder, request)

    monkeypatch.setattr(Recorder, "record", interrupted)

    assert _record(archive, tmp_path / "c", monkeypatch, SERIES) == 130
    assert capsys.readouterr().err == "modelgate: interrupted; what was complete is kept\n"
    assert len(recorded_bars(tmp_path / "c")) == 1


@pytest.mark.parametrize("rate", ["0", "-1", "inf", "nan", "many"])
def test_a_rate_without_meaning_is_bad_usage(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["record", "X.zip", f"--requests-per-minute={rate}"])

    assert caught.value.code == 2
    assert "--requests-per-minute" in capsys.readouterr().err


def test_a_symbol_that_fails_is_told_and_the_others_are_recorded(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _record(archive, tmp_path / "c", monkeypatch, ["AAPL", "ETHUSD"])

    assert status == 1
    shown = capsys.readouterr()
    assert "[3/4] BTCUSD 1Hour: failed\n" in shown.out
    assert shown.err.startswith("modelgate: failed: BTCUSD 1Hour: market data of BTC/USD 1Hour from ")
    assert len(recorded_bars(tmp_path / "c")) == 3


def test_one_series_after_the_other_may_fail_and_all_others_are_recorded(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One is refused by the service, one has no bar in any session; the last is fit."""
    nights = FRAME[FRAME.index.to_series().dt.hour < 8]
    with serve({**served("AAPL", nights), series_key("ETHUSD"): FRAME}, crypto_page_size=10_000) as server:
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        monkeypatch.setenv("APCA_API_KEY_ID", KEYS[0])
        monkeypatch.setenv("APCA_API_SECRET_KEY", KEYS[1])
        answer = server.answer

        def refusing(target: str, headers: Message) -> Answer:
            if "BTC" in target:
                server.fail_next(422, {"message": "no such pair"})
            return answer(target, headers)

        monkeypatch.setattr(server, "answer", refusing)
        status = main(["record", str(archive), f"--cassettes={tmp_path / 'c'}", "--walk-forward-days=40"])

    shown = capsys.readouterr()
    assert status == 1
    unfit, failed = shown.err.splitlines()
    assert unfit.startswith("modelgate: unfit: AAPL 1Hour: none lies in a session of the stock market.")
    assert failed.startswith("modelgate: failed: BTCUSD 1Hour: ")
    assert "no such pair" in failed
    assert shown.out.endswith("1 failed, 3 recorded, 1 unfit\n")


def test_a_new_listing_is_unfit_for_whoever_records_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _record(archive, tmp_path / "c", monkeypatch, SERIES, "--walk-forward-days", "180")

    assert status == 1
    assert "unfit: BTCUSD 1Hour: fold1of5 holds 0 bars, expected at least 2" in capsys.readouterr().err


def test_bars_before_the_first_window_are_counted_as_a_model_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = ModelArtifact("ETHUSD", "1Hour", checkpoint(follow("momentum_24")), HISTORY)
    facts: dict[str, Any] = {"reward_scale": 0.001, "feature_set": "reference-v1", "activation": "tanh"}
    archive = pack_unopened(tmp_path, [network], trained_at=datetime(2024, 3, 1, tzinfo=UTC), **facts)

    status = _record(archive, tmp_path / "c", monkeypatch, ["ETHUSD"])

    assert status == 1
    needed = REFERENCE.warmup + WINDOW - 1
    assert f"fold1of5 has 144 bars before it, its models need {needed}" in capsys.readouterr().err


def test_a_wrong_key_is_told_without_showing_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _record(archive, tmp_path / "c", monkeypatch, ["AAPL"], secret="wr0ng-wr0ng")

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


def test_the_help_has_examples_and_every_option_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    parser = make_parser()
    (commands,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))

    undefined = {
        f"{name} {action.option_strings[0]}"
        for name, command in commands.items()
        for action in command._actions
        if action.option_strings and action.dest != "help" and not re.search(r"default|required", action.help or "")
    }
    assert undefined == set()
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert capsys.readouterr().out.count("\n  modelgate ") == 6
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"modelgate {version('pytest-modelgate')}\n"
