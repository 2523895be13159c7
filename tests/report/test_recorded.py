"""A page from a verdict's file and the evidence beside it, without the run that made them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import report_factory as factory

from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.errors import GateError
from pytest_modelgate.report.page import pieces
from pytest_modelgate.report.recorded import recorded

RUN, UNI = "0123456789abcdef", "UNIUSD_1Hour"
EARNS = factory.judged("UNIUSD", drift=0.0008)


def verdict_of(run: str = RUN) -> Verdict:
    return factory.verdict_of([EARNS])[2].model_copy(update={"run": {"id": run}})


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    found = EvidenceStore(tmp_path, RUN)
    for window in EARNS.measured:
        found.write(window)
    return found


def test_the_page_is_the_same_as_that_of_the_run(store: EvidenceStore) -> None:
    facts = factory.facts_of([EARNS], verdict=verdict_of())

    again = replace(facts, windows=recorded(facts.verdict, store.root))

    assert "".join(pieces(again)) == "".join(pieces(facts))


def test_records_that_are_gone_are_left_out(store: EvidenceStore) -> None:
    (store.folder / f"{UNI}.fold2of5.json").unlink()

    assert set(recorded(verdict_of(), store.root)(UNI)) == {"backtest", *(f"fold{n}of5" for n in (1, 3, 4, 5))}


def test_records_of_another_verdict_are_refused(store: EvidenceStore) -> None:
    fold = EARNS.measured_folds[0]
    store.write(replace(fold, metrics=replace(fold.metrics, total_return=0.5)))

    with pytest.raises(GateError, match=r"UNIUSD_1Hour fold1of5 in .* is not what the verdict was reached on"):
        recorded(verdict_of(), store.root)(UNI)


@pytest.mark.parametrize("run", ["..", "", f"../{RUN}", "x"])
def test_a_run_that_is_no_run_leads_nowhere(store: EvidenceStore, run: str) -> None:
    assert recorded(verdict_of(run), store.root / "elsewhere")(UNI) == {}
