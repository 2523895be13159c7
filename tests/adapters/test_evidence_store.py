"""Evidence comes back as it was, or as a failure."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_modelgate.adapters.evidence_store import EvidenceStore
from pytest_modelgate.core.evidence import (
    BarFigures,
    CheckpointEvidence,
    MarketEvidence,
    WindowEvidence,
    WindowFailure,
)
from pytest_modelgate.core.metrics import Metrics
from pytest_modelgate.core.spread import FoldResult
from pytest_modelgate.errors import CheckpointError

METRICS = Metrics(0.1 + 0.2, 0.05, math.nan, math.nan, math.inf, 1.0, 3, 0.1, 0.2, 4.0, 99_000.0, 864, 8760.0)
EVIDENCE = WindowEvidence(
    model="UNIUSD_1Hour",
    window="fold1of5",
    start="2024-07-01T00:00:00+00:00",
    end="2024-08-06T00:00:00+00:00",
    sample="out-of-sample",
    checkpoint=CheckpointEvidence(
        "models/x.pt", "ab" * 32, "2.3.0", None, "reference-v1", "tanh", (8, 4), 100, 53, 3, "proven", "all of it"
    ),
    market=MarketEvidence("UNIUSD", "1Hour", "sip", "a", "b", 9165, "cd" * 32),
    metrics=METRICS,
    equity=(100_000.0, 100_000.1 / 3),
    bars=BarFigures((-2 / 3,), (0.0,), (0.1,), (0.001,), (1 / 3,), (0.0025,), (0.001,)),
    delayed=FoldResult(-0.1 / 3, 0.1, 864, 8760.0),
    refused={"position_cap": 2},
)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence" / "run")


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


def test_a_record_under_another_windows_name_is_a_failure(store: EvidenceStore) -> None:
    store.write(EVIDENCE)
    (path,) = store.folder.iterdir()
    path.rename(path.with_name("UNIUSD_1Hour.fold2of5.json"))

    assert isinstance(store.read("UNIUSD_1Hour", "fold2of5"), WindowFailure)


def test_nothing_is_left_beside_the_record(store: EvidenceStore) -> None:
    store.write(EVIDENCE)
    store.write(EVIDENCE)

    assert [path.name for path in store.folder.iterdir()] == ["UNIUSD_1Hour.fold1of5.json"]
