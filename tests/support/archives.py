"""Archives whose checkpoints nobody has opened: they may hold whatever a test wants to be refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.archive import assemble


def pack_unopened(path: Path, models: Iterable[ModelArtifact], *, trained_at: datetime, **facts: Any) -> Path:
    """Pack as ``write_archive`` does, with its arguments, checkpoints as they are."""
    return assemble(models, f"archive {path}", trained_at, facts).write(path)
