"""A row of the table: what was measured, against what, and how far from the least that it could take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypedDict


class Row(TypedDict):
    """What ``bench.json`` holds; None where there is nothing to say.

    ``ratio`` is opponent / ours, ``distance`` ours / bound: more is better there, 1 is perfect here.
    """

    name: str
    unit: str
    ours: float | None
    opponent: float | None
    ratio: float | None
    bound: float | None
    distance: float | None
    note: str


def make_row(
    name: str, unit: str, ours: float, *, opponent: float | None = None, bound: float | None = None, note: str = ""
) -> Row:
    """A measured row; ratio and distance follow from the rest."""
    return {
        "name": name,
        "unit": unit,
        "ours": ours,
        "opponent": opponent,
        "ratio": None if opponent is None else opponent / ours,
        "bound": bound,
        "distance": None if bound is None else ours / bound,
        "note": note,
    }


def not_measured(name: str, why: str) -> Row:
    """A row that says why it is empty."""
    return {
        "name": name,
        "unit": "",
        "ours": None,
        "opponent": None,
        "ratio": None,
        "bound": None,
        "distance": None,
        "note": f"not measured: {why}",
    }


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long it takes, by the wall clock unless another is given."""
    begun = clock()
    work()
    return clock() - begun


def medians(rounds: int, *works: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Median seconds of each; they take turns, so that whatever disturbs the machine disturbs all of them."""
    taken = [[seconds(work, clock) for work in works] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]
