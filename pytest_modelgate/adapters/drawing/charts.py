"""Pictures of a model as SVG text, one function for each; the same for the same figures, byte for byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pytest_modelgate.adapters.drawing.panel import DAY, Box, Panel, Range, fit, thin_rows
from pytest_modelgate.adapters.drawing.svg import Drawing, circle, marks, polyline, rectangle
from pytest_modelgate.core.evidence.curves import Growth, Prices, Seconds
from pytest_modelgate.core.typing import Floats

_WIDTH, _HEIGHT = 460, 260
_WIDE = 560  # what moves along with time: as wide as a phone can shrink it
GROWTH, GROWTH_HEIGHT = (Box(62, 22, 548, 190), Box(62, 208, 548, 266)), 288
OVERLAY, OVERLAY_HEIGHT = (Box(62, 8, 548, 236),), 258
ROLLING, ROLLING_HEIGHT = (Box(62, 20, 548, 104), Box(62, 128, 548, 182)), 204
PRICES, PRICES_HEIGHT = (Box(62, 8, 548, 202),), 224
HISTOGRAM_HEIGHT = 204
_MOST_POINTS = 120
_DASHED, _SHORT, _DOTTED = "5.6 2.8", "3 2", "1 2"
_UP, _DOWN, _CROSS = "m0 -3l3 6h-6z", "m0 3l3 -6h-6z", "m-2 -2l4 4m0 -4l-4 4"
_TRAINING = [Box(left, top, left + 175, top + 83) for top in (23.5, 153.5) for left in (46.0, 280.5)]


class Line(NamedTuple):
    """One line among others: (n,) seconds since 1970 UTC and returns, the name of its colour, and its dashes."""

    times: Seconds
    values: Floats
    colour: str
    dash: str = ""


def draw_growth(growth: Growth, alt: str) -> str:
    """Equity against equal exposure and the market, drawdown below, one shade per window by how it lies to training.

    Args:
        growth: what is drawn.
        alt: what the picture shows, for who cannot see it.
    """
    days, drawdown = growth.times / DAY, -100 * growth.drawdown
    drawing, across = Drawing(_WIDE, GROWTH_HEIGHT), Range(float(days[0]), float(days[-1]))
    every = np.concatenate([growth.model, growth.market, growth.equal])
    upper = Panel(drawing, GROWTH[0], across, fit(100 * every, 0.06))
    lower = Panel(drawing, GROWTH[1], across, fit(np.append(drawdown, 0.0), 0.06))
    for panel in (upper, lower):
        panel.shade(growth.spans)
    upper.level(0.0, "grid")
    upper.line(days, 100 * growth.market, "market", 1.1, dash=_DASHED)
    upper.line(days, 100 * growth.equal, "equal", 1.1)
    upper.line(days, 100 * growth.model, "model", 1.8)
    places = lower.x(np.concatenate([days, days[[-1, 0]]]))
    drawing.fill(polyline(places, lower.y(np.append(drawdown, [0.0, 0.0]))) + "z", "bad", 0.45)
    for panel, count in ((upper, 4), (lower, 2)):
        panel.frame()
        panel.label_percent(count)
    upper.name_windows(growth.spans)
    lower.label_dates(growth.times)
    return drawing.finish(alt)


def draw_overlay(lines: Sequence[Line], alt: str) -> str:
    """Growth of several models in one picture.

    Args:
        lines: at least one.
        alt: its text.
    """
    drawing = Drawing(_WIDE, OVERLAY_HEIGHT)
    days = [line.times / DAY for line in lines]
    across = Range(min(float(row[0]) for row in days), max(float(row[-1]) for row in days))
    panel = Panel(drawing, OVERLAY[0], across, fit(100 * np.concatenate([line.values for line in lines]), 0.06))
    panel.level(0.0, "grid")
    for line, row in zip(lines, days, strict=True):
        panel.line(row, 100 * line.values, line.colour, 1.6, line.dash)
    panel.frame()
    panel.label_percent(4)
    panel.label_dates(np.array([across.first * DAY, across.last * DAY], dtype=np.int64))
    return drawing.finish(alt)


def draw_rolling(times: Seconds, sharpe: Floats, weight: Floats, alt: str) -> str:
    """Rolling Sharpe ratio above, position as a share of equity below; both (n,), a NaN leaves a gap."""
    days, weight = times / DAY, np.where(np.isnan(weight), 0.0, weight)
    drawing, across = Drawing(_WIDE, ROLLING_HEIGHT), Range(float(days[0]), float(days[-1]))
    upper = Panel(drawing, ROLLING[0], across, fit(np.append(sharpe, 0.0), 0.08))
    lower = Panel(drawing, ROLLING[1], across, fit(np.append(100 * weight, 0.0), 0.08))
    places = lower.x(np.concatenate([days, days[[-1, 0]]]))
    drawing.fill(polyline(places, lower.y(np.concatenate([100 * weight, [0.0, 0.0]]))) + "z", "equal", 0.5)
    upper.line(days, sharpe, "model", 1.6)
    for panel in (upper, lower):
        panel.level(0.0, "grid")
        panel.frame()
    upper.label_numbers()
    lower.label_percent(2)
    lower.label_dates(times)
    drawing.text(upper.box.left, upper.box.top - 6, "Sharpe ratio, annualised")
    drawing.text(lower.box.left, lower.box.top - 6, "position, of equity")
    return drawing.finish(alt)


def draw_histogram(values: Floats, name: str, alt: str) -> str:
    """How often values lie where, in percent: losses and gains in colours of their own, a bin ends at 0.

    Args:
        values: (n,) fractions, at least one.
        name: of what is counted, for the axis.
        alt: its text.
    """
    edges = bin_edges(100 * values)
    counts, _ = np.histogram(100 * values, edges)
    drawing = Drawing(_WIDE, HISTOGRAM_HEIGHT)
    up = Range(0.0, 1.08 * max(1, int(counts.max())))
    panel = Panel(drawing, Box(62, 10, 548, 166), Range(float(edges[0]), float(edges[-1])), up)
    for left, right, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True):
        if count:
            start, end = panel.x(np.array([left, right])).tolist()
            top, bottom = panel.y(np.array([count, 0.0])).tolist()
            hint = f"{count} from {left:+.2f} % to {right:+.2f} %"
            area = rectangle(start + 0.5, top, end - 0.5, bottom)
            drawing.fill(area, "good" if left >= 0.0 else "bad", 0.75, hint=hint)
    panel.frame()
    panel.label_numbers(whole=True)
    panel.label_percent_below(5)
    drawing.text(305, HISTOGRAM_HEIGHT - 4, name, "middle")
    return drawing.finish(alt)


def bin_edges(values: Floats) -> Floats:
    """Edges of at most about 40 bins of one round width, 0 among them (Freedman & Diaconis 1981, rounded)."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    quarter = float(np.subtract(*np.quantile(values, [0.75, 0.25])))
    rough = max(2.0 * quarter / len(values) ** (1 / 3), (high - low) / 36, 1e-6)
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= rough * (1 - 1e-9))
    edges: Floats = np.float64(width) * np.arange(
        math.floor(low / width), max(math.ceil(high / width), math.floor(low / width) + 1) + 1
    )
    return edges


def draw_training(
    history: Mapping[str, Sequence[float]],
    limits: Mapping[str, tuple[float, float]],
    recommended: int | None,
    alt: str,
    most: int = _MOST_POINTS,
) -> str:
    """Validation history, one panel per metric: its limits as lines, the peak of the first, the fitness, as a ring.

    Args:
        history: per metric, oldest first; at most four.
        limits: per metric, what APPROVED and what REVIEW needs.
        recommended: validation, from 1, whose checkpoint should be taken instead of the last.
        alt: its text.
        most: points of a line, about.
    """
    drawing = Drawing(_WIDTH, _HEIGHT)
    for number, (box, (metric, values)) in enumerate(zip(_TRAINING, history.items(), strict=False)):
        every = np.array(values, dtype=np.float64)
        finite = np.where(np.isfinite(every), every, np.nan)
        kept = thin_rows(finite, most)
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
    drawing = Drawing(_WIDE, PRICES_HEIGHT)
    up = fit(np.concatenate([prices.close, [trip.entry for trip in trips]]), 0.1)
    panel = Panel(drawing, PRICES[0], Range(float(days[0]), float(days[-1])), up)
    kept = thin_rows(prices.close, 3 * _MOST_POINTS)
    panel.line(days[kept], prices.close[kept], "market", 1.1)
    for side, mark, colour in ((1, _UP, "good"), (-1, _DOWN, "bad")):
        ours = [trip for trip in trips if trip.side == side]
        entered, left = (panel.x(days[[getattr(trip, row) for trip in ours]]) for row in ("entered", "left"))
        bands = [
            rectangle(start, PRICES[0].bottom - 8, end, PRICES[0].bottom)
            for start, end in zip(entered, left, strict=True)
        ]
        drawing.fill("".join(bands), colour)
        drawing.fill(marks(entered, panel.y(np.array([trip.entry for trip in ours])), mark), colour)
    exits = panel.x(days[[trip.left for trip in trips]]), panel.y(np.array([trip.exit for trip in trips]))
    drawing.stroke(marks(*exits, _CROSS), "ink", 1.0)
    panel.frame()
    panel.label_numbers()
    panel.label_dates(prices.times)
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
