"""Pictures of a model as SVG text, one function for each; the same for the same figures, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pytest_modelgate.adapters.drawing.panel import DAY, Box, Panel, Range, fit, thin_rows
from pytest_modelgate.adapters.drawing.svg import MIDDLE, Drawing, circle, marks, polyline, rectangle
from pytest_modelgate.core.decision.robustness import MULTIPLES, CostPoint
from pytest_modelgate.core.evidence.curves import Growth, Prices, percent

_WIDTH, _HEIGHT = 460, 260
_MOST_POINTS = 240
_DASHED, _SHORT, _DOTTED = "5.6 2.8", "3 2", "1 2"
_UP, _DOWN, _CROSS = "m0 -3l3 6h-6z", "m0 3l3 -6h-6z", "m-2 -2l4 4m0 -4l-4 4"
_TRAINING = [Box(left, top, left + 175, top + 83) for top in (23.5, 153.5) for left in (46.0, 280.5)]


def draw_growth(growth: Growth, alt: str) -> str:
    """Equity against the market, drawdown below, one shade per window by how it lies to the training data.

    Args:
        growth: what is drawn.
        alt: what the picture shows, for who cannot see it.
    """
    thin = growth.thinned(_MOST_POINTS)
    days, drawdown = thin.times / DAY, -100 * thin.drawdown
    drawing, across = Drawing(_WIDTH, _HEIGHT), Range(float(days[0]), float(days[-1]))
    upper = Panel(drawing, Box(60, 21, 451, 156), across, fit(100 * np.concatenate([thin.model, thin.market]), 0.06))
    lower = Panel(drawing, Box(60, 174, 451, 234), across, fit(np.append(drawdown, 0.0), 0.06))
    for panel in (upper, lower):
        panel.shade(growth.spans)
    upper.level(0.0, "grid")
    upper.line(days, 100 * thin.market, "market", dash=_DASHED)
    upper.line(days, 100 * thin.model, "model")
    places = lower.x(np.concatenate([days, days[[-1, 0]]]))
    drawing.fill(polyline(places, lower.y(np.append(drawdown, [0.0, 0.0]))) + "z", "bad", 0.45)
    for panel, count in ((upper, 4), (lower, 2)):
        panel.frame()
        panel.label_percent(count)
    upper.name_windows(growth.spans)
    lower.label_dates(thin.times)
    return drawing.finish(alt)


def draw_training(
    history: Mapping[str, Sequence[float]],
    limits: Mapping[str, tuple[float, float]],
    recommended: int | None,
    alt: str,
) -> str:
    """Validation history, one panel per metric: its limits as lines, the peak of the first, the fitness, as a ring.

    Args:
        history: per metric, oldest first; at most four.
        limits: per metric, what APPROVED and what REVIEW needs.
        recommended: validation, from 1, whose checkpoint should be taken instead of the last.
        alt: its text.
    """
    drawing = Drawing(_WIDTH, _HEIGHT)
    for number, (box, (metric, values)) in enumerate(zip(_TRAINING, history.items(), strict=False)):
        every = np.array(values, dtype=np.float64)
        finite = np.where(np.isfinite(every), every, np.nan)
        kept = thin_rows(finite, _MOST_POINTS // 2)
        up = fit(np.concatenate([finite[kept], np.array(limits[metric])]), 0.08)
        panel = Panel(drawing, box, Range(0.5, len(values) + 0.5), up)
        approved, review = limits[metric]
        panel.level(approved, "good", 1.0)
        panel.level(review, "bad", 1.0, _SHORT)
        if recommended is not None:
            panel.upright(recommended, "ink", 1.0, _DOTTED)
        steps = np.arange(1.0, len(values) + 1)
        panel.line(steps[kept], finite[kept], "model")
        if np.isfinite(finite[-1]):
            drawing.fill(marks(panel.x(steps[-1:]), panel.y(finite[-1:]), circle(2.5)), "model")
        if number == 0 and np.isfinite(finite).any():
            peak = int(np.nanargmax(finite))
            ring = marks(panel.x(steps[[peak]]), panel.y(finite[[peak]]), circle(4.0))
            drawing.stroke(ring, "ink", 1.0)
        panel.frame()
        panel.label_numbers()
        told = sorted({1, len(values)})
        panel.label_below(told, map(str, told))
        drawing.text(box.left, box.top - 5, metric.replace("_", " "))
    return drawing.finish(alt)


def draw_prices(prices: Prices, alt: str) -> str:
    """The close of every bar, with entries and exits of round trips, and a band below for the time between."""
    days, trips = prices.times / DAY, prices.trips
    drawing = Drawing(_WIDTH, _HEIGHT)
    up = fit(np.concatenate([prices.close, [trip.entry for trip in trips]]), 0.1)
    panel = Panel(drawing, Box(60, 8, 451, 234), Range(float(days[0]), float(days[-1])), up)
    panel.line(days, prices.close, "market", 1.1)
    for side, mark, colour in ((1, _UP, "good"), (-1, _DOWN, "bad")):
        ours = [trip for trip in trips if trip.side == side]
        entered, left = (panel.x(days[[getattr(trip, row) for trip in ours]]) for row in ("entered", "left"))
        bands = [rectangle(start, 226, end, 234) for start, end in zip(entered, left, strict=True)]
        drawing.fill("".join(bands), colour)
        drawing.fill(marks(entered, panel.y(np.array([trip.entry for trip in ours])), mark), colour)
    exits = panel.x(days[[trip.left for trip in trips]]), panel.y(np.array([trip.exit for trip in trips]))
    drawing.stroke(marks(*exits, _CROSS), "ink", 1.0)
    panel.frame()
    panel.label_numbers()
    panel.label_dates(prices.times)
    return drawing.finish(alt)


def draw_costs(surface: Sequence[CostPoint], alt: str) -> str:
    """Return over multiples of fees (down) and slippage (across): the fuller a cell, the more is won or lost."""
    count = len(MULTIPLES)
    drawing = Drawing(_WIDTH, _HEIGHT)
    panel = Panel(drawing, Box(60, 3, 456, 213), Range(0, count), Range(count, 0))
    most = max((abs(point.total_return) for point in surface), default=0.0) or 1.0
    for point in surface:
        corner = np.array([0.0, 1.0])
        left, right = panel.x(MULTIPLES.index(point.slippage) + 0.96 * corner).tolist()
        top, bottom = panel.y(MULTIPLES.index(point.fees) + 0.92 * corner).tolist()
        colour = "good" if point.total_return > 0.0 else "bad"
        drawing.fill(rectangle(left, top, right, bottom), colour, round(0.1 + 0.4 * abs(point.total_return) / most, 2))
        drawing.text((left + right) / 2, (top + bottom) / 2 + MIDDLE, percent(point.total_return), "middle")
    names = [f"x{multiple:g}" for multiple in MULTIPLES]
    panel.label_below(np.arange(count) + 0.48, names)
    panel.label_beside(np.arange(count) + 0.46, names)
    drawing.text(258, 253, "slippage", "middle")
    drawing.text(16, 108, "fees", "middle", upwards=True)
    return drawing.finish(alt)


def draw_spark(returns: Sequence[float | None], alt: str) -> str:
    """One small bar per fold, upwards where it made money; nothing where it was not measured."""
    values = np.array([0.0 if value is None else min(max(value, -1.0), 1e3) for value in returns])
    reach = 1.1 * float(np.abs(values).max(initial=0.0)) or 1.0
    drawing = Drawing(120, 32)
    panel = Panel(drawing, Box(0, 0, 120, 32), Range(-0.6, len(values) - 0.4), Range(-reach, reach))
    for place, value in enumerate(values.tolist()):
        left, right = panel.x(np.array([place - 0.35, place + 0.35])).tolist()
        zero, end = panel.y(np.array([0.0, value])).tolist()
        drawing.fill(rectangle(left, zero, right, end), "good" if value > 0.0 else "bad")
    panel.level(0.0, "ink")
    return drawing.finish(alt)
