"""The pictures of one model: each with a text for who cannot see it, its figures as a table, data for the script."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pytest_modelgate.adapters.drawing import charts
from pytest_modelgate.adapters.drawing.panel import thin_rows
from pytest_modelgate.adapters.verdict.schema import GatingPart
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.evidence.curves import prices
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.training.run import METRICS
from pytest_modelgate.report.embedded import Series, chart_json, thinned_rows
from pytest_modelgate.report.formats import day, moment, price, ratio, share, signed
from pytest_modelgate.report.measured import Measured
from pytest_modelgate.report.wording import METRIC_NAMES, training_figure

_ROWS = 30  # of a table beside a picture; the evidence has every bar
_PRICE_BARS = 720  # more, and no entry can be told from its exit
_OTHER = ("unknown", "gap or ?: not shown to be unseen")
_SHADES = {"out-of-sample": ("out", "out: after the training data"), "in-sample": ("in", "in: seen in training")}


@dataclass(frozen=True)
class Detail:
    """How much of a model the page shows: many models share the room of few.

    Attributes:
        line: points of a line as it is drawn.
        points: of a line as the script reads it out and zooms in.
        trades: listed in the table, over all folds; ``csv`` are those in the file.
        days: between rows of the file of equity.
        tables: whether every picture's figures stand beside it as a table.
        prices: whether the backtest's prices are drawn.
    """

    line: int
    points: int
    trades: int
    csv: int
    days: int
    tables: bool
    prices: bool


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        name: of the kind of picture, for the script.
        title: of the figure.
        keys: its legend: how a line or mark looks (a CSS class), and what it is.
        svg: the picture; empty where it could not be drawn.
        alt: what it shows, in words.
        columns, rows: its data.
        note: what the data leaves out; empty when it is all there.
        chart: for the script; empty where there is nothing to read out.
    """

    name: str
    title: str
    keys: tuple[tuple[str, str], ...]
    svg: Markup
    alt: str
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""
    chart: Markup | None = None


def growth_picture(model: str, measured: Measured, detail: Detail) -> Picture:
    """Growth against equal exposure and buy and hold, with the drawdown."""
    curves = measured.growth
    parts = [f"fold {place} {fold.sample}" for place, fold in enumerate(measured.folds, start=1)]
    alt = (
        f"Walk-forward of {model}, {day(curves.times[0])} to {day(curves.times[-1])}: the model ends at "
        f"{signed(curves.model[-1])}, the market at its mean exposure at {signed(curves.equal[-1])}, buy and hold at "
        f"{signed(curves.market[-1])}; the deepest drawdown is {share(measured.drawdown)}. Against the training data: "
        f"{', '.join(parts)}."
    )
    rows = [
        (moment(time), signed(model), signed(equal), signed(market), share(depth))
        for time, model, equal, market, depth in curves.table(_ROWS)
    ]
    keys = (
        ("model", f"model, after costs {signed(curves.model[-1])}"),
        ("equal", f"equal exposure {signed(curves.equal[-1])}"),
        ("market", f"buy and hold {signed(curves.market[-1])}"),
        ("depth", "drawdown from the peak"),
    )
    seen = dict.fromkeys(_SHADES.get(fold.sample, _OTHER) for fold in measured.folds)
    kept = thinned_rows(len(curves.times), detail.points)
    depth = np.array([curves.drawdown[a + 1 : b + 1].max() for a, b in zip([-1, *kept[:-1]], kept, strict=True)])
    series = (
        Series("model", curves.model[kept], "model"),
        Series("equal exposure", curves.equal[kept], "equal"),
        Series("buy and hold", curves.market[kept], "market"),
        Series("drawdown", -depth, "bad", "percent", 1, filled=True),
    )
    trades = [trade for fold in measured.trades for trade in fold][-detail.csv :]
    chart = chart_json(curves.times[kept], series, charts.GROWTH, spans=curves.spans, trades=trades)
    svg = drawn(lambda: charts.draw_growth(curves.thinned(detail.line), alt))
    note = "Every row gives the deepest drawdown since the row above."
    columns = ("UTC", "model", "equal exposure", "buy and hold", "drawdown")
    return Picture("growth", "Growth and drawdown", (*keys, *seen), svg, alt, columns, rows, note, chart)


def rolling_picture(model: str, measured: Measured, detail: Detail) -> Picture:
    """Rolling Sharpe ratio and position."""
    sharpe, weight = measured.rolling
    days = round(measured.rolling_bars * measured.days / len(measured.times))
    finite = sharpe[np.isfinite(sharpe)]
    between = f"between {ratio(float(finite.min()))} and {ratio(float(finite.max()))}" if len(finite) else "undefined"
    alt = (
        f"Sharpe ratio of {model} over the last {days} days, annualised, {between}; below it the position as a share "
        f"of equity, on average {signed(measured.held.weight)}."
    )
    kept = sorted({*thin_rows(sharpe, detail.line // 2), *thin_rows(weight, detail.line // 2)})
    svg = drawn(lambda: charts.draw_rolling(measured.times[kept], sharpe[kept], weight[kept], alt))
    even = thinned_rows(len(measured.times), detail.points // 2)  # it moves slowly
    series = (
        Series("Sharpe ratio", sharpe[even], "model", "ratio"),
        Series("position", weight[even], "equal", "percent", 1, filled=True),
    )
    chart = chart_json(measured.times[even], series, charts.ROLLING, spans=measured.growth.spans)
    shown = thinned_rows(len(measured.times), _ROWS)
    rows = [(moment(measured.times[row]), ratio(sharpe[row]), signed(weight[row])) for row in shown]
    title = f"Rolling Sharpe ratio of {days} days, and exposure"
    return Picture("rolling", title, (), svg, alt, ("UTC", "Sharpe ratio", "position"), rows, "", chart)


def trades_picture(model: str, measured: Measured) -> Picture | None:
    """How much single trades earned; None where that is not on record."""
    shares = np.array([trade.share for fold in measured.trades for trade in fold], dtype=np.float64)
    shares = shares[np.isfinite(shares)]
    if not len(shares):
        return None
    edges = charts.bin_edges(100 * shares)
    counts, _ = np.histogram(100 * shares, edges)
    best, worst = float(shares.max()), float(shares.min())
    alt = (
        f"{len(shares)} trades of {model}, after costs, as shares of the equity before each: from {signed(worst, 2)} "
        f"to {signed(best, 2)}, half of them above {signed(float(np.median(shares)), 2)}."
    )
    rows = [
        (f"{signed(left / 100, 2)} to {signed(right / 100, 2)}", str(count))
        for left, right, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        if count
    ]
    svg = drawn(lambda: charts.draw_histogram(shares, "profit or loss of a trade, of equity", alt))
    return Picture("trades", "Trades by profit and loss", (), svg, alt, ("of equity", "trades"), rows)


def prices_picture(symbol: str, window: WindowEvidence) -> Picture:
    """Price of the backtest, with entries and exits."""
    every = prices(window)
    shown = every.last(_PRICE_BARS)
    cut = f", its last {_PRICE_BARS} bars" if len(shown.times) < len(every.times) else ""
    won = sum(trip.change > 0.0 for trip in shown.trips)
    alt = (
        f"Price of {symbol} over the backtest{cut}: from {price(shown.close[0])} to {price(shown.close[-1])} USD, with "
        f"{len(shown.trips)} round trips, {won} of them on the right side of it."
    )
    svg = drawn(lambda: charts.draw_prices(shown, alt))
    rows = [
        (
            moment(shown.times[trip.entered]),
            "long" if trip.side > 0 else "short",
            price(trip.entry),
            moment(shown.times[trip.left]),
            price(trip.exit),
            signed(trip.change),
        )
        for trip in shown.trips[-_ROWS:]
    ]
    keys = [("close", "close"), ("exit", "exit")]
    keys += [("long", "long, and its bars below")] if any(trip.side > 0 for trip in shown.trips) else []
    keys += [("short", "short, and its bars below")] if any(trip.side < 0 for trip in shown.trips) else []
    note = f"The last {_ROWS} of {len(shown.trips)} round trips. " if len(shown.trips) > _ROWS else ""
    note += "Prices are those of the market; fees and slippage come on top."
    columns = ("entered, UTC", "side", "price, USD", "left, UTC", "price, USD", "change")
    series = (Series("close", shown.close, "market", "price"),)
    chart = chart_json(shown.times, series, charts.PRICES)
    title = f"Backtest: price, entries and exits{cut}"
    return Picture("prices", title, tuple(keys), svg, alt, columns, rows, note, chart)


def training_picture(
    model: str, history: Mapping[str, Sequence[float]], gating: GatingPart, profile: Profile, detail: Detail
) -> Picture:
    """Validation history with its limits."""
    lines = {metric: history[metric] for metric in METRICS}
    limits = {metric: (getattr(profile.approved, metric), getattr(profile.review, metric)) for metric in METRICS}
    fitness = [value if math.isfinite(value) else -math.inf for value in lines["fitness_score"]]
    peak, advice = fitness.index(max(fitness)) + 1, gating.recommended_checkpoint
    endings = "; ".join(
        f"{METRIC_NAMES[metric]} ends at {training_figure(metric, values[-1])} (APPROVED {_bound(metric)} "
        f"{training_figure(metric, limits[metric][0])}, REVIEW {_bound(metric)} "
        f"{training_figure(metric, limits[metric][1])})"
        for metric, values in lines.items()
    )
    alt = f"Validations of {model}: {endings}. The fitness peaks at validation {peak}."
    if advice:
        alt += f" The checkpoint of validation {advice.validation} is recommended."
    svg = drawn(
        lambda: charts.draw_training(lines, limits, advice.validation if advice else None, alt, detail.line // 2)
    )
    count = len(fitness)
    shown = sorted({peak - 1, *(round(step * (count - 1) / max(1, _ROWS - 1)) for step in range(_ROWS))})
    rows = [(str(row + 1), *(training_figure(name, values[row]) for name, values in lines.items())) for row in shown]
    keys = [("model", "validation"), ("approved", "APPROVED needs"), ("review", "REVIEW needs"), ("peak", "peak")]
    keys += [("advice", "recommended checkpoint")] if advice else []
    note = f"{len(shown)} of {count} validations." if len(shown) < count else ""
    columns = ("validation", *(METRIC_NAMES[metric] for metric in lines))
    return Picture("training", "Training: validation history", tuple(keys), svg, alt, columns, rows, note)


def spark(returns: Sequence[float | None]) -> Markup:
    """The folds of a model at a glance; empty when none was measured."""
    if not any(value is not None for value in returns):
        return Markup()
    texts = ", ".join("not measured" if value is None else signed(value) for value in returns)
    return drawn(lambda: charts.draw_spark(returns, f"Returns of the folds, oldest first: {texts}."))


def drawn(draw: Callable[[], str]) -> Markup:
    """A picture that cannot be drawn must not cost the report: its table is there all the same."""
    try:
        return Markup(draw())  # noqa: S704 - drawn by us, its texts escaped
    except Exception:  # noqa: BLE001
        return Markup()


def _bound(metric: str) -> str:
    return "at most" if metric == "max_drawdown" else "at least"
