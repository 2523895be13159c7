"""``--looponfail`` of xdist: it runs again when a file changes, but for those that the gate itself writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xdist import looponfail


def overlook(folders: Iterable[Path]) -> None:
    """Let xdist watch no files in these folders; it has no option for that."""
    hidden = frozenset(folders)

    class Watch(looponfail.StatRecorder):  # type: ignore[misc]  # xdist publishes no types
        def rec(self, p: Path) -> bool:
            return p.resolve() not in hidden and bool(super().rec(p))

    looponfail.StatRecorder = Watch
