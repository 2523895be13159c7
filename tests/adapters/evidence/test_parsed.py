"""Records are parsed once, as far as there is room for what they hold."""

from __future__ import annotations

import pytest

from pytest_modelgate.adapters.evidence.parsed import ParsedRecords


def test_the_same_bytes_are_parsed_once_and_others_anew() -> None:
    parsed: list[bytes] = []
    records = ParsedRecords(lambda content: parsed.append(content) or [content])  # type: ignore[func-returns-value]
    first = records.of(b"one")
    assert records.of(b"One") == [b"One"]  # altered, of the same length
    assert records.of(b"one") is first
    assert parsed == [b"one", b"One"]


def test_what_was_not_asked_for_longest_makes_room() -> None:
    parsed: list[bytes] = []
    records = ParsedRecords(lambda content: parsed.append(content) or content, room=6)  # type: ignore[func-returns-value]
    for content in (b"aaa", b"bbb", b"aaa", b"ccc", b"aaa", b"bbb"):
        records.of(content)
    assert parsed == [b"aaa", b"bbb", b"ccc", b"bbb"]
    assert records.of(b"larger than all the room") == b"larger than all the room"


def test_an_error_is_raised_again() -> None:
    records = ParsedRecords(int)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            records.of(b"none")
