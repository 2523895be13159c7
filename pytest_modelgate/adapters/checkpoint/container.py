"""A .pt file as a zip of records, of which only those are read that the policy needs.

torch itself checks neither checksums nor record names, takes the first of two records of one name where Python takes
the last, and finds the directory where the end record says, where Python looks in front of the end record.
"""

from __future__ import annotations

import io
import mmap
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pytest_modelgate.adapters.files.file_kinds import why_no_checkpoint, why_no_zip
from pytest_modelgate.adapters.files.zip_layout import LayoutError, Span, read_layout
from pytest_modelgate.errors import CheckpointError

REMEDY = "Save it again with torch.save and its defaults, and pack the archive anew"
_MAX_PICKLE = 64 << 20  # it holds names, numbers and notes of training; weights are records of their own
_MAX_RECORDS, _MAX_DIRECTORY = 20_000, 4 << 20  # one record per tensor, each with a name of few letters
_RECORD = re.compile(
    r"data\.pkl|data/[0-9]+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)

_NOTES = {"version": re.compile(rb"([1-9]|10)\n?"), ".storage_alignment": re.compile(rb"[0-9]{1,9}")}
_MAX_NOTE = 20


@dataclass(frozen=True)
class Container:
    """Checkpoint file in memory, with the spans of its records.

    Attributes:
        records: by name, such as ``data/0``; nothing in them has been read.
    """

    location: str
    records: Mapping[str, Span]
    _mapped: bytes | mmap.mmap

    def map_record(self, name: str) -> memoryview:
        """The bytes of one record, mapped from the file and not copied.

        Raises:
            CheckpointError: its checksum is wrong.
        """
        span = self.records[name]
        content = memoryview(self._mapped)[span.start : span.start + span.size]
        if zlib.crc32(content) != span.crc:
            problem = f"is a damaged zip: the checksum of its record {name} is wrong"
            raise CheckpointError(self.location, problem, REMEDY)
        return content


def read_container(path: Path, location: str) -> tuple[Container, bytes]:
    """Check what a checkpoint consists of; the tensors' records are left alone.

    Returns:
        The container, and the pickle in it.

    Raises:
        CheckpointError: not a zip as torch.save writes it, a damaged record, or a pickle that is too large.
    """
    with path.open("rb") as file:
        members = _members(file, location)
        return _read(members, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), location)


def read_container_of(content: bytes, location: str) -> tuple[Container, bytes]:
    """``read_container`` of a checkpoint in memory."""
    return _read(_members(io.BytesIO(content), location), content, location)


def _members(file: BinaryIO, location: str) -> list[tuple[str, Span]]:
    if (why := why_no_zip(file.read(512))) is not None:
        raise CheckpointError(location, *why)
    try:
        return read_layout(file, _MAX_RECORDS, _MAX_DIRECTORY)
    except LayoutError as error:
        problem = f"is a damaged zip: {f'record {error.member[:60]!a} ' if error.member else ''}{error.problem}"
        raise CheckpointError(location, problem, REMEDY) from None


def _read(members: list[tuple[str, Span]], content: bytes | mmap.mmap, location: str) -> tuple[Container, bytes]:
    container = Container(location, _checked(members, location), content)
    if "byteorder" in container.records and bytes(container.map_record("byteorder")) != b"little":
        raise CheckpointError(location, "its numbers are not little-endian", "Save it on an ordinary machine")
    for name, known in _NOTES.items():
        if name in container.records and not known.fullmatch(bytes(container.map_record(name)[:_MAX_NOTE])):
            raise CheckpointError(location, f"its record {name} holds what torch.load does not understand", REMEDY)
    return container, bytes(container.map_record("data.pkl"))


def _checked(members: list[tuple[str, Span]], location: str) -> dict[str, Span]:
    names = [name for name, _ in members]
    if (why := why_no_checkpoint(names)) is not None:
        raise CheckpointError(location, *why)
    roots = {name.partition("/")[0] for name in names}
    records = {name.partition("/")[2]: span for name, span in members}
    if len(roots) != 1 or len({name.casefold() for name in names}) != len(names):
        raise CheckpointError(location, "holds records under several roots, or one twice", REMEDY)
    strange = sorted(record for record in records if not _RECORD.fullmatch(record))
    missing = [record for record in ("data.pkl", "version") if record not in records]
    if strange or missing:
        held = ascii(strange[0][:60]) if strange else f"no {missing[0]}"
        raise CheckpointError(location, f"holds {held}, expected the records that torch.save writes", REMEDY)
    if any(span.deflated or span.packed != span.size for span in records.values()):
        raise CheckpointError(location, "holds compressed records, expected stored ones", REMEDY)
    if records["data.pkl"].size > _MAX_PICKLE:
        raise CheckpointError(location, f"its pickle is larger than {_MAX_PICKLE} bytes", REMEDY)
    return records
