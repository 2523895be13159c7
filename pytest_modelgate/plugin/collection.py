"""Models x checks to parametrized tests, with ids that people read and CI links to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # the plan pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.planning.plan import ModelPlan, Plan, WindowId

SUITE = "model_tests"
CASE = "gate_case"
_CHAMPION = f"{SUITE}/test_champion.py"
_INTEGRITY, PARITY = f"{SUITE}/test_integrity.py::", f"{SUITE}/test_integrity.py::test_parity["
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
    """What one parametrized test is about: a model and, where a test is about one, a metric or a window."""

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
    """Collect the suite when no test was named; alike in xdist's workers, which parse the same command line."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(suite_folder(config))]


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


class WindowIds:
    """Which window a test is about, as far as its id tells."""

    def __init__(self, plan: Plan) -> None:
        from pytest_modelgate.core.planning.plan import WindowId

        self._by_bracket, self._by_model, self._contests = {}, {}, {}
        for model in plan.models:
            name = model.model.id
            self._by_bracket[f"{name}-{_days(model)}d"] = WindowId(name, model.backtest.name)
            self._by_bracket |= {f"{name}-{fold.name}": WindowId(name, fold.name) for fold in model.folds}
            self._by_model[name] = WindowId(name, model.integrity.name)
            if model.champion:
                self._contests[name] = WindowId(name, model.contest.name)

    def of(self, nodeid: str) -> WindowId | None:
        """The window of a test; None for a test about something else.

        The shipped integrity tests are about one window, but for parity, which the backtest shows.
        """
        name = bracket(nodeid)
        if nodeid.startswith(f"{_CHAMPION}::"):
            return self._contests.get(name)
        if nodeid.startswith(_INTEGRITY) and not nodeid.startswith(PARITY):
            return self._by_model.get(name)
        return self._by_bracket.get(name)


def bracket(nodeid: str) -> str:
    """The parameters of a test, as its id spells them; empty without any."""
    return nodeid[:-1].rpartition("[")[2] if nodeid.endswith("]") else ""


def selected_windows(nodeids: Iterable[str], plan: Plan) -> frozenset[WindowId]:
    """The windows that have a test of their own among these."""
    windows = WindowIds(plan)
    return frozenset(window for nodeid in nodeids if (window := windows.of(nodeid)))


def properties(nodeid: str, plan: Plan) -> list[tuple[str, object]]:
    """The labels of a test that nobody lived to report, as far as its id tells them."""
    name, stage = bracket(nodeid), nodeid.removeprefix(f"{SUITE}/test_").partition(".py")[0]
    model = next((item.model.id for item in plan.models if f"{name}-".startswith(f"{item.model.id}-")), None)
    found: list[tuple[str, object]] = [("model", model)] if model else []
    return [*found, ("stage", stage)] if stage in STAGES else found


def keep_share(config: pytest.Config, items: list[pytest.Item], share: frozenset[WindowId]) -> None:
    """Deselect all but the tests about windows of this machine's share: decisions are left to a merge."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        case = case_of(item)
        mine = case is not None and (case.model, case.window) in share
        (kept if mine else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def case_of(item: pytest.Item) -> Case | None:
    """What a test is about; None for a test of no model."""
    callspec = getattr(item, "callspec", None)
    found: Case | None = callspec.params.get(CASE) if callspec else None
    return found


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
