"""Layout of a zip: where its members lie, if there is only one way to read it.

Zip readers differ: some trust the central directory, some the local headers, some take the first of two equal names,
some skip what lies before, between or behind. So ``zipfile`` reads the directory, and this file demands that every
other reading says the same: local headers agree with the directory, and members fill the file from its first byte to
the directory without a gap or an overlap. (PKWARE's APPNOTE.TXT 6.3.10, section 4.4, defines the fields.)
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from pytest_modelgate.adapters.files.zip_records import (
    END,
    END_64,
    LOCAL_HEADER,
    LOCATOR_64,
    End,
    End64,
    LocalHeader,
    Locator64,
)

_MAX_COMMENT, _FULL_16, _FULL_32 = 0xFFFF, 0xFFFF, 0xFFFFFFFF

_ENCRYPTED, _DESCRIPTOR, _STRONG, _UTF_8, _MASKED = 0x1, 0x8, 0x40, 0x800, 0x2000
_HARMLESS = 0x6 | _DESCRIPTOR | _UTF_8  # 0x6: how hard the packer tried
_ZIP_64, _UNICODE_PATH = 0x1, 0x7075  # extra fields
_REPARSE_POINT = 0x400


class _Directory(NamedTuple):
    """First byte of the central directory, the one behind its last, and how many entries it announces."""

    start: int
    end: int
    entries: int


class _Content(NamedTuple):
    """What a member unpacks to, as each of its records says it."""

    crc: int
    packed: int
    size: int


@dataclass(frozen=True)
class Span:
    """Where a member's packed bytes lie, and what they must unpack to.

    Attributes:
        flaw: why they cannot be unpacked, as the end of a sentence; empty when they can.
    """

    start: int
    packed: int
    size: int
    crc: int
    deflated: bool
    flaw: str = ""


class LayoutError(Exception):
    """A zip that has no one reading.

    Attributes:
        problem: what was found, and what was expected.
        member: whose fault it is, as the directory names it; empty when it is the whole zip's.
    """

    def __init__(self, problem: str, member: str = "") -> None:
        super().__init__(problem)
        self.problem: str = problem
        self.member: str = member


def read_layout(
    file: BinaryIO, most_entries: int, most_bytes: int, *, tolerant: bool = False
) -> list[tuple[str, Span]]:
    """Members by name, folders with a slash at the end, in the order in which they lie in the zip.

    Args:
        file: the zip, seekable.
        most_entries: that its directory may list.
        most_bytes: that its directory may take.
        tolerant: list a member that is neither file nor folder, encrypted, or packed other than by deflate, with its
            flaw, rather than refuse the zip for it.

    Raises:
        LayoutError: not a zip, damaged, ambiguous, too large, or with such a member.
    """
    directory = _find_directory(file)
    length = directory.end - directory.start
    if directory.entries > most_entries or length > most_bytes:
        listed = f"lists {directory.entries} entries in {length} bytes"
        raise LayoutError(f"{listed}, expected at most {most_entries} in {most_bytes}")
    try:
        infos = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise LayoutError("its directory is damaged") from None
    if len(infos) != directory.entries:
        raise LayoutError(f"its directory lists {len(infos)} entries, but announces {directory.entries}")
    for info in infos:
        if flaw := _flaw(info) or ("" if tolerant else _unreadable(info)):
            raise LayoutError(flaw, info.orig_filename)
    infos.sort(key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in infos), directory.start]
    if starts[0] != 0:
        raise LayoutError("has data in front of its first member")
    members = []
    for info, following in zip(infos, starts[1:], strict=True):
        try:
            members.append((info.orig_filename, _span(file, info, following)))
        except LayoutError as error:
            raise LayoutError(error.problem, info.orig_filename) from None
    return members


def _find_directory(file: BinaryIO) -> _Directory:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(2) != b"PK":
        raise LayoutError("is not a zip file")
    tail_start = max(0, size - END.size - _MAX_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + END.size > len(tail):
        raise LayoutError("is cut off: a zip's end record is missing")
    narrow = End._make(END.unpack_from(tail, at))
    if at + END.size + narrow.comment_length != len(tail):
        raise LayoutError("has data behind its end, or its comment hides another end")
    record: End | End64 = narrow
    end = tail_start + at
    if tail[max(0, at - LOCATOR_64.size) :].startswith(b"PK\6\7"):
        end -= LOCATOR_64.size + END_64.size
        record = _read_wide_end(file, end, narrow)
    if (record.disk, record.first_disk, record.here) != (0, 0, record.entries):
        raise LayoutError("is one part of several")
    if record.start + record.length != end:
        raise LayoutError("its directory does not lie where its end record says")
    return _Directory(record.start, end, record.entries)


def _read_wide_end(file: BinaryIO, at: int, narrow: End) -> End64:
    """The wider end record, which must say the same as the narrow one wherever that has room for it."""
    if at < 0:
        raise LayoutError("is cut off: part of its end record is missing")
    file.seek(at)
    raw = file.read(END_64.size + LOCATOR_64.size)
    wide = End64._make(END_64.unpack_from(raw))
    locator = Locator64._make(LOCATOR_64.unpack_from(raw, END_64.size))
    fits = (
        narrow.here in (wide.here, _FULL_16)
        and narrow.entries in (wide.entries, _FULL_16)
        and narrow.length in (wide.length, _FULL_32)
        and narrow.start in (wide.start, _FULL_32)
    )
    located = (locator.disk, locator.offset, locator.disks) == (0, at, 1)
    if wide.magic != b"PK\6\6" or wide.rest != END_64.size - 12 or not located or not fits:
        raise LayoutError("its two end records disagree")
    return wide


def _unreadable(info: zipfile.ZipInfo) -> str:
    """Why a member cannot be unpacked, though it is clear where it lies; empty when it can."""
    mode, folder = info.external_attr >> 16, info.orig_filename.endswith("/")
    if info.flag_bits & (_ENCRYPTED | _STRONG | _MASKED):
        return "is encrypted"
    if info.flag_bits & ~_HARMLESS:
        return f"uses features that few tools know (flags {info.flag_bits:#06x})"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {info.compress_type}, expected stored or deflate"
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if folder else stat.S_IFREG) or info.external_attr & _REPARSE_POINT:
        return "is a link or device, expected a file or folder"
    return ""


def _flaw(info: zipfile.ZipInfo) -> str:
    """What makes a member ambiguous; empty when nothing does."""
    encrypted = info.flag_bits & (_ENCRYPTED | _STRONG | _MASKED)
    if not encrypted and info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return f"is stored, yet {info.compress_size} bytes are to be {info.file_size}"
    if info.orig_filename.endswith("/") and info.file_size:
        return "is a folder with content"
    if info.volume:
        return "lies in another part of a split zip"
    if info.orig_filename.isascii() and any(kind == _UNICODE_PATH for kind, _ in _extra_fields(info.extra)):
        return "bears a second name"
    return ""


def _span(file: BinaryIO, info: zipfile.ZipInfo, following: int) -> Span:
    """Where a member's bytes lie; ``following`` is where the next header or the directory starts."""
    header = _read_header(file, info)
    here = _Content(header.crc, header.packed, header.size)
    listed = _Content(info.CRC, info.compress_size, info.file_size)
    streamed = bool(info.flag_bits & _DESCRIPTOR)  # then the header may leave to the descriptor what it did not know
    agrees = all(own == other or (streamed and own == 0) for own, other in zip(here, listed, strict=True))
    if (header.flags ^ info.flag_bits) & ~0x6 or header.method != info.compress_type or not agrees:
        raise LayoutError("its own header and the directory disagree")
    start = info.header_offset + LOCAL_HEADER.size + header.name_length + header.extra_length
    end = start + listed.packed
    if streamed and end <= following and (end != following or listed.packed):
        file.seek(end)
        end += _descriptor_length(file.read(min(following - end, 25)), listed)
    if end > following:
        raise LayoutError("overlaps what follows")
    if end < following:
        raise LayoutError(f"leaves {following - end} bytes behind it unexplained")
    deflated = header.method == zipfile.ZIP_DEFLATED
    return Span(start, listed.packed, listed.size, listed.crc, deflated, _unreadable(info))


def _read_header(file: BinaryIO, info: zipfile.ZipInfo) -> LocalHeader:
    """A member's own header, with the sizes of its ZIP64 field if it has one; it must bear the directory's name."""
    file.seek(info.header_offset)
    raw = file.read(LOCAL_HEADER.size)
    if len(raw) < LOCAL_HEADER.size or not raw.startswith(b"PK\3\4"):
        raise LayoutError("does not lie where the directory says")
    header = LocalHeader._make(LOCAL_HEADER.unpack(raw))
    name, extra = file.read(header.name_length), file.read(header.extra_length)
    if name != info.orig_filename.encode("utf-8" if info.flag_bits & _UTF_8 else "cp437"):
        raise LayoutError("bears another name in its own header")
    fields = list(_extra_fields(extra))
    if info.orig_filename.isascii() and any(kind == _UNICODE_PATH for kind, _ in fields):
        raise LayoutError("bears a second name in its own header")
    wide = next((body for kind, body in fields if kind == _ZIP_64), b"")
    if header.size == header.packed == _FULL_32 and len(wide) >= 16:
        size, packed = struct.unpack_from("<2Q", wide)  # a local header widens both or none (APPNOTE 4.5.3)
        return header._replace(size=size, packed=packed)
    return header


def _descriptor_length(raw: bytes, listed: _Content) -> int:
    """Length of the data descriptor, signed or not, with sizes of 4 or 8 bytes."""
    body = raw.removeprefix(b"PK\7\x08") if len(raw) in (16, 24) else raw
    layout = {12: "<3L", 20: "<LQQ"}.get(len(body))
    if layout is None or struct.unpack(layout, body) != listed:
        raise LayoutError("its data descriptor and the directory disagree")
    return len(raw)


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length
