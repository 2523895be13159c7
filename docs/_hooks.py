"""Hooks of MkDocs: links to files that are no part of the site lead to them in the repository, at this version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

_OUTSIDE = re.compile(r"(?<=\]\()\.\./(?=[^)]+\))")
_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401 - page, configuration and files
    """Pages lie in one folder, so whatever leads out of it begins alike."""
    return _OUTSIDE.sub(f"{_PROJECT['urls']['Source']}/blob/v{_PROJECT['version']}/", markdown)
