"""Which work goes to which worker, and when: longest first, decisions as soon as their windows have settled.

Pure bookkeeping, without workers: whoever runs it asks for the next unit and says when one has settled.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from pytest_modelgate.core.plan import WindowId


@dataclass(frozen=True)
class Unit:
    """Tests that one worker runs one after the other.

    Attributes:
        items: places in the collection, in the order in which they run.
        urgent: handed out before any window is evaluated.
        model: the model it is about; empty for tests of no model.
        gives: the window it evaluates, if it evaluates one.
        waits: windows that have to settle before it may start.
        cost: bars to be evaluated; longer ones start first.
    """

    items: tuple[int, ...]
    urgent: bool = False
    model: str = ""
    gives: WindowId | None = None
    waits: frozenset[WindowId] = frozenset()
    cost: int = 0


class _Shelf:
    """Equally long units, by model."""

    def __init__(self) -> None:
        self._models: dict[str, deque[Unit]] = {}
        self._order: list[tuple[int, str]] = []  # heap; what names a model without units is stale

    def __bool__(self) -> bool:
        return bool(self._models)

    def put(self, serial: int, unit: Unit) -> None:
        if unit.model not in self._models:
            self._models[unit.model] = deque()
            heapq.heappush(self._order, (serial, unit.model))
        self._models[unit.model].append(unit)

    def take(self, at_hand: str | None, taken: set[str]) -> Unit:
        model = at_hand if at_hand in self._models else self._first(taken)
        units = self._models[model]
        unit = units.popleft()
        if not units:
            del self._models[model]
        return unit

    def _first(self, taken: set[str]) -> str:
        passed_over: list[tuple[int, str]] = []
        while self._order:
            entry = heapq.heappop(self._order)
            if entry[1] in self._models:
                passed_over.append(entry)
                if entry[1] not in taken:
                    break
        chosen = passed_over[-1] if passed_over[-1][1] not in taken else passed_over[0]
        for entry in passed_over:
            heapq.heappush(self._order, entry)
        return chosen[1]


class Schedule:
    """Hands out units.

    Ready and urgent ones come first, then the longest. Among equally long ones a worker gets the model it has at hand,
    then one that nobody has: a model is read once per worker that needs it. The longest-first rule ends within 4/3 of
    the best possible time (Graham 1969).
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self._open = Counter(unit.gives for unit in units if unit.gives)
        self._unsettled = len(units)
        self._serial = 0
        self._urgent: list[tuple[int, Unit]] = []
        self._lengths: list[int] = []  # heap of negated costs, one entry per cost that is in stock
        self._stock: dict[int, _Shelf] = {}
        self._at_hand: dict[Hashable, str] = {}
        self._waiting: defaultdict[WindowId, list[Unit]] = defaultdict(list)
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
        if not self._lengths:
            return None
        shelf = self._stock[-self._lengths[0]]
        unit = shelf.take(self._at_hand.get(worker), set(self._at_hand.values()))
        if not shelf:
            del self._stock[-heapq.heappop(self._lengths)]
        self._at_hand[worker] = unit.model
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
        """Offer a unit that was not there from the start; whatever waits for its window waits for it too."""
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
        missing = next((window for window in sorted(unit.waits) if self._open[window]), None)
        if missing is not None:
            self._waiting[missing].append(unit)
            return
        self._serial += 1
        if unit.urgent or unit.waits:
            heapq.heappush(self._urgent, (self._serial, unit))
            return
        if unit.cost not in self._stock:
            self._stock[unit.cost] = _Shelf()
            heapq.heappush(self._lengths, -unit.cost)
        self._stock[unit.cost].put(self._serial, unit)
