"""Pictures of a model as SVG text, drawn by matplotlib: the only file that knows it.

A picture is the same for the same figures, byte for byte. Its text stays text; its colours are names of CSS variables
(``--mg-ink``, ``--mg-model``...), so that the page it stands in decides about light, dark and print.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pytest_modelgate.adapters.drawing.svg import tidy
from pytest_modelgate.core.decision.robustness import MULTIPLES, CostPoint
from pytest_modelgate.core.evidence.curves import Growth, Prices, Span, percent
from pytest_modelgate.core.typing import Floats

# matplotlib wants colours it knows: these stand for variables until the picture is tidied.
COLOURS = {
    name: f"#0000{number:02x}"
    for number, name in enumerate(("ink", "grid", "model", "market", "good", "bad", "out", "in", "unknown"), start=1)
}
_SHADES = {"out-of-sample": "out", "in-sample": "in"}
SAMPLES = {"out-of-sample": "out", "in-sample": "in", "gap": "gap", "unknown": "?"}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 12.0,
    "text.color": COLOURS["ink"],
    "text.parse_math": False,
    "axes.edgecolor": COLOURS["grid"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "lines.solid_joinstyle": "round",
    "path.simplify": True,
}
_BOUND = 1e9  # what diverged further is drawn there
_MOST_POINTS = 240
_MOST_LABELS = 8  # of more windows only the numbers find room
_DAY = 86_400
_TOLD = {1.0, 2.0, 5.0}  # multiples of costs whose returns are written into their cells
_PAD = 4.0  # points between an axis and its labels


class Pictures:
    """Draws one picture after the other, on canvases that it keeps: to make axes takes longer than to draw on them."""

    def growth(self, growth: Growth, name: str, alt: str) -> str:
        """Equity against the market, drawdown below, one shade per window by how it lies to the training data.

        Args:
            name: of the picture, unique in its page, of letters, digits, ``_`` and ``-``.
            alt: what it shows, for who cannot see it.
        """
        thin = growth.thinned(_MOST_POINTS)
        days = thin.times / _DAY
        with _empty(self._growth) as (figure, (upper, lower)):
            _plot(upper, days, 100 * thin.market, "market", dashed=True)
            _plot(upper, days, 100 * thin.model, "model")
            upper.axhline(0.0, color=COLOURS["grid"], linewidth=0.8)
            lower.fill_between(days, -100 * thin.drawdown, 0.0, color=COLOURS["bad"], alpha=0.45, linewidth=0)
            _across(upper, days[0], days[-1])
            _across(lower, days[0], days[-1])
            _percent(upper, 100 * np.concatenate([thin.model, thin.market]), 4)
            _percent(lower, np.append(-100 * thin.drawdown, 0.0), 2)
            _shade((upper, lower), growth.spans)
            _dates(lower, thin.times)
            return _svg(figure, name, alt)

    def training(
        self,
        history: Mapping[str, Sequence[float]],
        limits: Mapping[str, tuple[float, float]],
        recommended: int | None,
        name: str,
        alt: str,
    ) -> str:
        """Validation history, one panel per metric: its limits as lines, the peak of the fitness as a ring.

        Args:
            history: per metric, oldest first; at most four.
            limits: per metric, what APPROVED and what REVIEW needs.
            recommended: validation, from 1, whose checkpoint should be taken instead of the last.
            name: of the picture.
            alt: its text.
        """
        with _empty(self._training) as (figure, panels):
            for number, (axes, (metric, values)) in enumerate(zip(panels, history.items(), strict=False)):
                steps = np.arange(1.0, len(values) + 1)
                finite = np.clip(np.where(np.isfinite(values), values, np.nan), -_BOUND, _BOUND)
                kept = _thin(finite, _MOST_POINTS // 2)
                _plot(axes, steps[kept], finite[kept], "model")
                axes.plot(steps[-1:], finite[-1:], "o", color=COLOURS["model"], markersize=4)
                approved, review = limits[metric]
                axes.axhline(approved, color=COLOURS["good"], linewidth=1)
                axes.axhline(review, color=COLOURS["bad"], linewidth=1, linestyle=(0, (3, 2)))
                if number == 0 and np.isfinite(finite).any():
                    peak = int(np.nanargmax(finite))
                    axes.plot([peak + 1], [finite[peak]], "o", markersize=8, fillstyle="none", color=COLOURS["ink"])
                if recommended is not None:
                    axes.axvline(recommended, color=COLOURS["ink"], linewidth=1, linestyle=(0, (1, 2)))
                _numbers(axes, np.concatenate([finite[kept], np.array(limits[metric])]))
                axes.set_xlim(0.5, len(values) + 0.5)
                steps_told = sorted({1, len(values)})
                _below(axes, steps_told, [str(step) for step in steps_told])
                axes.text(0.0, 1.06, metric.replace("_", " "), transform=axes.transAxes)
            return _svg(figure, name, alt)

    def prices(self, prices: Prices, name: str, alt: str) -> str:
        """The close of every bar, with entries and exits of round trips, and a band below for the time between."""
        days = prices.times / _DAY
        with _empty(self._prices) as (figure, (axes,)):
            _plot(axes, days, prices.close, "market", width=1.1)
            for side, mark, colour in ((1, "^", "good"), (-1, "v", "bad")):
                trips = [trip for trip in prices.trips if trip.side == side]
                bands = [(days[trip.entered], days[trip.left] - days[trip.entered]) for trip in trips]
                if not trips:
                    continue
                axes.broken_barh(bands, (0.0, 0.035), transform=axes.get_xaxis_transform(), color=COLOURS[colour])
                rows = [trip.entered for trip in trips]
                axes.plot(days[rows], [trip.entry for trip in trips], mark, color=COLOURS[colour], markersize=5)
            rows = [trip.left for trip in prices.trips]
            axes.plot(days[rows], [trip.exit for trip in prices.trips], "x", color=COLOURS["ink"], markersize=4)
            _across(axes, days[0], days[-1])
            _numbers(axes, np.concatenate([prices.close, [trip.entry for trip in prices.trips]]), room=0.1)
            _dates(axes, prices.times)
            return _svg(figure, name, alt)

    def costs(self, surface: Sequence[CostPoint], name: str, alt: str) -> str:
        """Return over multiples of fees (down) and slippage (across): the fuller a cell, the more is won or lost."""
        most = max((abs(point.total_return) for point in surface), default=0.0) or 1.0
        with _empty(self._costs) as (figure, (axes,)):
            cells, colours = [], []
            for point in surface:
                row, column = MULTIPLES.index(point.fees), MULTIPLES.index(point.slippage)
                cells.append([(column + x, row + y) for x, y in ((0, 0), (0.96, 0), (0.96, 0.92), (0, 0.92))])
                depth = 0.1 + 0.4 * abs(point.total_return) / most
                colours.append((COLOURS["good" if point.total_return > 0.0 else "bad"], round(depth, 2)))
                if {point.fees, point.slippage} <= _TOLD:  # texts take most of the time; all of them are in the table
                    axes.text(column + 0.48, row + 0.46, percent(point.total_return), ha="center", va="center")
            axes.add_collection(PolyCollection(cells, facecolors=colours, linewidths=0), autolim=False)
            axes.set_xlim(0, len(MULTIPLES))
            axes.set_ylim(len(MULTIPLES), 0)
            names = [f"x{multiple:g}" for multiple in MULTIPLES]
            places = np.arange(len(MULTIPLES)) + 0.48
            _below(axes, places, names)
            _beside(axes, places, names)
            axes.text(0.5, -0.19, "slippage", transform=axes.transAxes, ha="center")
            axes.text(-0.11, 0.5, "fees", transform=axes.transAxes, va="center", rotation=90)
            return _svg(figure, name, alt)

    def spark(self, returns: Sequence[float | None], name: str, alt: str) -> str:
        """One small bar per fold, upwards where it made money; nothing where it was not measured."""
        values = np.array([0.0 if value is None else min(max(value, -1.0), 1e3) for value in returns])
        with _empty(self._spark) as (figure, (axes,)):
            colours = [COLOURS["good" if value > 0.0 else "bad"] for value in values]
            axes.bar(np.arange(len(values)), values, color=colours, width=0.7)
            axes.axhline(0.0, color=COLOURS["ink"], linewidth=0.8)
            reach = float(np.abs(values).max(initial=0.0)) or 1.0
            axes.set_xlim(-0.6, len(values) - 0.4)
            axes.set_ylim(-1.1 * reach, 1.1 * reach)
            return _svg(figure, name, alt)

    @cached_property
    def _growth(self) -> tuple[Figure, list[Axes]]:
        upper, lower = (0.13, 0.40, 0.85, 0.52), (0.13, 0.10, 0.85, 0.23)
        return _canvas(460, 260, upper, lower)

    @cached_property
    def _training(self) -> tuple[Figure, list[Axes]]:
        return _canvas(460, 260, *((left, low, 0.38, 0.32) for low in (0.59, 0.09) for left in (0.10, 0.61)))

    @cached_property
    def _prices(self) -> tuple[Figure, list[Axes]]:
        return _canvas(460, 260, (0.13, 0.10, 0.85, 0.87))

    @cached_property
    def _costs(self) -> tuple[Figure, list[Axes]]:
        figure, axes = _canvas(460, 260, (0.13, 0.18, 0.86, 0.81))
        for spine in axes[0].spines.values():
            spine.set_visible(False)
        return figure, axes

    @cached_property
    def _spark(self) -> tuple[Figure, list[Axes]]:
        figure, axes = _canvas(120, 32, (0.0, 0.0, 1.0, 1.0))
        axes[0].set_axis_off()
        return figure, axes


@contextmanager
def pictures() -> Iterator[Pictures]:
    """Draw in our style and nobody else's; what the user set up for matplotlib is as before afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield Pictures()


@contextmanager
def _empty(canvas: tuple[Figure, list[Axes]]) -> Iterator[tuple[Figure, list[Axes]]]:
    """Draw on empty axes, and leave them empty."""
    try:
        yield canvas
    finally:
        for axes in canvas[1]:
            for artist in (*axes.lines, *axes.collections, *axes.patches, *axes.texts):
                artist.remove()


def _canvas(width: int, height: int, *places: tuple[float, float, float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of so many CSS pixels; what matplotlib would find out anew with every picture is settled here."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    every = [figure.add_axes(place) for place in places]
    for axes in every:
        axes.patch.set_visible(False)
        axes.title.set_visible(False)
        axes.set_title("", y=1.0)
        axes.xaxis.set_visible(False)  # an axis measures all its labels before it draws one: we put them down ourselves
        axes.yaxis.set_visible(False)
    return figure, every


def _svg(figure: Figure, name: str, alt: str) -> str:
    text = io.StringIO()
    canvas: Any = figure.canvas
    mpl.rcParams["svg.hashsalt"] = f"modelgate-{name}"  # ids are digests: alike in every run, and unique in a page
    canvas.print_svg(text, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    variables = {colour: f"var(--mg-{variable})" for variable, colour in COLOURS.items()}
    return tidy(text.getvalue(), variables, alt)


def _plot(axes: Axes, x: Floats, y: Floats, colour: str, *, dashed: bool = False, width: float = 1.4) -> None:
    style = (0, (4, 2)) if dashed else "-"
    axes.plot(x, np.clip(y, -_BOUND, _BOUND), color=COLOURS[colour], linestyle=style, linewidth=width)


def _thin(values: Floats, most: int) -> list[int]:
    """Rows that keep the shape of a line: of each stretch its end, its lowest and its highest value."""
    if len(values) <= most:
        return list(range(len(values)))
    filled = np.where(np.isfinite(values), values, 0.0)
    kept = {0}
    for part in np.array_split(np.arange(len(values)), most // 3):
        kept |= {int(part[filled[part].argmin()]), int(part[filled[part].argmax()]), int(part[-1])}
    return sorted(kept)


def _shade(every: Sequence[Axes], spans: Sequence[Span]) -> None:
    """One shade per window, with its number and how it lies to the training data in words."""
    starts = [span.start / _DAY for span in spans]
    widths = [(span.end - span.start) / _DAY for span in spans]
    colours = [(COLOURS[_SHADES.get(span.sample, "unknown")], 0.16) for span in spans]
    for axes in every:
        whole = axes.get_xaxis_transform()
        axes.broken_barh(list(zip(starts, widths, strict=True)), (0.0, 1.0), transform=whole, facecolors=colours, lw=0)
        axes.vlines(starts[1:], 0.0, 1.0, transform=whole, colors=COLOURS["grid"], linewidths=0.8)
    for number, (start, width, span) in enumerate(zip(starts, widths, spans, strict=True), start=1):
        label = f"{number} {SAMPLES[span.sample]}" if len(spans) <= _MOST_LABELS else str(number)
        label = label if len(spans) > 1 else span.sample
        every[0].text(start + width / 2, 1.02, label, transform=every[0].get_xaxis_transform(), ha="center")


def _across(axes: Axes, first: float, last: float) -> None:
    axes.set_xlim(first, last)


def _range(values: Floats, room: float) -> tuple[float, float]:
    finite = np.clip(values[np.isfinite(values)], -_BOUND, _BOUND)
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = room * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def _numbers(axes: Axes, values: Floats, room: float = 0.08) -> None:
    low, high = _range(values, room)
    ticks = _ticks(low, high, 3)
    axes.set_ylim(low, high)
    _beside(axes, ticks, [f"{tick:g}" if abs(tick) < 1e5 else f"{tick:.0e}" for tick in ticks])


def _percent(axes: Axes, values: Floats, count: int) -> None:
    low, high = _range(values, 0.06)
    ticks = _ticks(low, high, count)
    axes.set_ylim(low, high)
    _beside(axes, ticks, [f"{tick:+,g} %" if tick else "0 %" for tick in ticks])


def _below(axes: Axes, places: Iterable[float], labels: Iterable[str]) -> None:
    """Labels under the horizontal axis."""
    where, vertical, horizontal = axes.get_xaxis_text1_transform(_PAD)
    for place, label in zip(places, labels, strict=True):
        axes.text(place, 0.0, label, transform=where, va=vertical, ha=horizontal)


def _beside(axes: Axes, places: Iterable[float], labels: Iterable[str]) -> None:
    """Labels left of the vertical axis."""
    where, vertical, horizontal = axes.get_yaxis_text1_transform(_PAD)
    for place, label in zip(places, labels, strict=True):
        axes.text(0.0, place, label, transform=where, va=vertical, ha=horizontal)


def _ticks(low: float, high: float, count: int) -> list[float]:
    found = MaxNLocator(nbins=count, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(f"{tick:.10g}") for tick in found if low <= tick <= high]


def _dates(axes: Axes, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Few dates, at the first of months where there are several, else at midnight UTC."""
    first, last = times[0].astype("datetime64[s]"), times[-1].astype("datetime64[s]")
    days = int((last - first).astype(int)) / _DAY
    unit = "datetime64[M]" if days > 75 else "datetime64[D]"
    grid = np.arange(first.astype(unit) + 1, last.astype(unit) + 1)
    every = max(1, math.ceil(len(grid) / 5))
    ticks = grid[::every]
    labels = [f"{tick.item():%b %Y}" if unit.endswith("[M]") else f"{tick.item():%d %b}" for tick in ticks]
    if unit.endswith("[M]"):
        labels = [label if number == 0 or label.startswith("Jan") else label[:3] for number, label in enumerate(labels)]
    _below(axes, ticks.astype("datetime64[s]").astype(np.float64) / _DAY, labels)
