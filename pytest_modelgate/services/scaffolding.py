"""Files laid out for a user: a repository that uses the gate, and the demo. Nothing is ever overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_modelgate.adapters.files.shipped import shipped
from pytest_modelgate.errors import SettingsError

CONSUMER = "examples/consumer"
"""The repository that ``modelgate init`` writes, in a clone: the example is the template, file by file."""
BESIDES: Mapping[str, str] = {
    ".github/modelgate.txt": ".github/requirements/runtime.txt",
    ".github/workflows/gate.yml": ".github/workflows/gate.yml",
}
"""What else belongs to it, by its path there: where it lies in a clone. Wheels have it with the rest."""

_PYTEST_INI = b"[pytest]\n"
_NOT_WRITTEN = ("__pycache__", ".pytest_cache")


def repository() -> dict[str, Path]:
    """Files of a repository that uses the gate: where each is copied from, by its path there, in the order of paths."""
    folder = shipped("consumer", CONSUMER)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if _is_written(path)}
    clone = shipped("model_tests").parent
    return dict(sorted((files | {name: clone / at for name, at in BESIDES.items() if name not in files}).items()))


def demonstration() -> dict[str, Path | bytes]:
    """Files of the demo but for its market data, which ``demo_recorder`` makes.

    With them a configuration, so that pytest takes none from a folder above.
    """
    folder = shipped("demo", "examples")
    files = {name: folder / name for name in ("demo_archive.zip", "demo_ledger.jsonl")}
    return {**files, "pytest.ini": _PYTEST_INI}


def demo_recorder() -> Path:
    """The script that records the demo's market data: generated anew, they are the bytes that a clone holds."""
    return shipped("demo", "examples") / "record_demo_cassettes.py"


def lay_out(files: Mapping[str, Path | bytes], folder: Path) -> Iterator[tuple[str, bool]]:
    """Write files into a folder, made as needed; what is there stays as it is, a dangling link too.

    Args:
        files: content, or the file to copy, by path in the folder.

    Yields:
        Path in the folder, and whether it was written.

    Raises:
        SettingsError: the folder, or a file in it, cannot be written.
    """
    for name, source in files.items():
        target = folder / name
        try:
            if os.path.lexists(target):
                yield name, False
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(source if isinstance(source, bytes) else source.read_bytes())
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise SettingsError(str(target), problem, "Make room, or name a folder that can be written") from None
        yield name, True


def _is_written(path: Path) -> bool:
    return path.is_file() and not any(part in _NOT_WRITTEN for part in path.parts)
