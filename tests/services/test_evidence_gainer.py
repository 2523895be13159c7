"""Evidence is gained once, taken over where it is sound, and a failure is on record whatever caused it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import Evidence, IntegrityEvidence, WindowFailure
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.integrity.check import Check, Status
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.planning.plan import ModelPlan, Work, make_plan
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel, TrainingRun
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.services.evidence_gainer import ContentKeys, EvidenceGainer

METRICS = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.05,)}
MODEL = TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, METRICS, CheckpointRef("models/u.pt", 9))
RUN = TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (MODEL,))
SETTINGS = Settings(archive=Path("a.zip"), output=Path("out"), cassettes=Path("cassettes"))
PLAN = make_plan(RUN, SETTINGS, load_profile("2.4.5"))
ID = (MODEL.id, "integrity")


@dataclass
class FakeEvaluator:
    """Finds nothing, or raises what it is given."""

    error: BaseException | None = None
    asked: list[str] = field(default_factory=list)

    def evaluate(self, plan: ModelPlan, work: Work) -> Evidence:
        self.asked.append(work.name)
        if self.error:
            raise self.error
        return IntegrityEvidence(plan.model.id, work.name, (), ())


Make = Callable[..., EvidenceGainer]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A gainer of some run; all runs write to one place."""

    def gainer(evaluator: FakeEvaluator, run: str = "run", key: str = "key", *, merge: bool = False) -> EvidenceGainer:
        store = EvidenceStore(tmp_path / "evidence", run)
        return EvidenceGainer(PLAN, store, evaluator, lambda *_: key, merge=merge)

    return gainer


def test_evidence_is_gained_once_in_a_run(make: Make) -> None:
    evaluator = FakeEvaluator()

    gained = [make(evaluator).evidence(*ID) for _ in range(2)]

    assert gained == [IntegrityEvidence(*ID, (), ())] * 2
    assert evaluator.asked == ["integrity"]


@pytest.mark.parametrize(("key", "asked"), [("key", []), ("another", ["integrity"])])
def test_evidence_of_another_run_is_taken_over_under_the_same_key(make: Make, key: str, asked: list[str]) -> None:
    make(FakeEvaluator()).evidence(*ID)
    evaluator = FakeEvaluator()

    second = make(evaluator, "second", key)

    assert isinstance(second.evidence(*ID), IntegrityEvidence)
    assert evaluator.asked == asked
    assert second.store.read(*ID) == IntegrityEvidence(*ID, (), ())


def test_a_failure_of_another_run_is_tried_again(make: Make) -> None:
    make(FakeEvaluator(RuntimeError())).evidence(*ID)

    assert isinstance(make(FakeEvaluator(), "second").evidence(*ID), IntegrityEvidence)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (RuntimeError("secret"), "the evaluation crashed with RuntimeError"),
        (CheckpointError("checkpoint a.pt", "is no checkpoint", "Pack it"), "is no checkpoint"),
        (MemoryError(), "there was not enough memory to evaluate it"),
    ],
)
def test_an_error_is_a_failure_on_record_and_not_tried_again(make: Make, error: Exception, problem: str) -> None:
    evaluator = FakeEvaluator(error)

    failures = [make(evaluator).evidence(*ID) for _ in range(2)]

    assert [failure.problem for failure in failures if isinstance(failure, WindowFailure)] == [problem] * 2
    assert evaluator.asked == ["integrity"]


def test_what_cuts_an_evaluation_off_is_on_record_and_goes_on(make: Make) -> None:
    with pytest.raises(pytest.fail.Exception):
        make(FakeEvaluator(pytest.fail.Exception("out of time"))).evidence(*ID)

    failure = make(FakeEvaluator()).evidence(*ID)
    assert isinstance(failure, WindowFailure)
    assert failure.problem == "the evaluation was cut off"


def test_an_interrupted_evaluation_leaves_no_record(make: Make) -> None:
    gainer = make(FakeEvaluator(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        gainer.evidence(*ID)

    assert gainer.store.read(*ID) is None


def test_a_key_that_cannot_be_found_out_is_a_failure(make: Make) -> None:
    def refuse(*_: object) -> str:
        raise CheckpointError("checkpoint a.pt", "is missing", "Pack it")

    evaluator = FakeEvaluator()
    gainer = replace(make(evaluator), key_of=refuse)

    assert isinstance(gainer.evidence(*ID), WindowFailure)
    assert evaluator.asked == []


def test_a_merge_evaluates_nothing_and_says_what_is_missing(make: Make) -> None:
    evaluator = FakeEvaluator()

    failure = make(evaluator, merge=True).evidence(*ID)

    assert isinstance(failure, WindowFailure)
    assert failure.problem.startswith("there is no evidence of it for this archive")
    assert evaluator.asked == []


def test_a_merge_says_whose_code_cannot_be_followed(make: Make) -> None:
    gainer = replace(make(FakeEvaluator(), merge=True), unfollowed=["the code of feature set mine cannot be followed"])

    failure = gainer.evidence(*ID)

    assert isinstance(failure, WindowFailure)
    assert "the code of feature set mine cannot be followed" in failure.problem


@dataclass
class FakeLoader:
    """Knows some feature sets, and nothing of a model."""

    sets: dict[str, FeatureSet]

    def feature_sets(self) -> dict[str, FeatureSet]:
        return self.sets


class Memoising:
    """Computes features, and remembers that it did."""

    def __call__(self, bars: pd.DataFrame) -> pd.DataFrame:
        self.last = bars
        return bars


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., pd.DataFrame]], ContentKeys]:
    """Content keys with one feature set of that computation; models are all alike."""
    monkeypatch.setattr(ContentKeys, "_model_key", lambda *_: "model")

    def of(compute: Callable[..., pd.DataFrame]) -> ContentKeys:
        loader: Any = FakeLoader({"mine": FeatureSet("mine", ("a",), 5, compute)})
        return ContentKeys(SETTINGS, load_profile("2.4.5"), loader)

    return of


def test_a_feature_set_that_remembers_keeps_its_key(
    keys: Callable[[Callable[..., pd.DataFrame]], ContentKeys],
) -> None:
    compute = Memoising()
    made, (plan,) = keys(compute), PLAN.models
    before = made.of(plan, plan.integrity)
    compute(pd.DataFrame())

    assert made.of(plan, plan.integrity) == before


def test_what_cannot_be_followed_has_keys_of_its_own_and_says_so(
    keys: Callable[[Callable[..., pd.DataFrame]], ContentKeys],
) -> None:
    space: dict[str, Any] = {"__name__": "nowhere"}
    exec("def compute(bars): return bars", space)
    (plan,) = PLAN.models
    first, second = keys(space["compute"]), keys(space["compute"])

    assert first.of(plan, plan.integrity) != second.of(plan, plan.integrity)
    assert first.unfollowed[0].startswith("the code of feature set mine cannot be followed (")


def test_a_merge_says_why_another_run_failed(make: Make) -> None:
    make(FakeEvaluator(RuntimeError())).evidence(*ID)

    failure = make(FakeEvaluator(), "merge", merge=True).evidence(*ID)

    assert isinstance(failure, WindowFailure)
    assert failure.problem == "the evaluation crashed with RuntimeError"


@pytest.mark.parametrize("merge", [False, True])
def test_evidence_that_disagrees_is_a_failure_and_nothing_is_evaluated(make: Make, *, merge: bool) -> None:
    statuses: dict[str, Status] = {"a": "pass", "b": "fail"}
    for run, status in statuses.items():
        check = Check("causality", status, "It was seen.")
        make(FakeEvaluator(), run).store.write(IntegrityEvidence(*ID, (check,), ()), "key")
    evaluator = FakeEvaluator()
    gainer = make(evaluator, "third", merge=merge)

    told, failure = gainer.reusable(*ID), gainer.evidence(*ID)

    assert isinstance(failure, WindowFailure)
    assert told == failure
    assert "differs from" in failure.problem
    assert evaluator.asked == []


def test_only_valid_evidence_under_the_same_key_is_reusable(make: Make) -> None:
    make(FakeEvaluator(RuntimeError())).evidence(*ID)
    assert make(FakeEvaluator(), "second").reusable(*ID) is None
    make(FakeEvaluator(), "third").evidence(*ID)

    assert make(FakeEvaluator(), "fourth").reusable(*ID) == IntegrityEvidence(*ID, (), ())
    assert make(FakeEvaluator(), "fourth", "another").reusable(*ID) is None
