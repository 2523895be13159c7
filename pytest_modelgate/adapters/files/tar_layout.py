"""Layout of a tar: where its members lie, if there is only one way to read it.

Tar readers differ in what they do with extended headers, with what follows the end, and with links that bring data
along. ``tarfile`` reads single headers; this file demands that members follow each other without anything unexplained,
and that a longer name is not another one. (POSIX.1-2008, pax, "ustar Interchange Format", defines the fields.)
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pytest_modelgate.adapters.files.zip_layout import LayoutError

BLOCK = tarfile.BLOCKSIZE
_MOST_EXTENDED = 64 * 1024  # bytes of an extended header: names, times, owners
_CHUNK = 1024 * 1024
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_NEITHER = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
_RECORD = re.compile(rb"([0-9]{1,6}) ([^=]+)=", re.DOTALL)

Read = Callable[[int], bytes]


@dataclass(frozen=True)
class TarMember:
    """One member.

    Attributes:
        name: without a leading ``./``; a folder's ends with a slash.
        start: of its content, in bytes from the start of the tar.
        size: of its content, bytes.
        flaw: why it cannot be read, as the end of a sentence; empty when it can.
    """

    name: str
    start: int
    size: int
    flaw: str = ""


def read_tar(read: Read, most_members: int) -> Iterator[TarMember]:
    """Members in the order in which they lie in the tar, the whole of which is read.

    Args:
        read: gives the next so many bytes of the tar, fewer only at its end.
        most_members: that it may hold.

    Raises:
        LayoutError: not a tar, damaged, ambiguous, or with too many members.
    """
    at, count, extended = 0, 0, _Extended()
    while (block := read(BLOCK)) and block.strip(b"\0"):
        at += BLOCK
        count += 1
        if count > 3 * most_members:  # each may have two headers in front of its own
            raise LayoutError(f"holds more than {most_members} members")
        info = _header(block)
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            at += extended.take(info, read)
            continue
        member = extended.applied(info, at)
        yield member
        if member.name.rstrip("/") != _clean(info.name).rstrip("/"):
            yield from _short_name(info, member)
        _skip(read, member.size)
        at += _padded(member.size)
        extended = _Extended()
    if extended.read_any:
        raise LayoutError("has an extended header with no member behind it")
    if not block:
        raise LayoutError("is cut off: a tar's end is missing")
    while block:
        if block.strip(b"\0"):
            raise LayoutError("has data behind its end")
        block = read(_CHUNK)


class _Extended:
    """What extended headers say of the member that follows them."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.size: int | None = None
        self.read_any = False

    def take(self, info: tarfile.TarInfo, read: Read) -> int:
        """Read one; how many bytes it took."""
        self.read_any = True
        if not 0 <= info.size <= _MOST_EXTENDED:
            raise LayoutError(f"has an extended header of {info.size} bytes, expected at most {_MOST_EXTENDED}")
        padded = _padded(info.size)
        content = read(padded)
        if len(content) != padded:
            raise LayoutError("is cut off in an extended header")
        content = content[: info.size]
        if info.type == tarfile.GNUTYPE_LONGNAME:
            self._set_name(content.rstrip(b"\0"))
        elif info.type == tarfile.XHDTYPE:
            self._take_records(content)
        elif info.type == tarfile.XGLTYPE and any(key in (b"path", b"size") for key, _ in _records(content)):
            raise LayoutError("gives all its members one name or size")
        return padded

    def _take_records(self, content: bytes) -> None:
        for key, value in _records(content):
            if key == b"path":
                self._set_name(value)
            elif key == b"size":
                if self.size is not None or not re.fullmatch(rb"[0-9]{1,15}", value):
                    raise LayoutError("has an extended header with a size that is none, or two")
                self.size = int(value)
            elif key.startswith(b"GNU.sparse"):
                raise LayoutError("has a sparse member, which few tools read alike")

    def _set_name(self, raw: bytes) -> None:
        if self.name is not None:
            raise LayoutError("has a member with two long names")
        self.name = raw.decode("utf-8", "surrogateescape")

    def applied(self, info: tarfile.TarInfo, at: int) -> TarMember:
        """The member, whose own header has just been read."""
        size = info.size if self.size is None else self.size
        name = _clean(info.name if self.name is None else self.name)
        if size < 0:
            raise LayoutError("has a negative size", name)
        if info.type == tarfile.DIRTYPE or (info.type == tarfile.AREGTYPE and name.endswith("/")):
            if size:
                raise LayoutError("is a folder with content", name)
            return TarMember(name.rstrip("/") + "/", at, 0)
        if info.type in _NEITHER:
            if size:
                raise LayoutError("is a link or device with content", name)
            return TarMember(name, at, 0, "is a link or device, expected a file or folder")
        if info.type not in _FILES:
            raise LayoutError(f"is of the kind {info.type!r}, expected a file or folder", name)
        return TarMember(name, at, size)


def _header(block: bytes) -> tarfile.TarInfo:
    if len(block) < BLOCK:
        raise LayoutError("is cut off in a header")
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError, OverflowError):
        raise LayoutError("is no tar, or is damaged: a header is none") from None


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        match = _RECORD.match(content, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(content) or end <= match.end() or content[end - 1 : end] != b"\n":
            raise LayoutError("has an extended header that is damaged")
        yield match[2], content[match.end() : end - 1]
        at = end


def _short_name(info: tarfile.TarInfo, member: TarMember) -> Iterator[TarMember]:
    """The name for programs that know no longer one, if it is not just the beginning of that."""
    short, long = _clean(info.name), member.name
    spelled = long.encode("ascii", "replace").decode()
    if not (long.startswith(short) or spelled.startswith(short)):
        yield TarMember(short, member.start, 0, "is the short name of another member")


def _clean(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name if name not in ("", ".") else "./"


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _skip(read: Read, size: int) -> None:
    left = _padded(size)
    while left:
        piece = read(min(left, _CHUNK))
        if not piece:
            raise LayoutError("is cut off in a member")
        left -= len(piece)
