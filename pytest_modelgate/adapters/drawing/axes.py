"""Lines, scales and labels on the axes of a picture.

Labels are texts of our own: an axis of matplotlib measures all of its labels before it draws one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pytest_modelgate.adapters.drawing.canvas import COLOURS
from pytest_modelgate.core.evidence.curves import Span
from pytest_modelgate.core.typing import Floats

_SHADES = {"out-of-sample": "out", "in-sample": "in"}
SAMPLES = {"out-of-sample": "out", "in-sample": "in", "gap": "gap", "unknown": "?"}
BOUND = 1e9  # what diverged further is drawn there
DAY = 86_400
_MOST_LABELS = 8  # of more windows only the numbers find room
_PAD = 4.0  # points between an axis and its labels


def plot_line(axes: Axes, x: Floats, y: Floats, colour: str, *, dashed: bool = False, width: float = 1.4) -> None:
    """Draw a line, cut at ``BOUND``; NaN leaves a gap."""
    style = (0, (4, 2)) if dashed else "-"
    axes.plot(x, np.clip(y, -BOUND, BOUND), color=COLOURS[colour], linestyle=style, linewidth=width)


def thin_rows(values: Floats, most: int) -> list[int]:
    """Rows that keep the shape of a line: of each stretch its end, its lowest and its highest value."""
    if len(values) <= most:
        return list(range(len(values)))
    filled = np.where(np.isfinite(values), values, 0.0)
    kept = {0}
    for part in np.array_split(np.arange(len(values)), most // 3):
        kept |= {int(part[filled[part].argmin()]), int(part[filled[part].argmax()]), int(part[-1])}
    return sorted(kept)


def shade_windows(every: Sequence[Axes], spans: Sequence[Span]) -> None:
    """Shade each window, with its number and how it lies to the training data in words."""
    starts = [span.start / DAY for span in spans]
    widths = [(span.end - span.start) / DAY for span in spans]
    colours = [(COLOURS[_SHADES.get(span.sample, "unknown")], 0.16) for span in spans]
    for axes in every:
        whole = axes.get_xaxis_transform()
        axes.broken_barh(list(zip(starts, widths, strict=True)), (0.0, 1.0), transform=whole, facecolors=colours, lw=0)
        axes.vlines(starts[1:], 0.0, 1.0, transform=whole, colors=COLOURS["grid"], linewidths=0.8)
    for number, (start, width, span) in enumerate(zip(starts, widths, spans, strict=True), start=1):
        label = f"{number} {SAMPLES[span.sample]}" if len(spans) <= _MOST_LABELS else str(number)
        label = label if len(spans) > 1 else span.sample
        every[0].text(start + width / 2, 1.02, label, transform=every[0].get_xaxis_transform(), ha="center")


def number_scale(axes: Axes, values: Floats, room: float = 0.08) -> None:
    """Fit the vertical scale to some values, with a margin of ``room`` times their range, and label it with numbers."""
    low, high = _range(values, room)
    ticks = _ticks(low, high, 3)
    axes.set_ylim(low, high)
    label_beside(axes, ticks, [f"{tick:g}" if abs(tick) < 1e5 else f"{tick:.0e}" for tick in ticks])


def percent_scale(axes: Axes, values: Floats, count: int) -> None:
    """Fit the vertical scale to some values in percent, and label about ``count`` of them."""
    low, high = _range(values, 0.06)
    ticks = _ticks(low, high, count)
    axes.set_ylim(low, high)
    label_beside(axes, ticks, [f"{tick:+,g} %" if tick else "0 %" for tick in ticks])


def _range(values: Floats, room: float) -> tuple[float, float]:
    finite = np.clip(values[np.isfinite(values)], -BOUND, BOUND)
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = room * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float, count: int) -> list[float]:
    nice = MaxNLocator(nbins=count, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(f"{tick:.10g}") for tick in nice if low <= tick <= high]


def label_below(axes: Axes, places: Iterable[float], labels: Iterable[str]) -> None:
    """Put labels under the horizontal axis."""
    transform, vertical, horizontal = axes.get_xaxis_text1_transform(_PAD)
    for place, label in zip(places, labels, strict=True):
        axes.text(place, 0.0, label, transform=transform, va=vertical, ha=horizontal)


def label_beside(axes: Axes, places: Iterable[float], labels: Iterable[str]) -> None:
    """Put labels left of the vertical axis."""
    transform, vertical, horizontal = axes.get_yaxis_text1_transform(_PAD)
    for place, label in zip(places, labels, strict=True):
        axes.text(0.0, place, label, transform=transform, va=vertical, ha=horizontal)


def date_scale(axes: Axes, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Label the horizontal axis with few dates: the first of months where there are several, else midnights (UTC)."""
    first, last = times[0].astype("datetime64[s]"), times[-1].astype("datetime64[s]")
    days = int((last - first).astype(int)) / DAY
    unit = "datetime64[M]" if days > 75 else "datetime64[D]"
    grid = np.arange(first.astype(unit) + 1, last.astype(unit) + 1)
    every = max(1, math.ceil(len(grid) / 5))
    ticks = grid[::every]
    labels = [f"{tick.item():%b %Y}" if unit.endswith("[M]") else f"{tick.item():%d %b}" for tick in ticks]
    if unit.endswith("[M]"):
        labels = [label if number == 0 or label.startswith("Jan") else label[:3] for number, label in enumerate(labels)]
    label_below(axes, ticks.astype("datetime64[s]").astype(np.float64) / DAY, labels)
