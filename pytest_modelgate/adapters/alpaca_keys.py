"""Alpaca's key pair: from a file or from the environment, and never into a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
_KEYS_REMEDY = "Write APCA_API_KEY_ID=... and APCA_API_SECRET_KEY=..., the same as JSON, or key and secret on two lines"


@dataclass(frozen=True)
class Credentials:
    """A key pair of Alpaca; its representation shows neither."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


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
    told = (line.strip().removeprefix("export ").strip() for line in text.splitlines())
    lines = [line for line in told if line and not line.startswith("#")]
    values: dict[str, Any] = {}
    if lines and lines[0].startswith("{"):
        try:
            values = json.loads(text)
        except ValueError:
            raise SettingsError(where, "looks like JSON, but is not", _KEYS_REMEDY) from None
    elif lines and "=" in lines[0]:  # a key id has no such sign, a secret may
        pairs = (line.split("=", 1) for line in lines if "=" in line)
        values = {name.strip(): value.strip().strip("'\"") for name, value in pairs}
    elif len(lines) == 2:
        values = {KEY_ID: lines[0], SECRET_KEY: lines[1]}
    named = {name.upper().replace("-", "_"): value for name, value in values.items()}
    found = []
    for names in (_KEY_NAMES, _SECRET_NAMES):
        value = next((named[name] for name in names if name in named), None)
        if not _usable(value):
            raise SettingsError(where, f"has {len(lines)} lines, but no usable {names[0]}", _KEYS_REMEDY)
        found.append(str(value))
    return Credentials(*found)


def _usable(value: object) -> bool:
    """Whether a text can be a key or secret, which travel as HTTP headers."""
    return isinstance(value, str) and bool(value) and all("!" <= letter <= "~" for letter in value)
