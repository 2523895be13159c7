"""Evidence folders of runs: marked while a run lasts, removed when there are too many."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from pytest_modelgate.adapters.evidence.store import LOCKS
from pytest_modelgate.errors import SettingsError

KEPT = 10
_RUN = re.compile(r"[0-9a-f]{16}")
_MARK = "run.lock"


def open_folder(root: Path, run_id: str) -> BaseFileLock:
    """Make the folder of a run, and remove old ones: of runs that have ended only the newest ten are kept.

    A run holds a lock in its folder until its process ends, whatever ends it, so that no other removes what it works
    on. Locks that runs share are removed only when nobody else is at work.

    Returns:
        The lock, held; to be released at the end of the run.

    Raises:
        SettingsError: the folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "runs.lock"):
            folder = root / run_id
            folder.mkdir()
            mark = FileLock(folder / _MARK)
            mark.acquire()
            others = [path for path in root.iterdir() if path != folder and _RUN.fullmatch(path.name)]
            others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
            ended = [path for path in others if not _in_use(path)]
            for path in ended[KEPT:]:
                shutil.rmtree(path, ignore_errors=True)
            if len(ended) == len(others):
                shutil.rmtree(root / LOCKS, ignore_errors=True)
    except OSError as error:
        problem = f"evidence cannot be written to {root}: {error.strerror}"
        raise SettingsError("--gate-output", problem, "Name a folder that can be written") from None
    return mark


def _in_use(folder: Path) -> bool:
    with suppress(OSError):
        try:
            with FileLock(folder / _MARK, timeout=0):
                return False
        except Timeout:
            pass
    return True
