"""A tar, plain or packed by gzip, read in place: from its start, and only ever forwards."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.names import Member, sound_members
from pytest_modelgate.adapters.archive.opened_file import OpenedFile
from pytest_modelgate.adapters.files.tar_layout import TarMember, read_tar
from pytest_modelgate.adapters.files.zip_layout import LayoutError
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain

_CHUNK = 1024 * 1024
_GZIP, _USTAR, _USTAR_AT = b"\x1f\x8b", b"ustar", 257
_REMEDY = "Copy it again; if that does not help, pack the training run anew, or use pytest_modelgate.write_archive"


def is_tar(path: Path) -> bool:
    """Whether a file is a tar, or packed by gzip, by its first bytes or its ending."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_USTAR_AT + len(_USTAR))
    except OSError:
        return False
    named = path.name.lower().endswith((".tar", ".tgz", ".tar.gz")) and not head.startswith(b"PK")
    return named or head.startswith(_GZIP) or head[_USTAR_AT:] == _USTAR


class TarSource(OpenedFile):
    """A tar that is opened once; every byte comes through that one handle.

    Attributes:
        sizes: bytes of every file that can be read, by the archive's name for it.
        odd: names of the others that are passed over.
    """

    def __init__(self, path: Path, location: str, limits: Limits) -> None:
        super().__init__(path, location)
        self._location = location
        self._most = min(limits.total_bytes, limits.model_bytes + limits.ratio * self.packed)
        self._idle: deque[_Stream] = deque(maxlen=1)
        try:
            members = self._members(limits)
            sound = sound_members([Member(item.name, item.size, item.flaw) for item in members], location)
        except BaseException:
            self.file.close()
            raise
        self._starts = {item.name: item.start for item in members if item.name in sound.sizes}
        self.sizes: Mapping[str, int] = sound.sizes
        self.odd: tuple[str, ...] = sound.odd

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content, piece by piece; it is whole only if the iteration ends without an error.

        Raises:
            ArchiveError: the content is damaged.
        """
        try:
            stream = self._idle.pop()  # whoever reads has it alone, and puts it back at the end
        except IndexError:
            stream = _Stream(self.piece, self._most)
        start, left = self._starts[name], self.sizes[name]
        try:
            if stream.position > start:
                stream = _Stream(self.piece, self._most)
            while stream.position < start:
                if not stream.read(min(_CHUNK, start - stream.position)):
                    raise LayoutError("is cut off")
            while left:
                piece = stream.read(min(_CHUNK, left))
                if not piece:
                    raise LayoutError("is cut off")
                left -= len(piece)
                yield piece
        except LayoutError as error:
            location = f"{self._location}, member {plain(name)}"
            raise ArchiveError(location, error.problem, "Copy or download the archive again") from None
        self._idle.append(stream)

    def _members(self, limits: Limits) -> list[TarMember]:
        """All that it lists; what was packed by gzip is read to its end, and its checksum verified."""
        stream, members = _Stream(self.piece, self._most), []
        try:
            for member in read_tar(stream.read, limits.entries):
                members.append(member)
                if len(members) > limits.entries:
                    raise LayoutError(f"holds more than {limits.entries} members")
        except LayoutError as error:
            location = f"{self._location}, member {plain(error.member)}" if error.member else self._location
            raise ArchiveError(location, error.problem, _REMEDY) from None
        return members


class _Stream:
    """Bytes of a tar from its first on, unpacked.

    Attributes:
        position: bytes given so far.
    """

    def __init__(self, piece: Callable[[int, int], bytes], most: int) -> None:
        self._piece, self._most, self._at = piece, most, 0
        self.position = 0
        self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS) if piece(0, 2) == _GZIP else None
        self._rest = b""

    def read(self, size: int) -> bytes:
        """The next so many bytes, fewer only at the end.

        Raises:
            LayoutError: what packs them is damaged, or they are more than is allowed.
        """
        pieces, left = [], size
        while left and (piece := self._next(left)):
            pieces.append(piece)
            left -= len(piece)
        content = b"".join(pieces)
        self.position += len(content)
        if self.position > self._most:
            raise LayoutError(f"unpacks to more than {self._most} bytes")
        return content

    def _next(self, size: int) -> bytes:
        """Some bytes, at most so many; none at the end."""
        if self._inflater is None:
            return self._packed(size)
        while not self._inflater.eof:
            packed = self._rest or self._packed(_CHUNK)
            if not packed:
                raise LayoutError("is cut off: its packed data does not end")
            try:
                piece = self._inflater.decompress(packed, size)
            except zlib.error:
                raise LayoutError("its packed data is damaged") from None
            self._rest = self._inflater.unconsumed_tail
            if piece:
                return piece
        if self._inflater.unused_data or self._packed(1):
            raise LayoutError("has data behind the end of what is packed")
        return b""

    def _packed(self, size: int) -> bytes:
        piece = self._piece(self._at, size)
        self._at += len(piece)
        return piece
