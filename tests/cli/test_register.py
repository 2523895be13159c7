"""``modelgate register``: an archive's bytes in the ledger, once, at a moment."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.archives import pack_unopened

from pytest_modelgate import ModelArtifact
from pytest_modelgate.cli.main import main

HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
CONTENTS = {"AAPL": b"apple", "BTCUSD": b"coin"}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    models = [ModelArtifact(symbol, "1Hour", content, HISTORY) for symbol, content in CONTENTS.items()]
    return pack_unopened(tmp_path, models, trained_at=datetime(2024, 3, 1, tzinfo=UTC))


def test_the_bytes_of_archive_and_checkpoints_are_entered(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = datetime.now(UTC)
    assert main(["register", str(archive), "--ledger", str(tmp_path / "ledger.jsonl")]) == 0

    entry = json.loads((tmp_path / "ledger.jsonl").read_text())
    assert entry["archive"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert entry["checkpoints"] == sorted(hashlib.sha256(content).hexdigest() for content in CONTENTS.values())
    assert before <= datetime.fromisoformat(entry["registered"]) <= datetime.now(UTC)
    text = capsys.readouterr().out
    assert f"since {entry['registered']}; bars from then on are certain to be unseen" in text
    assert f"--gate-ledger={tmp_path / 'ledger.jsonl'}" in text


def test_registering_again_changes_nothing(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["register", str(archive), "--ledger", str(tmp_path / "ledger.jsonl")]
    main(command)
    content, text = (tmp_path / "ledger.jsonl").read_bytes(), capsys.readouterr().out

    assert main(command) == 0
    assert (tmp_path / "ledger.jsonl").read_bytes() == content
    assert capsys.readouterr().out == text


def test_the_ledger_lies_here_by_default(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["register", str(archive)]) == 0
    assert (tmp_path / "modelgate-ledger.jsonl").exists()


def test_a_broken_ledger_is_refused_and_left_alone(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ledger.jsonl").write_text("hello\n")

    assert main(["register", str(archive), "--ledger", str(tmp_path / "ledger.jsonl")]) == 1
    assert "ledger.jsonl, line 1: the line is damaged. Restore the file" in capsys.readouterr().err
    assert (tmp_path / "ledger.jsonl").read_text() == "hello\n"


def test_an_archive_that_cannot_be_read_leaves_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["register", str(tmp_path / "nowhere.zip"), "--ledger", str(tmp_path / "ledger.jsonl")]) == 1

    assert capsys.readouterr().err.startswith("modelgate: archive ")
    assert not (tmp_path / "ledger.jsonl").exists()


def test_the_help_lists_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    assert "register" in capsys.readouterr().out
