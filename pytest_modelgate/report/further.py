"""Further pages: where the sheets of very many models stand, beside the page that has a row for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TextIO

MOST = 100  # models whose sheets one page holds: 7 MB
_EACH = 50  # models of a further page


@dataclass(frozen=True)
class FurtherPages:
    """Files beside a page.

    Attributes:
        page: name of the page's own file.
        open: opens another file in its folder to be written, by its name.
    """

    page: str
    open: Callable[[str], AbstractContextManager[TextIO]]

    @property
    def stem(self) -> str:
        """What the names of further pages begin with."""
        return f"{PurePath(self.page).stem}-models-"

    def name(self, number: int) -> str:
        """Name of a further page, counted from 1."""
        return f"{self.stem}{number}.html"

    def shares(self, models: Sequence[str]) -> list[Sequence[str]]:
        """Models of each further page; none where the page itself holds all of them."""
        if len(models) <= MOST:
            return []
        return [models[first : first + _EACH] for first in range(0, len(models), _EACH)]


def further_pages(page: Path) -> FurtherPages:
    """Those of a page that is written to a file; what an earlier run left of them is removed."""
    found = FurtherPages(page.name, lambda name: page.with_name(name).open("w", encoding="utf-8"))
    for path in further_files(page):
        path.unlink()
    return found


def further_files(page: Path) -> list[Path]:
    """Further pages that stand beside a page."""
    stem = FurtherPages(page.name, open).stem
    named = {path: path.stem.removeprefix(stem) for path in page.parent.iterdir() if path.name.startswith(stem)}
    return sorted(path for path, number in named.items() if path.suffix == ".html" and number.isdecimal())
