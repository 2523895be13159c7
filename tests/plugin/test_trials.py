"""How many models were tried counts in the decision."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import model_factory
from support.plugin_helpers import GOOD, HELD_OUT, RunGate, model, pack


def test_the_models_of_the_archive_are_the_least_number_of_trials(run_gate: RunGate, good_archive: Path) -> None:
    result = run_gate(good_archive)

    assert result.verdict["trials"] == 2
    assert result.verdict["settings"]["ledger"] is None
    (timing,) = (proof for proof in result.verdict["models"][1]["proofs"] if proof["name"] == "timing")
    assert timing["limit"] == 0.025


def test_a_ledger_counts_the_models_of_earlier_archives(run_gate: RunGate, tmp_path: Path) -> None:
    ledger = f"--gate-ledger={tmp_path / 'ledger.jsonl'}"
    for number in range(3):  # policies that differ, so that none is known
        history = model_factory.APPROVED
        other = model("WAVUSD", history, model_factory.follow("momentum_24"), global_step=number)
        (folder := tmp_path / str(number)).mkdir()
        run_gate(pack(folder, other), ledger, "-m", "gating")
    archive = pack(tmp_path, GOOD, training_window=HELD_OUT)

    alone, tried = run_gate(archive).verdict, run_gate(archive, ledger).verdict
    again = run_gate(archive, ledger).verdict

    assert (alone["trials"], tried["trials"]) == (1, 3)  # the last one of three is GOOD itself, step 1
    assert len(tried["settings"]["ledger"]) == 64
    assert again["digest"] == tried["digest"]
    assert alone["digest"] != tried["digest"]


def test_workers_decide_on_the_same_number_of_trials(run_gate: RunGate, good_archive: Path, tmp_path: Path) -> None:
    ledger = f"--gate-ledger={tmp_path / 'ledger.jsonl'}"
    alone = run_gate(good_archive, ledger)
    spread = run_gate(good_archive, ledger, "-n2", subprocess=True)

    assert spread.verdict["digest"] == alone.verdict["digest"]
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 2


def test_collecting_alone_tries_nothing(run_gate: RunGate, good_archive: Path, tmp_path: Path) -> None:
    run_gate(good_archive, f"--gate-ledger={tmp_path / 'ledger.jsonl'}", "--collect-only")

    assert not (tmp_path / "ledger.jsonl").exists()


def test_a_broken_ledger_ends_the_run_before_it_starts(run_gate: RunGate, good_archive: Path, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text("hello\n")
    result = run_gate(good_archive, f"--gate-ledger={tmp_path / 'ledger.jsonl'}", subprocess=True)

    assert result.run.ret == pytest.ExitCode.USAGE_ERROR
    assert "ledger.jsonl, line 1: the line is damaged. Restore the file from a backup" in result.text
    assert not result.output.exists()
