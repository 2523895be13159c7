"""An archive, opened once: what it says of its training run, and copies of its checkpoints."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from pytest_modelgate.adapters.archive.folder_source import FolderSource
from pytest_modelgate.adapters.archive.limits import DEFAULT_LIMITS, Limits
from pytest_modelgate.adapters.archive.names import Roles, archive_stamp, find_roles, parse_stamp
from pytest_modelgate.adapters.archive.summary import Entry, parse_summary
from pytest_modelgate.adapters.archive.zip_source import ZipSource
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.files.file_kinds import why_no_zip
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.training.run import CheckpointRef, Declared, TrainedModel, TrainingRun
from pytest_modelgate.errors import ArchiveError, CheckpointError
from pytest_modelgate.text import plain, shown

Source = ZipSource | FolderSource
_BINARY: int = getattr(os, "O_BINARY", 0)
_Key = tuple[Instrument, Timeframe]


class Archive:
    """A verified archive.

    Attributes:
        run: what it says; checkpoints are named there, and read with ``checkpoint_file``.
    """

    def __init__(self, source: Source, run: TrainingRun, location: str, limits: Limits) -> None:
        self.run = run
        self._source, self._location, self._limits = source, location, limits
        self._digest = cache(source.sha256)
        self._member_digest = cache(self._hash_member)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sha256(self) -> str:
        """Digest of the zip's bytes; of a folder, over its sorted file names and their digests."""
        return self._digest()

    def identity(self) -> str:
        """Text by which another process of the same machine knows that it opened the same archive."""
        return f"{self._source.stamp} {self.sha256()}"

    def is_identical(self, identity: str) -> bool:
        """Whether this is the archive of that ``identity``; its bytes are read only when the file's stamp differs."""
        stamp, _, sha256 = identity.rpartition(" ")
        return (bool(stamp) and self._source.stamp == stamp) or self.sha256() == sha256

    def checkpoint_sha256(self, checkpoint: CheckpointRef) -> str:
        """Digest of a checkpoint's bytes, without copying them.

        Raises:
            ArchiveError: the content is damaged or larger than allowed.
        """
        return self._member_digest(checkpoint.member)

    def checkpoint_file(self, checkpoint: CheckpointRef, folder: Path) -> tuple[Path, str]:
        """A copy of a checkpoint in a private folder, named by its sha256; read from the archive only once.

        Whoever asks first copies; processes that share the folder wait for it, and take what is there.

        Args:
            folder: copies from this archive alone; it need not exist.

        Returns:
            The copy and its sha256.

        Raises:
            ArchiveError: the content is damaged, no zip, or larger than allowed, or the archive was written to in the
                meantime; no copy is left behind then.
            CheckpointError: it was copied, and refused.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = _name_of(checkpoint)
        note = folder / f"{name}.sha256"
        if not note.exists():
            with FileLock(folder / f"{name}.lock", mode=0o600):
                if not note.exists():
                    write_atomically(note, self._copy(checkpoint.member, folder, name).encode(), durable=False)
        if (refusal := folder / f"{name}.refused").exists():
            raise CheckpointError(*json.loads(refusal.read_bytes()))
        sha256 = note.read_text(encoding="ascii")
        return folder / f"{sha256}-{name}.pt", sha256

    def refuse(self, checkpoint: CheckpointRef, folder: Path, error: CheckpointError) -> None:
        """Delete a copy that cannot be used; whoever asks for it from now on is told why."""
        name = _name_of(checkpoint)
        with FileLock(folder / f"{name}.lock", mode=0o600):
            refusal = json.dumps([error.where, error.problem, error.remedy])
            write_atomically(folder / f"{name}.refused", refusal.encode(), durable=False)
            for copy in folder.glob(f"*-{name}.pt"):
                with suppress(PermissionError):  # Windows keeps what another process has mapped
                    copy.unlink()

    def _copy(self, member: str, folder: Path, name: str) -> str:
        """Copy a member, and return its digest."""
        digest = hashlib.sha256()
        temporary = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600), "wb") as file:
                for piece in _capped(self._source, member, self._limits.model_bytes, self._location):
                    part = not file.tell() and len(piece) != self._source.sizes[member]
                    if part and (why := why_no_zip(piece)) is not None:  # and the rest is never unpacked
                        raise ArchiveError(f"{self._location}, member {plain(member)}", *why)
                    digest.update(piece)
                    file.write(piece)
            if not self._source.is_unchanged():
                location = f"{self._location}, member {plain(member)}"
                raise ArchiveError(location, "changed while it was read", "Let the training run end, then start again")
            temporary.replace(folder / f"{digest.hexdigest()}-{name}.pt")
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return digest.hexdigest()

    def close(self) -> None:
        """Release the file."""
        self._source.close()

    def _hash_member(self, member: str) -> str:
        digest = hashlib.sha256()
        for piece in _capped(self._source, member, self._limits.model_bytes, self._location):
            digest.update(piece)
        return digest.hexdigest()


def _name_of(checkpoint: CheckpointRef) -> str:
    """Name of what belongs to a member's copy; two of the same bytes have copies of their own."""
    return hashlib.sha256(checkpoint.member.encode()).hexdigest()[:32]


def open_archive(path: Path, limits: Limits = DEFAULT_LIMITS) -> Archive:
    """Open a zip or an extracted folder and read what it says of its training run.

    Raises:
        ArchiveError: it cannot be used as a whole; nothing in it is judged.
    """
    location = f"archive {plain(path.name)}"
    if not path.exists():
        raise ArchiveError(f"archive {path}", "does not exist, expected a zip or a folder", "Check the path")
    source: Source = FolderSource(path, location, limits) if path.is_dir() else ZipSource(path, location, limits)
    try:
        roles = find_roles(source.sizes, location)
        limits.check_total(sum(source.sizes[name] for name in roles.checkpoints.values()), source.packed, location)
        summary = f"{location}, member {plain(roles.summary)}"
        raw = b"".join(_capped(source, roles.summary, limits.summary_bytes, location))
        entries = _by_model(parse_summary(raw, summary, limits), roles, summary)
        keys = sorted({*entries, *roles.checkpoints}, key=lambda key: (key[0].symbol, key[1]))
        if not keys:
            problem = "holds no model, neither in its summary nor under models/rl_symbols"
            raise ArchiveError(location, problem, "Pack the training run again")
        models = tuple(_model(key, entries, roles, source) for key in keys)
        stamp = archive_stamp(path.name) or roles.summary_stamp
        return Archive(source, TrainingRun(path.name, parse_stamp(stamp, location), models), location, limits)
    except BaseException:
        source.close()
        raise


def _by_model(entries: tuple[Entry, ...], roles: Roles, location: str) -> dict[_Key, Entry]:
    """Entries by symbol and timeframe; a bare symbol means the one checkpoint of that symbol."""
    by_model: dict[_Key, Entry] = {}
    for entry in entries:
        timeframe = entry.timeframe or _only_timeframe(entry, roles, location)
        if (entry.instrument, timeframe) in by_model:
            other = by_model[entry.instrument, timeframe].key
            problem = f"{shown(other)} and {shown(entry.key)} both describe {entry.instrument.symbol}_{timeframe}"
            raise ArchiveError(location, problem, "Keep one of the two")
        by_model[entry.instrument, timeframe] = entry
    return by_model


def _only_timeframe(entry: Entry, roles: Roles, location: str) -> Timeframe:
    symbol = entry.instrument.symbol
    choices = sorted(timeframe for instrument, timeframe in roles.checkpoints if instrument == entry.instrument)
    if len(choices) != 1:
        listed = ", ".join(f"{symbol}_{timeframe}.pt" for timeframe in choices) or "no checkpoint"
        problem = f"names no timeframe, and the archive holds {listed} of that symbol"
        remedy = f"Call it SYMBOL_TIMEFRAME, such as {symbol}_1Hour"
        raise ArchiveError(f"{location}, {plain(entry.key)}", problem, remedy)
    return choices[0]


def _model(key: _Key, entries: dict[_Key, Entry], roles: Roles, source: Source) -> TrainedModel:
    instrument, timeframe = key
    entry, member = entries.get(key), roles.checkpoints.get(key)
    return TrainedModel(
        instrument,
        timeframe,
        entry.history if entry else None,
        CheckpointRef(member, source.sizes[member]) if member else None,
        entry.declared if entry else Declared(),
    )


def _capped(source: Source, name: str, most: int, location: str) -> Iterator[bytes]:
    """A member's content, if that stays within what is allowed; no source gives more of it than it announces."""
    if source.sizes[name] > most:
        problem = f"holds {source.sizes[name]} bytes, expected at most {most}"
        raise ArchiveError(f"{location}, member {plain(name)}", problem, "Leave out what the gate does not need")
    yield from source.chunks(name)
