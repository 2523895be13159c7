"""One odd sibling spoils nobody: it is told by name, and the others are judged."""

import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.archive_factory import BTC, FOLDER, METRICS, SUMMARY, UNI, run_of, states, zipped

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.errors import ArchiveError

GOOD = {"BTCUSD_4Hour": BTC, "UNIUSD_1Hour": UNI}
BOTH: dict[str, Any] = {SUMMARY: {"UNIUSD": METRICS, "BTCUSD_4Hour": METRICS}, UNI: b"u", BTC: b"b"}


@pytest.mark.parametrize(
    "stray",
    ["UNIUSD_1Hour_best.pt", "UNIUSD_3Hour.pt", "evil.pt", "uniusd_1Hour.pt", "UNI-USD_1Hour.pt", "ETHUSD_1Hour.PT"],
)
def test_a_checkpoint_of_no_models_name_is_named_and_passed_over(tmp_path: Path, stray: str) -> None:
    if stray == "uniusd_1Hour.pt":  # beside the other it would be the same file on some systems
        stray = "ethusd_1Hour.pt"
    run = run_of(zipped(tmp_path, BOTH | {f"{FOLDER}{stray}": b"s"}))

    assert states(run) == GOOD
    (warning,) = run.warnings
    assert f"'{stray}'" in warning or f"'{FOLDER}{stray}'" in warning


@pytest.mark.parametrize(
    "name",
    [
        "notes/2024-12-27 21:18.txt", "a\\b.txt", "a//b.txt", "con.txt", "x\x1b[31m.txt", "tail. ", "aux/x.json",
        "d/" * 33 + "f",
    ],
)  # fmt: skip
def test_an_odd_name_that_plays_no_part_is_passed_over(tmp_path: Path, name: str) -> None:
    run = run_of(zipped(tmp_path, BOTH | {name: b"x"}))

    assert states(run) == GOOD
    (warning,) = run.warnings
    assert "passed over" in warning
    assert warning.isprintable()
    assert warning.isascii()


def test_members_without_a_part_may_be_links_encrypted_alike_or_packed_in_other_ways(tmp_path: Path) -> None:
    path = zipped(tmp_path, BOTH)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("latest")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "models")
        archive.writestr("log.txt", b"x" * 100, zipfile.ZIP_BZIP2)
        archive.writestr("Notes.txt", b"1")
        archive.writestr("notes.txt", b"2")
        archive.writestr("secret.txt", b"x")
        archive.infolist()[-1].flag_bits |= 0x1
    raw = path.read_bytes()  # the local header of the last member says that it is encrypted, too
    at = raw.rindex(b"PK\3\4")
    path.write_bytes(raw[: at + 6] + b"\1" + raw[at + 7 :])

    run = run_of(path)

    assert states(run) == GOOD
    (warning,) = run.warnings
    assert "'latest', 'log.txt', 'secret.txt' and 2 more" in warning


def test_a_link_in_a_folder_that_plays_no_part_is_passed_over(tmp_path: Path) -> None:
    path = zipped(tmp_path, BOTH)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "run_20241227_211819")
    (tmp_path / "run_20241227_211819" / "latest").symlink_to("/etc")

    assert states(run_of(tmp_path / "run_20241227_211819")) == GOOD


@pytest.mark.parametrize("told", [{"UNIUSD_1Hour": METRICS}, {"UNIUSD_1Hour": METRICS, "BTCUSD_4Hour": METRICS}])
def test_a_checkpoint_without_a_timeframe_is_of_the_only_one_that_is_told(tmp_path: Path, told: Any) -> None:
    members = {SUMMARY: told, f"{FOLDER}UNIUSD.pt": b"u", BTC: b"b"}

    assert states(run_of(zipped(tmp_path, members)))["UNIUSD_1Hour"] == f"{FOLDER}UNIUSD.pt"


@pytest.mark.parametrize(
    "told", [{}, {"UNIUSD": METRICS}, {"UNIUSD_1Hour": METRICS, "UNIUSD_4Hour": METRICS}], ids=["none", "bare", "two"]
)
def test_a_checkpoint_without_a_timeframe_is_incomplete_by_name_where_nothing_tells_it(
    tmp_path: Path, told: Any
) -> None:
    members = {SUMMARY: {**told, "BTCUSD": METRICS}, f"{FOLDER}UNIUSD.pt": b"u", BTC: b"b"}

    found = states(run_of(zipped(tmp_path, members)))

    assert found["BTCUSD_4Hour"] == BTC
    assert "names no timeframe" in found["UNIUSD"]


def test_a_checkpoint_without_a_timeframe_beside_one_with_is_a_stray(tmp_path: Path) -> None:
    run = run_of(zipped(tmp_path, BOTH | {f"{FOLDER}UNIUSD.pt": b"u"}))

    assert states(run) == GOOD
    assert "'UNIUSD.pt' not judged" in run.warnings[0]


def test_a_symbol_that_fits_several_checkpoints_is_the_fault_of_those_it_may_mean(tmp_path: Path) -> None:
    found = states(run_of(zipped(tmp_path, BOTH | {f"{FOLDER}UNIUSD_4Hour.pt": b"x"})))

    assert found["BTCUSD_4Hour"] == BTC
    for name in ("UNIUSD_1Hour", "UNIUSD_4Hour"):
        assert "names no timeframe, and the archive holds UNIUSD_1Hour.pt, UNIUSD_4Hour.pt" in found[name]


def test_two_entries_of_one_model_are_its_fault(tmp_path: Path) -> None:
    summary = {"UNIUSD": METRICS, "UNIUSD_1Hour": METRICS, "BTCUSD": METRICS}

    found = states(run_of(zipped(tmp_path, BOTH | {SUMMARY: summary})))

    assert found["BTCUSD_4Hour"] == BTC
    assert "both describe it" in found["UNIUSD_1Hour"]


@pytest.mark.parametrize("key", ["UNIUSD_3Hour", "ETHUSD"])
def test_an_entry_without_a_known_timeframe_is_a_model_by_name(tmp_path: Path, key: str) -> None:
    found = states(run_of(zipped(tmp_path, BOTH | {SUMMARY: {**BOTH[SUMMARY], key: METRICS}})))

    assert {name: found[name] for name in GOOD} == GOOD
    assert "timeframe" in found[key]


@pytest.mark.parametrize("key", ["total_time", "uniusd", "not/a/symbol_1Hour", ""])
def test_a_key_that_is_no_models_is_named_and_passed_over(tmp_path: Path, key: str) -> None:
    run = run_of(zipped(tmp_path, BOTH | {SUMMARY: {**BOTH[SUMMARY], key: 5}}))

    assert states(run) == GOOD
    assert f"'{key}' not judged" in run.warnings[0]


def test_where_no_model_is_left_the_strays_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"holds no model.*'evil\.pt' not judged"):
        open_archive(zipped(tmp_path, {SUMMARY: {}, f"{FOLDER}evil.pt": b"x"}))


BESIDE = UNI.replace(".pt", ".json")


def test_what_is_declared_beside_a_checkpoint_is_its_models(tmp_path: Path) -> None:
    said = b'{"schema": "modelgate.policy/1", "lookback": 7}'
    run = run_of(zipped(tmp_path, BOTH | {BESIDE: said}))

    assert [model.declared.lookback for model in run.models] == [None, 7]
    assert run.warnings == ()


def test_a_declaration_that_does_not_fit_is_its_own_models_fault(tmp_path: Path) -> None:
    run = run_of(zipped(tmp_path, BOTH | {BESIDE: b'{"schema": "modelgate.policy/1", "lookback": -7}'}))

    btc, uni = (model.fault for model in run.models)
    assert btc is None
    assert uni
    assert (uni.where.rpartition("/")[2], uni.problem) == ("UNIUSD_1Hour.json, lookback", "is -7, expected at least 1")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"loss": [1, 2]}', "it names no schema modelgate.policy/1"),
        (b" " * (1024 * 1024 + 1), "it is too large to declare anything"),
    ],
)
def test_another_json_beside_a_checkpoint_is_named_and_passed_over(tmp_path: Path, content: bytes, why: str) -> None:
    run = run_of(zipped(tmp_path, BOTH | {BESIDE: content}))

    assert states(run) == GOOD
    assert why in run.warnings[0]


@pytest.mark.parametrize("second", [1e300, 1e12, -1.0, 1_735_000_000_000])
def test_a_probe_with_bars_of_no_time_is_its_models_fault(tmp_path: Path, second: float) -> None:
    probe = {"observations": [[1.0]], "logits": [[1.0]], "bars": [[second, 1, 1, 1, 1, 1]]}
    run = run_of(zipped(tmp_path, BOTH | {SUMMARY: {"UNIUSD": METRICS | {"parity_probe": probe}, "BTCUSD": METRICS}}))

    assert states(run)["BTCUSD_4Hour"] == BTC
    assert "expected seconds since 1970 up to the year 2261" in states(run)["UNIUSD_1Hour"]


def test_a_list_beside_a_checkpoint_declares_nothing(tmp_path: Path) -> None:
    run = run_of(zipped(tmp_path, BOTH | {UNI.replace(".pt", ".json"): [1.0, 2.0]}))

    assert states(run) == GOOD
    assert "names no schema modelgate.policy/1" in run.warnings[0]


@pytest.mark.parametrize("symbol", ["OPUSD", "ABCDEFG"])
@pytest.mark.parametrize("described", [True, False])
def test_a_symbol_that_cannot_be_judged_is_the_fault_of_its_model_alone(
    tmp_path: Path, symbol: str, *, described: bool
) -> None:
    key = f"{symbol}_1Hour"
    summary = {**BOTH[SUMMARY], **({key: METRICS} if described else {})}

    found = states(run_of(zipped(tmp_path, BOTH | {SUMMARY: summary, f"{FOLDER}{key}.pt": b"x"})))

    assert {name: found[name] for name in GOOD} == GOOD
    assert f"symbol '{symbol}'" in found[key] or f"symbol {symbol}" in found[key]
