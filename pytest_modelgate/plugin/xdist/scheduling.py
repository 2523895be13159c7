"""Scheduler for xdist: which worker has what, also when one is lost. Loaded with xdist only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from xdist.report import report_collection_diff
from xdist.workermanage import WorkerController, parse_tx_spec_config

from pytest_modelgate.core.planning.schedule import Schedule, Unit
from pytest_modelgate.plugin.xdist.units import Layout

Cut = Callable[[Sequence[str]], tuple[Layout, list[Unit]]]


class GateScheduling:
    """Gives every worker one unit at a time, and a fence behind it: nothing is promised to a worker that is not free.

    This is xdist's ``Scheduling`` protocol (xdist 3.8). Ids that xdist asks for are those of collected tests; what
    else a worker runs is known here by its place only.

    Args:
        config: the controller's; other plugins look for it here, as in xdist's own schedulers.
        cut: from collected ids to what workers' lists look like, and to the units.
    """

    def __init__(self, config: pytest.Config, cut: Cut) -> None:
        self.config = config
        self._cut = cut
        self._expected = len(parse_tx_spec_config(config))
        self._collections: dict[WorkerController, list[str]] = {}
        self._todo: dict[WorkerController, list[int]] = {}
        self._units: dict[WorkerController, Unit] = {}
        self._ids: list[str] = []
        self._layout: Layout | None = None
        self._schedule: Schedule | None = None
        self._crashed: list[Unit] = []
        self._again: set[int] = set()

    @property
    def nodes(self) -> list[WorkerController]:
        """Workers that take part."""
        return list(self._todo)

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker of the start has collected."""
        return len(self._collections) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to be handed out or waited for."""
        return self.collection_is_completed and (self._schedule is None or self._schedule.finished)

    @property
    def has_pending(self) -> bool:
        """Whether tests are still to be run."""
        return self._schedule is not None and not self._schedule.finished

    def add_node(self, node: WorkerController) -> None:
        """A worker is there."""
        self._todo[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A worker has collected. One that replaces another has to agree with those before it, or gets no work."""
        if self._schedule is None or self._agrees(self._ids, collection, "the others", node):
            self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Begin once every worker has collected the same tests; later, give work to who is new."""
        if self._schedule is None:
            (first, ids), *rest = self._collections.items()
            agreed = [self._agrees(ids, other, first.gateway.id, node) for node, other in rest]  # each is reported
            if not all(agreed):
                return
            self._ids = ids
            self._layout, units = self._cut(ids)
            self._schedule = Schedule(units)
        self._feed()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:  # noqa: ARG002 - xdist's protocol
        """A worker is through with one item."""
        if item_index not in self._todo[node]:
            return  # the fence
        self._todo[node].remove(item_index)
        if not self._todo[node]:
            assert self._schedule is not None
            self._schedule.settle(self._units.pop(node))
            self._feed()

    def mark_test_pending(self, item: str) -> None:
        """A plugin wants a test to be run again, most often one that crashed its worker."""
        assert self._schedule is not None
        place = self._ids.index(item)
        if any(place in unit.items for unit in self._crashed):
            self._again.add(place)
        else:
            self._schedule.add(Unit((place,)))
            self._feed()

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """Nothing is ever taken back from a worker."""
        raise NotImplementedError

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker is gone.

        Returns:
            The test it was running, if any: xdist reports it, and ``crash_was_reported`` is to be called then.

        Raises:
            KeyError: xdist takes it for a worker that never took part.
        """
        todo, unit = self._todo.pop(node), self._units.pop(node, None)
        if self._schedule is None:
            self._collections.pop(node, None)
            return None
        self._schedule.forget(node)
        if unit is None:
            return None
        crashed, *rest = todo
        if rest:
            self._schedule.add(_only(unit, rest))
        if crashed >= len(self._ids):
            self._schedule.settle(unit)
            self._feed()
            return None
        self._crashed.append(_only(unit, [crashed]))
        return self._ids[crashed]

    def crash_was_reported(self) -> None:
        """Go on after a crash: run the test again if a plugin asked for it, else it has settled."""
        assert self._schedule is not None
        for unit in self._crashed:
            if self._again.isdisjoint(unit.items):
                self._schedule.settle(unit)
            else:
                self._schedule.put_back(unit)
        self._crashed.clear()
        self._again.clear()
        self._feed()

    def _feed(self) -> None:
        """Give work to every worker that has none."""
        assert self._schedule is not None
        assert self._layout is not None
        for node, todo in self._todo.items():
            if todo or node.shutting_down or node not in self._collections:
                continue
            unit = self._schedule.take(node)
            if unit is None:
                return
            todo.extend(unit.items)
            self._units[node] = unit
            node.send_runtest_some([*unit.items, self._layout.fence])

    def _agrees(self, ids: Sequence[str], other: Sequence[str], name: str, node: WorkerController) -> bool:
        difference = report_collection_diff(list(ids), list(other), name, node.gateway.id)
        if difference is None:
            return True
        report = pytest.CollectReport(nodeid=node.gateway.id, outcome="failed", longrepr=difference, result=[])
        self.config.hook.pytest_collectreport(report=report)
        return False


def _only(unit: Unit, items: Sequence[int]) -> Unit:
    return Unit(tuple(items), unit.urgent, unit.model, unit.gives, unit.waits, unit.cost)
