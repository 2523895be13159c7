"""Pictures of a model as SVG text, drawn by matplotlib, one method for each.

A picture is the same for the same figures, byte for byte. Its text stays text; its colours are names of CSS variables
(``--mg-ink``, ``--mg-model``...), so that the page it stands in decides about light, dark and print.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

import numpy as np
from matplotlib.collections import PolyCollection

from pytest_modelgate.adapters.drawing.axes import (
    BOUND,
    DAY,
    date_scale,
    label_below,
    label_beside,
    number_scale,
    percent_scale,
    plot_line,
    shade_windows,
    thin_rows,
)
from pytest_modelgate.adapters.drawing.canvas import COLOURS, Canvas, borrow, make_canvas, style, to_svg
from pytest_modelgate.core.decision.robustness import MULTIPLES, CostPoint
from pytest_modelgate.core.evidence.curves import Growth, Prices, percent

_MOST_POINTS = 240
_TOLD = {1.0, 2.0, 5.0}  # multiples of costs whose returns are written into their cells


class Pictures:
    """Draws one picture after the other, on canvases that it keeps: to make axes takes longer than to draw on them."""

    def growth(self, growth: Growth, name: str, alt: str) -> str:
        """Equity against the market, drawdown below, one shade per window by how it lies to the training data.

        Args:
            name: of the picture, unique in its page, of letters, digits, ``_`` and ``-``.
            alt: what it shows, for who cannot see it.
        """
        thin = growth.thinned(_MOST_POINTS)
        days = thin.times / DAY
        with borrow(self._growth) as (figure, (upper, lower)):
            plot_line(upper, days, 100 * thin.market, "market", dashed=True)
            plot_line(upper, days, 100 * thin.model, "model")
            upper.axhline(0.0, color=COLOURS["grid"], linewidth=0.8)
            lower.fill_between(days, -100 * thin.drawdown, 0.0, color=COLOURS["bad"], alpha=0.45, linewidth=0)
            upper.set_xlim(days[0], days[-1])
            lower.set_xlim(days[0], days[-1])
            percent_scale(upper, 100 * np.concatenate([thin.model, thin.market]), 4)
            percent_scale(lower, np.append(-100 * thin.drawdown, 0.0), 2)
            shade_windows((upper, lower), growth.spans)
            date_scale(lower, thin.times)
            return to_svg(figure, name, alt)

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
        with borrow(self._training) as (figure, panels):
            for number, (axes, (metric, values)) in enumerate(zip(panels, history.items(), strict=False)):
                steps = np.arange(1.0, len(values) + 1)
                finite = np.clip(np.where(np.isfinite(values), values, np.nan), -BOUND, BOUND)
                kept = thin_rows(finite, _MOST_POINTS // 2)
                plot_line(axes, steps[kept], finite[kept], "model")
                axes.plot(steps[-1:], finite[-1:], "o", color=COLOURS["model"], markersize=4)
                approved, review = limits[metric]
                axes.axhline(approved, color=COLOURS["good"], linewidth=1)
                axes.axhline(review, color=COLOURS["bad"], linewidth=1, linestyle=(0, (3, 2)))
                if number == 0 and np.isfinite(finite).any():
                    peak = int(np.nanargmax(finite))
                    axes.plot([peak + 1], [finite[peak]], "o", markersize=8, fillstyle="none", color=COLOURS["ink"])
                if recommended is not None:
                    axes.axvline(recommended, color=COLOURS["ink"], linewidth=1, linestyle=(0, (1, 2)))
                number_scale(axes, np.concatenate([finite[kept], np.array(limits[metric])]))
                axes.set_xlim(0.5, len(values) + 0.5)
                steps_told = sorted({1, len(values)})
                label_below(axes, steps_told, [str(step) for step in steps_told])
                axes.text(0.0, 1.06, metric.replace("_", " "), transform=axes.transAxes)
            return to_svg(figure, name, alt)

    def prices(self, prices: Prices, name: str, alt: str) -> str:
        """The close of every bar, with entries and exits of round trips, and a band below for the time between."""
        days = prices.times / DAY
        with borrow(self._prices) as (figure, (axes,)):
            plot_line(axes, days, prices.close, "market", width=1.1)
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
            axes.set_xlim(days[0], days[-1])
            number_scale(axes, np.concatenate([prices.close, [trip.entry for trip in prices.trips]]), room=0.1)
            date_scale(axes, prices.times)
            return to_svg(figure, name, alt)

    def costs(self, surface: Sequence[CostPoint], name: str, alt: str) -> str:
        """Return over multiples of fees (down) and slippage (across): the fuller a cell, the more is won or lost."""
        most = max((abs(point.total_return) for point in surface), default=0.0) or 1.0
        with borrow(self._costs) as (figure, (axes,)):
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
            label_below(axes, places, names)
            label_beside(axes, places, names)
            axes.text(0.5, -0.19, "slippage", transform=axes.transAxes, ha="center")
            axes.text(-0.11, 0.5, "fees", transform=axes.transAxes, va="center", rotation=90)
            return to_svg(figure, name, alt)

    def spark(self, returns: Sequence[float | None], name: str, alt: str) -> str:
        """One small bar per fold, upwards where it made money; nothing where it was not measured."""
        values = np.array([0.0 if value is None else min(max(value, -1.0), 1e3) for value in returns])
        with borrow(self._spark) as (figure, (axes,)):
            colours = [COLOURS["good" if value > 0.0 else "bad"] for value in values]
            axes.bar(np.arange(len(values)), values, color=colours, width=0.7)
            axes.axhline(0.0, color=COLOURS["ink"], linewidth=0.8)
            reach = float(np.abs(values).max(initial=0.0)) or 1.0
            axes.set_xlim(-0.6, len(values) - 0.4)
            axes.set_ylim(-1.1 * reach, 1.1 * reach)
            return to_svg(figure, name, alt)

    @cached_property
    def _growth(self) -> Canvas:
        upper, lower = (0.13, 0.40, 0.85, 0.52), (0.13, 0.10, 0.85, 0.23)
        return make_canvas(460, 260, upper, lower)

    @cached_property
    def _training(self) -> Canvas:
        return make_canvas(460, 260, *((left, low, 0.38, 0.32) for low in (0.59, 0.09) for left in (0.10, 0.61)))

    @cached_property
    def _prices(self) -> Canvas:
        return make_canvas(460, 260, (0.13, 0.10, 0.85, 0.87))

    @cached_property
    def _costs(self) -> Canvas:
        figure, axes = make_canvas(460, 260, (0.13, 0.18, 0.86, 0.81))
        for spine in axes[0].spines.values():
            spine.set_visible(False)
        return figure, axes

    @cached_property
    def _spark(self) -> Canvas:
        figure, axes = make_canvas(120, 32, (0.0, 0.0, 1.0, 1.0))
        axes[0].set_axis_off()
        return figure, axes


@contextmanager
def pictures() -> Iterator[Pictures]:
    """Draw in the report's style while a block runs."""
    with style():
        yield Pictures()
