"""Evidence comes back as it was, or as a failure."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout
from support.record_factory import unwatched, watched

from pytest_modelgate.adapters.evidence.folders import KEPT, open_folder
from pytest_modelgate.adapters.evidence.store import EvidenceConflictError, EvidenceStore
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.evidence.records import (
    BarFigures,
    CheckpointEvidence,
    MarketEvidence,
    WindowEvidence,
    WindowFailure,
)
from pytest_modelgate.core.market.quality import Quality
from pytest_modelgate.core.policy.account_features import AccountFeature, Encoding
from pytest_modelgate.errors import CheckpointError, SettingsError

METRICS = Metrics(0.1 + 0.2, 0.05, math.nan, math.nan, math.inf, 1.0, 3, 0.1, 0.2, 4.0, 99_000.0, 864, 8760.0)
QUALITY = Quality(9165, 0, 0, 3, 0, 1, -0.26, "2024-08-05T00:00:00+00:00", (), (), ("one bar moved",))
EVIDENCE = WindowEvidence(
    model="UNIUSD_1Hour",
    window="fold1of5",
    start="2024-07-01T00:00:00+00:00",
    end="2024-08-06T00:00:00+00:00",
    sample="out-of-sample",
    checkpoint=CheckpointEvidence(
        "models/x.pt",
        "ab" * 32,
        "2.3.0",
        None,
        "reference-v1",
        "tanh",
        (8, 4),
        ("a", "b", "c"),
        100,
        53,
        ("HOLD", "BUY_50", "SELL_50"),
        (AccountFeature("pnl", 0.0, Encoding("tanh", 10.0), -1),),
        "proven",
        "all of it",
    ),
    market=MarketEvidence("UNIUSD", "1Hour", "us", "raw", "a", "b", 9165, "cd" * 32, QUALITY),
    metrics=METRICS,
    equity=(100_000.0, 100_000.1 / 3),
    bars=BarFigures((-2 / 3,), (0.0,), (0.1,), (0.001,), (1 / 3,), (0.0025,), (0.001,)),
    delayed=FoldResult(-0.1 / 3, 0.1, 864, 8760.0),
    refused={"position_cap": 2},
    times=(1719792000,),
    first_open=100.0 / 3,
)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence", "run")


def test_figures_come_back_to_the_last_bit(store: EvidenceStore) -> None:
    store.write(EVIDENCE)

    found = store.read("UNIUSD_1Hour", "fold1of5")

    assert isinstance(found, WindowEvidence)
    assert math.isnan(found.metrics.sharpe)
    assert found.metrics.profit_factor == math.inf
    blank: dict[str, Any] = {"sharpe": 0.0, "sharpe_annualised": 0.0}
    assert replace(found, metrics=replace(found.metrics, **blank)) == replace(
        EVIDENCE, metrics=replace(METRICS, **blank)
    )


def test_a_failure_comes_back_as_one(store: EvidenceStore) -> None:
    failure = WindowFailure.from_error("UNIUSD_1Hour", "backtest", CheckpointError("a", "b", "c"))
    store.write(failure)

    assert store.read("UNIUSD_1Hour", "backtest") == failure


def test_an_error_of_a_stranger_is_named_by_its_type_alone() -> None:
    failure = WindowFailure.from_error("M", "backtest", RuntimeError("secret \x1b[31m"))

    assert "RuntimeError" in str(failure)
    assert "secret" not in str(failure)


def test_what_was_never_written_is_none(store: EvidenceStore) -> None:
    assert store.read("UNIUSD_1Hour", "backtest") is None


DAMAGES: dict[str, Callable[[str], str]] = {
    "emptied": lambda _: "",
    "cut off": lambda text: text[: len(text) // 2],
    "a figure altered": lambda text: text.replace("864", "865"),
    "another structure": lambda _: "[]",
    "another schema": lambda text: json.dumps({**json.loads(text), "schema": "other/1"}),
    "a body that is no text": lambda text: json.dumps({**json.loads(text), "body": 5}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_altered_record_is_a_failure(store: EvidenceStore, damage: str) -> None:
    store.write(EVIDENCE)
    (path,) = store.folder.iterdir()
    path.write_text(DAMAGES[damage](path.read_text()))

    found = store.read("UNIUSD_1Hour", "fold1of5")

    assert isinstance(found, WindowFailure)
    assert "damaged or was altered" in found.problem


def test_a_record_of_another_version_is_called_so(store: EvidenceStore) -> None:
    store.write(EVIDENCE)
    (path,) = store.folder.iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": "modelgate.evidence/1"}))

    record = store.read("UNIUSD_1Hour", "fold1of5")

    assert isinstance(record, WindowFailure)
    assert record.problem == "the record was written by another version of the gate, as modelgate.evidence/1"


def test_a_record_under_another_windows_name_is_a_failure(store: EvidenceStore) -> None:
    store.write(EVIDENCE)
    (path,) = store.folder.iterdir()
    path.rename(path.with_name("UNIUSD_1Hour.fold2of5.json"))

    assert isinstance(store.read("UNIUSD_1Hour", "fold2of5"), WindowFailure)


def test_nothing_is_left_beside_the_record(store: EvidenceStore) -> None:
    store.write(EVIDENCE)
    store.write(EVIDENCE)

    assert [path.name for path in store.folder.iterdir()] == ["UNIUSD_1Hour.fold1of5.json"]


KEY = "f" * 64


def other_run(store: EvidenceStore, name: str = "earlier") -> EvidenceStore:
    return EvidenceStore(store.root, name)


def test_evidence_of_another_run_is_used_under_the_same_key_only(store: EvidenceStore) -> None:
    other_run(store).write(EVIDENCE, KEY)

    assert store.has_others
    assert isinstance(store.reusable("UNIUSD_1Hour", "fold1of5", KEY), WindowEvidence)
    assert store.reusable("UNIUSD_1Hour", "fold1of5", "0" * 64) is None
    assert store.reusable("UNIUSD_1Hour", "fold2of5", KEY) is None


def test_a_failure_of_another_run_is_told_and_a_good_record_goes_before_it(store: EvidenceStore) -> None:
    failure = WindowFailure.from_error("UNIUSD_1Hour", "fold1of5", CheckpointError("a", "b", "c"))
    other_run(store, "a").write(failure, KEY)
    assert store.reusable("UNIUSD_1Hour", "fold1of5", KEY) == failure

    other_run(store, "b").write(EVIDENCE, KEY)

    assert isinstance(store.reusable("UNIUSD_1Hour", "fold1of5", KEY), WindowEvidence)


def test_records_that_differ_under_one_key_are_a_conflict_that_names_both(store: EvidenceStore) -> None:
    other_run(store, "a").write(EVIDENCE, KEY)
    other_run(store, "b").write(replace(EVIDENCE, metrics=replace(METRICS, total_return=0.31)), KEY)

    with pytest.raises(EvidenceConflictError) as raised:
        store.reusable("UNIUSD_1Hour", "fold1of5", KEY)
    for run in ("a", "b"):
        assert str(store.root / run / "UNIUSD_1Hour.fold1of5.json") in str(raised.value)


def test_a_conflict_is_found_between_folders_from_elsewhere_too(store: EvidenceStore, tmp_path: Path) -> None:
    for number in range(2):
        EvidenceStore(tmp_path / "down" / str(number), "run").write(replace(EVIDENCE, first_open=1.0 + number), KEY)

    with pytest.raises(EvidenceConflictError):
        EvidenceStore(store.root, "run", (tmp_path / "down",)).reusable("UNIUSD_1Hour", "fold1of5", KEY)


def test_the_last_bits_of_another_processor_are_no_conflict(store: EvidenceStore) -> None:
    other_run(store, "a").write(EVIDENCE, KEY)
    other_run(store, "b").write(replace(EVIDENCE, metrics=replace(METRICS, total_return=0.3)), KEY)

    assert isinstance(store.reusable("UNIUSD_1Hour", "fold1of5", KEY), WindowEvidence)


def test_a_damaged_record_or_one_under_another_key_is_no_conflict(store: EvidenceStore) -> None:
    other_run(store, "a").write(EVIDENCE, KEY)
    other = replace(EVIDENCE, first_open=9.0)
    other_run(store, "b").write(other, "0" * 64)
    other_run(store, "c").write(other, KEY)
    path = store.root / "c" / "UNIUSD_1Hour.fold1of5.json"
    path.write_text(path.read_text().replace("864", "865"))

    assert isinstance(store.reusable("UNIUSD_1Hour", "fold1of5", KEY), WindowEvidence)


def test_a_folder_from_elsewhere_is_searched_at_any_depth(store: EvidenceStore, tmp_path: Path) -> None:
    elsewhere = EvidenceStore(tmp_path / "download" / "shard-1" / "evidence", "run")
    elsewhere.write(EVIDENCE, KEY)

    found = EvidenceStore(store.root, store.run_id, (tmp_path / "download",))

    assert isinstance(found.reusable("UNIUSD_1Hour", "fold1of5", KEY), WindowEvidence)
    assert found.has_others
    assert not store.has_others


def test_a_claim_keeps_others_out_and_leaves_nothing_behind(store: EvidenceStore) -> None:
    with store.claim("M", "backtest"):
        with pytest.raises(Timeout), FileLock(store.folder / "M.backtest.lock", timeout=0):
            pass
        with store.claim("M", "backtest"):
            assert store.read("M", "backtest") is None
        assert (store.folder / "M.backtest.attempt").exists()

    assert not (store.folder / "M.backtest.attempt").exists()
    assert store.read("M", "backtest") is None


def claim_and_die(store: EvidenceStore, *, evidence: WindowEvidence | None = None) -> None:
    """What a process does that ends suddenly, as a child of this one."""
    child = os.fork()
    if child == 0:
        with store.claim("UNIUSD_1Hour", "fold1of5"):
            if evidence:
                store.write(evidence, KEY)
            os._exit(9)
    os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child process that shares this one's state")
@pytest.mark.parametrize("evidence", [None, EVIDENCE], ids=["before", "after it was recorded"])
def test_a_claim_that_outlives_its_process_is_a_crash(store: EvidenceStore, evidence: WindowEvidence | None) -> None:
    claim_and_die(store, evidence=evidence)

    found = store.read("UNIUSD_1Hour", "fold1of5")
    assert isinstance(found, WindowFailure)
    assert "sudden end" in found.problem
    with store.claim("UNIUSD_1Hour", "fold1of5"):
        assert store.read("UNIUSD_1Hour", "fold1of5") == found
    assert store.read("UNIUSD_1Hour", "fold1of5") == found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child process that shares this one's state")
def test_a_crash_can_be_forgotten_and_valid_evidence_stays(store: EvidenceStore) -> None:
    claim_and_die(store)
    store.forget("UNIUSD_1Hour", "fold1of5")
    assert store.read("UNIUSD_1Hour", "fold1of5") is None

    store.write(EVIDENCE, KEY)
    store.forget("UNIUSD_1Hour", "fold1of5")

    assert isinstance(store.read("UNIUSD_1Hour", "fold1of5"), WindowEvidence)


def run_ids(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir() and path.name != "locks"}


def test_only_the_newest_runs_that_have_ended_are_kept(tmp_path: Path) -> None:
    names = [f"{number:016x}" for number in range(KEPT + 4)]
    busy = open_folder(tmp_path, names[0])
    for number, name in enumerate(names[1:], start=1):
        open_folder(tmp_path, name).release()
        os.utime(tmp_path / name, (number, number))
    os.utime(tmp_path / names[0], (0, 0))
    (tmp_path / "notes of mine").mkdir()

    newest = open_folder(tmp_path, "f" * 16)

    kept = {names[0], *names[-KEPT:], "f" * 16, "notes of mine"}
    assert run_ids(tmp_path) == kept
    busy.release()
    newest.release()


def test_shared_locks_go_when_nobody_else_is_at_work(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, "0" * 16)
    busy = open_folder(tmp_path, "0" * 16)
    with store.computing(KEY):
        pass
    open_folder(tmp_path, "1" * 16).release()
    assert list((tmp_path / "locks").iterdir())

    busy.release()
    open_folder(tmp_path, "2" * 16).release()

    assert not (tmp_path / "locks").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="--gate-output: evidence cannot be written to"):
        open_folder(tmp_path / "file" / "evidence", "0" * 16)


def test_what_an_account_did_comes_back_as_it_was(tmp_path: Path) -> None:
    evidence = watched(days=3, closure=None, drift=None)
    store = EvidenceStore(tmp_path, "0123456789abcdef")

    store.write(evidence, "key")

    assert store.read("UNIUSD_1Hour", "paper") == evidence


def test_a_problem_with_an_account_is_no_failure_of_the_run(tmp_path: Path) -> None:
    """Both have a problem and a remedy, and must not be taken for each other."""
    store = EvidenceStore(tmp_path, "0123456789abcdef")

    store.write(unwatched(), "key")

    assert store.read("UNIUSD_1Hour", "paper") == unwatched()
