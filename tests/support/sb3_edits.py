"""Recorded zips of Stable-Baselines3 with something changed, made without it."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.sb3_cases import RECORDED


def members_of(name: str = "ppo") -> dict[str, bytes]:
    """Members of a recorded zip."""
    with zipfile.ZipFile(RECORDED / f"{name}.zip") as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return buffer.getvalue()


def with_data(entries: Mapping[str, Any], name: str = "ppo", members: Mapping[str, bytes] | None = None) -> bytes:
    """A recorded zip with other entries in its ``data``; bytes stand for what is pickled so, None takes one out.

    Args:
        members: that take the place of recorded ones.
    """
    members = members_of(name) | dict(members or {})
    data = json.loads(members["data"])
    for key, value in entries.items():
        data[key] = (
            {":type:": "<class>", ":serialized:": base64.b64encode(value).decode()}
            if isinstance(value, bytes)
            else value
        )
        if value is None:
            del data[key]
    return zipped(members | {"data": json.dumps(data).encode()})


def written(folder: Path, content: bytes, name: str = "ppo") -> Path:
    """A folder with such a zip, as ``sb3_cases.read`` takes it, beside the recorded normaliser."""
    (folder / f"{name}.zip").write_bytes(content)
    beside = RECORDED / f"{name}.vecnormalize.pkl"
    if beside.exists():
        (folder / beside.name).write_bytes(beside.read_bytes())
    return folder
