"""Layouts of a trader's folder: how its names are switched from one set of models to another.

A set is a folder of its own under ``.modelgate/sets`` and never changes. Where symbolic links are to be had, every
name is a link through ``.modelgate/current``, and replacing that one link switches them all. Elsewhere - Windows, some
network drives - ``promotion.json`` is replaced in one step, and the names are plain copies that follow: the old ones
leave first, so that a folder cut off midway holds less than a set, but never files of two.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from hashlib import file_digest
from pathlib import Path

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.promotion.record import NAME, read_record
from pytest_modelgate.errors import PromotionError

HOME, SETS, FOUND = ".modelgate", "sets", "found-"
_CURRENT, _JOURNAL = "current", "journal.json"
_CHECKPOINT = re.compile(r"[^.].*\.pt", re.IGNORECASE | re.DOTALL)
# What belongs to a model of another format; other files of such endings lie beside models without being any.
_MODEL = re.compile(r"[A-Z0-9.]{1,20}_[0-9A-Za-z]{1,10}\.(.*\.)?(zip|onnx|safetensors|pkl)", re.IGNORECASE | re.DOTALL)
_TEMPORARY = re.compile(r"\.modelgate-[0-9a-f]{16}")


def choose_layout(folder: Path) -> Links | Copies:
    """Choose the layout a folder has, or the better one it can have."""
    if (folder / HOME / _CURRENT).is_symlink():
        return Links(folder)
    if (folder / NAME).exists() or sys.platform == "win32":  # a link to a folder cannot be replaced in one step there
        return Copies(folder)
    probe = temporary_in(folder / HOME)
    try:
        probe.symlink_to(SETS)
        probe.unlink()
    except OSError:
        return Copies(folder)
    return Links(folder)


def checkpoints_in(folder: Path, known: Collection[str] = ()) -> tuple[Path, ...]:
    """Paths that a trader could take for models, sorted.

    Args:
        known: names that are a model's in any case.
    """
    entries = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(path for path in entries if path.name in known or _is_alike(path.name)))


def _is_alike(name: str) -> bool:
    return _CHECKPOINT.fullmatch(name) is not None or _MODEL.fullmatch(name) is not None


def temporary_in(folder: Path) -> Path:
    """A name that nobody has, for what is going to be renamed."""
    return folder / f".modelgate-{secrets.token_hex(8)}"


def remove_temporaries(*folders: Path) -> None:
    """Remove what was cut off before it was renamed."""
    for folder in folders:
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name) and (path.is_symlink() or path.is_file()):
                path.unlink()


def sha256_of(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Make the names in a folder outlast a power cut, where the system can."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Links:
    """Layout in which every name leads through one link."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._current = folder, folder / HOME / _CURRENT

    def settle(self) -> None:
        """Make the names those of the set in force, whatever an earlier call was cut off at."""
        present = {path.name for path in (self._current / name for name in self._in_force()) if path.exists()}
        for name in sorted(present):
            if not os.path.lexists(self._folder / name):
                self._link(name)
        for path in sorted(self._folder.iterdir()):
            if self._is_ours(path) and path.name not in present:
                path.unlink()
        remove_temporaries(self._folder, self._folder / HOME)

    def switch(self, to: str, names: Collection[str]) -> None:
        """Put a set in force. The old one is until the one step in the middle, whatever else happens."""
        if foreign := [path for path in checkpoints_in(self._folder, names) if not self._is_ours(path)]:
            self._adopt(foreign)
        for name in (*sorted(names), NAME):  # a new name leads nowhere until the set it belongs to is in force
            if not self._is_ours(self._folder / name):
                self._link(name)
        sync_folder(self._folder)
        self._point(to)
        self.settle()

    def _adopt(self, foreign: Collection[Path]) -> None:
        """Turn plain files into links to the same bytes, so that one step can take them out of force."""
        set_name = f"{FOUND}{secrets.token_hex(8)}"
        target = self._folder / HOME / SETS / set_name
        target.mkdir()
        for path in sorted({*foreign, *filter(self._is_ours, self._folder.iterdir()), self._folder / NAME}):
            if path.exists():
                shutil.copyfile(path, target / path.name)
        sync_folder(target)
        self._point(set_name)
        for path in foreign:
            self._link(path.name)

    def _in_force(self) -> tuple[str, ...]:
        held = self._current.iterdir() if self._current.is_dir() else ()
        return (*sorted(path.name for path in held if not path.name.startswith(".") and path.name != NAME), NAME)

    def _is_ours(self, path: Path) -> bool:
        return path.is_symlink() and path.readlink() == self._destination(path.name)

    @staticmethod
    def _destination(name: str) -> Path:
        return Path(HOME, _CURRENT, name)

    def _link(self, name: str) -> None:
        self._replace(self._folder / name, self._destination(name))

    def _point(self, to: str) -> None:
        self._replace(self._current, Path(SETS, to))
        sync_folder(self._folder / HOME)

    @staticmethod
    def _replace(path: Path, destination: Path) -> None:
        temporary = temporary_in(path.parent)
        temporary.symlink_to(destination)
        temporary.replace(path)


class Copies:
    """Layout without links: ``promotion.json`` says what is in force, and the names are copies that follow it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sets, self._journal = folder, folder / HOME / SETS, folder / HOME / _JOURNAL

    def settle(self) -> None:
        """Make the names those of the set in force, whatever an earlier call was cut off at."""
        remove_temporaries(self._folder, self._folder / HOME)
        record = read_record(self._folder / NAME)
        pending = json.loads(self._journal.read_bytes()) if self._journal.exists() else None
        if pending and (record is None or record.set != pending["to"]):
            wanted: Mapping[str, str] = pending["from"]
        else:
            wanted = dict.fromkeys(record.files, record.set) if record else {}
        for name, set_name in sorted(wanted.items()):
            if not (self._folder / name).exists():
                self._place(name, self._sets / set_name / name)
        self._journal.unlink(missing_ok=True)

    def switch(self, to: str, names: Collection[str]) -> None:
        """Put a set in force. The old names leave, ``promotion.json`` is replaced, and the new names come.

        Raises:
            PromotionError: another program holds a file open; the old set is in force and whole.
        """
        record = read_record(self._folder / NAME)
        known = record.files if record else {}
        present = checkpoints_in(self._folder, {*known, *names})
        sha256 = {path.name: sha256_of(path) for path in present}
        origin = {name: record.set for name, own in known.items() if record and sha256.get(name) == own}
        if foreign := [path for path in present if path.name not in origin]:
            origin |= dict.fromkeys((path.name for path in foreign), self._keep_aside(foreign))
        write_atomically(self._journal, json.dumps({"to": to, "from": origin}).encode())
        try:
            for path in present:
                if path.name not in names or sha256_of(self._sets / to / path.name) != sha256[path.name]:
                    path.unlink()
            write_atomically(self._folder / NAME, (self._sets / to / NAME).read_bytes())
        except OSError as error:
            self.settle()
            problem = f"another program keeps {Path(error.filename or NAME).name} in use ({error.strerror})"
            raise PromotionError(str(self._folder), problem, "Let the trader close it, then promote again") from None
        self.settle()

    def _keep_aside(self, foreign: Collection[Path]) -> str:
        set_name = f"{FOUND}{secrets.token_hex(8)}"
        (self._sets / set_name).mkdir()
        for path in foreign:
            shutil.copyfile(path, self._sets / set_name / path.name)
        return set_name

    def _place(self, name: str, source: Path) -> None:
        temporary = temporary_in(self._folder)
        shutil.copyfile(source, temporary)
        temporary.replace(self._folder / name)


def kept_aside(folder: Path) -> Iterator[Path]:
    """Folders with what lay in a trader's folder without having been promoted."""
    yield from sorted((folder / HOME / SETS).glob(f"{FOUND}*"))
