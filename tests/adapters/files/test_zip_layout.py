"""Each way in which a zip can have two readings is refused for its own reason; what ordinary tools write is read."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.hostile_reading import MODEL, NAME, honest_zip
from support.hostile_zips import DEFLATED, LINK, Member, Zip

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.errors import ArchiveError

HONEST = honest_zip()
TEXT, WEIGHTS = HONEST.members


def both(**changes: Any) -> Zip:
    """The checkpoint with the same change in both of its headers."""
    return one(local=changes, central=changes)


def one(**changes: Any) -> Zip:
    return Zip((TEXT, replace(WEIGHTS, **changes)))


def read(folder: Path, made: Zip) -> bytes:
    """The checkpoint, as the archive gives it."""
    path = folder / NAME
    path.write_bytes(made.build())
    with open_archive(path) as archive:
        (model,) = archive.run.models
        assert model.checkpoint is not None
        return archive.checkpoint_file(model.checkpoint, folder / "scratch")[0].read_bytes()


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        pytest.param(both(flags=0x1), "is encrypted", id="encrypted"),
        pytest.param(both(flags=0x40), "is encrypted", id="strongly encrypted"),
        pytest.param(both(flags=0x2000), "is encrypted", id="encrypted directory"),
        pytest.param(both(flags=0x20), "features that few tools know", id="patched data"),
        pytest.param(both(method=99), "is packed by method 99", id="AES"),
        pytest.param(both(method=93), "is packed by method 93", id="Zstandard"),
        pytest.param(both(attributes=LINK), "is a link or device", id="link"),
        pytest.param(both(attributes=0o60666 << 16), "is a link or device", id="block device"),
        pytest.param(both(attributes=0o10644 << 16), "is a link or device", id="pipe"),
        pytest.param(both(attributes=0x400), "is a link or device", id="reparse point"),
        pytest.param(both(size=3), "stored, yet 7 bytes are to be 3", id="stored, of another size"),
        pytest.param(one(local={"crc": 1}), "its own header and the directory disagree", id="two checksums"),
        pytest.param(one(local={"method": 8}), "its own header and the directory disagree", id="two methods"),
        pytest.param(one(local={"flags": 0x8}), "its own header and the directory disagree", id="two flags"),
        pytest.param(one(local={"name": MODEL.swapcase()}), "bears another name", id="two names"),
        pytest.param(
            one(local={"extra": struct.pack("<HHBL", 0x7075, 9, 1, 0) + b"evil"}), "a second name", id="a unicode path"
        ),
        pytest.param(one(gap=b"hidden"), "leaves 6 bytes behind it unexplained", id="a gap"),
        pytest.param(replace(HONEST, before_directory=b"hidden"), "leaves 6 bytes behind", id="a gap at the end"),
        pytest.param(
            one(central={"offset": 3}), "does not lie where the directory says|overlaps", id="an offset astray"
        ),
        pytest.param(
            Zip((TEXT, WEIGHTS, replace(WEIGHTS, name=b"x", central={"offset": 0}))),
            "overlaps|another name",
            id="shared data",
        ),
        pytest.param(replace(HONEST, prefix=b"MZ" * 9), "is not a zip file", id="a program in front"),
        pytest.param(
            replace(HONEST, prefix=b"PK\3\4" * 9), "has data in front|where its end record says", id="a zip in front"
        ),
        pytest.param(replace(HONEST, tail=b"x"), "has data behind its end", id="a tail"),
        pytest.param(
            replace(HONEST, comment=Zip(()).build()),
            "comment hides another end|data behind|in front|end record",
            id="an end in the comment",
        ),
        pytest.param(replace(HONEST, end={"disk": 1}), "is one part of several", id="split"),
        pytest.param(
            replace(HONEST, end={"count": 1, "here": 1}),
            "lists 2 entries, but announces 1|directory",
            id="too few announced",
        ),
        pytest.param(
            replace(HONEST, end={"count": 65000, "here": 65000}), "lists 65000 entries", id="too many announced"
        ),
        pytest.param(
            replace(HONEST, zip_64=True, end_64={"start": 0}), "end records disagree", id="two directories by zip64"
        ),
        pytest.param(replace(HONEST, zip_64=True, end_64={"at": 0}), "end records disagree", id="a locator astray"),
        pytest.param(
            Zip((*HONEST.members, Member(b"a/", b"x"))), "is a folder with content", id="a folder with content"
        ),
    ],
)
def test_a_zip_with_two_readings_is_refused_for_its_reason(tmp_path: Path, made: Zip, sentence: str) -> None:
    with pytest.raises(ArchiveError, match=sentence):
        read(tmp_path, made)

    assert not list(tmp_path.glob("scratch/*.pt")) + list(tmp_path.glob("scratch/*.tmp"))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        pytest.param(
            one(content=bytes(9_000_000), method=DEFLATED, local={"size": 9}, central={"size": 9}),
            "unpacks to more than the 9 bytes",
            id="a bomb",
        ),
        pytest.param(one(method=DEFLATED, packed=b"\xff\xff"), "its packed data is damaged", id="no deflate"),
        pytest.param(both(crc=7), "with checksum", id="a checksum that is wrong everywhere"),
    ],
)
def test_content_that_is_not_what_both_headers_say_is_refused_when_it_is_read(
    tmp_path: Path, made: Zip, sentence: str
) -> None:
    with pytest.raises(ArchiveError, match=sentence):
        read(tmp_path, made)

    assert not list(tmp_path.glob("scratch/*.pt")) + list(tmp_path.glob("scratch/*.tmp"))


def stamped(local: bytes, central: bytes, attributes: int) -> Zip:
    """Members as a tool writes them: extra fields that differ, permissions, deflate."""
    members = (
        replace(member, method=DEFLATED, local={"extra": local}, central={"extra": central, "attributes": attributes})
        for member in HONEST.members
    )
    return Zip(tuple(members))


TIMES, TIME = struct.pack("<HHBLL", 0x5455, 9, 3, 0, 0), struct.pack("<HHBL", 0x5455, 5, 3, 0)
OWNER = struct.pack("<HHBBLBL", 0x7875, 11, 1, 4, 0, 4, 0)
NTFS = struct.pack("<HHLHHQQQ", 0x000A, 32, 0, 1, 24, 0, 0, 0)
DESCRIPTOR = b"PK\7\x08" + struct.pack("<3L", zlib.crc32(b"weights"), 7, 7)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(stamped(TIMES + OWNER, TIME + OWNER, 0o100644 << 16), id="Info-ZIP"),
        pytest.param(stamped(b"", NTFS, 0x20), id="7-Zip"),
        pytest.param(stamped(b"", b"", 0x20), id="Windows Explorer"),
        pytest.param(
            Zip(
                (
                    TEXT,
                    replace(WEIGHTS, flags=8, descriptor=DESCRIPTOR, local={"crc": 0, "packed": 0, "size": 0}),
                    Member(b"__MACOSX/models/rl_symbols/._UNIUSD_1Hour.pt", b"clutter"),
                    Member(b"models/", central={"attributes": 0o40755 << 16}),
                )
            ),
            id="macOS",
        ),
        pytest.param(
            Zip((TEXT, replace(WEIGHTS, flags=8, descriptor=DESCRIPTOR[4:], local={"crc": 0, "packed": 0, "size": 0}))),
            id="a stream without signature",
        ),
        pytest.param(replace(HONEST, zip_64=True), id="zip64"),
        pytest.param(replace(HONEST, comment=b"trained at night"), id="a comment"),
    ],
)
def test_what_ordinary_tools_write_is_read(tmp_path: Path, made: Zip) -> None:
    assert read(tmp_path, made) == b"weights"
