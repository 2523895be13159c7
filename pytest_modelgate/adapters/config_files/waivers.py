"""The file of waivers."""

from __future__ import annotations

import tomllib
from datetime import date
from hashlib import sha256
from pathlib import Path

from pytest_modelgate.core.config.waivers import Waiver, parse_waivers
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.text import plain

_MOST_BYTES = 1024 * 1024


def read_waivers(path: Path, today: date) -> tuple[tuple[Waiver, ...], str]:
    """Waivers and the sha256 of their file.

    Raises:
        SettingsError: the file cannot be read, or a waiver in it is unusable or has expired.
    """
    where = f"--gate-waivers {path}"
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise SettingsError(where, f"is larger than {_MOST_BYTES} bytes", "Keep the waivers that still hold")
        document = tomllib.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise SettingsError(where, f"cannot be read: {error.strerror}", "Check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"is not TOML: {plain(str(error))}"
        raise SettingsError(where, problem, "Write one [[waiver]] table for each waiver") from None
    return parse_waivers(document, where, today), sha256(raw).hexdigest()
