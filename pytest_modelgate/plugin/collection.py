"""Models x checks as parametrized tests, with ids that people read and CI links to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from inspect import signature
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_modelgate.plugin import pytest_privates
from pytest_modelgate.plugin.aliases import ALIASES

if TYPE_CHECKING:  # the plan pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.planning.plan import ModelPlan, Plan, WorkId

SUITE = "model_tests"
CASE = "gate_case"
_PARITY = f"{SUITE}/test_integrity.py::test_parity["
_RECORD = f"{SUITE}/test_paper.py::test_record["
PREFIX = "gate_"
_UNMISTAKABLE = {"fold_result", "model_plan", "trained_model"}  # no project has anything else of these names
STAGES = ("gating", "backtest", "walk_forward", "integrity", "watch", "decision")
_OF_ONE_POLICY = STAGES[1:-1]
MARKERS = {
    "gating": "training metrics against the profile's thresholds",
    "backtest": "the sanity backtest of each model",
    "walk_forward": "one test per walk-forward fold, and their spread",
    "integrity": "whether the gate runs what the trainer ran",
    "watch": "what an account did with each model, with --gate-paper",
    "decision": "LIVE, PAPER, RETRAIN or DROP, per model",
}
_METRIC_IDS = {
    "fitness_score": "fitness",
    "profit_factor": "profit_factor",
    "consistency": "consistency",
    "max_drawdown": "max_drawdown",
}


@dataclass(frozen=True)
class Case:
    """Subject of one parametrized test: a model and, where a test is about one, a metric or a piece of evidence."""

    model: str
    metric: str = ""
    window: str = ""


def parametrize(metafunc: pytest.Metafunc, plan: Plan | None) -> None:
    """Turn a test that asks for the gate's fixtures into one test per model, metric or window.

    Raises:
        CollectError: fixtures of the project stand between a test of the suite and what it asks for.
    """
    asked = reached(metafunc)
    if CASE not in asked:
        return
    _check_names(metafunc, asked)
    if plan is not None:
        cases = {name: case for model in plan.models for name, case in _cases(asked, model).items()}
        if cases:
            metafunc.parametrize(CASE, list(cases.values()), ids=list(cases), indirect=True)
        elif f"{PREFIX}champion" in asked:
            _skip(metafunc, "no-champion", "no model has a champion: --gate-champion names its archive")
        else:
            _skip(metafunc, "no-account", "no account is watched: --gate-paper names its record")
    elif _is_plainly_ours(metafunc):
        _skip(metafunc, "no-archive", "needs --model-archive")


def _skip(metafunc: pytest.Metafunc, name: str, reason: str) -> None:
    """One test that says why there is none: pytest's own, of no parameters, would ask for a case nonetheless."""
    metafunc.parametrize(CASE, [pytest.param(None, marks=pytest.mark.skip(reason=reason), id=name)], indirect=True)


def reached(metafunc: pytest.Metafunc) -> frozenset[str]:
    """Fixtures that a test asks for, itself or through others; what it is given as a parameter asks for none."""
    info, given = pytest_privates.fixtures_of(metafunc), pytest_privates.parameters_of(metafunc)
    names, todo = set[str](), [name for name in info.initialnames if name in metafunc.fixturenames]
    while todo:
        name = todo.pop()
        if name not in names | given:
            names.add(name)
            definitions = info.name2fixturedefs.get(name)
            todo += definitions[-1].argnames if definitions else ()
    return frozenset(names)


def _is_plainly_ours(metafunc: pytest.Metafunc) -> bool:
    """Whether a test without an archive has to wait for one, rather than to miss a fixture of its project."""
    if metafunc.definition.path.parent.name == SUITE:
        return True
    if any(mark.name in STAGES for mark in metafunc.definition.iter_markers()):
        return True
    return any(_is_long_name(name) or name in _UNMISTAKABLE for name in signature(metafunc.function).parameters)


def _is_long_name(name: str) -> bool:
    return name.startswith(PREFIX) and name.removeprefix(PREFIX) in {*ALIASES, "case", "settings"}


def _check_names(metafunc: pytest.Metafunc, asked: frozenset[str]) -> None:
    """Refuse what nobody can mean: the project's own fixture under a long name of ours, or in a test of the suite.

    A test of the suite means what it names itself; fixtures of the project may use each other.
    """
    info = pytest_privates.fixtures_of(metafunc)
    meant = ALIASES & {*info.argnames} if metafunc.definition.nodeid.startswith(f"{SUITE}/") else frozenset[str]()
    for name in sorted(asked):
        definitions = info.name2fixturedefs.get(name) or ()
        if not definitions or not (_is_long_name(name) or name in meant):
            continue
        function = definitions[-1].func
        if function.__module__.partition(".")[0] != __name__.partition(".")[0]:
            place = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
            remedy = f"ask for {PREFIX}{name}, or rename it" if name in ALIASES else "rename it"
            problem = f"asks for the gate's {name}, and gets the project's own of {place}"
            raise pytest.Collector.CollectError(f"{metafunc.definition.name} {problem}: {remedy}.")


def _cases(asked: frozenset[str], plan: ModelPlan) -> dict[str, Case]:
    model = plan.model.id
    if f"{PREFIX}metric" in asked:
        return {f"{model}-{name}": Case(model, metric=metric) for metric, name in _METRIC_IDS.items()}
    if f"{PREFIX}fold_result" in asked:
        return {f"{model}-{fold.name}": Case(model, window=fold.name) for fold in plan.folds}
    if f"{PREFIX}backtest" in asked:
        return {f"{model}-{_days(plan)}d": Case(model, window=plan.backtest.name)}
    if f"{PREFIX}champion" in asked:
        return {model: Case(model, window=plan.contest.name)} if plan.champion else {}
    if f"{PREFIX}paper" in asked:  # it takes the folds, too
        return {model: Case(model)} if plan.watched else {}
    if f"{PREFIX}paper_record" in asked:
        return {model: Case(model, window=plan.watch.name)} if plan.watched else {}
    if f"{PREFIX}integrity" in asked:
        return {model: Case(model, window=plan.integrity.name)}
    return {model: Case(model)}


def _days(plan: ModelPlan) -> int:
    return (plan.backtest.end - plan.backtest.start).days


class TestKind(Enum):
    """Subjects of tests, as far as their ids tell."""

    GATING = auto()  # the training metrics of a model
    EVIDENCE = auto()  # one piece of evidence
    PARITY = auto()  # a model, as its backtest shows it
    DECISION = auto()  # a model, as all its evidence shows it
    MODEL = auto()  # a model otherwise
    OTHER = auto()  # nothing of ours


class TestId(NamedTuple):
    """Subject of a test, read from its id.

    Attributes:
        model: it is about; empty for tests of no model.
        work: the evidence it is about, if it is about one piece of it.
    """

    kind: TestKind
    model: str = ""
    work: WorkId | None = None


class TestIds:
    """Reads ids of tests on the models of one plan."""

    def __init__(self, plan: Plan) -> None:
        from pytest_modelgate.core.planning.plan import WorkId

        self._models = {model.model.id for model in plan.models}
        self._traded: dict[str, WorkId] = {}
        self._integrity: dict[str, WorkId] = {}
        self._contests: dict[str, WorkId] = {}
        self._records: dict[str, WorkId] = {}
        for model in plan.models:
            name = model.model.id
            self._traded[f"{name}-{_days(model)}d"] = WorkId(name, model.backtest.name)
            self._traded |= {f"{name}-{fold.name}": WorkId(name, fold.name) for fold in model.folds}
            self._integrity[name] = WorkId(name, model.integrity.name)
            if model.champion:
                self._contests[name] = WorkId(name, model.contest.name)
            if model.watched:
                self._records[name] = WorkId(name, model.watch.name)

    def of(self, nodeid: str) -> TestId:
        """Subject of one test; of integrity tests, parity alone is shown by the backtest."""
        name, stage, parity = _bracket(nodeid), _file_stage(nodeid), nodeid.startswith(_PARITY)
        works = self._contests if stage == "champion" else self._traded
        if stage == "integrity" and not parity:
            works = self._integrity
        if stage == "paper":
            works = self._records if nodeid.startswith(_RECORD) else {}
        if name in works:
            return TestId(TestKind.EVIDENCE, works[name].model, works[name])
        if stage == "gating":
            return TestId(TestKind.GATING, name if name in self._models else name.rpartition("-")[0])
        if name not in self._models:
            return TestId(TestKind.OTHER)
        decides = stage in ("decision", "walk_forward", "paper")
        return TestId(TestKind.PARITY if parity else TestKind.DECISION if decides else TestKind.MODEL, name)


def _bracket(nodeid: str) -> str:
    """Parameters of a test, as its id spells them; empty without any."""
    return nodeid[:-1].rpartition("[")[2] if nodeid.endswith("]") else ""


def _file_stage(nodeid: str) -> str:
    """``gating`` of ``model_tests/test_gating.py::...``; empty for tests that are not in the suite."""
    file, _, _ = nodeid.partition("::")
    return file.removeprefix(f"{SUITE}/test_").removesuffix(".py") if file.startswith(f"{SUITE}/test_") else ""


def decided_model(nodeid: str) -> str:
    """The model that a decision test of the suite is about; empty for any other test."""
    return _bracket(nodeid) if _file_stage(nodeid) == STAGES[-1] else ""


def selected_work(nodeids: Iterable[str], plan: Plan) -> frozenset[WorkId]:
    """Evidence that has a test of its own among these."""
    tests = TestIds(plan)
    return frozenset(work for nodeid in nodeids if (work := tests.of(nodeid).work))


def properties(nodeid: str, plan: Plan) -> list[tuple[str, object]]:
    """Labels of a test that nobody lived to report, as far as its id tells them."""
    name, stage = _bracket(nodeid), _file_stage(nodeid)
    model = next((item.model.id for item in plan.models if f"{name}-".startswith(f"{item.model.id}-")), None)
    labels: list[tuple[str, object]] = [("model", model)] if model else []
    stage = "watch" if stage == "paper" else stage
    return [*labels, ("stage", stage)] if stage in STAGES else labels


def keep_share(config: pytest.Config, items: list[pytest.Item], share: frozenset[WorkId]) -> None:
    """Deselect all but the tests about evidence of this machine's share: decisions are left to a merge."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        case = case_of(item)
        mine = case is not None and (case.model, case.window) in share
        (kept if mine else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def case_of(item: pytest.Item) -> Case | None:
    """Case of a test; None for a test of no model."""
    callspec = getattr(item, "callspec", None)
    case: Case | None = callspec.params.get(CASE) if callspec else None
    return case


def label_and_sort(items: list[pytest.Item]) -> None:
    """Note each test's model and stage for the reports, and run cheap and telling checks first.

    The order is gating of all models, then model by model backtest, folds and integrity, for which its policy is
    prepared once, then the decisions. Tests of other kinds keep their places.
    """
    staged, models = {}, dict[str, int]()
    for place, item in enumerate(items):
        marks = {mark.name for mark in item.iter_markers()}
        stage = next((stage for stage in STAGES if stage in marks), None)
        case = case_of(item)
        if case is not None:
            item.user_properties.append(("model", case.model))
        if stage is not None:
            item.user_properties.append(("stage", stage))
            model = models.setdefault(case.model, len(models)) if case and stage in _OF_ONE_POLICY else 0
            first, last = stage == STAGES[0], stage == STAGES[-1]
            staged[place] = ((not first, last, model, STAGES.index(stage)), item)
    ordered = sorted(staged.values(), key=lambda entry: entry[0])
    for place, (_, item) in zip(staged, ordered, strict=True):
        items[place] = item
