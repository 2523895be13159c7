"""Machines that share no folder with this one: a Python in a mount namespace of its own, where a folder is hidden."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def can_hide() -> bool:
    """Whether this process may have mount namespaces: root's privilege, on Linux."""
    if not shutil.which("unshare") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


def hidden(folder: Path, *command: str | Path) -> list[str]:
    """A command that finds a folder empty."""
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, str(folder), *map(str, command)]


def python(path: Path, *, hide: Path | None, environment: dict[str, str]) -> Path:
    """A file to be called as a Python is, with an environment of its own, that may find a folder empty."""
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    command = shlex.join(hidden(hide, sys.executable) if hide else [sys.executable])
    path.write_text(f'#!/bin/sh\nexec env {variables} {command} "$@"\n')
    path.chmod(0o755)
    return path
