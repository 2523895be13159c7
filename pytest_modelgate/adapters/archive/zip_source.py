"""A zip, read in place."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.names import Member, sound_members
from pytest_modelgate.adapters.archive.opened_file import OpenedFile
from pytest_modelgate.adapters.files.zip_layout import LayoutError, Span, read_layout
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain

_CHUNK = 1024 * 1024
_REMEDY = "Copy it again; if that does not help, zip the training run anew, or use pytest_modelgate.write_archive"


class ZipSource(OpenedFile):
    """A zip that is opened once; every byte comes through that one handle.

    Attributes:
        sizes: bytes of every file that can be read, by the archive's name for it.
        odd: names of the others that are passed over.
    """

    def __init__(self, path: Path, location: str, limits: Limits) -> None:
        if not path.is_file():  # opening a pipe would wait for somebody to write into it
            raise ArchiveError(
                location, "is neither a file nor a folder", "Name the zip, or the folder it was extracted to"
            )
        super().__init__(path, location)
        self._location = location
        try:
            members = self._members(limits)
            listed = [Member(name, span.size, span.flaw) for name, span in members]
            sound = sound_members(listed, location)
        except BaseException:
            self.file.close()
            raise
        self._spans = {name: span for name, span in members if name in sound.sizes}
        self.sizes: Mapping[str, int] = sound.sizes
        self.odd: tuple[str, ...] = sound.odd

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content, piece by piece; it is complete and whole only if the iteration ends without an error.

        Raises:
            ArchiveError: the content is damaged, or not of the size and checksum that the directory states.
        """
        span, crc, size = self._spans[name], 0, 0
        try:
            for piece in self._inflate(span) if span.deflated else self._packed(span):
                crc, size = zlib.crc32(piece, crc), size + len(piece)
                if size > span.size:
                    raise self._damaged(name, f"unpacks to more than the {span.size} bytes it announces")
                yield piece
        except (zlib.error, EOFError):
            raise self._damaged(name, "its packed data is damaged") from None
        if size != span.size or crc != span.crc:
            problem = f"has {size} bytes with checksum {crc:08x}, expected {span.size} with {span.crc:08x}"
            raise self._damaged(name, problem)

    def _members(self, limits: Limits) -> list[tuple[str, Span]]:
        """Spans of files and folders."""
        try:
            return read_layout(self.file, limits.entries, limits.directory_bytes, tolerant=True)
        except LayoutError as error:
            location = f"{self._location}, member {plain(error.member)}" if error.member else self._location
            raise ArchiveError(location, error.problem, _REMEDY) from None

    def _packed(self, span: Span) -> Iterator[bytes]:
        at, end = span.start, span.start + span.packed
        while at < end:
            piece = self.piece(at, min(_CHUNK, end - at))
            if not piece:
                raise EOFError
            at += len(piece)
            yield piece

    def _inflate(self, span: Span) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        for packed in self._packed(span):
            rest = packed
            while not inflater.eof:
                piece = inflater.decompress(rest, _CHUNK)
                rest = inflater.unconsumed_tail
                if piece:
                    yield piece
                if not rest and len(piece) < _CHUNK:
                    break
            else:
                if inflater.unused_data or rest:
                    raise EOFError
        if not inflater.eof:
            raise EOFError

    def _damaged(self, name: str, problem: str) -> ArchiveError:
        return ArchiveError(f"{self._location}, member {plain(name)}", problem, "Copy or download the archive again")
