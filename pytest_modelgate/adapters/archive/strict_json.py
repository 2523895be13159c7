"""JSON as its standard has it, with one reading and within bounds."""

from __future__ import annotations

import json
import math
import re
from itertools import islice, pairwise
from typing import Any

from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain, shown

Path = tuple[str | int, ...]
_NEAR = 2_000  # bytes in front of a place in which its key is looked for
_REMEDY = "Write the summary with json.dump, or use pytest_modelgate.write_archive"


def read_json(raw: bytes, location: str, limits: Limits) -> dict[str, Any] | list[Any]:
    """Parse a file whose outermost value is an object or a list; its numbers may be NaN or infinite.

    Args:
        raw: UTF-8, with or without a byte order mark.
        location: archive and member, for messages.

    Raises:
        ArchiveError: not JSON, not UTF-8, too deep, or a key twice in one object.
    """
    containers = raw.count(b"[") + raw.count(b"{")
    if containers > limits.json_containers:
        problem = (
            f"holds {containers} lists and objects, expected at most {limits.json_containers}; {_beyond(raw, limits)}"
        )
        raise ArchiveError(location, problem, "Leave out what the schema does not ask for, or split the run in two")
    try:
        document = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=lambda pairs: _unique(pairs, location))
    except UnicodeDecodeError as error:
        raise ArchiveError(location, f"is not UTF-8 at byte {error.start}", _REMEDY) from None
    except json.JSONDecodeError as error:
        problem = f"is not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        raise ArchiveError(location, problem, _REMEDY) from None
    except RecursionError:
        raise _too_deep(location, limits) from None
    except ValueError:  # an integer of thousands of digits
        raise ArchiveError(location, "holds a number that is out of range", _REMEDY) from None
    if not isinstance(document, dict | list):
        raise ArchiveError(location, f"is {shown(document)}, expected an object", _REMEDY)
    _check_depth(document, 0, location, limits)
    return document


def read_object(raw: bytes, location: str, limits: Limits) -> dict[str, Any]:
    """Parse a file whose outermost value is an object; see ``read_json``.

    Raises:
        ArchiveError: as ``read_json``, or it is a list.
    """
    document = read_json(raw, location, limits)
    if not isinstance(document, dict):
        raise ArchiveError(location, f"is {shown(document)}, expected an object", _REMEDY)
    return document


def check_finite(value: object, path: Path, location: str) -> None:
    """Refuse NaN and infinities, wherever they stand in a value.

    Args:
        path: of keys and indexes, at which the value stands.

    Raises:
        ArchiveError: naming the place of the first.
    """
    if isinstance(value, float) and not math.isfinite(value):
        problem = f"is {value}, expected a finite number; only the values of metrics may be NaN or infinite"
        raise ArchiveError(f"{location}, {path_text(path)}", problem, "Correct what the trainer writes")
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            check_finite(child, (*path, key), location)


def _beyond(raw: bytes, limits: Limits) -> str:
    """Where a file too large to be parsed exceeds its limit, with the key of the last object begun before that."""
    crossing = next(islice(re.finditer(rb"[\[{]", raw), limits.json_containers, None))
    keys = re.findall(rb'"([^"\\]{1,200})"\s*:\s*\{', raw[max(0, crossing.start() - _NEAR) : crossing.end()])
    key = shown(keys[-1].decode("ascii", "replace")) if keys else "none"
    return f"the first beyond that is at byte {crossing.start()}, the last object before it is {key}"


def path_text(path: Path) -> str:
    """Path of keys and indexes as text: ``UNIUSD_1Hour, max_drawdown[3]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{', ' if text else ''}{plain(part, 60)}"
    return text


def _unique(pairs: list[tuple[str, Any]], location: str) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        keys = sorted(key for key, _ in pairs)
        twice = next(key for key, following in pairwise(keys) if key == following)
        raise ArchiveError(location, f"holds the key {shown(twice)} twice in one object", "Keep one of the two")
    return members


def _check_depth(value: dict[str, Any] | list[Any], depth: int, location: str, limits: Limits) -> None:
    if depth >= limits.json_depth:
        raise _too_deep(location, limits)
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            _check_depth(child, depth + 1, location, limits)


def _too_deep(location: str, limits: Limits) -> ArchiveError:
    problem = f"nests lists and objects deeper than {limits.json_depth}"
    return ArchiveError(location, problem, "Leave out what the schema does not ask for")
