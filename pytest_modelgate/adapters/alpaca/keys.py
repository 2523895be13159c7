"""Alpaca's key pair: from a file or from the environment, and never into a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_modelgate.errors import SettingsError

KEYS_FILE = "ALPACA_KEYS_FILE"
KEY_ID, SECRET_KEY = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"
# What keys' files call the two; the first that a file has counts.
_KEY_NAMES = (KEY_ID, "ALPACA_API_KEY", "ALPACA_API_KEY_ID", "API_KEY_ID", "API_KEY", "KEY_ID", "KEY")
_SECRET_NAMES = (
    SECRET_KEY,
    "ALPACA_SECRET_KEY",
    "ALPACA_API_SECRET_KEY",
    "API_SECRET_KEY",
    "API_SECRET",
    "SECRET_KEY",
    "SECRET",
)
_NAMES = (_KEY_NAMES, _SECRET_NAMES)
_KEYS_REMEDY = "Write APCA_API_KEY_ID=... and APCA_API_SECRET_KEY=..., the same as JSON, or key and secret on two lines"


class _Hidden(str):
    """Text that is used as any other, but that nobody reads in a traceback's locals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


@dataclass(frozen=True)
class Credentials:
    """A key pair of Alpaca; no representation of it, nor of either text, shows them."""

    key: str = field(repr=False)
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Hide the texts that clients are given, too: their headers stand in many a local variable."""
        object.__setattr__(self, "key", _Hidden(self.key))
        object.__setattr__(self, "secret", _Hidden(self.secret))


def read_credentials(environ: Mapping[str, str]) -> Credentials | None:
    """Look up keys: the file that ALPACA_KEYS_FILE names, else the two APCA variables; None when neither is set.

    Raises:
        SettingsError: the file cannot be read or holds no key pair, or one of the two variables is missing or unusable.
    """
    if path := environ.get(KEYS_FILE):
        return _read_keys_file(Path(path))
    key, secret = environ.get(KEY_ID, ""), environ.get(SECRET_KEY, "")
    if not key and not secret:
        return None
    if not (key and secret):
        missing = SECRET_KEY if key else KEY_ID
        raise SettingsError(missing, "is not set, but its counterpart is", "Set both, or neither")
    for name, value in ((KEY_ID, key), (SECRET_KEY, secret)):
        if not _usable(value):
            raise SettingsError(name, "holds white space or something else than ASCII text", "Set it again")
    return Credentials(key, secret)


def _read_keys_file(path: Path) -> Credentials:
    where = f"{KEYS_FILE} {path}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        raise SettingsError(where, problem, "Check the path and its permissions") from None
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    lines = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    if not lines:
        raise SettingsError(where, "holds nothing, expected a key and a secret", _KEYS_REMEDY)
    if lines[0][1].startswith(("{", "[")):
        values = _from_json(text, where)
    elif "=" in lines[0][1] or any(_named(line) for _, line in lines):  # a key id has no such sign, a secret may
        values = _from_assignments(lines, where)
    elif len(lines) == 2:
        values = {names[0]: _Value(line, number) for names, (number, line) in zip(_NAMES, lines, strict=True)}
    else:
        problem = f"has {len(lines)} lines, expected key and secret on two, NAME=VALUE lines or JSON"
        raise SettingsError(where, problem, _KEYS_REMEDY)
    return Credentials(*(_pick(values, names, where) for names in _NAMES))


@dataclass(frozen=True)
class _Value:
    """Value in a file with its line; 0 where lines mean nothing."""

    text: object = field(repr=False)
    line: int


def _from_json(text: str, where: str) -> dict[str, _Value]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}: looks like JSON, but is not ({error.msg})"
        raise SettingsError(where, problem, _KEYS_REMEDY) from None
    except RecursionError:
        content = None
    if not isinstance(content, dict):
        raise SettingsError(where, "is JSON, but no object with two names in it", _KEYS_REMEDY)
    return {_canonical(name): _Value(value, 0) for name, value in content.items()}


def _from_assignments(lines: list[tuple[int, str]], where: str) -> dict[str, _Value]:
    values: dict[str, _Value] = {}
    for number, line in lines:
        name, sign, value = line.removeprefix("export ").partition("=")
        if not sign:
            raise SettingsError(where, f"line {number}: is not NAME=VALUE, as other lines are", _KEYS_REMEDY)
        known = values.setdefault(_canonical(name), _Value(value.strip().strip("'\""), number))
        if known.line != number:
            problem = f"line {number}: sets the same name as line {known.line}"
            raise SettingsError(where, problem, "Leave one of the two")
    return values


def _pick(values: dict[str, _Value], names: tuple[str, ...], where: str) -> str:
    """The first of several names that a file has.

    Raises:
        SettingsError: it has none of them, or what it says cannot be a key.
    """
    value = next((values[name] for name in names if name in values), None)
    if value is None:
        raise SettingsError(where, f"has no {names[0]}, nor another name for it that is known", _KEYS_REMEDY)
    if not _usable(value.text):
        place = f"line {value.line}: " if value.line else ""
        problem = (
            f"{place}the value of {names[0]} is empty, no text, or has white space or other signs than ASCII in it"
        )
        raise SettingsError(where, problem, "Copy it anew from Alpaca's page")
    return str(value.text)


def _named(line: str) -> bool:
    """Whether a line assigns one of the names that are known."""
    return _canonical(line.removeprefix("export ").partition("=")[0]) in {name for names in _NAMES for name in names}


def _canonical(name: str) -> str:
    return name.strip().upper().replace("-", "_")


def _usable(value: object) -> bool:
    """Whether a text can be a key or secret, which travel as HTTP headers."""
    return isinstance(value, str) and bool(value) and all("!" <= letter <= "~" for letter in value)
