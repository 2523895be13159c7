"""From test ids to units of work: a pure function of ids and plan, so that controller and workers agree on every place.

Only ids reach xdist's controller. What they say is enough for a good order; evidence makes any order right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_modelgate.core.planning.plan import Plan, WindowId
from pytest_modelgate.core.planning.schedule import Unit
from pytest_modelgate.plugin.collection import PARITY, SUITE, WindowIds, bracket, selected_windows

_SHIPPED = {stage: f"{SUITE}/test_{stage}.py::" for stage in ("gating", "walk_forward", "decision")}


@dataclass(frozen=True)
class Layout:
    """What a worker's list of tests looks like: the collected ones, a fence, and folds that nobody selected.

    Attributes:
        collected: number of tests that were collected; the fence stands behind them.
        hidden: windows that a selected decision needs and that no test was selected for, behind the fence.
    """

    collected: int
    hidden: tuple[WindowId, ...]

    @property
    def fence(self) -> int:
        """The place of the fence."""
        return self.collected


def lay_out(nodeids: Sequence[str], plan: Plan) -> Layout:
    """Find the windows that selected tests need and nobody evaluates."""
    decided: set[str] = set()
    checked: set[str] = set()
    for nodeid in nodeids:
        if nodeid.startswith((_SHIPPED["decision"], _SHIPPED["walk_forward"])):
            decided.add(bracket(nodeid))
        elif nodeid.startswith(PARITY):  # which the backtest shows
            checked.add(bracket(nodeid))
    needed = set()
    for model in plan.models:
        name = model.model.id
        if name in decided:
            needed |= {WindowId(name, window.name) for window in model.windows}
        elif name in checked and not model.dropped:
            needed.add(WindowId(name, model.backtest.name))
    missing = needed - selected_windows(nodeids, plan)
    return Layout(len(nodeids), tuple(window for window in plan.windows if window in missing))


def make_units(nodeids: Sequence[str], plan: Plan, known: frozenset[WindowId]) -> list[Unit]:
    """Cut a collection into units.

    Tests of training metrics go first, one unit per model: they take no time and tell most. Tests about one window go
    together; tests about a model as a whole wait for all its windows. Other people's tests go by file, so that what a
    file shares is set up once.

    Args:
        known: windows whose evidence another run left: they cost next to nothing.
    """
    layout, windows = lay_out(nodeids, plan), WindowIds(plan)
    models = {model.model.id for model in plan.models}
    evaluated: dict[WindowId, list[int]] = {}
    gating: dict[str, list[int]] = {}
    judging: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for place, nodeid in enumerate(nodeids):
        name, window = bracket(nodeid), windows.of(nodeid)
        if window is not None:
            evaluated.setdefault(window, []).append(place)
        elif nodeid.startswith(_SHIPPED["gating"]):
            gating.setdefault(name if name in models else name.rpartition("-")[0], []).append(place)
        elif name in models:
            judging.setdefault(name, []).append(place)
        else:
            others.setdefault(nodeid.partition("::")[0], []).append(place)
    for number, window in enumerate(layout.hidden, start=layout.fence + 1):
        evaluated.setdefault(window, []).append(number)
    waits = {model: frozenset(window for window in evaluated if window.model == model) for model in judging}
    return [
        *(Unit(tuple(places), urgent=True, model=model) for model, places in gating.items()),
        *(
            Unit(tuple(places), model=window.model, gives=window, cost=0 if window in known else plan.cost(window))
            for window, places in evaluated.items()
        ),
        *(Unit(tuple(places), model=model, waits=waits[model]) for model, places in judging.items()),
        *(Unit(tuple(places)) for places in others.values()),
    ]
