"""The gate judges a model once, as long as the records that this rests on stay what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import report_factory as factory

from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision import judgement, robustness
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.planning.looks import TrialCount
from pytest_modelgate.core.planning.plan import Plan
from pytest_modelgate.core.training.run import TrainingRun
from pytest_modelgate.services import gate as module
from pytest_modelgate.services.gate import Gate

PLAN = factory.judged("UNIUSD", drift=0.001).plan
MODEL = PLAN.model.id
EVIDENCE = factory.evidence_of(PLAN, drift=0.001)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    store = EvidenceStore(tmp_path, "run")
    for evidence in EVIDENCE.values():
        store.write(evidence, "key")
    nothing: Any = None  # what is on record needs no archive
    plan = Plan(TrainingRun("a.zip", factory.AS_OF, (PLAN.model,)), factory.AS_OF, (PLAN,), TrialCount(1))
    settings = Settings(archive=tmp_path, output=tmp_path, cassettes=tmp_path)
    return Gate(settings, nothing, factory.PROFILE, plan, store, nothing, nothing)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models that were judged, as often as they were."""
    found: list[str] = []
    judge = vars(module)["judge"]

    def count(plan: Any, *arguments: Any, **options: Any) -> Any:
        found.append(plan.model.id)
        return judge(plan, *arguments, **options)

    monkeypatch.setattr(module, "judge", count)
    return found


def test_fixtures_and_the_verdict_share_one_judgement(gate: Gate, judged: list[str]) -> None:
    whole = gate.judge(MODEL)
    assert str(gate.judge(MODEL)) == str(whole)
    assert str(gate.judge_known(MODEL, frozenset(), 1.0)) == str(whole.without_bars())
    assert judged == [MODEL]


def test_another_number_of_trials_measures_only_what_hangs_on_it(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    anew = gate.judge(MODEL, lambda _, name: EVIDENCE[name], 3.0)
    gate.judge(MODEL)
    for name in ("_bear_costs", "put_in_context"):
        for part in (robustness, judgement):
            monkeypatch.delattr(part, name, raising=False)
    assert str(gate.judge_known(MODEL, frozenset(), 3.0)) == str(anew.without_bars())


def test_a_record_that_changed_is_measured_anew(gate: Gate) -> None:
    before = gate.judge_known(MODEL, frozenset(), 1.0)
    fold = EVIDENCE["fold1of5"]
    assert isinstance(fold, WindowEvidence)
    paid = replace(fold.bars, fees=tuple(0.001 for _ in fold.bars.fees))
    gate.store.write(replace(fold, bars=paid), "key")
    after = gate.judge_known(MODEL, frozenset(), 3.0)
    assert before.robustness
    assert after.robustness
    assert after.robustness.costs != before.robustness.costs


def test_a_record_that_changed_is_judged_anew(gate: Gate, judged: list[str]) -> None:
    before = gate.judge_known(MODEL, frozenset(), 1.0)
    fold = EVIDENCE["fold1of5"]
    assert isinstance(fold, WindowEvidence)
    gate.store.write(replace(fold, metrics=replace(fold.metrics, total_return=-0.5)), "key")
    after = gate.judge_known(MODEL, frozenset(), 1.0)
    assert judged == [MODEL, MODEL]
    assert before.decision
    assert after.decision
    assert after.decision.compounded_return < before.decision.compounded_return


def test_what_is_missing_is_not_remembered(gate: Gate, judged: list[str]) -> None:
    assert isinstance(gate.store, EvidenceStore)
    (gate.store.folder / f"{MODEL}.fold1of5.json").unlink()
    assert gate.judge_known(MODEL, frozenset(), 1.0).label == "INCOMPLETE"
    gate.store.write(EVIDENCE["fold1of5"], "key")
    assert gate.judge_known(MODEL, frozenset(), 1.0).label != "INCOMPLETE"
    assert judged == [MODEL, MODEL]
