"""Models x checks as parametrized tests, with ids that people read and CI links to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:  # the plan pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.planning.plan import ModelPlan, Plan, WorkId

SUITE = "model_tests"
CASE = "gate_case"
_CHAMPION = f"{SUITE}/test_champion.py"
_PARITY = f"{SUITE}/test_integrity.py::test_parity["
STAGES = ("gating", "backtest", "walk_forward", "integrity", "decision")
_OF_ONE_POLICY = STAGES[1:-1]
MARKERS = {
    "gating": "training metrics against the profile's thresholds",
    "backtest": "the sanity backtest of each model",
    "walk_forward": "one test per walk-forward fold, and their spread",
    "integrity": "whether the gate runs what the trainer ran",
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


def suite_folder(config: pytest.Config) -> Path:
    """The user's ``model_tests/``, in the root folder or here, if there is one; else the one shipped with us."""
    for own in (config.rootpath / SUITE, config.invocation_params.dir / SUITE):
        if own.is_dir():
            return own
    package = Path(__file__).parents[1]
    installed = package / SUITE
    return installed if installed.is_dir() else package.parent / SUITE


def use_suite(config: pytest.Config) -> None:
    """Collect the suite when no test was named, and find in it what ids of ours name, wherever it lies.

    Alike in xdist's workers, which parse the same command line.
    """
    suite = suite_folder(config)
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(suite)]
        return
    config.args[:] = [_in_suite(argument, suite, config.invocation_params.dir) for argument in config.args]


def _in_suite(argument: str, suite: Path, here: Path) -> str:
    """An argument with ``model_tests/...`` for its path, with the path at which that lies."""
    path, colons, names = argument.partition("::")
    parts = Path(path).parts
    if SUITE not in parts or (here / path).exists():
        return argument
    inside = parts[len(parts) - parts[::-1].index(SUITE) :]
    return f"{suite.joinpath(*inside)}{colons}{names}"


def make_module(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Give the suite the node ids of the contract, ``model_tests/test_....py``, wherever it lies."""
    if module_path.parent.resolve() != suite_folder(parent.config).resolve():  # pytest follows links in its arguments
        return None
    nodeid = f"{SUITE}/{module_path.name}"
    module: pytest.Module = pytest.Module.from_parent(parent, path=module_path, nodeid=nodeid)
    return module


def is_needless(path: Path, config: pytest.Config, plan: Plan | None) -> bool:
    """Whether a file of the suite has nothing to compare with."""
    if path.name != Path(_CHAMPION).name or path.parent.resolve() != suite_folder(config).resolve():
        return False
    return plan is None or not any(model.champion for model in plan.models)


def parametrize(metafunc: pytest.Metafunc, plan: Plan | None) -> None:
    """Turn a test that asks for the gate's fixtures into one test per model, metric or window."""
    if CASE not in metafunc.fixturenames:
        return
    if plan is None:
        skip = pytest.mark.skip(reason="needs --model-archive")
        metafunc.parametrize(CASE, [pytest.param(None, marks=skip, id="no-archive")], indirect=True)
        return
    cases = {name: case for model in plan.models for name, case in _cases(metafunc, model).items()}
    metafunc.parametrize(CASE, list(cases.values()), ids=list(cases), indirect=True)


def _cases(metafunc: pytest.Metafunc, plan: ModelPlan) -> dict[str, Case]:
    model = plan.model.id
    if "metric" in metafunc.fixturenames:
        return {f"{model}-{name}": Case(model, metric=metric) for metric, name in _METRIC_IDS.items()}
    if "fold_result" in metafunc.fixturenames:
        return {f"{model}-{fold.name}": Case(model, window=fold.name) for fold in plan.folds}
    if "backtest" in metafunc.fixturenames:
        return {f"{model}-{_days(plan)}d": Case(model, window=plan.backtest.name)}
    if "champion" in metafunc.fixturenames:
        return {model: Case(model, window=plan.contest.name)} if plan.champion else {}
    if "integrity" in metafunc.fixturenames:
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
        for model in plan.models:
            name = model.model.id
            self._traded[f"{name}-{_days(model)}d"] = WorkId(name, model.backtest.name)
            self._traded |= {f"{name}-{fold.name}": WorkId(name, fold.name) for fold in model.folds}
            self._integrity[name] = WorkId(name, model.integrity.name)
            if model.champion:
                self._contests[name] = WorkId(name, model.contest.name)

    def of(self, nodeid: str) -> TestId:
        """Subject of one test; of integrity tests, parity alone is shown by the backtest."""
        name, stage, parity = _bracket(nodeid), _file_stage(nodeid), nodeid.startswith(_PARITY)
        works = self._contests if stage == "champion" else self._traded
        if stage == "integrity" and not parity:
            works = self._integrity
        if name in works:
            return TestId(TestKind.EVIDENCE, works[name].model, works[name])
        if stage == "gating":
            return TestId(TestKind.GATING, name if name in self._models else name.rpartition("-")[0])
        if name not in self._models:
            return TestId(TestKind.OTHER)
        decides = stage in ("decision", "walk_forward")
        return TestId(TestKind.PARITY if parity else TestKind.DECISION if decides else TestKind.MODEL, name)


def _bracket(nodeid: str) -> str:
    """Parameters of a test, as its id spells them; empty without any."""
    return nodeid[:-1].rpartition("[")[2] if nodeid.endswith("]") else ""


def _file_stage(nodeid: str) -> str:
    """``gating`` of ``model_tests/test_gating.py::...``; empty for tests that are not in the suite."""
    file, _, _ = nodeid.partition("::")
    return file.removeprefix(f"{SUITE}/test_").removesuffix(".py") if file.startswith(f"{SUITE}/test_") else ""


def selected_work(nodeids: Iterable[str], plan: Plan) -> frozenset[WorkId]:
    """Evidence that has a test of its own among these."""
    tests = TestIds(plan)
    return frozenset(work for nodeid in nodeids if (work := tests.of(nodeid).work))


def properties(nodeid: str, plan: Plan) -> list[tuple[str, object]]:
    """Labels of a test that nobody lived to report, as far as its id tells them."""
    name, stage = _bracket(nodeid), _file_stage(nodeid)
    model = next((item.model.id for item in plan.models if f"{name}-".startswith(f"{item.model.id}-")), None)
    labels: list[tuple[str, object]] = [("model", model)] if model else []
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
