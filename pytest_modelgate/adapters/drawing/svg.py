"""SVG text, put together shape by shape.

Small, without ids, links or colours of its own: a colour is the name of a CSS variable (``ink`` for ``--mg-ink``), so
the page that a picture stands in decides about light, dark and print; text is in the page's font.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Literal

from pytest_modelgate.core.typing import Floats

FONT = 12  # CSS pixels
ASCENT, MIDDLE = 9.0, 4.2  # of a digit's top and of its middle above the baseline
Anchor = Literal["start", "middle", "end"]


class Drawing:
    """A picture of so many CSS pixels, counted from its upper left corner; what is added later lies on top."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._shapes: list[str] = []

    def stroke(self, path: str, colour: str, width: float, dash: str = "") -> None:
        """Draw along a path; an empty one leaves nothing.

        Args:
            path: data of an SVG path.
            colour: name of a CSS variable.
            width: CSS pixels.
            dash: lengths of dashes and gaps, CSS pixels; empty draws a whole line.
        """
        style = f"stroke:var(--mg-{colour});stroke-width:{width:g}" + (f";stroke-dasharray:{dash}" if dash else "")
        self._add(path, style)

    def fill(self, path: str, colour: str, opacity: float = 1.0, *, hint: str = "") -> None:
        """Fill a path; an empty one leaves nothing.

        Args:
            hint: what is said where a pointer rests on it.
        """
        self._add(path, f"fill:var(--mg-{colour})" + (f";fill-opacity:{opacity:g}" if opacity < 1.0 else ""), hint)

    def text(self, x: float, y: float, text: str, anchor: Anchor = "start", *, upwards: bool = False) -> None:
        """Write text whose baseline starts, has its middle or ends at a point; ``upwards`` reads from below."""
        place = f' x="{coordinate(x)}" y="{coordinate(y)}"'
        turn = f' transform="rotate(-90 {coordinate(x)} {coordinate(y)})"' if upwards else ""
        side = "" if anchor == "start" else f";text-anchor:{anchor}"
        self._shapes.append(f'<text{place}{turn} style="fill:var(--mg-ink){side}">{escape(text)}</text>')

    def finish(self, alt: str) -> str:
        """The SVG text.

        Args:
            alt: what the picture shows, for who cannot see it.
        """
        style = "fill:none;stroke-linejoin:round"
        view = f"0 0 {self._width} {self._height}"
        shapes = "".join(self._shapes)
        label, size = escape(alt), f'font-size="{FONT}"'  # which a page may change, as it scales the whole
        return f'<svg viewBox="{view}" role="img" aria-label="{label}" {size} style="{style}">{shapes}</svg>'

    def _add(self, path: str, style: str, hint: str = "") -> None:
        if path:
            end = f"><title>{escape(hint)}</title></path>" if hint else "/>"
            self._shapes.append(f'<path d="{path}" style="{style}"{end}')


def coordinate(value: float) -> str:
    """CSS pixels to a tenth, which no screen shows finer."""
    rounded = f"{value:.1f}".rstrip("0").rstrip(".")
    return "0" if rounded == "-0" else rounded


def polyline(x: Floats, y: Floats) -> str:
    """A line through points; a NaN leaves a gap."""
    parts: list[str] = []
    pen_down = False
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        if math.isnan(down):
            pen_down = False
            continue
        parts.append(f"{' ' if pen_down else 'M'}{coordinate(across)} {coordinate(down)}")
        pen_down = True
    return "".join(parts)


def rectangle(left: float, top: float, right: float, bottom: float) -> str:
    """A rectangle between two corners."""
    across = coordinate(right)
    return f"M{coordinate(left)} {coordinate(top)}H{across}V{coordinate(bottom)}H{coordinate(left)}z"


def marks(x: Iterable[float], y: Iterable[float], shape: str) -> str:
    """The same mark at many points.

    Args:
        x: CSS pixels.
        y: CSS pixels.
        shape: data of a path that is relative to the point.
    """
    return "".join(f"M{coordinate(across)} {coordinate(down)}{shape}" for across, down in zip(x, y, strict=True))


def circle(radius: float) -> str:
    """A mark for ``marks``."""
    arc = f"a{radius:g} {radius:g} 0 1 "
    return f"m-{radius:g} 0{arc}0 {2 * radius:g} 0{arc}0 -{2 * radius:g} 0z"
