"""Journals of traders: what one says it decided at each bar, a JSON object a line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_modelgate.core.watching.moments import parse_moment
from pytest_modelgate.core.watching.records import NANOSECONDS, JournalLine
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.text import shown

_REMEDY = (
    'Write lines such as {"bar": "2024-01-09T14:00:00Z", "model": "UNIUSD_1Hour", "sha256": "...", "action": "buy", '
    '"sent": true}; probability, why, code and close may be there or not, and anything else is left out'
)
_MOST_BYTES, _LONGEST = 256 << 20, 200  # of the file; of a text in a line
_MODEL = re.compile(r"[A-Z0-9.]{1,20}_[0-9A-Za-z]{1,10}")
_SHA256 = re.compile("[0-9a-f]{64}")


def read_journal(path: Path, scrub: Callable[[str], str] = lambda text: text) -> tuple[JournalLine, ...]:
    """Lines of a journal, as they stand.

    Args:
        scrub: makes texts fit to be kept.

    Raises:
        SettingsError: it cannot be read, or a line is no such object.
    """
    where = f"journal {path}"
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        raise SettingsError(where, problem, "Check the path and its permissions") from None
    if len(raw) > _MOST_BYTES:
        raise SettingsError(where, f"is larger than {_MOST_BYTES >> 20} MiB", "Give it the lines since the last watch")
    return tuple(_lines(text, where, scrub))


def _lines(text: str, where: str, scrub: Callable[[str], str]) -> Iterator[JournalLine]:
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield to_line(json.loads(line), scrub)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            if number == len(lines) and isinstance(error, json.JSONDecodeError):
                return  # the trader is writing it just now
            what = error.args[0] if type(error) is ValueError and error.args else "is no JSON object of a decision"
            raise SettingsError(f"{where}, line {number}", str(what), _REMEDY) from None


def to_line(entry: Mapping[str, Any], scrub: Callable[[str], str] = lambda text: text) -> JournalLine:
    """What one JSON object says.

    Raises:
        ValueError: one of its fields is missing or of another kind; says which, and what is expected.
        AttributeError: it is no object.
    """
    bar = entry.get("bar")
    seconds = bar if isinstance(bar, int) and not isinstance(bar, bool) else _seconds(bar)
    if seconds < 0:
        raise ValueError(f"bar is {_kind_of(bar)}, expected the start of a bar since 1970")
    return JournalLine(
        bar=seconds,
        model=_fitting(entry, "model", _MODEL, "SYMBOL_TIMEFRAME"),
        sha256=_fitting(entry, "sha256", _SHA256, "64 hexadecimal digits"),
        action=_text(entry, "action", scrub),
        probability=_number(entry, "probability"),
        sent=_flag(entry, "sent"),
        why=_text(entry, "why", scrub) if entry.get("why") is not None else "",
        code=_code(entry),
        close=_number(entry, "close"),
    )


def _kind_of(value: object) -> str:
    """What a message says of a value: no text, which may hold anything."""
    return "some other text" if isinstance(value, str) else shown(value)


def _seconds(text: object) -> int:
    try:
        return parse_moment(str(text)) // NANOSECONDS
    except ValueError:
        raise ValueError(f"bar is {_kind_of(text)}, expected a moment such as 2024-01-09T14:00:00Z") from None


def _fitting(entry: Mapping[str, Any], name: str, pattern: re.Pattern[str], expected: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name} is {_kind_of(value)}, expected {expected}")
    return value


def _text(entry: Mapping[str, Any], name: str, scrub: Callable[[str], str]) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_kind_of(value)}, expected a text")  # noqa: TRY004 - one kind for all
    return ascii(scrub(value)[:_LONGEST])[1:-1]  # scrubbed first: half a secret is one, too


def _number(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {_kind_of(value)}, expected a number")
    return float(value)


def _code(entry: Mapping[str, Any]) -> int | None:
    value = entry.get("code")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"code is {_kind_of(value)}, expected a whole number")
    return value


def _flag(entry: Mapping[str, Any], name: str) -> bool:
    value = entry.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {_kind_of(value)}, expected true or false")  # noqa: TRY004 - one kind for all
    return value
