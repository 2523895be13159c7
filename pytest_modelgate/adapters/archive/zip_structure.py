"""One reading of a zip file: what its directory says, its local headers say too, and nothing lies between or around."""

from __future__ import annotations

import stat
import struct
import zipfile
from typing import BinaryIO

from pytest_modelgate.adapters.archive.names import shown
from pytest_modelgate.errors import ArchiveError

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 0xFFFF
_UNKNOWN32 = 0xFFFFFFFF  # the real value stands in a zip64 record
_LARGEST_DIRECTORY_ENTRY = 1024  # bytes, on average; names and extra fields of ordinary tools take far less

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIPTOR_FOLLOWS = 0x8
_DESCRIPTOR_SIZES = (12, 16, 20, 24)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_REMEDY = "Pack the archive again with an ordinary zip tool; do not use this one if you did not make it"


def check_structure(file: BinaryIO, where: str, most_entries: int) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """Open a zip file after making sure that every zip tool reads the same members from it.

    Args:
        file: the open zip file, which stays open.
        where: the archive, for messages.
        most_entries: how many members it may have.

    Raises:
        ArchiveError: not a zip, foreign bytes around or between members, headers that disagree, overlaps, links,
            encryption or a compression other than stored and deflate.
    """
    size = file.seek(0, 2)
    _check_directory_size(file, size, where, most_entries)
    try:
        archive = zipfile.ZipFile(file)
        infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, struct.error, OSError):
        raise _not_a_zip(where) from None
    if len(infos) > most_entries:
        raise ArchiveError(where, f"holds {len(infos):,} members, expected at most {most_entries:,}", _REMEDY)
    infos_in_order = sorted(infos, key=lambda one: one.header_offset)
    starts = [info.header_offset for info in infos_in_order]
    if starts and starts[0] != 0:
        raise ArchiveError(where, f"{starts[0]:,} bytes lie before the first member, expected none", _REMEDY)
    for info, following in zip(infos_in_order, [*starts[1:], archive.start_dir], strict=False):
        member = f"{where}, member {shown(info.orig_filename)}"
        _check_kind(info, member)
        _check_extent(info, _check_local_header(file, info, member), following, member)
    return archive, infos


def _not_a_zip(where: str) -> ArchiveError:
    problem = "is not a readable zip file, expected the zip of a training run"
    return ArchiveError(where, problem, "Check the path, or pack or download the archive again")


def _check_directory_size(file: BinaryIO, size: int, where: str, most_entries: int) -> None:
    """Find the end record by its place, so that a huge directory is refused before it is read."""
    file.seek(max(0, size - _END.size - _MAX_COMMENT))
    tail = file.read()
    at = tail.rfind(b"PK\5\6", 0, len(tail) - _END.size + 4)
    if at < 0:
        raise _not_a_zip(where)
    *_, entries, directory_size, _, comment = _END.unpack_from(tail, at)
    after = len(tail) - at - _END.size - comment
    if after:
        problem = "bytes follow the end of the zip" if after > 0 else "its end is cut off"
        raise ArchiveError(where, f"{problem}, expected a whole zip file and nothing else", _REMEDY)
    located = tail[max(0, at - _END64_LOCATOR.size) : at]
    if located.startswith(b"PK\6\7") and len(located) == _END64_LOCATOR.size:
        file.seek(max(0, size - len(tail) + at - _END64_LOCATOR.size - _END64.size))
        *_, entries, directory_size, _ = _END64.unpack(file.read(_END64.size))
    if entries > most_entries or directory_size > most_entries * _LARGEST_DIRECTORY_ENTRY:
        problem = f"its directory lists {entries:,} members in {directory_size:,} bytes"
        raise ArchiveError(where, f"{problem}, expected at most {most_entries:,} members", _REMEDY)


def _check_kind(info: zipfile.ZipInfo, member: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError(member, "is encrypted, expected plain content", "Pack the archive again without a password")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError(member, "is a link or device, expected a plain file", "Pack the file itself in its place")
    if info.compress_type not in _METHODS:
        name = zipfile.compressor_names.get(info.compress_type, f"method {info.compress_type}")
        raise ArchiveError(member, f"is compressed with {name}, expected stored or deflate", _REMEDY)
    if info.orig_filename.endswith("/") and info.file_size:
        raise ArchiveError(member, f"is a folder with {info.file_size:,} bytes of content, expected none", _REMEDY)


def _check_local_header(file: BinaryIO, info: zipfile.ZipInfo, member: str) -> int:
    """Compare a member's two headers; returns where its data ends."""
    file.seek(info.header_offset)
    raw = file.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or not raw.startswith(b"PK\3\4"):
        raise ArchiveError(member, "its content is missing: no header where the directory points", _REMEDY)
    _, _, flags, method, _, _, crc, packed, unpacked, name_length, extra_length = _LOCAL.unpack(raw)
    name = file.read(name_length)
    known = [(crc, info.CRC), (packed, info.compress_size), (unpacked, info.file_size)]
    same = (
        name == info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
        and method == info.compress_type
        and not (flags ^ info.flag_bits) & (_ENCRYPTED | _DESCRIPTOR_FOLLOWS)
        and (flags & _DESCRIPTOR_FOLLOWS or all(here in (there, _UNKNOWN32) for here, there in known))
    )
    if not same:
        raise ArchiveError(member, "its own header contradicts the zip's directory, expected one reading", _REMEDY)
    return info.header_offset + _LOCAL.size + name_length + extra_length + info.compress_size


def _check_extent(info: zipfile.ZipInfo, end: int, following: int, member: str) -> None:
    gap = following - end
    if gap < 0:
        raise ArchiveError(member, "overlaps what follows it, expected members one after the other", _REMEDY)
    if gap not in (_DESCRIPTOR_SIZES if info.flag_bits & _DESCRIPTOR_FOLLOWS else (0,)):
        problem = f"{gap:,} bytes that belong to no member follow it, expected none"
        raise ArchiveError(member, problem, _REMEDY)
