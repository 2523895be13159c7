"""Where a zip's members lie, if there is only one way to read it.

Zip readers differ: some trust the central directory, some the local headers, some take the first of two equal names,
some skip what lies before, between or behind. So ``zipfile`` reads the directory, and this file demands that every
other reading says the same: local headers agree with the directory, and members fill the file from its first byte to
the directory without a gap or an overlap. (PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.4, defines the records.)
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_MAX_COMMENT, _FULL_16, _FULL_32 = 0xFFFF, 0xFFFF, 0xFFFFFFFF

_ENCRYPTED, _DESCRIPTOR, _STRONG, _UTF_8, _MASKED = 0x1, 0x8, 0x40, 0x800, 0x2000
_HARMLESS = 0x6 | _DESCRIPTOR | _UTF_8  # 0x6: how hard the packer tried
_ZIP_64, _UNICODE_PATH = 0x1, 0x7075  # extra fields
_REPARSE_POINT = 0x400


@dataclass(frozen=True)
class Span:
    """Where a member's packed bytes lie, and what they must unpack to."""

    start: int
    packed: int
    size: int
    crc: int
    deflated: bool


class LayoutError(Exception):
    """A zip that has no one reading.

    Attributes:
        problem: what was found, and what was expected.
        member: whose fault it is, as the directory names it; empty when it is the whole zip's.
    """

    def __init__(self, problem: str, member: str = "") -> None:
        super().__init__(problem)
        self.problem, self.member = problem, member


def read_layout(file: BinaryIO, most_entries: int, most_bytes: int) -> list[tuple[str, Span]]:
    """Members by name, folders with a slash at the end, in the order in which they lie in the zip.

    Args:
        file: the zip, seekable.
        most_entries: that its directory may list.
        most_bytes: that its directory may take.

    Raises:
        LayoutError: not a zip, damaged, ambiguous, too large, or with a member that is neither file nor folder,
            encrypted, or packed other than by deflate.
    """
    directory, end, count = _find_directory(file)
    if count > most_entries or end - directory > most_bytes:
        found = f"lists {count} entries in {end - directory} bytes"
        raise LayoutError(f"{found}, expected at most {most_entries} in {most_bytes}")
    try:
        infos = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise LayoutError("its directory is damaged") from None
    if len(infos) != count:
        raise LayoutError(f"its directory lists {len(infos)} entries, but announces {count}")
    for info in infos:
        if flaw := _flaw(info):
            raise LayoutError(flaw, info.orig_filename)
    infos.sort(key=lambda info: info.header_offset)
    starts = [info.header_offset for info in infos]
    if [*starts, directory][0] != 0:
        raise LayoutError("has data in front of its first member")
    members = []
    for info, (_, following) in zip(infos, pairwise([*starts, directory]), strict=True):
        try:
            members.append((info.orig_filename, _span(file, info, following)))
        except LayoutError as error:
            raise LayoutError(error.problem, info.orig_filename) from None
    return members


def _find_directory(file: BinaryIO) -> tuple[int, int, int]:
    """Start and end of the central directory, and how many entries it announces."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(2) != b"PK":
        raise LayoutError("is not a zip file")
    tail_start = max(0, size - _END.size - _MAX_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise LayoutError("is cut off: a zip's end record is missing")
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise LayoutError("has data behind its end, or its comment hides another end")
    end = tail_start + at
    if tail[max(0, at - _LOCATOR_64.size) :].startswith(b"PK\6\7"):
        end -= _LOCATOR_64.size + _END_64.size
        if end < 0:
            raise LayoutError("is cut off: part of its end record is missing")
        file.seek(end)
        record = file.read(_END_64.size + _LOCATOR_64.size)
        narrow = (here, count, length, start)
        magic, rest, _, _, disk, first_disk, here, count, length, start = _END_64.unpack_from(record)
        fits = all(
            value in (wide, full)
            for value, wide, full in zip(
                narrow, (here, count, length, start), (_FULL_16, _FULL_16, _FULL_32, _FULL_32), strict=True
            )
        )
        _, locator_disk, offset, disks = _LOCATOR_64.unpack_from(record, _END_64.size)
        if magic != b"PK\6\6" or rest != _END_64.size - 12 or (locator_disk, offset, disks) != (0, end, 1) or not fits:
            raise LayoutError("its two end records disagree")
    if (disk, first_disk, here) != (0, 0, count):
        raise LayoutError("is one part of several")
    if start + length != end:
        raise LayoutError("its directory does not lie where its end record says")
    return start, end, count


def _flaw(info: zipfile.ZipInfo) -> str:
    mode, folder = info.external_attr >> 16, info.orig_filename.endswith("/")
    if info.flag_bits & (_ENCRYPTED | _STRONG | _MASKED):
        return "is encrypted"
    if info.flag_bits & ~_HARMLESS:
        return f"uses features that few tools know (flags {info.flag_bits:#06x})"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {info.compress_type}, expected stored or deflate"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return f"is stored, yet {info.compress_size} bytes are to be {info.file_size}"
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if folder else stat.S_IFREG) or info.external_attr & _REPARSE_POINT:
        return "is a link or device, expected a file or folder"
    if folder and info.file_size:
        return "is a folder with content"
    if info.volume:
        return "lies in another part of a split zip"
    if info.orig_filename.isascii() and any(kind == _UNICODE_PATH for kind, _ in _extra_fields(info.extra)):
        return "bears a second name"
    return ""


def _span(file: BinaryIO, info: zipfile.ZipInfo, following: int) -> Span:
    """Where a member's bytes lie; ``following`` is where the next header or the directory starts."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise LayoutError("does not lie where the directory says")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    name, extra = file.read(name_length), file.read(extra_length)
    if name != info.orig_filename.encode("utf-8" if info.flag_bits & _UTF_8 else "cp437"):
        raise LayoutError("bears another name in its own header")
    fields = list(_extra_fields(extra))
    if info.orig_filename.isascii() and any(kind == _UNICODE_PATH for kind, _ in fields):
        raise LayoutError("bears a second name in its own header")
    wide = next((body for kind, body in fields if kind == _ZIP_64), b"")
    if size == packed == _FULL_32 and len(wide) >= 16:
        size, packed = struct.unpack_from("<2Q", wide)  # a local header widens both or none (APPNOTE 4.5.3)
    told, known = (crc, packed, size), (info.CRC, info.compress_size, info.file_size)
    streamed = bool(info.flag_bits & _DESCRIPTOR)
    agrees = all(here == there or (streamed and here == 0) for here, there in zip(told, known, strict=True))
    if (flags ^ info.flag_bits) & ~0x6 or method != info.compress_type or not agrees:
        raise LayoutError("its own header and the directory disagree")
    start = info.header_offset + _LOCAL.size + name_length + extra_length
    end = start + info.compress_size
    if streamed and end <= following and (end != following or info.compress_size):
        file.seek(end)
        end += _descriptor_length(file.read(min(following - end, 25)), known)
    if end != following:
        problem = (
            "overlaps what follows" if end > following else f"leaves {following - end} bytes behind it unexplained"
        )
        raise LayoutError(problem)
    return Span(start, info.compress_size, info.file_size, info.CRC, method == zipfile.ZIP_DEFLATED)


def _descriptor_length(raw: bytes, known: tuple[int, int, int]) -> int:
    """Length of the data descriptor, signed or not, with sizes of 4 or 8 bytes."""
    body = raw.removeprefix(b"PK\7\x08") if len(raw) in (16, 24) else raw
    layout = {12: "<3L", 20: "<LQQ"}.get(len(body))
    if layout is None or struct.unpack(layout, body) != known:
        raise LayoutError("its data descriptor and the directory disagree")
    return len(raw)


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length
