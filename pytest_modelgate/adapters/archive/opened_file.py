"""A file that is opened once, and whether it is still what it was then."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from pytest_modelgate.errors import ArchiveError

_CHUNK = 1024 * 1024


class OpenedFile:
    """An archive's file; every byte comes through this one handle, whichever threads ask for it.

    Attributes:
        file: the handle.
        packed: bytes of the file.
        stamp: device, number, size and time of the file when it was opened: they change when somebody writes to it.
    """

    def __init__(self, path: Path, location: str) -> None:
        try:
            self.file: BinaryIO = path.open("rb")
        except OSError as error:
            raise ArchiveError(location, f"cannot be opened: {error.strerror}", "Check its permissions") from None
        self._reading = Lock()
        self.stamp: str = self._stamp()
        self.packed: int = os.fstat(self.file.fileno()).st_size

    def sha256(self) -> str:
        """Digest of the file's bytes."""
        digest, at = hashlib.sha256(), 0
        while piece := self.piece(at, _CHUNK):
            digest.update(piece)
            at += len(piece)
        return digest.hexdigest()

    def piece(self, at: int, size: int) -> bytes:
        """So many bytes from a place on, fewer only at the file's end."""
        with self._reading:
            self.file.seek(at)
            return self.file.read(size)

    def is_unchanged(self) -> bool:
        """Whether nobody has written to the file since it was opened, as far as its stamp tells."""
        return self._stamp() == self.stamp

    def close(self) -> None:
        """Release the file."""
        self.file.close()

    def _stamp(self) -> str:
        facts = os.fstat(self.file.fileno())
        return f"{facts.st_dev}-{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}"
