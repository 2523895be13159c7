"""Records are parsed once, as far as there is room for what they hold."""

from __future__ import annotations

import pytest

from pytest_modelgate.adapters.evidence.parsed import ParsedRecords


class Parser:
    """Notes what it was asked to parse."""

    def __init__(self) -> None:
        self.parsed: list[bytes] = []

    def __call__(self, content: bytes) -> list[bytes]:
        self.parsed.append(content)
        return [content]


def test_the_same_bytes_are_parsed_once_and_others_anew() -> None:
    parser = Parser()
    records = ParsedRecords(parser)
    first = records.of(b"one")
    assert records.of(b"One") == [b"One"]  # altered, of the same length
    assert records.of(b"one") is first
    assert parser.parsed == [b"one", b"One"]


def test_what_was_not_asked_for_longest_makes_room() -> None:
    parser = Parser()
    records = ParsedRecords(parser, room=6)
    for content in (b"aaa", b"bbb", b"aaa", b"ccc", b"aaa", b"bbb"):
        records.of(content)
    assert parser.parsed == [b"aaa", b"bbb", b"ccc", b"bbb"]
    assert records.of(b"larger than all the room") == [b"larger than all the room"]


def test_an_error_is_raised_again() -> None:
    records = ParsedRecords(int)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            records.of(b"none")
