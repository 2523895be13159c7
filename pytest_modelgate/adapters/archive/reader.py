"""An archive, opened once: what it says of its training run, and copies of its checkpoints."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
from filelock import FileLock

from pytest_modelgate.adapters.archive.belonging import with_normaliser
from pytest_modelgate.adapters.archive.declaration import declare
from pytest_modelgate.adapters.archive.entries import Reading
from pytest_modelgate.adapters.archive.folder_source import FolderSource
from pytest_modelgate.adapters.archive.limits import DEFAULT_LIMITS, Limits
from pytest_modelgate.adapters.archive.manifest import parse_assessments, parse_index, parse_manifest
from pytest_modelgate.adapters.archive.matching import Matching
from pytest_modelgate.adapters.archive.names import SUFFIXES, archive_stamp, listed, parse_stamp, stamp_within
from pytest_modelgate.adapters.archive.roles import Kind, Roles, find_roles
from pytest_modelgate.adapters.archive.streamed_source import Listing, StreamedSource
from pytest_modelgate.adapters.archive.summary import parse_summary
from pytest_modelgate.adapters.archive.tar_source import TarSource, is_tar
from pytest_modelgate.adapters.archive.zip_source import ZipSource
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.files.file_kinds import why_no_zip
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel, TrainingRun
from pytest_modelgate.errors import ArchiveError, CheckpointError
from pytest_modelgate.text import plain

Source = ZipSource | FolderSource | TarSource | StreamedSource
_ZIPS = (".pt", ".zip")
_BINARY: int = getattr(os, "O_BINARY", 0)


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
            ArchiveError: the content is damaged, larger than allowed, or not what the trainer says it is.
        """
        sha256 = self._member_digest(checkpoint.member)
        self._check_digest(checkpoint, sha256)
        return sha256

    def normaliser_sha256(self, checkpoint: CheckpointRef) -> str | None:
        """Digest of the bytes of a model's normaliser; None where it has none.

        Raises:
            ArchiveError: the content is damaged, or larger than allowed.
        """
        return self._member_digest(checkpoint.normaliser) if checkpoint.normaliser else None

    def normaliser_file(self, checkpoint: CheckpointRef, folder: Path) -> Path | None:
        """A copy of a model's normaliser; see ``checkpoint_file``."""
        if checkpoint.normaliser is None:
            return None
        return self.checkpoint_file(CheckpointRef(checkpoint.normaliser, 0), folder)[0]

    def checkpoint_file(self, checkpoint: CheckpointRef, folder: Path) -> tuple[Path, str]:
        """A copy of a checkpoint in a private folder, named by its sha256; read from the archive only once.

        Whoever asks first copies; processes that share the folder wait for it, and take what is there.

        Args:
            folder: copies from this archive alone; it need not exist.

        Returns:
            The copy and its sha256.

        Raises:
            ArchiveError: the content is damaged, no zip, larger than allowed, or not what the trainer says it is, or
                the archive was written to in the meantime; no copy is left behind then.
            CheckpointError: it was copied, and refused.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = _name_of(checkpoint)
        note = folder / f"{name}.sha256"
        if not note.exists():
            with FileLock(folder / f"{name}.lock", mode=0o600):
                if not note.exists():
                    write_atomically(note, self._copy(checkpoint, folder, name).encode(), durable=False)
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

    def _copy(self, checkpoint: CheckpointRef, folder: Path, name: str) -> str:
        """Copy a member, and return its digest."""
        member, digest = checkpoint.member, hashlib.sha256()
        temporary = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600), "wb") as file:
                for piece in _capped(self._source, member, self._limits.model_bytes, self._location):
                    part = member.endswith(_ZIPS) and not file.tell() and len(piece) != self._source.sizes[member]
                    if part and (why := why_no_zip(piece)) is not None:  # and the rest is never unpacked
                        raise ArchiveError(f"{self._location}, member {plain(member)}", *why)
                    digest.update(piece)
                    file.write(piece)
            if not self._source.is_unchanged():
                location = f"{self._location}, member {plain(member)}"
                raise ArchiveError(location, "changed while it was read", "Let the training run end, then start again")
            self._check_digest(checkpoint, digest.hexdigest())
            temporary.replace(folder / f"{digest.hexdigest()}-{name}.pt")
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return digest.hexdigest()

    def _check_digest(self, checkpoint: CheckpointRef, sha256: str) -> None:
        if checkpoint.sha256 not in (None, sha256):
            location = f"{self._location}, member {plain(checkpoint.member)}"
            problem = f"has sha256 {sha256[:12]}..., but its trainer says {checkpoint.sha256[:12]}..."
            raise ArchiveError(location, problem, "Pack the checkpoint that the trainer chose")

    def listing(self) -> Listing:
        """What another machine has to know to open this archive there; see ``open_listing``."""
        source = self._source
        return Listing(self.run.name, dict(source.sizes), source.odd, source.packed, self.sha256())

    def member(self, name: str) -> Iterator[bytes]:
        """The content of a member, piece by piece.

        Raises:
            ArchiveError: there is none of that name, it is damaged or larger than allowed, or the archive was written
                to in the meantime.
        """
        location = f"{self._location}, member {plain(name)}"
        if name not in self._source.sizes:
            raise ArchiveError(location, "is not there", "Start again when nobody writes to the archive")
        yield from _capped(self._source, name, self._limits.model_bytes, self._location)
        if not self._source.is_unchanged():
            raise ArchiveError(location, "changed while it was read", "Let the training run end, then start again")

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


def open_archive(path: Path, limits: Limits = DEFAULT_LIMITS, suffixes: tuple[str, ...] = SUFFIXES) -> Archive:
    """Open a zip, a tar or an extracted folder and read what it says of its training run.

    Args:
        suffixes: endings of model files.

    Raises:
        ArchiveError: it cannot be used as a whole; nothing in it is judged.
    """
    location = f"archive {plain(path.name)}"
    if not path.exists():
        raise ArchiveError(f"archive {path}", "does not exist, expected a zip, a tar or a folder", "Check the path")
    return _read_archive(_source(path, location, limits), path.name, limits, suffixes)


def open_listing(
    listing: Listing,
    fetch: Callable[[str], Iterator[bytes]],
    limits: Limits = DEFAULT_LIMITS,
    suffixes: tuple[str, ...] = SUFFIXES,
) -> Archive:
    """Open an archive that lies on another machine; of its members only what is asked for comes here.

    Args:
        fetch: gives the content of a member, and vouches for it.
        suffixes: endings of model files.

    Raises:
        ArchiveError: as of ``open_archive``.
    """
    location = f"archive {plain(listing.name)}"
    return _read_archive(StreamedSource(listing, location, fetch), listing.name, limits, suffixes)


def _read_archive(source: Source, name: str, limits: Limits, suffixes: tuple[str, ...]) -> Archive:
    location = f"archive {plain(name)}"
    try:
        roles = find_roles(source.sizes, name, location, suffixes)
        reading = _read(source, roles, location, limits)
        matching = Matching(roles, source.sizes, location)
        models = matching.models(reading.entries)
        strays = [*roles.strays, *matching.strays, *reading.strays]
        if source.odd:
            strays.append(f"{listed(source.odd)} passed over: an odd name, or it cannot be read")
        if not models:
            problem = f"holds no model{''.join(f'; {stray}' for stray in strays[:2])}"
            raise ArchiveError(location, problem, "Pack the training run again")
        models = _declared(models, source, location, limits, strays)
        members = {member for model in models if model.checkpoint for member in model.checkpoint.members}
        limits.check_total(sum(source.sizes[member] for member in members), source.packed, location)
        warnings = tuple(f"{location}: {stray}." for stray in strays)
        return Archive(source, TrainingRun(name, _ended(name, roles, reading), models, warnings), location, limits)
    except BaseException:
        source.close()
        raise


def _declared(
    models: Sequence[TrainedModel], source: Source, location: str, limits: Limits, strays: list[str]
) -> tuple[TrainedModel, ...]:
    """Models with what is declared beside their checkpoints; what is no declaration joins the strays."""

    def declared(model: TrainedModel) -> TrainedModel:
        name = model.checkpoint.declaration if model.checkpoint else None
        if name is None:
            return with_normaliser(model, source.sizes, stems, location)
        small = source.sizes[name] <= limits.declaration_bytes
        told = declare(
            model, b"".join(source.chunks(name)) if small else b"{}", f"{location}, member {plain(name)}", limits
        )
        if told is None:
            why = "it names no schema modelgate.policy/1" if small else "it is too large to declare anything"
            strays.append(f"{listed([name])} passed over: {why}")
        return with_normaliser(told or model, source.sizes, stems, location)

    stems = frozenset(model.checkpoint.stem for model in models if model.checkpoint)

    return tuple(map(declared, models))


def _source(path: Path, location: str, limits: Limits) -> Source:
    if path.is_dir():
        return FolderSource(path, location, limits)
    return TarSource(path, location, limits) if is_tar(path) else ZipSource(path, location, limits)


def _read(source: Source, roles: Roles, location: str, limits: Limits) -> Reading:
    """What describes the run, by its layout."""

    def content(name: str) -> tuple[bytes, str]:
        return b"".join(_capped(source, name, limits.summary_bytes, location)), f"{location}, member {plain(name)}"

    raw, place = content(roles.main)
    match roles.kind:
        case Kind.SUMMARY:
            summary = parse_summary(raw, place, limits)
            return parse_manifest(*content(roles.beside), limits, summary) if roles.beside else summary
        case Kind.MANIFEST:
            return parse_manifest(raw, place, limits)
        case Kind.ASSESSMENTS:
            beside, other = content(roles.beside) if roles.beside else (None, "")
            return parse_assessments(raw, place, beside, other, limits)
        case Kind.INDEX:
            return parse_index(raw, place, limits)


def _ended(name: str, roles: Roles, reading: Reading) -> pd.Timestamp | None:
    """When training ended, as the archive's name says, else that of the run, else what describes it."""
    location = f"archive {plain(name)}"
    stamp = archive_stamp(name) or (roles.kind is not Kind.SUMMARY and stamp_within(name)) or roles.stamp
    return parse_stamp(stamp, location) if stamp else reading.ended


def _capped(source: Source, name: str, most: int, location: str) -> Iterator[bytes]:
    """A member's content, if that stays within what is allowed; no source gives more of it than it announces."""
    if source.sizes[name] > most:
        problem = f"holds {source.sizes[name]} bytes, expected at most {most}"
        raise ArchiveError(f"{location}, member {plain(name)}", problem, "Leave out what the gate does not need")
    yield from source.chunks(name)
