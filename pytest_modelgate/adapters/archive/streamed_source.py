"""An archive on another machine: what it holds is known, and each member comes when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain


@dataclass(frozen=True)
class Listing:
    """What an archive holds, as the process says that has opened it.

    Attributes:
        name: of the archive's file or folder.
        sizes, odd, packed: as of ``ZipSource``.
        sha256: as of ``Archive.sha256``.
    """

    name: str
    sizes: Mapping[str, int]
    odd: tuple[str, ...]
    packed: int
    sha256: str


class StreamedSource:
    """A listed archive, whose members come from whoever listed it.

    Attributes:
        sizes, odd, packed: as of ``ZipSource``.
        stamp: empty, as of ``FolderSource``.
    """

    stamp = ""

    def __init__(self, listing: Listing, location: str, fetch: Callable[[str], Iterator[bytes]]) -> None:
        self._sha256, self._location, self._fetch = listing.sha256, location, fetch
        self.sizes: Mapping[str, int] = listing.sizes
        self.odd: tuple[str, ...] = listing.odd
        self.packed: int = listing.packed

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content, piece by piece; it is whole only if the iteration ends without an error.

        Raises:
            ArchiveError: it is not of the size that was listed, or cannot be had.
        """
        size = 0
        for piece in self._fetch(name):
            size += len(piece)
            if size > self.sizes[name]:
                break
            yield piece
        if size != self.sizes[name]:
            problem = f"has another size than the {self.sizes[name]} bytes that were listed"
            raise ArchiveError(f"{self._location}, member {plain(name)}", problem, "Start again")

    def sha256(self) -> str:
        """Digest of the whole archive, as listed."""
        return self._sha256

    def is_unchanged(self) -> bool:
        """Always true: whoever gives a member looks whether the archive is what was listed."""
        return True

    def close(self) -> None:
        """Nothing: no file is held open."""
