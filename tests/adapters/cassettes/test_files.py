"""Cassettes and their manifest on disk."""

import contextlib
import gzip
import hashlib
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.market_factory import random_walk, request_for

from pytest_modelgate.adapters.cassettes import files as cassette_files
from pytest_modelgate.adapters.cassettes.files import (
    entries_of,
    is_intact,
    path_of,
    read_cassette,
    settle,
    write_cassette,
)
from pytest_modelgate.core.market.requests import Span
from pytest_modelgate.errors import MarketDataError

FRAME = random_walk("2024-03-01", 700)
CRYPTO, STOCK = request_for("BTCUSD", FRAME), request_for("AAPL", FRAME)
FACTS = {
    "asked_first": "2024-03-01T00:00:00+00:00",
    "asked_last": "2024-03-30T03:00:00+00:00",
    "last": "2024-03-30T02:00:00+00:00",
    "feed": "us",
    "adjustment": "raw",
}
DEEP = f'{{"schema": "modelgate.cassettes/1", "cassettes": {{"a": {"[" * 900}{"]" * 900}}}}}'


def write(folder: Path, text: str = "words", **facts: Any) -> Path:
    write_cassette(folder, path_of(CRYPTO), text, {**FACTS, **facts})
    return folder / path_of(CRYPTO)


def test_the_path_names_market_symbol_timeframe_and_last_bar() -> None:
    assert path_of(CRYPTO) == "crypto/BTC-USD/1Hour/2024-03-30T0300.json.gz"


def test_the_path_of_a_stock_names_feed_and_adjustment_too() -> None:
    assert path_of(STOCK) == "us_equity/AAPL/1Hour/2024-03-30T0300.sip.all.json.gz"


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path, "wörds")

    assert read_cassette(tmp_path, path_of(CRYPTO)) == "wörds"


def test_the_same_text_gives_the_same_bytes(tmp_path: Path) -> None:
    before = write(tmp_path).read_bytes(), (tmp_path / "manifest.json").read_bytes()

    assert (write(tmp_path).read_bytes(), (tmp_path / "manifest.json").read_bytes()) == before


def test_the_entries_of_a_series_tell_what_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path)

    (entry,) = entries_of(tmp_path, CRYPTO)

    assert entry.name == path_of(CRYPTO)
    assert entry.span == Span(CRYPTO.last, CRYPTO.first)
    assert entry.last_bar == FRAME.index[-2]
    assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_another_series_is_not_mistaken_for_this_one(tmp_path: Path) -> None:
    write_cassette(tmp_path, path_of(STOCK), "words", {**FACTS, "feed": "sip", "adjustment": "all"})

    assert len(entries_of(tmp_path, STOCK)) == 1
    assert entries_of(tmp_path, replace(STOCK, feed="iex")) == []
    assert entries_of(tmp_path, replace(STOCK, adjustment="raw")) == []
    assert entries_of(tmp_path, request_for("AAP", FRAME)) == []
    assert entries_of(tmp_path, CRYPTO) == []


@pytest.mark.parametrize(
    "change",
    [
        {"asked_first": "soon"},
        {"asked_first": None},
        {"asked_last": "2024-02-01T00:00:00+00:00"},
        {"asked_first": "2024-03-01T00:00:00"},
        {"last": "2024-03-30T02:00:00+05:00"},
        {"last": 5},
        {"recorded_at": "soon"},
        {"recorded_at": "2024-03-30T04:00:00"},
        {"continues": 5},
        {"asof": "2024-03-30"},
    ],
)
def test_an_entry_that_does_not_say_what_it_holds_vouches_for_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    write(tmp_path, **change)

    assert entries_of(tmp_path, CRYPTO) == []


def test_an_entry_elsewhere_in_the_tree_is_not_one_of_the_series(tmp_path: Path) -> None:
    write_cassette(tmp_path, f"{path_of(CRYPTO).rpartition('/')[0]}/deeper/x.json.gz", "words", FACTS)

    assert entries_of(tmp_path, CRYPTO) == []


def test_altered_bytes_are_caught_by_the_manifest(tmp_path: Path) -> None:
    path = write(tmp_path)
    (entry,) = entries_of(tmp_path, CRYPTO)
    assert is_intact(tmp_path, entry)
    path.write_bytes(gzip.compress(b"other words", mtime=0))

    assert not is_intact(tmp_path, entry)
    with pytest.raises(MarketDataError, match=r"was altered.*record it again: modelgate record X.zip"):
        read_cassette(tmp_path, path_of(CRYPTO), "modelgate record X.zip")


def test_a_file_that_is_gone_is_missing(tmp_path: Path) -> None:
    write(tmp_path).unlink()
    (entry,) = entries_of(tmp_path, CRYPTO)

    assert not is_intact(tmp_path, entry)
    with pytest.raises(MarketDataError, match=r"is missing, though manifest\.json lists it"):
        read_cassette(tmp_path, path_of(CRYPTO))


@pytest.mark.parametrize("earlier", ["old", None])
@pytest.mark.parametrize(("steps", "found"), [(0, "old"), (1, "old"), (2, "new"), (3, "new")])
def test_a_writer_that_is_killed_leaves_the_old_cassette_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, found: str, earlier: str | None
) -> None:
    """A step puts something in place: the new bytes beside, the manifest, the new bytes where they belong."""
    cassette_files.work_folder(tmp_path)
    if earlier:
        write(tmp_path, earlier)
    real, done = Path.replace, list[Path]()

    def dying(path: Path, target: Path) -> Path:
        if len(done) == steps:
            raise KeyboardInterrupt  # nothing else of a process that is killed goes on, either
        done.append(target)
        return real(path, target)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(Path, "replace", dying)
        write(tmp_path, "new")

    for _ in range(2):
        entries = entries_of(tmp_path, CRYPTO)
        assert len(entries) == (0 if earlier is None and found == "old" else 1)
        for entry in entries:
            assert is_intact(tmp_path, entry)
            assert read_cassette(tmp_path, entry.name) == found
        (tmp_path / path_of(CRYPTO)).with_name(".half.tmp").touch()  # as a killed process leaves them
        settle(tmp_path, CRYPTO)
    assert {path.name for path in tmp_path.glob("crypto/**/*.*")} == {entry.name.split("/")[-1] for entry in entries}


def test_what_lies_beside_a_cassette_counts_as_far_as_the_manifest_vouches_for_it(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_name(f".{path.name}.new").write_bytes(gzip.compress(b"other words", mtime=0))
    assert read_cassette(tmp_path, path_of(CRYPTO)) == "words"
    path.unlink()

    with pytest.raises(MarketDataError, match="was altered"):
        read_cassette(tmp_path, path_of(CRYPTO))


def vouch_for(folder: Path, content: bytes) -> None:
    """Put other bytes in a cassette's place, and their digest into the manifest."""
    write(folder).write_bytes(content)
    manifest = folder / "manifest.json"
    document = json.loads(manifest.read_text())
    document["cassettes"][path_of(CRYPTO)]["sha256"] = hashlib.sha256(content).hexdigest()
    manifest.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "content", [b"plain", gzip.compress(b"\xff\xfe", mtime=0), gzip.compress(b"words", mtime=0)[:-4]]
)
def test_bytes_that_are_not_gzipped_text_are_one_clear_error(tmp_path: Path, content: bytes) -> None:
    vouch_for(tmp_path, content)

    with pytest.raises(MarketDataError, match="is not gzipped text"):
        read_cassette(tmp_path, path_of(CRYPTO))


def test_a_small_file_that_unpacks_to_3_gb_is_refused_before_that(tmp_path: Path) -> None:
    vouch_for(tmp_path, gzip.compress(bytes(1 << 20), mtime=0) * 3_000)

    tracemalloc.start()
    try:
        with pytest.raises(
            MarketDataError, match=r"2024-03-30T0300\.json\.gz: unpacks to more than 256 MiB\. Restore it"
        ):
            read_cassette(tmp_path, path_of(CRYPTO))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 600 << 20


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"would unpack to more than 256 MiB\. Ask for fewer days"):
        write(tmp_path, " " * ((256 << 20) + 1))

    assert not list(tmp_path.iterdir())


def test_a_year_of_bars_by_the_minute_is_read(tmp_path: Path) -> None:
    bar = r"{\"c\":107016.123456789,\"h\":107016.123456789,\"l\":107016.123456789,\"n\":1000,\"o\":107016.123456789,"
    text = (bar + r"\"t\":\"2024-12-27T20:00:00Z\",\"v\":12.123456789,\"vw\":107016.1234567891},") * (366 * 24 * 60)
    write(tmp_path, text)

    assert len(read_cassette(tmp_path, path_of(CRYPTO))) == len(text)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"schema": "other/1", "cassettes": {}}', '{"schema": "modelgate.cassettes/1"}', "[" * 100_000, DEEP],
)
def test_a_broken_manifest_is_refused_and_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(MarketDataError, match="is not a manifest"):
        entries_of(tmp_path, CRYPTO)
    with pytest.raises(MarketDataError, match="is not a manifest"):
        write(tmp_path)

    assert (tmp_path / "manifest.json").read_text() == text
    assert not (tmp_path / path_of(CRYPTO)).exists()


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "crypto").write_text("in the way")

    with pytest.raises(MarketDataError, match=r"cannot be written.*nothing recorded before is lost"):
        write(tmp_path)

    assert not (tmp_path / "manifest.json").exists()


def test_many_writers_lose_no_entry(tmp_path: Path) -> None:
    names = [f"crypto/{number}-USD/1Hour/x.json.gz" for number in range(40)]

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda name: write_cassette(tmp_path, name, name, FACTS), names))

    assert set(cassette_files.manifest(tmp_path)) == set(names)
    assert all(read_cassette(tmp_path, name) == name for name in names)


def test_locks_stay_out_of_version_control(tmp_path: Path) -> None:
    write(tmp_path)

    assert (cassette_files.work_folder(tmp_path) / ".gitignore").read_text() == "*\n"
    assert {path.name for path in tmp_path.iterdir()} == {".recording", "crypto", "manifest.json"}
