"""What a worker on another machine may ask for: no more than one beside the files could do, and nothing by a path."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cheap_runs import WAV, cheap_archive

from pytest_modelgate.adapters.archive import Archive, open_archive, open_listing
from pytest_modelgate.adapters.cassettes.files import write_cassette
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.evidence.record import packed
from pytest_modelgate.adapters.evidence.remote_store import RemoteStore
from pytest_modelgate.adapters.evidence.store import EvidenceConflictError, EvidenceStore
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import IntegrityEvidence, WindowFailure
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.planning.plan import Plan, make_plan
from pytest_modelgate.errors import ArchiveError, MarketDataError
from pytest_modelgate.services.errands import Errands, UnfitErrandError

FOLD = (WAV, "fold1of5")
KEY = "ab" * 32
GAINED = IntegrityEvidence(*FOLD, (), ())
FAILED = WindowFailure(*FOLD, "here", "it failed", "Try again")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(cheap_archive(tmp_path)) as opened:
        yield opened


@pytest.fixture
def plan(archive: Archive) -> Plan:
    return make_plan(archive.run, Settings(archive=Path("x.zip")), load_profile("2.4.5"), {})


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence", "run")


@pytest.fixture
def worker(tmp_path: Path, archive: Archive, plan: Plan, store: EvidenceStore) -> Callable[..., Errands]:
    """A worker's errands; there may be several workers."""

    def errands(gone: Callable[[], bool] = lambda: False) -> Errands:
        files = [tmp_path / "profile.toml"]
        return Errands(plan, store, archive, tmp_path / "cassettes", files=files, gone=gone)

    return errands


def remote(errands: Errands) -> RemoteStore:
    return RemoteStore(lambda name, *arguments: errands.do(name, arguments))


def content(errands: Errands, name: str, *arguments: object) -> bytes:
    errands.do(name, arguments)
    pieces = []
    while isinstance(piece := errands.do("piece", ()), bytes):
        pieces.append(piece)
    assert piece == hashlib.sha256(b"".join(pieces)).hexdigest()
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("unlink", ()),
        ("_work", FOLD),
        (7, ()),
        ("read", ("../../etc", "passwd", b"")),
        ("read", (WAV, "../fold1of5", b"")),
        ("read", (*FOLD, "text")),
        ("read", FOLD),
        ("read", [*FOLD, b""]),
        ("write", ("OTHER_1Hour", "fold1of5", b"{}")),
        ("write", (*FOLD, b"x" * ((64 << 20) + 1))),
        ("claim", (WAV, "fold9of5")),
        ("compute", ("../" + KEY,)),
        ("reusable", (*FOLD, "*")),
        ("file", (1,)),
        ("file", (-1,)),
        ("file", (True,)),
        ("fail", (*FOLD, packed(GAINED, KEY))),
    ],
)
def test_what_no_worker_asks_for_is_refused(
    worker: Callable[..., Errands], tmp_path: Path, name: Any, arguments: Any
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnfitErrandError):
        worker().do(name, arguments)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../evidence/run/x.json", "/etc/passwd", "nothing.json.gz"])
def test_only_what_the_manifest_lists_is_a_cassette(worker: Callable[..., Errands], name: str) -> None:
    with pytest.raises(MarketDataError):
        worker().do("cassette", (name,))


def test_contents_arrive_whole(worker: Callable[..., Errands], tmp_path: Path, archive: Archive) -> None:
    (tmp_path / "profile.toml").write_bytes(b"name = 'own'\n" * 100_000)
    write_cassette(tmp_path / "cassettes", "crypto/x.json.gz", "bars", {})
    model = archive.run.models[0]
    assert model.checkpoint

    assert content(worker(), "file", 0) == (tmp_path / "profile.toml").read_bytes()
    assert content(worker(), "cassette", "crypto/x.json.gz") == (tmp_path / "cassettes/crypto/x.json.gz").read_bytes()
    sent = content(worker(), "member", model.checkpoint.member)
    assert hashlib.sha256(sent).hexdigest() == archive.checkpoint_sha256(model.checkpoint)
    with pytest.raises(ArchiveError):
        content(worker(), "member", "../x")


def test_an_archive_elsewhere_is_the_same_and_asks_for_little(
    worker: Callable[..., Errands], tmp_path: Path, archive: Archive
) -> None:
    errands, asked = worker(), []

    def fetch(name: str) -> Any:
        asked.append(name)
        return iter([content(errands, "member", name)])

    there = open_listing(archive.listing(), fetch)

    assert (there.run, there.sha256(), there.is_identical(archive.identity())) == (archive.run, archive.sha256(), True)
    assert not any(name.endswith(".pt") for name in asked)
    checkpoint = there.run.models[0].checkpoint
    assert checkpoint
    copy, sha256 = there.checkpoint_file(checkpoint, tmp_path / "there")
    assert copy.read_bytes() == content(errands, "member", checkpoint.member)
    assert sha256 == archive.checkpoint_sha256(checkpoint)
    short = replace(archive.listing(), sizes={name: size + 1 for name, size in archive.listing().sizes.items()})
    with pytest.raises(ArchiveError, match="another size than"):
        open_listing(short, fetch)


def test_evidence_is_where_a_worker_beside_it_would_have_put_it(
    worker: Callable[..., Errands], store: EvidenceStore
) -> None:
    one, other = remote(worker()), remote(worker())
    assert one.read(*FOLD) is None

    one.write(GAINED, KEY)

    assert store.read(*FOLD) == other.read(*FOLD) == GAINED
    assert other.read(*FOLD) is other.read(*FOLD), "it was sent twice"
    assert other.digest(*FOLD) == store.digest(*FOLD)
    other.fail(FAILED, KEY)
    assert store.read(*FOLD) == one.read(*FOLD) == FAILED
    one.forget(*FOLD)
    assert store.read(*FOLD) is None


def test_every_test_of_the_suite_may_claim_its_window(worker: Callable[..., Errands], plan: Plan) -> None:
    """Those of dropped models as well, which are skipped."""
    dropped = next(item for item in plan.models if item.dropped)
    for name in ("backtest", "fold5of5", "integrity"):
        with remote(worker()).claim(dropped.model.id, name):
            pass


def test_a_record_altered_on_its_way_is_no_evidence(worker: Callable[..., Errands]) -> None:
    errands = worker()
    errands.do("write", (*FOLD, packed(GAINED, KEY).replace(b"fold1of5", b"fold2of5")))
    assert isinstance(remote(errands).read(*FOLD), WindowFailure)


def test_what_other_runs_found_is_used_there(worker: Callable[..., Errands], store: EvidenceStore) -> None:
    there = remote(worker())
    before = there.has_others
    EvidenceStore(store.root, "earlier").write(GAINED, KEY)
    assert (before, there.has_others) == (False, True)
    assert there.has_other(*FOLD)
    assert there.reusable(*FOLD, KEY) == GAINED
    assert there.reusable(*FOLD, "cd" * 32) is None
    EvidenceStore(store.root, "another").write(replace(GAINED, checks=(Check("weights", "fail", "They differ."),)), KEY)
    with pytest.raises(EvidenceConflictError):
        there.reusable(*FOLD, KEY)


def test_a_claim_keeps_others_out_until_it_is_given_back(worker: Callable[..., Errands], store: EvidenceStore) -> None:
    one, waiting = remote(worker()), threading.Event()

    def second() -> None:
        with remote(worker()).claim(*FOLD):
            waiting.set()

    with one.claim(*FOLD), one.claim(*FOLD):
        thread = threading.Thread(target=second, daemon=True)
        thread.start()
        assert not waiting.wait(0.5)
    assert waiting.wait(10)
    thread.join()
    assert not list(store.folder.glob("*.attempt"))


def test_who_leaves_within_a_claim_has_crashed_and_who_leaves_waiting_has_not(
    worker: Callable[..., Errands], store: EvidenceStore
) -> None:
    first, gone = worker(), threading.Event()
    first.do("claim", FOLD)
    first.do("compute", (KEY,))
    second = worker(gone.is_set)
    thread = threading.Thread(target=second.do, args=("claim", FOLD), daemon=True)
    thread.start()
    gone.set()
    thread.join(10)
    assert not thread.is_alive()
    second.abandon()
    remote(first).write(GAINED, KEY)
    assert store.read(*FOLD) == GAINED, "whoever only waited has crashed nothing"

    first.abandon()

    crashed = store.read(*FOLD)
    assert isinstance(crashed, WindowFailure)
    assert "sudden end" in crashed.problem
    assert remote(worker()).read(*FOLD) == crashed
    with store.computing(KEY, patience=1):
        pass


def test_waiting_that_was_cut_short_leaves_nothing_behind(worker: Callable[..., Errands], store: EvidenceStore) -> None:
    errands = worker()

    def ask(name: str, *arguments: object) -> object:
        answer = errands.do(name, arguments)
        if name == "claim":
            raise TimeoutError  # a time limit strikes while the answer is on its way
        return answer

    with pytest.raises(TimeoutError), RemoteStore(ask).claim(*FOLD):
        pass
    with store.claim(*FOLD, patience=1):
        pass
    assert store.read(*FOLD) is None
