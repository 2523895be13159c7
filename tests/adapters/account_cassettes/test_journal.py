"""Journals of traders: what a line may say."""

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_modelgate.adapters.account_cassettes.journal import read_journal
from pytest_modelgate.core.watching.records import JournalLine
from pytest_modelgate.errors import SettingsError

SHA256 = "0123abcd" * 8
LINE = {"bar": "2024-01-09T14:00:00Z", "model": "UNIUSD_1Hour", "sha256": SHA256, "action": "buy", "sent": True}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "journal.jsonl"
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def test_lines_are_read_as_they_stand(tmp_path: Path) -> None:
    further = {"probability": 1, "why": "no cash", "code": 40310000, "close": 7.25, "sent": False, "bar": 1704808800}
    path = written(tmp_path, LINE, "\n", LINE | further | {"something": "else"})

    assert read_journal(path) == (
        JournalLine(1704808800, "UNIUSD_1Hour", SHA256, "buy", None, True, "", None, None),
        JournalLine(1704808800, "UNIUSD_1Hour", SHA256, "buy", 1.0, False, "no cash", 40310000, 7.25),
    )


def test_a_line_that_is_being_written_waits(tmp_path: Path) -> None:
    assert len(read_journal(written(tmp_path, LINE, '{"bar": "2024-01-0'))) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bar": "noon"}, "bar is some other text, expected a moment"),
        ({"bar": -60}, "bar is -60, expected the start of a bar"),
        ({"bar": True}, "bar is true"),
        ({"model": "UNI"}, "model is some other text, expected SYMBOL_TIMEFRAME"),
        ({"sha256": None}, "sha256 is null, expected 64 hexadecimal digits"),
        ({"action": 3}, "action is 3, expected a text"),
        ({"sent": "yes"}, "sent is some other text, expected true or false"),
        ({"probability": "high"}, "probability is some other text, expected a number"),
        ({"probability": float("nan")}, "probability is nan, expected a number"),
        ({"code": 1.5}, "code is 1.5, expected a whole number"),
        ({"close": True}, "close is true, expected a number"),
    ],
)
def test_a_line_of_nonsense_is_told_by_its_number_and_never_quoted(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_journal(written(tmp_path, LINE, LINE | changes, LINE))

    assert f"journal.jsonl, line 2: {told}" in str(caught.value)


@pytest.mark.parametrize("line", ["[]\n", "7\n", "no JSON\n", "[" * 100_000 + "\n"])
def test_a_line_that_is_no_object_is_told(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError, match=r"line 1: is no JSON object of a decision"):
        read_journal(written(tmp_path, line, LINE))


def test_text_of_any_letters_is_kept_in_ascii(tmp_path: Path) -> None:
    (line,) = read_journal(written(tmp_path, LINE | {"why": "zu wenig Geld \u20ac\n" + "x" * 500}))

    assert line.why.startswith("zu wenig Geld \\u20ac\\nxxx")
    assert line.why.isprintable()
    assert len(line.why) < 250


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match="cannot be read: it is not UTF-8 text"):
        read_journal(path)
