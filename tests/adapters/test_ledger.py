"""The ledger only grows, notices when it was altered, and counts each model once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_modelgate.adapters.ledger import Trial, record_trials
from pytest_modelgate.errors import SettingsError


def trial(number: int, start: str = "2024-06-30", end: str = "2024-12-27") -> Trial:
    return Trial(f"M{number}", f"{number:064x}", f"{start}T00:00:00+00:00", f"{end}T00:00:00+00:00")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "ledger.jsonl"


def test_models_of_all_runs_are_counted_once_each(path: Path) -> None:
    assert record_trials(path, [trial(1), trial(2), trial(2)]).trials == 2
    assert record_trials(path, [trial(2), trial(3)]).trials == 3


def test_a_run_repeated_leaves_the_file_and_finds_its_own_head(path: Path) -> None:
    first = record_trials(path, [trial(1), trial(2)])
    content = path.read_bytes()

    assert record_trials(path, [trial(1), trial(2)]) == first
    assert path.read_bytes() == content


def test_what_was_written_is_never_changed(path: Path) -> None:
    record_trials(path, [trial(1)])
    before = path.read_bytes()
    record_trials(path, [trial(2)])

    assert path.read_bytes().startswith(before)
    assert len(path.read_bytes()) > len(before)


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        ("2024-06-30", "2024-12-27", True),
        ("2024-07-01", "2024-12-28", True),  # a day later
        ("2024-09-28", "2025-03-27", True),  # half of it
        ("2024-09-29", "2025-03-28", False),
        ("2025-01-01", "2025-06-30", False),
        ("2024-08-01", "2024-08-10", True),  # all of a short one
    ],
)
def test_stretches_that_overlap_by_half_are_the_same_market(path: Path, start: str, end: str, *, counts: bool) -> None:
    record_trials(path, [trial(1, start, end)])

    assert record_trials(path, [trial(2)]).trials == 1 + counts


DAMAGES: dict[str, Callable[[list[str]], list[str]]] = {
    "a figure altered": lambda lines: [lines[0].replace("M1", "M9"), *lines[1:]],
    "the first taken out": lambda lines: lines[1:],
    "one taken out": lambda lines: [lines[0], lines[2]],
    "two swapped": lambda lines: [lines[1], lines[0], lines[2]],
    "one twice": lambda lines: [*lines, lines[2]],
    "cut off": lambda lines: [*lines[:2], lines[2][:40]],
    "without its line end": lambda lines: [*lines[:2], lines[2].rstrip("\n")],
    "spelled otherwise": lambda lines: [lines[0].replace(": ", ":"), *lines[1:]],
    "other JSON": lambda lines: ["[]\n", *lines],
    "not JSON": lambda lines: ["hello\n", *lines],
    "an empty line": lambda lines: [*lines, "\n"],
    "other text": lambda lines: ["\u00fc\n", *lines],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_ledger_that_was_altered_is_refused_and_left_alone(path: Path, damage: str) -> None:
    record_trials(path, [trial(1), trial(2), trial(3)])
    altered = "".join(DAMAGES[damage](path.read_text().splitlines(keepends=True)))
    path.write_text(altered, encoding="utf-8")

    with pytest.raises(SettingsError, match=r"ledger\.jsonl, line [1-4]: .* Restore the file"):
        record_trials(path, [trial(4)])
    assert path.read_text(encoding="utf-8") == altered


def test_a_ledger_that_lost_its_last_lines_has_another_head(path: Path) -> None:
    before = record_trials(path, [trial(1), trial(2)])
    path.write_text(path.read_text().splitlines(keepends=True)[0])

    assert record_trials(path, [trial(1)]).head != before.head


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        record_trials(tmp_path, [trial(1)])


def _enter(path: Path, first: int) -> None:
    for number in range(first, first + 10):
        record_trials(path, [trial(number)])


def test_several_processes_lose_no_entry(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_enter, args=(path, first)) for first in (0, 10, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert record_trials(path, [trial(0)]).trials == 30
    assert len(path.read_text().splitlines()) == 30
