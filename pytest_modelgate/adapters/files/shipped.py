"""What is shipped beside the code: from the package, as a wheel leaves it, or from the clone it was installed from."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def shipped(name: str, in_clone: str = "") -> Path:
    """A folder of the package's data.

    Args:
        name: of the folder, as wheels have it in the package.
        in_clone: its path in a clone; empty for the same name at the top.
    """
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / (in_clone or name)
