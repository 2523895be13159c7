"""Pictures of what an account did with a model, as SVG text: the same for the same figures, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pytest_modelgate.adapters.drawing.panel import DAY, Box, Panel, Range, fit, thin_rows
from pytest_modelgate.adapters.drawing.svg import Drawing, circle, marks
from pytest_modelgate.core.evidence.curves import Seconds
from pytest_modelgate.core.typing import Floats

_WIDE = 560
ACCOUNT, _ACCOUNT_HEIGHT = (Box(62, 8, 548, 150), Box(62, 172, 548, 286)), 308
COSTS, _COSTS_HEIGHT = (Box(62, 20, 548, 166),), 188
ODDS, _ODDS_HEIGHT = (Box(62, 20, 548, 166),), 188
_MOST_POINTS = 400
_DASHED, _SHORT = "5.6 2.8", "3 2"
_UP, _DOWN, _CROSS = "m0 -3l3 6h-6z", "m0 3l3 -6h-6z", "m-3.2 -3.2l6.4 6.4m0 -6.4l-6.4 6.4"
_DECADES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)


class Mark(NamedTuple):
    """One order: seconds since 1970 UTC of its bar, the price there, its side, and how it is marked."""

    time: int
    price: float
    side: int
    kind: str


class Curves(NamedTuple):
    """What an account did over n bars, every array (n,).

    Attributes:
        times: starts of bars, seconds since 1970 UTC.
        account, simulated: returns since the start; NaN where nothing tells.
        price: closes relative to the first.
    """

    times: Seconds
    account: Floats
    simulated: Floats
    price: Floats


def draw_account(curves: Curves, orders: Sequence[Mark], alt: str) -> str:
    """Account and simulation above; below the price with an arrow for every order, crosses for those that went wrong.

    Args:
        curves: what is drawn.
        orders: ``match``, ``explained`` or ``wrong``.
        alt: what the picture shows, for who cannot see it.
    """
    times, account, simulated, price = curves
    days = times / DAY
    drawing, across = Drawing(_WIDE, _ACCOUNT_HEIGHT), Range(float(days[0]), float(days[-1]))
    upper = Panel(drawing, ACCOUNT[0], across, fit(100 * np.concatenate([account, simulated, [0.0]]), 0.08))
    lower = Panel(drawing, ACCOUNT[1], across, fit(price, 0.12))
    upper.level(0.0, "grid")
    for values, colour, width, dash in ((simulated, "equal", 1.2, _DASHED), (account, "model", 1.8, "")):
        kept = thin_rows(values, _MOST_POINTS)
        upper.line(days[kept], 100 * values[kept], colour, width, dash)
    kept = thin_rows(price, _MOST_POINTS)
    lower.line(days[kept], price[kept], "market", 1.1)
    for side, mark, colour in ((1, _UP, "good"), (-1, _DOWN, "bad")):
        _mark(lower, [order for order in orders if order.side == side and order.kind == "match"], mark, colour)
    _mark(lower, [order for order in orders if order.kind == "explained"], circle(3.0), "soft", filled=False)
    _mark(lower, [order for order in orders if order.kind == "wrong"], _CROSS, "ink", filled=False)
    for panel in (upper, lower):
        panel.frame()
    upper.label_percent(4)
    lower.label_numbers()
    lower.label_dates(times)
    return drawing.finish(alt)


def _mark(panel: Panel, orders: Sequence[Mark], shape: str, colour: str, *, filled: bool = True) -> None:
    places = panel.x(np.array([order.time / DAY for order in orders], dtype=np.float64))
    path = marks(places, panel.y(np.array([order.price for order in orders], dtype=np.float64)), shape)
    if filled:
        panel.drawing.fill(path, colour)
    else:
        panel.drawing.stroke(path, colour, 1.6)


def draw_costs(times: Seconds, costs: Floats, assumed: float, borne: float, alt: str) -> str:
    """Cost of every filled order as a dot, in basis points of its notional, with what is assumed and what is borne.

    Args:
        times: (n,) starts of the bars that decided them.
        costs: (n,) fractions.
        assumed, borne: fractions.
        alt: its text.
    """
    days, points = times / DAY, 1e4 * costs
    drawing = Drawing(_WIDE, _COSTS_HEIGHT)
    across = Range(float(days[0]) - 0.5, float(days[-1]) + 0.5)
    panel = Panel(drawing, COSTS[0], across, fit(np.concatenate([points, [0.0, 1e4 * borne, 1e4 * assumed]]), 0.08))
    panel.level(0.0, "grid")
    panel.level(1e4 * assumed, "equal", 1.2, _DASHED)
    panel.level(1e4 * borne, "bad", 1.2, _SHORT)
    drawing.fill(marks(panel.x(days), panel.y(points), circle(2.2)), "model", 0.7)
    panel.frame()
    panel.label_numbers()
    panel.label_dates(times if times[-1] > times[0] else np.array([times[0], times[0] + DAY]))
    drawing.text(panel.box.left, panel.box.top - 6, "basis points of the notional")
    return drawing.finish(alt)


def draw_odds(times: Seconds, odds: Floats, against: Floats, needed: float, alt: str) -> str:
    """Evidence for skill and against the claim by day, on a logarithmic scale, with the odds that are enough.

    Args:
        times: (n,) starts of days.
        odds, against: (n,) to 1, not negative.
        needed: to 1.
        alt: its text.
    """
    days, floor = times / DAY, 0.01
    lines = [np.log10(np.maximum(floor, values)) for values in (odds, against)]
    enough = float(np.log10(needed))
    drawing = Drawing(_WIDE, _ODDS_HEIGHT)
    across = Range(float(days[0]), max(float(days[-1]), float(days[0]) + 1.0))
    panel = Panel(drawing, ODDS[0], across, fit(np.concatenate([*lines, [enough, -0.5]]), 0.06))
    panel.level(0.0, "grid")
    panel.level(enough, "good", 1.2, _DASHED)
    panel.line(days, lines[1], "bad", 1.4)
    panel.line(days, lines[0], "model", 1.8)
    panel.frame()
    told = [decade for decade in _DECADES if panel.up.first <= np.log10(decade) <= panel.up.last]
    panel.label_beside([float(np.log10(decade)) for decade in told], [f"{decade:g}" for decade in told])
    panel.label_dates(np.array([times[0], max(int(times[-1]), int(times[0]) + DAY)]))
    drawing.text(panel.box.left, panel.box.top - 6, "odds to 1")
    return drawing.finish(alt)
