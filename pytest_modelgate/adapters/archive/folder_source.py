"""An extracted archive, read in place."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.names import Member, sound_members
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain

_CHUNK = 1024 * 1024
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class FolderSource:
    """A folder that holds what a zip would.

    Attributes:
        sizes: bytes of every file that can be read, by its path relative to the folder, with slashes.
        odd: names of the others that are passed over.
        packed: bytes of all of them.
        stamp: empty, since nothing short of its content tells whether a folder is still the same.
    """

    stamp = ""

    def __init__(self, path: Path, location: str, limits: Limits) -> None:
        self._path = path
        self._location = location
        try:
            members = list(self._walk(limits.entries))
        except OSError as error:
            raise ArchiveError(location, f"cannot be read: {error.strerror}", "Check its permissions") from None
        sound = sound_members(members, location)
        self.sizes: Mapping[str, int] = dict(sorted(sound.sizes.items()))
        self.odd: tuple[str, ...] = tuple(sorted(sound.odd))
        self.packed: int = sum(member.size for member in members)

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file's content, piece by piece.

        Raises:
            ArchiveError: the file cannot be read, or is no longer what it was.
        """
        location, size = f"{self._location}, member {plain(name)}", 0
        try:
            with os.fdopen(os.open(self._path / name, os.O_RDONLY | _NO_FOLLOW), "rb") as file:
                while piece := file.read(_CHUNK):
                    size += len(piece)
                    if size > self.sizes[name]:
                        break
                    yield piece
        except OSError as error:
            raise ArchiveError(location, f"cannot be read: {error.strerror}", "Check its permissions") from None
        if size != self.sizes[name]:
            raise ArchiveError(location, "changed while it was read", "Let the training run end, then start again")

    def sha256(self) -> str:
        """Digest over one line per file, sorted by name, as sha256sum prints them."""
        digest = hashlib.sha256()
        for name in self.sizes:
            content = hashlib.sha256()
            for piece in self.chunks(name):
                content.update(piece)
            digest.update(f"{content.hexdigest()}  {name}\n".encode())
        return digest.hexdigest()

    def is_unchanged(self) -> bool:
        """Always true: each file is looked at while it is read; see ``chunks``."""
        return True

    def close(self) -> None:
        """Nothing: no file is held open."""

    def _walk(self, limit: int) -> Iterator[Member]:
        pending, count = [(self._path, "")], 0
        while pending:
            folder, prefix = pending.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    count += 1
                    if count > limit:
                        problem = f"holds more than {limit} files and folders"
                        raise ArchiveError(self._location, problem, "Name the folder of one training run")
                    name, facts = prefix + entry.name, entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(facts.st_mode):
                        pending.append((folder / entry.name, f"{name}/"))
                        yield Member(f"{name}/", 0)
                    elif stat.S_ISREG(facts.st_mode):
                        yield Member(name, facts.st_size)
                    else:
                        yield Member(name, 0, "is a link or device, expected a file or folder")
