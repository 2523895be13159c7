"""Records of a zip as PKWARE's APPNOTE.TXT 6.3.10, section 4.3, defines them; numbers are little-endian."""

from __future__ import annotations

import struct
from typing import NamedTuple

LOCAL_HEADER = struct.Struct("<4s5H3L2H")
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")


class LocalHeader(NamedTuple):
    """``LOCAL_HEADER``: in front of a member's name, extra fields and bytes (4.3.7)."""

    magic: bytes
    version: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int
    name_length: int
    extra_length: int


class End(NamedTuple):
    """``END``: the end of the central directory, in front of the zip's comment (4.3.16).

    ``here`` counts the entries on this disk, ``start`` and ``length`` are the directory's.
    """

    magic: bytes
    disk: int
    first_disk: int
    here: int
    entries: int
    length: int
    start: int
    comment_length: int


class End64(NamedTuple):
    """``END_64``: the same with wider numbers (4.3.14); ``rest`` is its own length without the first 12 bytes."""

    magic: bytes
    rest: int
    made_by: int
    needed: int
    disk: int
    first_disk: int
    here: int
    entries: int
    length: int
    start: int


class Locator64(NamedTuple):
    """``LOCATOR_64``: between the two ends, where the wider one lies, and on how many disks (4.3.15)."""

    magic: bytes
    disk: int
    offset: int
    disks: int
