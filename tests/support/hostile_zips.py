"""Zips written record by record, so that any record may lie; and hypothesis strategies for such lies."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

STORED, DEFLATED = 0, 8
LINK = 0o120777 << 16
FULL_32 = 0xFFFFFFFF


@dataclass(frozen=True)
class Member:
    """One member; what ``local`` and ``central`` name takes the place of the truth in that header alone.

    Attributes:
        local, central: name, flags, method, crc, packed, size, extra, attributes, offset.
        descriptor: b"" for none, else what follows the content.
        gap: bytes in front of the local header.
    """

    name: bytes
    content: bytes = b""
    method: int = STORED
    flags: int = 0
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    packed: bytes | None = None
    descriptor: bytes = b""
    gap: bytes = b""


@dataclass(frozen=True)
class Zip:
    """A zip; ``end`` and ``end_64`` take the place of the truth in the end records, the second only if it is there."""

    members: tuple[Member, ...]
    prefix: bytes = b""
    tail: bytes = b""
    comment: bytes = b""
    zip_64: bool = False
    end: dict[str, int] = field(default_factory=dict)
    end_64: dict[str, int] = field(default_factory=dict)
    before_directory: bytes = b""

    def build(self) -> bytes:
        """Its bytes."""
        out, directory = bytearray(self.prefix), bytearray()
        for member in self.members:
            out += member.gap
            facts = _facts(member, len(out))
            out += _local(facts | member.local) + facts["data"] + member.descriptor
            directory += _central(facts | member.central)
        out += self.before_directory
        start, count = len(out), len(self.members)
        out += directory
        fields = {"disk": 0, "first": 0, "here": count, "count": count, "length": len(directory), "start": start}
        if self.zip_64:
            wide = {**fields, "at": len(out), "disks": 1, **self.end_64}
            out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, *_cut(_numbers(wide), "2L4Q"))
            out += struct.pack("<4sLQL", b"PK\6\7", 0, wide["at"] & (2**64 - 1), wide["disks"] & FULL_32)
        narrow = _numbers({**fields, **self.end})
        out += struct.pack("<4s4H2LH", b"PK\5\6", *_cut(narrow, "4H2L"), len(self.comment)) + self.comment
        return bytes(out + self.tail)


def deflated(content: bytes) -> bytes:
    """Raw deflate data."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _facts(member: Member, offset: int) -> dict[str, Any]:
    data = member.packed
    if data is None:
        data = deflated(member.content) if member.method == DEFLATED else member.content
    return {
        "name": member.name,
        "flags": member.flags,
        "method": member.method,
        "crc": zlib.crc32(member.content),
        "packed": len(data),
        "size": len(member.content),
        "extra": b"",
        "attributes": 0,
        "offset": offset,
        "data": data,
    }


def _local(fields: dict[str, Any]) -> bytes:
    numbers = _cut([fields[name] for name in ("crc", "packed", "size")], "3L")
    lengths = _cut([len(fields["name"]), len(fields["extra"])], "2H")
    head = struct.pack("<4s5H", b"PK\3\4", 20, *_cut([fields["flags"], fields["method"]], "2H"), 0, 33)
    return head + struct.pack("<3L2H", *numbers, *lengths) + bytes(fields["name"]) + bytes(fields["extra"])


def _central(fields: dict[str, Any]) -> bytes:
    flags, method = _cut([fields["flags"], fields["method"]], "2H")
    numbers = _cut([fields[name] for name in ("crc", "packed", "size")], "3L")
    lengths = _cut([len(fields["name"]), len(fields["extra"])], "2H")
    tail = _cut([fields["attributes"], fields["offset"]], "2L")
    packed = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, flags, method, 0, 33, *numbers, *lengths, 0, 0, 0, *tail
    )
    return packed + bytes(fields["name"]) + bytes(fields["extra"])


def _numbers(fields: dict[str, int]) -> list[int]:
    return [fields[name] & (2**64 - 1) for name in ("disk", "first", "here", "count", "length", "start")]


def _cut(values: list[int], layout: str) -> list[int]:
    """Numbers as a field of that width can hold them."""
    widths = [letter for number, letter in zip(layout[::2], layout[1::2], strict=True) for _ in range(int(number))]
    most = {"H": 0xFFFF, "L": FULL_32, "Q": 2**64 - 1}
    return [value & most[width] for value, width in zip(values, widths, strict=True)]


ODD_NAMES = (
    b"../evil.pt", b"/etc/evil.pt", b"C:/evil.pt", b"a\\b.pt", b"a//b.pt", b"./a", b"con.txt", b"nul",
    b"x\x1b[31m.txt", b"a\x00.pt", b"\xff\xfe", b"models/rl_symbols/uniusd_1hour.PT",
    b"models/rl_symbols/\xef\xbc\xb5NIUSD_1Hour.pt", b"", b"/", b"..", b"a" * 5000, b"d/" * 40 + b"f",
    b"training_summary_20241227_211819.json/x", b"conftest.py", b"x\n::error::y", "e\u0301".encode(),
    "\u00e9".encode(), "\u202egpj.pt".encode(), b"models/rl_symbols/UNIUSD_1Hour.pt ", b"aux .pt",
)  # fmt: skip
_small = st.integers(-70_000, 70_000) | st.sampled_from([0, 1, 2**16 - 1, 2**31, FULL_32, 2**63, 2**64 - 1])
_bytes = st.binary(max_size=60) | st.sampled_from([b"PK\3\4", b"PK\5\6", b"PK\1\2" + b"\0" * 42, b"MZ" + b"\0" * 64])
_extras = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda a, b: struct.pack("<HHQQ", 1, 16, a & (2**64 - 1), b & (2**64 - 1)), _small, _small),
    st.just(struct.pack("<HHBL", 0x7075, 9, 1, 0) + b"evil"),
    st.just(struct.pack("<HH", 0x9901, 7) + b"\2\0AE\3\0\0"),
)


def _header(draw: st.DrawFn) -> dict[str, Any]:
    fields = {
        "name": st.sampled_from(ODD_NAMES) | st.binary(max_size=30),
        "flags": st.sampled_from([0x1, 0x8, 0x20, 0x40, 0x800, 0x2000, 0xFFFF]),
        "method": st.sampled_from([0, 8, 9, 12, 14, 93, 99]),
        "crc": _small,
        "packed": _small,
        "size": _small,
        "extra": _extras,
        "attributes": st.sampled_from([LINK, 0o20666 << 16, 0o10644 << 16, 0o40755 << 16, 0x400, 0x10]),
        "offset": _small,
    }
    name = draw(st.sampled_from(sorted(fields)))
    return {name: draw(fields[name])}


def _lie_in_header(draw: st.DrawFn, made: Zip) -> Zip:
    where, lie = draw(st.sampled_from(["local", "central", "both"])), _header(draw)
    changes = {side: lie for side in ("local", "central") if where in (side, "both")}
    return _change(draw, made, **changes)


def _change(draw: st.DrawFn, made: Zip, **changes: Any) -> Zip:
    at = draw(st.integers(0, len(made.members) - 1))
    members = list(made.members)
    members[at] = replace(members[at], **changes)
    return replace(made, members=tuple(members))


def _descriptor(draw: st.DrawFn, made: Zip) -> Zip:
    at = draw(st.integers(0, len(made.members) - 1))
    member = made.members[at]
    crc, size = zlib.crc32(member.content), len(member.content)
    packed = len(deflated(member.content)) if member.method == DEFLATED else size
    body = struct.pack(draw(st.sampled_from(["<3L", "<LQQ"])), crc, packed, size)
    descriptor = draw(st.sampled_from([b"PK\7\x08" + body, body, body[:-1] + b"\1", b""]))
    blank = {"crc": 0, "packed": 0, "size": 0} if draw(st.booleans()) else {}
    members = list(made.members)
    members[at] = replace(member, flags=member.flags | 8, descriptor=descriptor, local=blank)
    return replace(made, members=tuple(members))


def _duplicate(draw: st.DrawFn, made: Zip) -> Zip:
    member = draw(st.sampled_from(made.members))
    name = draw(st.sampled_from([member.name, member.name.upper(), member.name.lower(), b"./" + member.name]))
    content = draw(st.sampled_from([member.content, b"other"]))
    return replace(made, members=(*made.members, replace(member, name=name, content=content)))


def _extra_member(draw: st.DrawFn, made: Zip) -> Zip:
    name = draw(st.sampled_from(ODD_NAMES) | st.binary(max_size=20))
    return replace(made, members=(*made.members, Member(name, draw(st.binary(max_size=20)))))


def _bomb(draw: st.DrawFn, made: Zip) -> Zip:
    content = bytes(draw(st.sampled_from([100_000, 3_000_000])))
    claimed = draw(st.sampled_from([len(content), 0, 10, 2**32 - 2]))
    lie = {"size": claimed}
    return _change(draw, made, content=content, method=DEFLATED, local=lie, central=lie)


def _overlap(draw: st.DrawFn, made: Zip) -> Zip:
    at = draw(st.integers(0, len(made.members) - 1))
    return _change(draw, made, central={"offset": sum(len(m.content) for m in made.members[:at])})


def _damaged_data(draw: st.DrawFn, made: Zip) -> Zip:
    return _change(draw, made, method=draw(st.sampled_from([STORED, DEFLATED])), packed=draw(_bytes))


def _ends(draw: st.DrawFn, made: Zip) -> Zip:
    side = draw(st.sampled_from(["end", "end_64"]))
    names = ["disk", "first", "here", "count", "length", "start", *(["at", "disks"] if side == "end_64" else [])]
    lies = draw(st.dictionaries(st.sampled_from(names), _small, min_size=1, max_size=3))
    changes: dict[str, Any] = {side: lies, "zip_64": made.zip_64 or side == "end_64"}
    return replace(made, **changes)


def _around(draw: st.DrawFn, made: Zip) -> Zip:
    side = draw(st.sampled_from(["prefix", "tail", "comment", "before_directory"]))
    changes: dict[str, Any] = {side: draw(_bytes)}
    return replace(made, **changes)


LIES: tuple[Callable[[st.DrawFn, Zip], Zip], ...] = (
    _lie_in_header, _descriptor, _duplicate, _extra_member, _bomb, _overlap, _damaged_data, _ends, _around,
)  # fmt: skip


@st.composite
def zips(draw: st.DrawFn, honest: Zip) -> bytes:
    """Bytes of an honest zip after a few lies, and then perhaps a few blows."""
    made = honest
    for lie in draw(st.lists(st.sampled_from(LIES), max_size=3)):
        made = lie(draw, made)
    return draw(blows(made.build()))


@st.composite
def blows(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes after a few of them were changed, taken out, put in or doubled; often none."""
    out = bytearray(content)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 4]))):
        at = draw(st.integers(0, len(out)))
        blow = draw(st.sampled_from(["set", "cut", "insert", "double"]))
        length = draw(st.integers(1, 40))
        if blow == "set":
            out[at : at + length] = draw(st.binary(min_size=length, max_size=length))
        elif blow == "cut":
            del out[at : at + length]
        elif blow == "insert":
            out[at:at] = draw(_bytes)
        else:
            out[at:at] = out[at : at + length]
    return bytes(out)
