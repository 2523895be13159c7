"""TOML files of the project's, within bounds of size and depth."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from pytest_modelgate.adapters.files.nesting import nests_deeper
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.text import plain

_MOST_BYTES = 256 * 1024
_MOST_LEVELS = 8
_MOST_DOTS = 400  # in a line; the memory that a dotted key takes grows with the square of its parts


class TomlFile(NamedTuple):
    """A file as bytes, as text, and as what it means."""

    raw: bytes
    text: str
    document: dict[str, Any]


def read_toml(path: Path, where: str, remedies: tuple[str, str]) -> TomlFile:
    """Read a file.

    Args:
        path: the file.
        where: names it in error messages.
        remedies: what to do about a file that cannot be read, and about one that says something else.

    Raises:
        SettingsError: it cannot be read, is too large, nests too deep, or is not TOML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise SettingsError(where, f"is larger than {_MOST_BYTES} bytes", remedies[1])
        text = raw.decode("utf-8-sig")
        return TomlFile(raw, text, _parse(text))
    except OSError as error:
        raise SettingsError(where, f"cannot be read: {error.strerror}", remedies[0]) from error
    except UnicodeDecodeError as error:
        raise SettingsError(where, "cannot be read: it is not UTF-8 text", remedies[0]) from error
    except RecursionError:
        raise SettingsError(where, f"nests tables and lists deeper than {_MOST_LEVELS}", remedies[1]) from None
    except ValueError as error:  # tomllib's own, and that of an integer of thousands of digits
        raise SettingsError(where, f"is not TOML: {plain(str(error))}", remedies[1]) from error


def _parse(text: str) -> dict[str, Any]:
    """What a text means; RecursionError for one that nests too deep, told by Python or by ourselves."""
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        raise RecursionError
    document = tomllib.loads(text)
    if nests_deeper(document, _MOST_LEVELS):
        raise RecursionError
    return document
