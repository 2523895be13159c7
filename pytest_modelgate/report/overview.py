"""All models at once: their growth in one picture, and how far those that may trade are one and the same bet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.drawing.charts import OVERLAY, Line, draw_overlay
from pytest_modelgate.core.statistics.periods import correlation
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.report.embedded import Series, chart_json
from pytest_modelgate.report.formats import moment, signed
from pytest_modelgate.report.measured import Measured
from pytest_modelgate.report.pictures import Picture, drawn

_LINES, _COLOURS, _DASHES = 12, 6, ("", "5 2", "1.5 2")
_MATRIX = 12  # models of which every pair finds room
_ONE_BET, RELATED = 0.7, 0.4
_HOUR = 3_600


@dataclass(frozen=True)
class Brief:
    """What is kept of a model until the whole page is put together.

    Attributes:
        times, growth: (n,) seconds since 1970 UTC, and return since the start, at the end of every day.
        daily: returns by UTC day.
    """

    id: str
    decision: str
    times: NDArray[np.int64]
    growth: Floats
    daily: Mapping[int, float]


@dataclass(frozen=True)
class Pair:
    """Two models that may trade, and the correlation of their daily returns."""

    one: str
    other: str
    value: float


def brief_of(model: str, decision: str, measured: Measured) -> Brief:
    """What the overview needs of a model."""
    growth = measured.growth
    days = growth.times // 86_400
    ends = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    kept = np.unique(np.concatenate([[0], ends]))
    return Brief(model, decision, growth.times[kept], growth.model[kept], measured.daily)


def overlay(briefs: Sequence[Brief], promotable: Sequence[str]) -> Picture | None:
    """Growth of those that may trade, then of the others, as many as can be told apart; None without any."""
    ordered = sorted(briefs, key=lambda item: item.id not in promotable)[:_LINES]
    if not ordered:
        return None
    lines, series, keys = [], [], []
    grid = np.unique(np.concatenate([item.times // _HOUR * _HOUR for item in ordered]))
    for place, item in enumerate(ordered):
        colour, dash = f"c{place % _COLOURS}", _DASHES[place // _COLOURS]
        lines.append(Line(item.times, item.growth, colour, dash))
        at = np.searchsorted(item.times // _HOUR * _HOUR, grid, side="right") - 1
        series.append(Series(item.id, np.where(at >= 0, item.growth[np.maximum(at, 0)], np.nan), colour))
        keys.append((f"{colour}{' mg-key-dash' if dash else ''}", f"{item.id} {signed(float(item.growth[-1]))}"))
    alt = f"Growth over the walk-forward, after costs: {'; '.join(text for _, text in keys)}."
    rows = [(item.id, item.decision, moment(item.times[-1]), signed(float(item.growth[-1]))) for item in ordered]
    left_out = len(briefs) - len(ordered)
    note = f"{left_out} more are not drawn; the table above has all." if left_out else ""
    return Picture(
        "overlay",
        "Growth of all models that were evaluated",
        tuple(keys),
        drawn(lambda: draw_overlay(lines, alt)),
        alt,
        ("model", "decision", "until, UTC", "return"),
        rows,
        note,
        chart_json(grid, series, OVERLAY),
    )


def pairs_of(briefs: Sequence[Brief], promotable: Sequence[str]) -> list[Pair]:
    """All pairs of those that may trade."""
    ours = [item for item in briefs if item.id in promotable]
    return [Pair(a.id, b.id, correlation(a.daily, b.daily)) for a, b in combinations(ours, 2)]


def matrix(pairs: Sequence[Pair]) -> tuple[list[str], dict[tuple[str, str], float]]:
    """Names, and the value of every pair of them both ways; no names where there are too many for a table."""
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.one, pair.other)))
    if len(names) > _MATRIX:
        return [], {}
    return names, {key: p.value for p in pairs for key in ((p.one, p.other), (p.other, p.one))}


def bets_text(pairs: Sequence[Pair]) -> list[str]:
    """What the correlations mean for who would trade all of them, the closest pairs first."""
    known = sorted((pair for pair in pairs if not math.isnan(pair.value)), key=lambda pair: -pair.value)
    said = [
        f"{pair.one} and {pair.other} are largely one bet ({pair.value:.2f}): together they are hardly safer than one."
        for pair in known
        if pair.value >= _ONE_BET
    ]
    said += [f"{p.one} and {p.other} are related ({p.value:.2f})." for p in known if RELATED <= p.value < _ONE_BET]
    if not said and known:
        said = [f"None of them moves with another by more than {max(0.0, known[0].value):.2f}: different bets so far."]
    if len(known) < len(pairs):
        said.append("Pairs with fewer than 20 common days are left out.")
    return said[:_MATRIX]
