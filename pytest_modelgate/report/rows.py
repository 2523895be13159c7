"""The table of the first screen: one row per model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pytest_modelgate.adapters.verdict.schema import ModelPart, Verdict
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.report.formats import NONE, interval, ratio, share, signed, to_float
from pytest_modelgate.report.measured import Measured
from pytest_modelgate.report.pictures import spark
from pytest_modelgate.report.wording import LEVELS, shortfalls, why


@dataclass(frozen=True)
class Cell:
    """A figure, what stands small below it, and what it is sorted by (empty: last, whichever way)."""

    text: str
    below: str = ""
    sort: str = ""


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes:
        level: of the decision, from 0 (could not be judged) to 4 (LIVE).
        remark: what its result holds and should not, in a few words; empty without.
        evaluated: whether it has a sheet of its own.
        figures: return, equal exposure, drawdown, Sharpe ratio, trades.
        since: which way it went since the earlier verdict, and from where; both empty without one.
        page: the further page that its sheet is on; empty where it is on the same.
    """

    id: str
    symbol: str
    timeframe: str
    decision: str
    level: int
    why: str
    remark: str
    evaluated: bool
    spark: Markup
    folds: float
    figures: tuple[Cell, ...]
    since: tuple[str, str]
    page: str = ""


def row_of(model: ModelPart, measured: Measured | None, profile: Profile, earlier: Verdict | None) -> Row:
    """The row of a model.

    Args:
        measured: its evidence; None where it was not evaluated, or nothing of it is there.
        earlier: a verdict to compare with.
    """
    returns = {fold.index: to_float(fold.total_return) for fold in model.folds}
    finite = [value for value in returns.values() if math.isfinite(value)]
    picture = spark([returns.get(place) for place in range(1, max(returns) + 1)]) if returns else Markup()
    return Row(
        id=model.id,
        symbol=model.symbol,
        timeframe=model.timeframe,
        decision=model.decision,
        level=LEVELS.index(model.decision),
        why=why(model, shortfalls(model, profile)),
        remark=_remark(model),
        evaluated=bool(model.folds or model.backtest),
        spark=picture,
        folds=sum(value > 0.0 for value in finite) / len(finite) if finite else math.nan,
        figures=_figures(model, measured),
        since=_since(model, earlier),
    )


def _figures(model: ModelPart, measured: Measured | None) -> tuple[Cell, ...]:
    total, context = to_float(model.compounded_return), model.context
    between = interval(signed(to_float(context.low)), signed(to_float(context.high))) if context else ""
    earned = Cell(signed(total), between, _sort(total))
    trades = sum(fold.trades for fold in model.folds)
    counted = Cell(f"{trades:,}", "", str(trades)) if model.folds else Cell(NONE)
    if measured is None:
        return earned, Cell(NONE), Cell(NONE), Cell(NONE), counted
    equal, (sharpe, low, high) = measured.held.total_return, measured.sharpe
    if math.isnan(total):  # folds are missing: what is there is one fold after the other all the same
        earned = Cell(signed(measured.total_return), "folds are missing", _sort(measured.total_return))
    return (
        earned,
        Cell(signed(equal), f"at {signed(measured.held.weight)}", _sort(equal)),
        Cell(f"\u2212{share(measured.drawdown)}", "", _sort(-measured.drawdown)),
        Cell(ratio(sharpe), interval(ratio(low), ratio(high)), _sort(sharpe)),
        counted,
    )


def _sort(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _remark(model: ModelPart) -> str:
    """What the broker would not have executed, though it is in the result."""
    for check in model.integrity:
        if check.name == "feasibility" and check.status != "pass":
            shorts = to_float(check.figures.get("fractional_shorts", 0.0))
            locks = to_float(check.figures.get("day_trade_violations", 0.0))
            said = [f"{shorts:,.0f} short sales of fractions"] if shorts else []
            said += [f"{locks:,.0f} days of a locked day trader"] if locks else []
            return f"its result holds {' and '.join(said)}, which Alpaca would not execute" if said else ""
    return ""


def _since(model: ModelPart, earlier: Verdict | None) -> tuple[str, str]:
    if earlier is None:
        return "", ""
    before = next((item.decision for item in earlier.models if item.id == model.id), None)
    if before is None:
        return "new", ""
    step = LEVELS.index(model.decision) - LEVELS.index(before)
    return ("same" if step == 0 else "up" if step > 0 else "down"), before


def gone(verdict: Verdict, earlier: Verdict | None) -> Sequence[tuple[str, str]]:
    """Models of the earlier verdict that are no longer there, and their decisions then."""
    now = {model.id for model in verdict.models}
    return [(model.id, model.decision) for model in (earlier.models if earlier else ()) if model.id not in now]


def best_first(models: Sequence[ModelPart]) -> list[ModelPart]:
    """Models that may trade come first, since whoever opens the page looks for them; by name among equals."""
    return sorted(models, key=lambda model: (-LEVELS.index(model.decision), model.id))
