"""The pictures of one model, each with a text for who cannot see it and its figures as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from pytest_modelgate.adapters.drawing.charts import draw_costs, draw_growth, draw_prices, draw_spark, draw_training
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.decision.robustness import MULTIPLES
from pytest_modelgate.core.evidence.curves import growth, percent, prices
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.training.run import METRICS
from pytest_modelgate.plugin.output.text import number

_ROWS = 40  # of a table beside a picture; the evidence has every bar
_PRICE_BARS = 720  # more, and no entry can be told from its exit


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        title: of the figure.
        keys: its legend: how a line or mark looks (a CSS class), and what it is.
        svg: the picture; empty where it could not be drawn.
        alt: what it shows, in words.
        columns, rows: its data.
        note: what the data leaves out; empty when it is all there.
    """

    title: str
    keys: tuple[tuple[str, str], ...]
    svg: Markup
    alt: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    note: str = ""


def spark(judgement: Judgement) -> Markup:
    """The folds of a model at a glance; empty when none was measured."""
    returns = [fold.metrics.total_return if isinstance(fold, WindowEvidence) else None for fold in judgement.folds]
    if not any(value is not None for value in returns):
        return Markup()
    texts = ", ".join("not measured" if value is None else percent(value) for value in returns)
    return _drawn(lambda: draw_spark(returns, f"Returns of the folds, oldest first: {texts}."))


def pictures_of(judgement: Judgement, profile: Profile) -> list[Picture]:
    """All pictures there is evidence for."""
    pictures = []
    folds = judgement.measured_folds
    if folds:
        pictures.append(_growth(judgement, folds, "Walk-forward", "fold"))
    if isinstance(judgement.backtest, WindowEvidence):
        pictures.append(_growth(judgement, [judgement.backtest], "Backtest", "backtest"))
        pictures.append(_prices(judgement, judgement.backtest))
    if judgement.robustness:
        pictures.append(_costs(judgement))
    if judgement.plan.model.history and judgement.plan.gating:
        pictures.append(_training(judgement, profile))
    return pictures


def _growth(judgement: Judgement, windows: Sequence[WindowEvidence], title: str, name: str) -> Picture:
    curves = growth(windows)
    parts = [f"{name} {place} {window.sample}" for place, window in enumerate(windows, start=1)]
    alt = (
        f"{title} of {judgement.plan.model.id}, {_day(curves.times[0])} to {_day(curves.times[-1])}: the model ends at "
        f"{percent(curves.model[-1])}, the market at {percent(curves.market[-1])}; the deepest drawdown is "
        f"{curves.drawdown.max():.1%}. Against the training data: {', '.join(parts)}."
    )
    svg = _drawn(lambda: draw_growth(curves, alt))
    rows = [
        (_moment(time), percent(model), percent(market), f"{depth:.1%}")
        for time, model, market, depth in curves.table(_ROWS)
    ]
    keys = (("model", "model, after costs"), ("market", "buy and hold"), ("depth", "drawdown from the peak"))
    shades = {"out-of-sample": ("out", "out: after the training data"), "in-sample": ("in", "in: seen in training")}
    other = ("unknown", "gap or ?: not shown to be unseen")
    seen = dict.fromkeys(shades.get(window.sample, other) for window in windows)
    note = "Every row gives the deepest drawdown since the row above."
    columns = ("UTC", "model", "buy and hold", "drawdown")
    return Picture(f"{title}: equity and drawdown", (*keys, *seen), svg, alt, columns, rows, note)


def _prices(judgement: Judgement, window: WindowEvidence) -> Picture:
    every = prices(window)
    shown = every.last(_PRICE_BARS)
    cut = f", its last {_PRICE_BARS} bars" if len(shown.times) < len(every.times) else ""
    won = sum(trip.change > 0.0 for trip in shown.trips)
    alt = (
        f"Price of {judgement.plan.model.instrument.symbol} over the backtest{cut}: from {shown.close[0]:,.6g} to "
        f"{shown.close[-1]:,.6g} USD, with {len(shown.trips)} round trips, {won} of them on the right side of it."
    )
    svg = _drawn(lambda: draw_prices(shown, alt))
    rows = [
        (
            _moment(shown.times[trip.entered]),
            "long" if trip.side > 0 else "short",
            f"{trip.entry:,.6g}",
            _moment(shown.times[trip.left]),
            f"{trip.exit:,.6g}",
            percent(trip.change),
        )
        for trip in shown.trips[-_ROWS:]
    ]
    keys = [("close", "close"), ("exit", "exit")]
    keys += [("long", "long, and its bars below")] if any(trip.side > 0 for trip in shown.trips) else []
    keys += [("short", "short, and its bars below")] if any(trip.side < 0 for trip in shown.trips) else []
    note = f"The last {_ROWS} of {len(shown.trips)} round trips. " if len(shown.trips) > _ROWS else ""
    note += "Prices are those of the market; fees and slippage come on top."
    columns = ("entered, UTC", "side", "price, USD", "left, UTC", "price, USD", "change")
    return Picture(f"Backtest: price, entries and exits{cut}", tuple(keys), svg, alt, columns, rows, note)


def _costs(judgement: Judgement) -> Picture:
    robustness = judgement.robustness
    assert robustness
    surface = robustness.surface
    left = number(robustness.break_even)
    least, most = (f(point.total_return for point in surface) for f in (min, max))
    alt = (
        f"Return of the folds over multiples of fees and slippage, from {percent(most)} without costs to "
        f"{percent(least)} at five times both; all costs times {left} leave nothing."
    )
    svg = _drawn(lambda: draw_costs(surface, alt))
    width = len(MULTIPLES)
    rows = [
        (f"fees x{line[0].fees:g}", *(percent(point.total_return) for point in line))
        for line in (surface[start : start + width] for start in range(0, len(surface), width))
    ]
    columns = ("", *(f"slippage x{multiple:g}" for multiple in MULTIPLES))
    return Picture(f"Costs: return of the folds; x{left} of them leave nothing", (), svg, alt, columns, rows)


def _training(judgement: Judgement, profile: Profile) -> Picture:
    model, gating = judgement.plan.model, judgement.plan.gating
    assert model.history
    assert gating
    history = {metric: model.history[metric] for metric in METRICS}
    limits = {metric: (getattr(profile.approved, metric), getattr(profile.review, metric)) for metric in METRICS}
    fitness = [value if math.isfinite(value) else -math.inf for value in history["fitness_score"]]
    peak, advice = fitness.index(max(fitness)) + 1, gating.recommended_checkpoint
    endings = "; ".join(
        f"{metric.replace('_', ' ')} ends at {number(values[-1])} (APPROVED {_bound(metric)} {limits[metric][0]:g}, "
        f"REVIEW {_bound(metric)} {limits[metric][1]:g})"
        for metric, values in history.items()
    )
    alt = f"Validations of {model.id}: {endings}. The fitness peaks at validation {peak}."
    if advice:
        alt += f" The checkpoint of validation {advice.validation} is recommended."
    svg = _drawn(lambda: draw_training(history, limits, advice.validation if advice else None, alt))
    count = len(fitness)
    shown = sorted({peak - 1, *(round(step * (count - 1) / max(1, _ROWS - 1)) for step in range(_ROWS))})
    rows = [(str(row + 1), *(number(values[row]) for values in history.values())) for row in shown]
    keys = [("model", "validation"), ("approved", "APPROVED needs"), ("review", "REVIEW needs"), ("peak", "peak")]
    keys += [("advice", "recommended checkpoint")] if advice else []
    note = f"{len(shown)} of {count} validations." if len(shown) < count else ""
    columns = ("validation", *(metric.replace("_", " ") for metric in history))
    return Picture("Training: validation history", tuple(keys), svg, alt, columns, rows, note)


def _drawn(draw: Callable[[], str]) -> Markup:
    """A picture that cannot be drawn must not cost the report: its table is there all the same."""
    try:
        return Markup(draw())  # noqa: S704 - drawn by us, its texts escaped
    except Exception:  # noqa: BLE001
        return Markup()


def _bound(metric: str) -> str:
    return "at most" if metric == "max_drawdown" else "at least"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(float(seconds), UTC):%Y-%m-%d}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(float(seconds), UTC):%Y-%m-%d %H:%M}"
