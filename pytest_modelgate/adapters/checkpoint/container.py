"""A .pt file as a zip of records, of which only those are read that the policy needs.

torch itself checks neither checksums nor record names, takes the first of two records of one name where Python takes
the last, and finds the directory where the end record says, where Python looks in front of the end record.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_modelgate.adapters.zip_layout import LayoutError, Span, read_layout
from pytest_modelgate.errors import CheckpointError

REMEDY = "Save it again with torch.save and its defaults, and pack the archive anew"
_MAX_PICKLE = 1 << 20  # the pickle holds names and numbers only; weights are records of their own
_MAX_RECORDS, _MAX_DIRECTORY = 20_000, 4 << 20  # one record per tensor, each with a name of few letters
_PICKLE, _BYTE_ORDER = "data.pkl", "byteorder"
_RECORD = re.compile(
    r"data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)


@dataclass(frozen=True)
class Container:
    """Where a checkpoint's records lie; nothing in them has been read.

    Attributes:
        records: by name, without the root that all of them share.
    """

    path: Path
    where: str
    records: Mapping[str, Span]

    @cached_property
    def pickled(self) -> bytes:
        """The pickle that says which tensors there are.

        Raises:
            CheckpointError: its checksum is wrong.
        """
        return bytes(self._content(_PICKLE))

    def map_record(self, key: str) -> memoryview:
        """The bytes of one storage, mapped from the file and not copied.

        Raises:
            CheckpointError: there is no such record, or its checksum is wrong.
        """
        name = f"data/{key}"
        if name not in self.records:
            raise CheckpointError(self.where, f"names a record data/{ascii(key[:20])[1:-1]} that is missing", REMEDY)
        return self._content(name)

    def check_byte_order(self) -> None:
        """Refuse numbers in any other order than this file says by default.

        Raises:
            CheckpointError: they are big-endian.
        """
        if _BYTE_ORDER in self.records and self._content(_BYTE_ORDER) != b"little":
            raise CheckpointError(self.where, "its numbers are not little-endian", "Save it on an ordinary machine")

    def _content(self, name: str) -> memoryview:
        span = self.records[name]
        content = memoryview(self._mapped)[span.start : span.start + span.size]
        if len(content) != span.size or zlib.crc32(content) != span.crc:
            problem = f"is a damaged zip: the checksum of its record {name} is wrong"
            raise CheckpointError(self.where, problem, REMEDY)
        return content

    @cached_property
    def _mapped(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def read_container(path: Path, where: str) -> Container:
    """Check what a checkpoint consists of, and read its pickle; the tensors' records are left alone.

    Raises:
        CheckpointError: not a zip as torch.save writes it, a damaged record, or a pickle that is too large.
    """
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise CheckpointError(where, "is not a zip, as torch.save has written since torch 1.6", REMEDY)
        try:
            members = read_layout(file, _MAX_RECORDS, _MAX_DIRECTORY)
        except LayoutError as error:
            problem = f"is a damaged zip: {f'record {error.member[:60]!a} ' if error.member else ''}{error.problem}"
            raise CheckpointError(where, problem, REMEDY) from None
    container = Container(path, where, _checked(members, where))
    container.check_byte_order()
    return container


def _checked(members: Sequence[tuple[str, Span]], where: str) -> dict[str, Span]:
    roots = {name.partition("/")[0] for name, _ in members}
    if len(roots) != 1 or len({name.casefold() for name, _ in members}) != len(members):
        raise CheckpointError(where, "holds records under several roots, or one twice", REMEDY)
    records = {name.partition("/")[2]: span for name, span in members}
    strange = sorted(record for record in records if not _RECORD.fullmatch(record))
    if strange or _PICKLE not in records:
        found = ascii(strange[0][:60]) if strange else "no data.pkl"
        raise CheckpointError(where, f"holds {found}, expected the records that torch.save writes", REMEDY)
    if any(span.deflated or span.packed != span.size for span in records.values()):
        raise CheckpointError(where, "holds compressed records, expected stored ones", REMEDY)
    if records[_PICKLE].size > _MAX_PICKLE:
        raise CheckpointError(where, f"its pickle is larger than {_MAX_PICKLE} bytes", REMEDY)
    return records
