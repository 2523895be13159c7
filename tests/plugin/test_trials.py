"""How many models were tried counts in the decision."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import model_factory
from support.plugin_helpers import GOOD, HELD_OUT, RunGate, model, pack

from pytest_modelgate import ModelArtifact
from pytest_modelgate.services.trials import register_archive


def test_the_models_of_the_archive_are_the_least_number_of_trials(run_gate: RunGate, good_archive: Path) -> None:
    result = run_gate(good_archive)

    # Two models, four that nobody declared, and of each model a validation that may have seen the folds.
    assert result.verdict["trials"] == 2 + 4 + 2
    assert result.verdict["settings"]["ledger"] is None
    (timing,) = (proof for proof in result.verdict["models"][1]["proofs"] if proof["name"] == "timing")
    assert timing["details"]["trials"] == 8  # one never trades, and cannot be lucky together with the other
    assert timing["limit"] == pytest.approx(1 - 0.98 ** (1 / 8))


def test_a_ledger_counts_the_models_of_earlier_archives(run_gate: RunGate, tmp_path: Path) -> None:
    ledger = f"--gate-ledger={tmp_path / 'ledger.jsonl'}"
    for number in range(3):  # policies that differ, so that none is known
        history = model_factory.APPROVED
        other = model("WAVUSD", history, model_factory.follow("momentum_24"), global_step=number)
        (folder := tmp_path / str(number)).mkdir()
        run_gate(pack(folder, other, selection_window=HELD_OUT), ledger, "-m", "gating")
    archive = pack(tmp_path, GOOD, training_window=HELD_OUT, selection_window=HELD_OUT)

    alone, tried = run_gate(archive).verdict, run_gate(archive, ledger).verdict
    again = run_gate(archive, ledger).verdict

    assert (alone["trials"], tried["trials"]) == (
        1 + 4,
        4,
    )  # one of three is GOOD itself, its training window undeclared
    assert len(tried["settings"]["ledger"]) == 64
    assert again["digest"] == tried["digest"]
    assert alone["digest"] != tried["digest"]


def test_junk_is_no_trial(run_gate: RunGate, tmp_path: Path) -> None:
    """Else a bad neighbour could keep every model from LIVE, for as long as the ledger is kept."""
    junk = [ModelArtifact(f"JNK{letter}USD", "1Hour", b"PKjunk", model_factory.DROP) for letter in "ABC"]
    archive = pack(tmp_path, GOOD, *junk, selection_window=HELD_OUT)

    assert run_gate(archive, f"--gate-ledger={tmp_path / 'ledger.jsonl'}", "-m", "gating").verdict["trials"] == 1
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1


def test_looking_again_on_another_day_or_other_terms_is_another_trial(run_gate: RunGate, tmp_path: Path) -> None:
    archive, ledger = pack(tmp_path, GOOD, selection_window=HELD_OUT), f"--gate-ledger={tmp_path / 'ledger.jsonl'}"

    def trials(*options: str) -> object:
        return run_gate(archive, ledger, "-m", "gating", *options).verdict["trials"]

    assert [trials(), trials()] == [1, 1]
    assert trials("--gate-as-of=2024-12-25") == 2
    assert trials("--gate-as-of=2024-12-25T00:20") == 2  # the same bars
    assert trials("--gate-as-of=2024-12-25", "--gate-profile=strict") == 3
    assert trials("--gate-folds=6", "--gate-require=live", "--gate-device=cpu") == 4
    assert trials("--gate-folds=6") == 4  # what no decision depends on is no other look


def test_without_a_ledger_the_header_says_what_is_assumed(run_gate: RunGate, good_archive: Path) -> None:
    result = run_gate(good_archive, "-m", "gating", "--gate-as-of=2024-12-17")

    assert result.verdict["trials"] == 2 * 4 + 2
    result.run.stdout.fnmatch_lines(["*trials 10 (4 looks at each model assumed, by as-of's distance *"])
    result.run.stdout.fnmatch_lines(["*; 2 validations may have seen the folds: declare the selection window)"])


@pytest.mark.long
def test_folds_that_lie_after_the_registration_are_told(run_gate: RunGate, tmp_path: Path) -> None:
    archive, ledger = pack(tmp_path, GOOD, training_window=HELD_OUT), tmp_path / "ledger.jsonl"
    register_archive(archive, ledger, lambda: datetime(2024, 10, 1, tzinfo=UTC))

    (alone, spread) = (run_gate(archive, f"--gate-ledger={ledger}", *workers) for workers in ((), ("-n2",)))

    told = (
        "Registered on 2024-10-01 00:00 UTC: certain to be unseen, since they start after that, are fold4of5, fold5of5"
    )
    assert [warning for warning in alone.verdict["models"][0]["warnings"] if warning.startswith(told)]
    assert spread.verdict["digest"] == alone.verdict["digest"]


@pytest.mark.long
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
