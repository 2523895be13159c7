"""The file of waivers."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from pathlib import Path

from pytest_modelgate.adapters.config_files.toml import read_toml
from pytest_modelgate.core.config.waivers import Waiver, parse_waivers


def read_waivers(path: Path, today: date) -> tuple[tuple[Waiver, ...], str]:
    """Waivers and the sha256 of their file.

    Raises:
        SettingsError: the file cannot be read, or a waiver in it is unusable or has expired.
    """
    where = f"--gate-waivers {path}"
    file = read_toml(path, where, ("Check the path", "Write one [[waiver]] table for each waiver that still holds"))
    return parse_waivers(file.document, where, today), sha256(file.raw).hexdigest()
