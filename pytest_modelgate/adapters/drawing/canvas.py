"""Canvases: matplotlib's figures in the report's style, drawn to SVG text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from pytest_modelgate.adapters.drawing.svg import tidy

Canvas = tuple[Figure, list[Axes]]
# matplotlib wants colours it knows: these stand for variables until the picture is tidied.
COLOURS = {
    name: f"#0000{number:02x}"
    for number, name in enumerate(("ink", "grid", "model", "market", "good", "bad", "out", "in", "unknown"), start=1)
}
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


@contextmanager
def style() -> Iterator[None]:
    """Draw in our style and nobody else's; what the user set up for matplotlib is as before afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


@contextmanager
def borrow(canvas: Canvas) -> Iterator[Canvas]:
    """Draw on empty axes, and leave them empty."""
    try:
        yield canvas
    finally:
        for axes in canvas[1]:
            for artist in (*axes.lines, *axes.collections, *axes.patches, *axes.texts):
                artist.remove()


def make_canvas(width: int, height: int, *places: tuple[float, float, float, float]) -> Canvas:
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


def to_svg(figure: Figure, name: str, alt: str) -> str:
    """SVG text of a figure.

    Args:
        name: of the picture, unique in its page.
        alt: what it shows, for who cannot see it.
    """
    text = io.StringIO()
    canvas: Any = figure.canvas
    mpl.rcParams["svg.hashsalt"] = f"modelgate-{name}"  # ids are digests: alike in every run, and unique in a page
    canvas.print_svg(text, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    variables = {colour: f"var(--mg-{variable})" for variable, colour in COLOURS.items()}
    return tidy(text.getvalue(), variables, alt)
