"""Schedule of work for workers: a model at a time, decisions as soon as their evidence has settled.

Pure bookkeeping, without workers: whoever runs it asks for the next unit and says when one has settled.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from pytest_modelgate.core.planning.plan import Plan, WorkId

# Seconds, as measured with half a year of hours per model; what a machine is faster or slower at changes them alike.
_PER_BAR, _PER_BYTE, _PER_WORKER = 5e-5, 8e-9, 2.0


def workers_pay(plan: Plan, todo: Collection[WorkId], workers: int) -> bool:
    """Whether so many workers are likely to save more time than starting them takes.

    Args:
        todo: evidence to be gained.
        workers: at least 1.
    """
    checkpoints = [plan.of(name).model.checkpoint for name in {work.model for work in todo}]
    size = sum(checkpoint.size for checkpoint in checkpoints if checkpoint)
    seconds = _PER_BAR * sum(map(plan.cost, todo)) + _PER_BYTE * size
    return seconds * (1.0 - 1.0 / workers) > _PER_WORKER


@dataclass(frozen=True)
class Unit:
    """Tests that one worker runs one after the other.

    Attributes:
        items: places in the collection, in the order in which they run.
        urgent: handed out before any evidence is gained.
        model: the model it is about; empty for tests of no model.
        gives: the evidence it gains, if it gains any.
        waits: evidence that has to settle before it may start.
        cost: bars to be evaluated.
    """

    items: tuple[int, ...]
    urgent: bool = False
    model: str = ""
    gives: WorkId | None = None
    waits: frozenset[WorkId] = frozenset()
    cost: int = 0


class Schedule:
    """Hands out units.

    Ready and urgent ones come first. Then a worker goes on with the model it has at hand, since reading a checkpoint
    and finding its actions is most of the work; done with that, it takes the model that nobody has and that takes
    longest. When there is none, it helps with the one that has most left. Of a model the longest unit comes first, so
    that short ones are left to even out the end. Nobody waits while there is work, which alone keeps the end within
    twice the best possible time (Graham 1966), and only the last models, no more than workers, are read by several.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self._open = Counter(unit.gives for unit in units if unit.gives)
        self._unsettled = len(units)
        self._serial = 0
        self._urgent: list[tuple[int, Unit]] = []
        self._stock: dict[str, list[tuple[int, int, Unit]]] = {}  # heaps by model, longest first
        self._left: Counter[str] = Counter()  # cost of what is in stock
        self._at_hand: dict[Hashable, str] = {}
        self._waiting: defaultdict[WorkId, list[Unit]] = defaultdict(list)
        for unit in units:
            self._offer(unit)

    @property
    def finished(self) -> bool:
        """Whether every unit has settled."""
        return self._unsettled == 0

    def take(self, worker: Hashable) -> Unit | None:
        """The next unit for a worker; None when nothing is ready."""
        if self._urgent:
            return heapq.heappop(self._urgent)[1]
        if not self._stock:
            return None
        model = self._at_hand.get(worker)
        if model not in self._stock:
            model = self._next_model()
        self._at_hand[worker] = model
        _, _, unit = heapq.heappop(self._stock[model])
        self._left[model] -= unit.cost
        if not self._stock[model]:
            del self._stock[model]
        return unit

    def settle(self, unit: Unit) -> None:
        """Say that a unit has been dealt with, whatever came of it; what waited for it may become ready."""
        self._unsettled -= 1
        if unit.gives is None:
            return
        self._open[unit.gives] -= 1
        if not self._open[unit.gives]:
            for waiting in self._waiting.pop(unit.gives, []):
                self._offer(waiting)

    def add(self, unit: Unit) -> None:
        """Offer a unit that was not there from the start; whatever waits for its evidence waits for it too."""
        self._unsettled += 1
        if unit.gives:
            self._open[unit.gives] += 1
        self._offer(unit)

    def put_back(self, unit: Unit) -> None:
        """Offer a unit again that was taken and has not settled."""
        self._offer(unit)

    def forget(self, worker: Hashable) -> None:
        """A worker is gone, and with it what it had at hand."""
        self._at_hand.pop(worker, None)

    def _offer(self, unit: Unit) -> None:
        missing = next((work for work in sorted(unit.waits) if self._open[work]), None)
        if missing is not None:
            self._waiting[missing].append(unit)
            return
        self._serial += 1
        if unit.urgent or unit.waits:
            heapq.heappush(self._urgent, (self._serial, unit))
            return
        heapq.heappush(self._stock.setdefault(unit.model, []), (-unit.cost, self._serial, unit))
        self._left[unit.model] += unit.cost

    def _next_model(self) -> str:
        """The longest model that nobody has, else the one with most left; of equal ones the first that was offered."""
        taken = set(self._at_hand.values())
        free = [model for model in self._stock if model not in taken]
        return max(free or self._stock, key=lambda model: self._left[model])
