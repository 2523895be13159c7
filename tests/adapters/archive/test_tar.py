"""A tar has one reading, within bounds, and nothing in it is extracted under its own name."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.archive_factory import BTC, METRICS, SUMMARY, UNI, run_of, states, tarred

from pytest_modelgate.adapters.archive import Limits, open_archive
from pytest_modelgate.errors import ArchiveError

MEMBERS: dict[str, Any] = {SUMMARY: {"UNIUSD": METRICS, "BTCUSD": METRICS}, UNI: b"PK" + b"u" * 5000, BTC: b"PKb"}
PLAIN = "Alpaca_trading_trained_20241227_211819.tar"


def info(name: str, **facts: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for fact, value in facts.items():
        setattr(made, fact, value)
    return made


@pytest.mark.parametrize("name", [PLAIN, f"{PLAIN}.gz", PLAIN.replace(".tar", ".tgz")])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./", "sehr lange Ördner/" * 9])
def test_what_ordinary_tools_write_is_read(tmp_path: Path, name: str, form: int, prefix: str) -> None:
    if form == tarfile.USTAR_FORMAT and len(prefix) > 100:
        prefix = "longer/" * 20
    members = {f"{prefix}{member}": content for member, content in MEMBERS.items()}
    path = tarred(tmp_path, members, name, format=form)

    with open_archive(path) as archive:
        references = [model.checkpoint for model in archive.run.models]
        for reference in [*references, *references[::-1]]:  # forwards, and from the start again
            assert reference
            copy, digest = archive.checkpoint_file(reference, tmp_path / "scratch")
            assert archive.checkpoint_sha256(reference) == digest
            assert copy.read_bytes() == members[reference.member if prefix != "./" else f"./{reference.member}"]
        assert archive.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
        assert archive.run.warnings == ()


def test_links_and_devices_without_a_part_are_passed_over(tmp_path: Path) -> None:
    odd = {
        "latest": info("latest", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "null": info("null", type=tarfile.CHRTYPE),
        "pipe": info("pipe", type=tarfile.FIFOTYPE),
    }

    run = run_of(tarred(tmp_path, MEMBERS | odd))

    assert list(states(run).values()) == [BTC, UNI]
    assert "'latest', 'null', 'pipe' passed over" in run.warnings[0]


ETH = "models/rl_symbols/ETHUSD_1Hour.pt"


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (info(ETH, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link or device"),
        (info(ETH, type=tarfile.LNKTYPE, linkname=UNI), "is a link or device"),
        (info("models", type=tarfile.SYMTYPE, linkname="/etc"), "is a link or device"),
        (info("../evil.txt"), "holds the part '..'"),
        (info("/etc/evil.txt"), "is absolute"),
        (info("C:\\evil.txt"), "is absolute"),
        (info(ETH.replace("/", "\\")), "holds a backslash"),
        (info(UNI.upper()), "are the same file"),
        (info(UNI), "are the same file"),
        (info("x", pax_headers={"path": "y"}), ""),
        (info("x" * 10, type=b"Z"), "is of the kind"),
        (info("x", pax_headers={"GNU.sparse.major": "1"}), "sparse"),
        (info("x", pax_headers={"comment": "x" * 70_000}), "an extended header of 70"),
    ],
)
def test_what_could_be_taken_for_a_part_is_refused(tmp_path: Path, odd: tarfile.TarInfo, told: str) -> None:
    path = tmp_path / PLAIN
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in MEMBERS.items():
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            archive.addfile(info(name, size=len(raw)), io.BytesIO(raw))
        archive.addfile(odd)

    if not told:
        run_of(path)
        return
    with pytest.raises(ArchiveError, match=told):
        open_archive(path)


def test_a_short_name_that_is_another_one_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / PLAIN, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info(ETH, pax_headers={"path": "notes/weights.bin"}))

    with pytest.raises(ArchiveError, match=r"ETHUSD_1Hour\.pt: is the short name of another member"):
        open_archive(tmp_path / PLAIN)


def _cut(raw: bytes) -> bytes:
    return raw[: raw.index(b"u" * 5000) + 100]


def _dangling(raw: bytes) -> bytes:
    """An extended header in front of the tar's end, at which Python's tarfile gives up."""
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "nothing"}
    header = info.tobuf(tarfile.PAX_FORMAT)[: 2 * 512]
    body = raw.rstrip(b"\0")
    return body + bytes(-len(body) % 512) + header + bytes(4 * 512)


DAMAGES: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda raw: raw + b"x" * 512, "data behind its end"),
    (_cut, "is cut off"),
    (lambda raw: raw.rstrip(b"\0") + bytes(-len(raw.rstrip(b"\0")) % 512), "a tar's end is missing"),
    (lambda raw: b"x" + raw[1:], "a header is none"),
    (lambda raw: raw + raw, "data behind its end"),
    (_dangling, "an extended header with no member behind it"),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGES, ids=range(len(DAMAGES)))
@pytest.mark.parametrize("packed", [False, True])
def test_a_tar_with_two_readings_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], told: str, packed: bool
) -> None:
    raw = damage(tarred(tmp_path, MEMBERS, PLAIN).read_bytes())
    path = tmp_path / (f"{PLAIN}.gz" if packed else PLAIN)
    path.write_bytes(gzip.compress(raw) if packed else raw)

    with pytest.raises(ArchiveError, match=told):
        open_archive(path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(lambda raw: raw + b"tail", "data behind the end of what is packed", id="a tail"),
        pytest.param(lambda raw: raw + raw, "data behind the end of what is packed", id="twice"),
        pytest.param(lambda raw: raw[:-9], "its packed data does not end", id="cut off"),
        (lambda raw: raw[:-8] + bytes(4) + raw[-4:], "its packed data is damaged"),
        pytest.param(lambda raw: raw[:2], "its packed data does not end", id="its first bytes"),
    ],
)
def test_packed_data_that_is_damaged_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes], told: str) -> None:
    path = tarred(tmp_path, MEMBERS)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ArchiveError, match=told):
        open_archive(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tarred(tmp_path, MEMBERS | {"zeros": bytes(3_000_000)})

    open_archive(path).close()
    with pytest.raises(ArchiveError, match="unpacks to more than 1"):
        open_archive(path, Limits(model_bytes=1_000_000))
    with pytest.raises(ArchiveError, match="holds more than 3 members"):
        open_archive(path, Limits(entries=3))
