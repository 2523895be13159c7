"""Panels: a rectangle of a picture with two scales, and the lines, shades and labels on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from pytest_modelgate.adapters.drawing.svg import ASCENT, MIDDLE, Drawing, polyline, rectangle
from pytest_modelgate.core.evidence.curves import Seconds, Span
from pytest_modelgate.core.typing import Floats

DAY = 86_400
_BOUND = 1e9  # what diverged further is drawn there
_SHADES = {"out-of-sample": "out", "in-sample": "in"}
_SAMPLES = {"out-of-sample": "out", "in-sample": "in", "gap": "gap", "unknown": "?"}
_MOST_LABELS = 8  # of more windows only the numbers find room
_PAD = 4.0  # CSS pixels between an axis and its labels


class Box(NamedTuple):
    """A rectangle of a picture, CSS pixels from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


class Range(NamedTuple):
    """Values that a scale covers; its first may be the larger one."""

    first: float
    last: float

    def along(self, values: Floats, start: float, end: float) -> Floats:
        """Places of values between two pixels; what lies outside the range is put at its nearer end."""
        length = self.last - self.first or 1.0
        shares = (values - self.first) / length
        return start + (end - start) * np.minimum(np.maximum(shares, 0.0), 1.0)  # np.clip takes thrice as long for few


@dataclass(frozen=True)
class Panel:
    """A rectangle with a horizontal and a vertical scale."""

    drawing: Drawing
    box: Box
    across: Range
    up: Range

    def x(self, values: Floats) -> Floats:
        """Horizontal places, CSS pixels."""
        return self.across.along(values, self.box.left, self.box.right)

    def y(self, values: Floats) -> Floats:
        """Vertical places, CSS pixels."""
        return self.up.along(values, self.box.bottom, self.box.top)

    def line(self, x: Floats, y: Floats, colour: str, width: float = 1.4, dash: str = "") -> None:
        """Draw a line through points; a NaN leaves a gap."""
        self.drawing.stroke(polyline(self.x(x), self.y(y)), colour, width, dash)

    def level(self, value: float, colour: str, width: float = 0.8, dash: str = "") -> None:
        """Draw a horizontal line across the panel."""
        height = self.y(np.full(2, value))
        self.drawing.stroke(polyline(np.array([self.box.left, self.box.right]), height), colour, width, dash)

    def upright(self, value: float, colour: str, width: float = 0.8, dash: str = "") -> None:
        """Draw a vertical line from top to bottom."""
        place = self.x(np.full(2, value))
        self.drawing.stroke(polyline(place, np.array([self.box.top, self.box.bottom])), colour, width, dash)

    def frame(self) -> None:
        """Draw the two axes."""
        left, top, right, bottom = self.box
        self.drawing.stroke(polyline(np.array([left, left, right]), np.array([top, bottom, bottom])), "grid", 0.8)

    def label_below(self, places: Iterable[float], labels: Iterable[str]) -> None:
        """Put labels under the horizontal axis."""
        for place, label in zip(self.x(np.array([*places], dtype=np.float64)).tolist(), labels, strict=True):
            self.drawing.text(place, self.box.bottom + _PAD + ASCENT, label, "middle")

    def label_beside(self, places: Iterable[float], labels: Iterable[str]) -> None:
        """Put labels left of the vertical axis."""
        for place, label in zip(self.y(np.array([*places], dtype=np.float64)).tolist(), labels, strict=True):
            self.drawing.text(self.box.left - _PAD, place + MIDDLE, label, "end")

    def label_numbers(self, *, whole: bool = False) -> None:
        """Label the vertical axis with a few numbers; on request with counts alone, of which 0 needs no telling."""
        ticks = [tick for tick in _ticks(self.up, 3) if not whole or (tick and tick == round(tick))]
        self.label_beside(ticks, [f"{tick:g}" if abs(tick) < 1e5 else f"{tick:.0e}" for tick in ticks])

    def label_percent(self, count: int) -> None:
        """Label about ``count`` values, in percent, of the vertical axis."""
        ticks = _ticks(self.up, count)
        self.label_beside(ticks, map(_percent, ticks))

    def label_percent_below(self, count: int) -> None:
        """Label about ``count`` values, in percent, of the horizontal axis."""
        ticks = _ticks(self.across, count)
        self.label_below(ticks, map(_percent, ticks))

    def label_dates(self, times: Seconds) -> None:
        """Label the axis of days with few dates: the first of months where there are several, else midnights (UTC)."""
        first, last = times[0].astype("datetime64[s]"), times[-1].astype("datetime64[s]")
        days = int((last - first).astype(int)) / DAY
        unit: Literal["M", "D"] = "M" if days > 75 else "D"
        step = np.timedelta64(1, unit)
        grid = np.arange(first.astype(f"M8[{unit}]") + step, last.astype(f"M8[{unit}]") + step)
        ticks = grid[:: max(1, math.ceil(len(grid) / 5))]
        labels = [f"{tick.item():%b %Y}" if unit == "M" else f"{tick.item():%d %b}" for tick in ticks]
        if unit == "M":
            labels = [text if place == 0 or text.startswith("Jan") else text[:3] for place, text in enumerate(labels)]
        self.label_below(ticks.astype("datetime64[s]").astype(np.float64) / DAY, labels)

    def shade(self, spans: Sequence[Span]) -> None:
        """Shade each window by how it lies to the training data."""
        for number, span in enumerate(spans):
            left, right = self.x(np.array([span.start, span.end]) / DAY).tolist()
            area = rectangle(left, self.box.top, right, self.box.bottom)
            self.drawing.fill(area, _SHADES.get(span.sample, "unknown"), 0.06 if number % 2 else 0.13)
            if number:
                self.upright(span.start / DAY, "grid")

    def name_windows(self, spans: Sequence[Span]) -> None:
        """Write over each window its number and how it lies to the training data."""
        for number, span in enumerate(spans, start=1):
            label = f"{number} {_SAMPLES[span.sample]}" if len(spans) <= _MOST_LABELS else str(number)
            middle = float(self.x(np.array([(span.start + span.end) / 2 / DAY]))[0])
            self.drawing.text(middle, self.box.top - 3.0, label if len(spans) > 1 else span.sample, "middle")


def _percent(tick: float) -> str:
    return f"{tick:+,g} %".replace("-", "\u2212") if tick else "0 %"


def fit(values: Floats, room: float) -> Range:
    """A scale for values, with a margin of ``room`` times their range; 0 to 1 where none is finite."""
    finite = np.clip(values[np.isfinite(values)], -_BOUND, _BOUND)
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = room * (high - low) or abs(high) * 0.1 or 1.0
    return Range(low - margin, high + margin)


def thin_rows(values: Floats, most: int) -> list[int]:
    """Rows that keep the shape of a line: of each stretch its end, its lowest and its highest value."""
    if len(values) <= most:
        return list(range(len(values)))
    filled = np.where(np.isfinite(values), values, 0.0)
    kept = {0}
    for part in np.array_split(np.arange(len(values)), most // 3):
        kept |= {int(part[filled[part].argmin()]), int(part[filled[part].argmax()]), int(part[-1])}
    return sorted(kept)


def _ticks(over: Range, count: int) -> list[float]:
    """Round numbers on a scale, at least two, in steps of 1, 2 or 5 times a power of ten: about ``count`` of them."""
    rough = (over.last - over.first) / count
    power = 10.0 ** math.floor(math.log10(rough))
    steps = [factor * power for factor in (10, 5, 2, 1, 0.5)]
    widest = min(step for step in steps if step >= rough)
    for step in steps[steps.index(widest) :]:
        rows = range(math.ceil(over.first / step), math.floor(over.last / step) + 1)
        if len(rows) > 1:
            break
    return [float(f"{row * step:.10g}") for row in rows]
