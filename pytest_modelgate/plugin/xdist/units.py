"""Units of work from test ids: a pure function of ids and plan, so that controller and workers agree on every place.

Only ids reach xdist's controller. What they say is enough for a good order; evidence makes any order right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_modelgate.core.planning.plan import Plan, WorkId
from pytest_modelgate.core.planning.schedule import Unit
from pytest_modelgate.plugin.collection import TestIds, TestKind


@dataclass(frozen=True)
class Layout:
    """A worker's list of tests: the collected ones, a fence, and work that nobody selected.

    Attributes:
        collected: number of tests that were collected; the fence stands behind them.
        hidden: evidence that a selected decision needs and that no test was selected for, behind the fence.
    """

    collected: int
    hidden: tuple[WorkId, ...]

    @property
    def fence(self) -> int:
        """The place of the fence."""
        return self.collected


def lay_out(nodeids: Sequence[str], plan: Plan) -> Layout:
    """Find the evidence that selected tests need and no selected test gains."""
    ids = TestIds(plan)
    tests = {ids.of(nodeid) for nodeid in nodeids}
    selected = {test.work for test in tests}
    needed: set[WorkId] = set()
    for test in tests:
        if test.kind is TestKind.DECISION:
            needed |= {WorkId(test.model, work.name) for work in plan.of(test.model).work}
        elif test.kind is TestKind.PARITY and not plan.of(test.model).dropped:
            needed.add(WorkId(test.model, plan.of(test.model).backtest.name))
    return Layout(len(nodeids), tuple(work for work in plan.work if work in needed - selected))


def make_units(nodeids: Sequence[str], plan: Plan, known: frozenset[WorkId]) -> list[Unit]:
    """Cut a collection into units.

    Tests of training metrics go first, one unit per model: they take no time and tell most. Tests about one piece of
    evidence go together; tests about a model as a whole wait for all its evidence. Other people's tests go by file, so
    that what a file shares is set up once.

    Args:
        known: evidence that another run left: it costs next to nothing.
    """
    layout, ids = lay_out(nodeids, plan), TestIds(plan)
    gating: defaultdict[str, list[int]] = defaultdict(list)
    judging: defaultdict[str, list[int]] = defaultdict(list)
    others: defaultdict[str, list[int]] = defaultdict(list)
    evaluated: defaultdict[WorkId, list[int]] = defaultdict(list)
    for place, nodeid in enumerate(nodeids):
        test = ids.of(nodeid)
        if test.work is not None:
            evaluated[test.work].append(place)
        elif test.kind is TestKind.GATING:
            gating[test.model].append(place)
        elif test.kind is TestKind.OTHER:
            others[nodeid.partition("::")[0]].append(place)
        else:
            judging[test.model].append(place)
    for place, work in enumerate(layout.hidden, start=layout.fence + 1):
        evaluated[work].append(place)
    waits = {model: frozenset(work for work in evaluated if work.model == model) for model in judging}
    costs = {work: 0 if work in known else plan.cost(work) for work in evaluated}
    return [
        *(Unit(tuple(places), urgent=True, model=model) for model, places in gating.items()),
        *(Unit(tuple(places), model=work.model, gives=work, cost=costs[work]) for work, places in evaluated.items()),
        *(Unit(tuple(places), model=model, waits=waits[model]) for model, places in judging.items()),
        *(Unit(tuple(places)) for places in others.values()),
    ]
