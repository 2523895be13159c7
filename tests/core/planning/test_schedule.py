"""The schedule: everything is handed out once, nothing too early, and close to the best possible time."""

import heapq
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import report_factory as factory

from pytest_modelgate.core.planning.looks import TrialCount
from pytest_modelgate.core.planning.plan import Plan, WorkId
from pytest_modelgate.core.planning.schedule import Schedule, Unit, workers_pay
from pytest_modelgate.core.training.run import CheckpointRef, TrainingRun


def fold(place: int, cost: int, model: str = "M") -> Unit:
    return Unit((place,), model=model, gives=WorkId(model, f"fold{place}"), cost=cost)


def decision(place: int, folds: Sequence[Unit]) -> Unit:
    waits = frozenset(unit.gives for unit in folds if unit.gives)
    return Unit((place,), model=folds[0].model if folds else "M", waits=waits)


@st.composite
def work(draw: st.DrawFn) -> list[Unit]:
    """Models with folds and a decision each, gating tests, other people's tests."""
    units: list[Unit] = []
    for model in "ABC"[: draw(st.integers(0, 3))]:
        costs = draw(st.lists(st.integers(0, 30), max_size=6))
        folds = [fold(len(units) + number, cost, model) for number, cost in enumerate(costs)]
        units += folds
        units.append(decision(len(units), folds))
        units.append(Unit((len(units),), urgent=True, model=model))
    units += [Unit((len(units) + number,)) for number in range(draw(st.integers(0, 3)))]
    return draw(st.permutations(units))


def simulate(
    units: Sequence[Unit], workers: int, opened: set[tuple[int, str]] | None = None
) -> tuple[float, list[tuple[float, Unit]]]:
    """When everything has settled, and when each unit began, if a unit takes as long as it costs.

    Args:
        opened: takes up which worker has had which model.
    """
    schedule, now, begun = Schedule(units), 0.0, []
    idle = list(range(workers))
    busy: list[tuple[float, int, Unit]] = []
    while not schedule.finished:
        for worker in list(idle):
            unit = schedule.take(worker)
            if unit is not None:
                begun.append((now, unit))
                if opened is not None:
                    opened.add((worker, unit.model))
                heapq.heappush(busy, (now + unit.cost, worker, unit))
                idle.remove(worker)
        assert busy, "nobody has anything to do, and nothing is finished"
        now, worker, unit = heapq.heappop(busy)
        schedule.settle(unit)
        idle.append(worker)
    assert schedule.take("any") is None
    return now, begun


@given(work(), st.integers(1, 5))
def test_every_unit_is_handed_out_once_and_none_before_what_it_waits_for(units: list[Unit], workers: int) -> None:
    _, begun = simulate(units, workers)

    assert sorted(unit.items for _, unit in begun) == sorted(unit.items for unit in units)
    ends = {unit.gives: start + unit.cost for start, unit in begun if unit.gives}
    assert all(ends[window] <= start for start, unit in begun for window in unit.waits)


@given(work(), st.integers(1, 5))
def test_no_worker_waits_while_there_is_work(units: list[Unit], workers: int) -> None:
    """Graham 1966: whoever ends last began when all the others were busy."""
    independent = [unit for unit in units if not unit.waits]
    total, longest = sum(unit.cost for unit in independent), max((unit.cost for unit in independent), default=0)

    time, _ = simulate(independent, workers)

    assert time <= total / workers + longest * (1 - 1 / workers) + 1e-9


@given(work(), st.integers(1, 5))
def test_a_decision_that_is_ready_goes_before_any_fold(units: list[Unit], workers: int) -> None:
    _, begun = simulate(units, workers)

    ends = {unit.gives: start + unit.cost for start, unit in begun if unit.gives}
    for place, (start, unit) in enumerate(begun):
        ready = max((ends[window] for window in unit.waits), default=None)
        if ready is not None:
            assert not any(ready < other < start for other, between in begun[:place] if between.gives)


def test_longer_folds_start_first() -> None:
    schedule = Schedule([fold(0, 1), fold(1, 3), fold(2, 2)])

    assert [schedule.take("w").items for _ in range(3)] == [(1,), (2,), (0,)]  # type: ignore[union-attr]


def test_a_worker_goes_on_with_its_model_then_takes_one_that_nobody_has_then_helps_where_most_is_left() -> None:
    schedule = Schedule([fold(place, 5, model) for place, model in enumerate("AAABBBCCC")])

    taken = [schedule.take(worker) for worker in ("x", "y", "x", "y", "z", "x", "x")]

    assert [unit.model for unit in taken if unit] == ["A", "B", "A", "B", "C", "A", "C"]


def test_the_longest_model_is_begun_first() -> None:
    schedule = Schedule([fold(0, 9, "A"), fold(1, 5, "B"), fold(2, 5, "B")])

    assert [schedule.take(worker).model for worker in ("x", "y")] == ["B", "A"]  # type: ignore[union-attr]


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=6), max_size=12), st.integers(1, 4))
def test_all_but_the_last_models_are_read_by_one_worker(models: list[list[int]], workers: int) -> None:
    opened: set[tuple[int, str]] = set()
    folds = [
        fold(100 * number + place, cost, f"M{number}")
        for number, costs in enumerate(models)
        for place, cost in enumerate(costs)
    ]

    simulate(folds, workers, opened)
    assert len(opened) <= len(models) + workers * (workers - 1)


def test_a_unit_that_is_put_back_is_handed_out_again_and_still_waited_for() -> None:
    first = fold(0, 5)
    schedule = Schedule([first, decision(1, [first])])
    taken = schedule.take("lost")
    assert taken == first

    schedule.forget("lost")
    schedule.put_back(taken)

    assert schedule.take("other") == first
    assert schedule.take("other") is None
    schedule.settle(first)
    assert schedule.take("other") == decision(1, [first])


def test_what_is_added_later_is_waited_for_too() -> None:
    first = fold(0, 5)
    schedule = Schedule([first, decision(1, [first])])
    schedule.take("w")

    schedule.add(first)
    schedule.settle(first)

    assert schedule.take("w") == first
    assert not schedule.finished
    schedule.settle(first)
    assert schedule.take("w") == decision(1, [first])


@pytest.mark.parametrize(
    ("models", "size", "workers", "pays"),
    [
        (4, 1_000, 2, False),
        (50, 1_000, 2, True),
        (8, 80_000_000, 2, True),
        (50, 80_000_000, 1, False),
        (0, 0, 2, False),
    ],
)
def test_workers_pay_where_there_is_enough_to_do(models: int, size: int, workers: int, *, pays: bool) -> None:
    made = [factory.plan_of(f"AA{chr(65 + number // 26)}{chr(65 + number % 26)}USD") for number in range(models)]
    made = [replace(plan, model=replace(plan.model, checkpoint=CheckpointRef("M.pt", size))) for plan in made]
    plan = Plan(TrainingRun("a.zip", factory.AS_OF, ()), factory.AS_OF, tuple(made), TrialCount(1))
    assert workers_pay(plan, plan.work, workers) is pays
