"""What the page carries for its script and for whoever goes on working with the figures: JSON and CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from pytest_modelgate.adapters.drawing.panel import Box
from pytest_modelgate.core.evidence.curves import Seconds, Span, TradeLine
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.report.formats import day, moment
from pytest_modelgate.report.measured import Measured

Format = Literal["percent", "share", "ratio", "price"]
_UNITS: dict[Format, float] = {"percent": 1e-4, "share": 1e-4, "ratio": 1e-2, "price": 0.0}  # of a whole number
_PRICE_DIGITS = 5


@dataclass(frozen=True)
class Series:
    """One line that the script may read out and draw anew.

    Attributes:
        name: as the legend says it.
        values: (n,), NaN where there is none.
        colour: name of a CSS variable.
        form: how a value is written.
        panel: number of the panel that it is in.
        filled: whether the area to 0 is filled.
    """

    name: str
    values: Floats
    colour: str
    form: Format = "percent"
    panel: int = 0
    filled: bool = False


def chart_json(
    times: Seconds,
    series: Sequence[Series],
    boxes: Sequence[Box],
    *,
    spans: Sequence[Span] = (),
    trades: Iterable[TradeLine] = (),
) -> Markup:
    """A chart for the script: whole numbers, each but the first of a line as its distance from the one before.

    Args:
        times: (n,) seconds since 1970 UTC, whole minutes.
        series: lines over these times.
        boxes: panels, in the SVG's own pixels.
        spans: windows to tell by number.
        trades: to mark where they are looked at closely.
    """
    minutes = times // 60
    steps = np.diff(minutes)
    runs: list[list[int]] = []
    for step in steps.tolist():
        if runs and runs[-1][0] == step:
            runs[-1][1] += 1
        else:
            runs.append([step, 1])
    return as_json(
        {
            "boxes": [[round(edge, 1) for edge in box] for box in boxes],
            "t": [int(minutes[0]), runs],
            "s": [_line(item) for item in series],
            "spans": [[span.start // 60, span.end // 60, span.sample] for span in spans],
            "trades": [[trade.entered // 60, trade.left // 60, trade.side] for trade in trades],
        }
    )


def _line(series: Series) -> dict[str, Any]:
    unit = _UNITS[series.form] or _price_unit(series.values)
    before = 0
    deltas: list[int | None] = []
    for value in series.values.tolist():
        if not math.isfinite(value):
            deltas.append(None)
            continue
        whole = round(value / unit)
        deltas.append(whole - before)
        before = whole
    return {
        "n": series.name,
        "c": series.colour,
        "f": series.form,
        "p": series.panel,
        "a": int(series.filled),
        "u": unit,
        "v": deltas,
    }


def _price_unit(values: Floats) -> float:
    """So that prices have five digits."""
    largest = float(np.nanmax(np.abs(values), initial=1e-12))
    return float(f"1e{math.floor(math.log10(largest)) - _PRICE_DIGITS + 1}")


def as_json(value: object) -> Markup:
    """JSON that stands in a ``<script>`` as it is: no text in it can end the element or begin a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704 - as said


def thinned_rows(count: int, most: int) -> list[int]:
    """Rows at even distances, the first and the last among them."""
    step = max(1, math.ceil((count - 1) / max(1, most - 1)))
    return sorted({*range(0, count, step), count - 1})


def data_url(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV file as an address; cells that a spreadsheet would compute are texts there."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return "data:text/csv;charset=utf-8," + quote(text.getvalue(), safe=",:;+-./_()'")


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def equity_csv(measured: Measured, every: int) -> str:
    """One row per so many UTC days: growth at their end, the deepest drawdown in them, and the mean position."""
    growth, weights = measured.growth, measured.attribution.intraday_weight
    days = (measured.times - measured.times[0] // 86_400 * 86_400) // (86_400 * every)
    ends = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    starts = np.concatenate([[0], ends[:-1] + 1])
    rows = (
        (
            day(measured.times[end]),
            float(growth.model[end + 1]),
            float(growth.equal[end + 1]),
            float(growth.market[end + 1]),
            float(growth.drawdown[start + 1 : end + 2].max()),
            float(weights[start : end + 1].mean()),
        )
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )
    return data_url(("until_utc", "return", "equal_exposure", "buy_and_hold", "drawdown", "position"), rows)


def trades_csv(measured: Measured, most: int) -> str:
    """One row per trade, the newest where there are more than ``most``."""
    rows = [
        (
            fold,
            moment(trade.entered).replace(" ", "T") + "Z",
            moment(trade.left).replace(" ", "T") + "Z",
            "long" if trade.side > 0 else "short",
            trade.bars,
            trade.entry,
            trade.exit,
            round(trade.pnl, 2),
            round(trade.costs, 2),
            trade.share,
        )
        for fold, trades in enumerate(measured.trades, start=1)
        for trade in trades
    ]
    columns = ("fold", "entered_utc", "left_utc", "side", "bars", "entry_usd", "exit_usd", "pnl_usd", "costs_usd")
    return data_url((*columns, "pnl_of_equity"), rows[-most:])


def folds_csv(measured: Measured) -> str:
    """One row per fold, and the backtest."""
    windows = [*measured.folds, *([measured.backtest] if measured.backtest else [])]
    metrics = ("total_return", "max_drawdown", "sharpe_annualised", "sharpe", "closed_trades", "win_rate")
    more = ("profit_factor", "exposure", "time_in_market", "turnover", "bars")
    rows = (
        (item.window, item.start, item.end, item.sample, *(getattr(item.metrics, name) for name in (*metrics, *more)))
        for item in windows
    )
    return data_url(("window", "start", "end", "sample", *metrics, *more), rows)
