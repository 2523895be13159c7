"""A .pt file as a zip of records, of which only those are read that the policy needs.

torch itself checks neither checksums nor record names, and takes the first of two records of one name where Python
takes the last.
"""

from __future__ import annotations

import mmap
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_modelgate.errors import CheckpointError

REMEDY = "Save it again with torch.save and its defaults, and pack the archive anew"
_MAX_PICKLE = 1 << 20  # the pickle holds names and numbers only; weights are records of their own
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_DAMAGED = "is a damaged zip: a record is cut off or its checksum is wrong"
_RECORD = re.compile(
    r"data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)


@dataclass(frozen=True)
class Container:
    """A checkpoint's pickle, and where the records lie that it speaks of.

    Attributes:
        pickled: what ``data.pkl`` holds.
        records: by the key of the storage; nothing in them has been read.
    """

    path: Path
    where: str
    pickled: bytes
    records: Mapping[str, zipfile.ZipInfo]

    def map_record(self, key: str) -> memoryview:
        """The bytes of one record, mapped from the file and not copied.

        Raises:
            CheckpointError: there is no such record, or its checksum is wrong.
        """
        info = self.records.get(key)
        if info is None:
            raise CheckpointError(self.where, f"names a record data/{ascii(key[:20])[1:-1]} that is missing", REMEDY)
        start = self._start_of(info)
        content = memoryview(self._mapped)[start : start + info.file_size] if info.file_size else memoryview(b"")
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise CheckpointError(self.where, f"{_DAMAGED}, namely data/{key}", REMEDY)
        return content

    @cached_property
    def _mapped(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _start_of(self, info: zipfile.ZipInfo) -> int:
        """Where a record's bytes begin: behind its own header, whose padding the directory does not know."""
        header = self._mapped[info.header_offset : info.header_offset + _LOCAL.size]
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            raise CheckpointError(self.where, _DAMAGED, REMEDY)
        *_, name_length, extra_length = _LOCAL.unpack(header)
        return info.header_offset + _LOCAL.size + int(name_length) + int(extra_length)


def read_container(path: Path, where: str) -> Container:
    """Check what a checkpoint consists of, and read its pickle; the tensors' records are left alone.

    Raises:
        CheckpointError: not a zip as torch.save writes it, a damaged record, or a pickle that is too large.
    """
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise CheckpointError(where, "is not a zip, as torch.save has written since torch 1.6", REMEDY)
    try:
        with zipfile.ZipFile(path) as archive:
            pickled, records = _checked(archive, where)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        raise CheckpointError(where, _DAMAGED, REMEDY) from None
    return Container(path, where, pickled, records)


def _checked(archive: zipfile.ZipFile, where: str) -> tuple[bytes, dict[str, zipfile.ZipInfo]]:
    names = archive.namelist()
    roots = {name.partition("/")[0] for name in names}
    records = {name.partition("/")[2]: name for name in names}
    if len(roots) != 1 or len({name.casefold() for name in names}) != len(names):
        raise CheckpointError(where, "holds records under several roots, or one twice", REMEDY)
    strange = sorted(record for record in records if not _RECORD.fullmatch(record))
    if strange or "data.pkl" not in records:
        found = ascii(strange[0][:60]) if strange else "no data.pkl"
        raise CheckpointError(where, f"holds {found}, expected the records that torch.save writes", REMEDY)
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise CheckpointError(where, "holds compressed records, expected stored ones", REMEDY)
    if archive.getinfo(records["data.pkl"]).file_size > _MAX_PICKLE:
        raise CheckpointError(where, f"its pickle is larger than {_MAX_PICKLE} bytes", REMEDY)
    if any(info.flag_bits & _ENCRYPTED or info.compress_size != info.file_size for info in archive.infolist()):
        raise CheckpointError(where, "holds encrypted records, or such that are stored in another size", REMEDY)
    if "byteorder" in records and archive.read(records["byteorder"]) != b"little":
        raise CheckpointError(where, "its numbers are not little-endian", "Save it on an ordinary machine")
    data = {name.removeprefix("data/"): archive.getinfo(full) for name, full in records.items() if "data/" in name}
    return archive.read(records["data.pkl"]), data
