"""The ledger only grows, notices when it was altered, and counts each look once."""

from __future__ import annotations

import json
import multiprocessing
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pytest_modelgate.adapters.ledger import Registration, record_trials, register
from pytest_modelgate.core.planning.looks import Trial
from pytest_modelgate.errors import SettingsError


def trial(number: int, start: str = "2024-06-30", end: str = "2024-12-27") -> Trial:
    return Trial(f"M{number}", f"{number:064x}", f"{start}T00:00:00+00:00", f"{end}T00:00:00+00:00")


def look(number: int, end: str = "2024-12-27", terms: str = "a") -> Trial:
    """A look at a model, 180 days in 5 folds."""
    start = f"{(date.fromisoformat(end) - timedelta(days=180)).isoformat()}"
    return replace(trial(number, start, end), folds=5, terms=terms * 64)


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


def test_the_same_look_counts_once_and_on_other_terms_once_more(path: Path) -> None:
    assert [record_trials(path, [look(1, terms=terms)]).trials for terms in "aabb"] == [1, 1, 2, 2]


def test_the_same_bytes_on_other_symbols_are_other_models(path: Path) -> None:
    """One policy tried on twenty markets has twenty chances to be lucky."""
    many = [replace(look(1), model=f"M{number}") for number in range(20)]

    assert record_trials(path, many).trials == 20
    assert record_trials(path, [replace(trial(1), model="M1")]).trials == 20  # known, as an entry of old


def test_a_look_on_another_day_counts_as_far_as_it_is_another(path: Path) -> None:
    """31 daily looks are worth 8, which the first and the last alone would not be."""
    days = [(date(2024, 12, 27) + timedelta(days=day)).isoformat() for day in range(31)]

    assert record_trials(path, [look(1, days[0])]).trials == 1
    assert record_trials(path, [look(1, days[30])]).trials == 2
    assert record_trials(path, [look(1, day) for day in days]).trials == 8
    assert record_trials(path, [look(2, days[0])]).trials == 9


def test_a_model_looked_at_on_another_market_was_looked_at(path: Path) -> None:
    record_trials(path, [look(1, "2023-12-27")])

    assert record_trials(path, [look(2)]).trials == 1
    assert record_trials(path, [look(1)]).trials == 3


def test_entries_of_old_count_as_they_did(path: Path) -> None:
    old = [trial(1), trial(1, "2024-07-01", "2024-12-28"), trial(2)]
    assert record_trials(path, old).trials == 2

    assert record_trials(path, [look(3)]).trials == 3
    assert record_trials(path, old).trials == 3


def test_an_entry_of_old_is_the_same_look_in_the_new_form(path: Path) -> None:
    start, end = look(1).start[:10], look(1).end[:10]
    record_trials(path, [trial(1, start, end)])

    assert record_trials(path, [look(1)]).trials == 1
    assert record_trials(path, [look(1, "2024-12-29")]).trials == 2


MOMENT, LATER = "2024-10-01T12:00:00+00:00", "2024-10-02T12:00:00+00:00"


def enter(path: Path, number: int, moment: str = MOMENT, *models: int) -> Registration:
    checkpoints = [f"{model:064x}" for model in models]
    return register(path, f"{number:064x}", checkpoints, lambda: datetime.fromisoformat(moment))


def test_an_archive_registered_again_keeps_its_moment(path: Path) -> None:
    first = enter(path, 1, MOMENT, 5)
    content = path.read_bytes()

    assert enter(path, 1, LATER, 5) == first
    assert path.read_bytes() == content


def test_a_model_is_known_since_it_was_first_registered(path: Path) -> None:
    enter(path, 1, MOMENT, 5)
    enter(path, 2, LATER, 5, 6)

    assert record_trials(path, [look(5), look(6), look(7)]).registered == {"M5": MOMENT, "M6": LATER}


def test_a_registration_is_no_trial(path: Path) -> None:
    enter(path, 1, MOMENT, 5, 6, 7)

    assert record_trials(path, [look(5)]).trials == 1


def test_a_moment_before_one_in_the_ledger_is_refused(path: Path) -> None:
    enter(path, 1, LATER)
    content = path.read_bytes()

    with pytest.raises(SettingsError, match=f"the clock says {re.escape(MOMENT)}, .* Set the clock"):
        enter(path, 2, MOMENT)
    assert path.read_bytes() == content


def test_a_broken_ledger_takes_no_registration(path: Path) -> None:
    record_trials(path, [trial(1), trial(2)])
    path.write_text(path.read_text().splitlines(keepends=True)[1])
    content = path.read_bytes()

    with pytest.raises(SettingsError, match=r"line 1: .* Restore the file"):
        enter(path, 1)
    assert path.read_bytes() == content


@pytest.mark.parametrize("field", ["sha256", "end", "folds", "terms", "archive", "checkpoints", "registered"])
def test_no_field_of_any_entry_can_be_altered(path: Path, field: str) -> None:
    record_trials(path, [look(1)])
    enter(path, 1, MOMENT, 5)
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    (entry,) = (entry for entry in entries if field in entry)
    other = {"end": LATER, "registered": LATER, "folds": 6, "checkpoints": []}
    entry[field] = other.get(field, "c" * 64)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    with pytest.raises(SettingsError, match="was altered"):
        record_trials(path, [look(1)])


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
        enter(path, number)


def test_several_processes_lose_no_entry(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_enter, args=(path, first)) for first in (0, 10, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert record_trials(path, [trial(0)]).trials == 30
    assert len(path.read_text().splitlines()) == 60
