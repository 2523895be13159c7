"""Zip file or folder: its members by name and size, and their bytes; nothing is ever extracted by name."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from pytest_modelgate.adapters.archive.names import MODELS_FOLDER, check_names, plain, shown
from pytest_modelgate.adapters.archive.zip_structure import check_structure
from pytest_modelgate.errors import ArchiveError

_CHUNK = 1 << 20
_AGAIN = "Pack or download the archive again"
_DEPTH = len(f"top/{MODELS_FOLDER}/file".split("/"))


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most: bytes of the summary and of a model, entries, nesting of the JSON."""

    summary: int = 16 << 20
    model: int = 512 << 20
    entries: int = 20_000
    depth: int = 16


class Container(Protocol):
    """What the gate needs of a zip file or folder; ``where`` names it in messages."""

    where: str
    sizes: dict[str, int]  # bytes of each file by its name, as the container declares them

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, piece by piece; a damaged one raises an ArchiveError."""
        ...

    def digest(self, names: list[str]) -> str:
        """The SHA-256 that stands for the container; of a folder only the named files count."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


def read_capped(container: Container, name: str, cap: int) -> Iterator[bytes]:
    """The bytes of a file, refused as soon as they are more than ``cap``, whatever its header declares."""
    total = 0
    declared = container.sizes[name]
    for chunk in container.chunks(name) if declared <= cap else ():
        total += len(chunk)
        if total > cap:
            break
        yield chunk
    if max(total, declared) > cap:
        problem = f"holds {max(total, declared):,} bytes, expected at most {cap:,}"
        remedy = "Leave out what the gate does not need, or do not use this archive if you did not make it"
        raise ArchiveError(f"{container.where}, member {shown(name)}", problem, remedy)


def open_container(path: Path, limits: Limits) -> Container:
    """Open a zip file or folder and check its structure.

    Raises:
        ArchiveError: nothing is there, it is neither, or its structure allows more than one reading.
    """
    where = f"archive {plain(path.name)}"
    try:
        if path.is_dir():
            return FolderContainer(path, where, limits)
        return ZipContainer(path, where, limits)
    except FileNotFoundError:
        raise ArchiveError(where, "no such file or folder, expected a zip", "Check the path") from None
    except OSError as error:
        raise ArchiveError(where, f"cannot be read: {error.strerror}", "Check the path and its permissions") from None


class ZipContainer:
    """A zip file, opened once."""

    def __init__(self, path: Path, where: str, limits: Limits) -> None:
        self.where = where
        self._file = path.open("rb")
        try:
            self._zip, infos = check_structure(self._file, where, limits.entries)
            check_names([info.orig_filename for info in infos], where)
        except BaseException:
            self._file.close()
            raise
        self._infos = {info.orig_filename: info for info in infos if not info.orig_filename.endswith("/")}
        self.sizes = {name: info.file_size for name, info in self._infos.items()}

    def chunks(self, name: str) -> Iterator[bytes]:
        """See ``Container``; the checksum is verified at the end."""
        with _damage_told(f"{self.where}, member {shown(name)}"), self._zip.open(self._infos[name]) as file:
            yield from _pieces(file)

    def digest(self, names: list[str]) -> str:  # noqa: ARG002 - a zip is its bytes, whichever of them are read
        """See ``Container``: the digest of the zip's own bytes."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def close(self) -> None:
        """See ``Container``."""
        self._zip.close()
        self._file.close()


class FolderContainer:
    """A folder, read where the gate expects files; deeper and other places are left alone."""

    def __init__(self, path: Path, where: str, limits: Limits) -> None:
        self.where = where
        self._root = path
        self.sizes = {}
        names = []
        for name, entry in _walk(path, ""):
            names.append(name)
            if len(names) > limits.entries:
                problem = f"holds more than {limits.entries:,} files and folders"
                raise ArchiveError(where, problem, "Name the folder that the archive was extracted into")
            status = entry.stat(follow_symlinks=False)
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                problem = "is a link or device, expected plain files and folders"
                raise ArchiveError(f"{where}, member {shown(name)}", problem, "Put the file itself in its place")
            if not name.endswith("/"):
                self.sizes[name] = status.st_size
        check_names(names, where)

    def chunks(self, name: str) -> Iterator[bytes]:
        """See ``Container``."""
        descriptor_flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with _damage_told(f"{self.where}, member {shown(name)}"):
            with os.fdopen(os.open(self._root / name, descriptor_flags), "rb") as file:
                yield from _pieces(file)

    def digest(self, names: list[str]) -> str:
        """See ``Container``: over the sorted names, each with its length and the digest of its content."""
        total = hashlib.sha256()
        for name in sorted(names):
            content = hashlib.sha256()
            for chunk in self.chunks(name):
                content.update(chunk)
            encoded = name.encode()
            total.update(len(encoded).to_bytes(8, "big") + encoded + content.digest())
        return total.hexdigest()

    def close(self) -> None:
        """See ``Container``: nothing stays open."""


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda found: found.name):
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield f"{prefix}{entry.name}/", entry
                if prefix.count("/") < _DEPTH - 1:
                    yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", entry


def _pieces(file: BinaryIO | zipfile.ZipExtFile) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


@contextmanager
def _damage_told(where: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
        problem = "cannot be read in full: its bytes do not match its checksum, or the file has changed"
        raise ArchiveError(where, problem, _AGAIN) from None
