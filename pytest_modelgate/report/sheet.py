"""The tear sheet of one model: what stands in it, as texts."""

from __future__ import annotations

import math
from typing import Any

from pytest_modelgate.adapters.verdict.schema import ContextPart, ModelPart
from pytest_modelgate.core.config.profiles import Costs, Profile
from pytest_modelgate.core.features.feature_set import CodeSource
from pytest_modelgate.core.integrity.check import CHECKS
from pytest_modelgate.core.market.bars import AssetClass, Instrument
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.report.account import account_of
from pytest_modelgate.report.embedded import equity_csv, folds_csv, trades_csv
from pytest_modelgate.report.facts import History
from pytest_modelgate.report.folds import folds_of
from pytest_modelgate.report.formats import basis_points, day, interval, likely, ratio, share, signed, to_float
from pytest_modelgate.report.measured import Measured
from pytest_modelgate.report.months import months_of
from pytest_modelgate.report.pictures import (
    Detail,
    Picture,
    growth_picture,
    prices_picture,
    rolling_picture,
    trades_picture,
    training_picture,
)
from pytest_modelgate.report.tints import Tinted, tinted
from pytest_modelgate.report.wording import (
    MEANINGS,
    break_even_text,
    champion_text,
    figure_and_limit,
    proof_title,
    record_text,
    shortfalls,
)


def sheet_of(
    model: ModelPart,
    measured: Measured | None,
    history: History | None,
    profile: Profile,
    detail: Detail,
    *,
    watched: WatchEvidence | None = None,
) -> dict[str, Any]:
    """What the template of a sheet needs.

    Args:
        measured: its evidence; None where it is not there.
        history: of its validations; None where the archive is not at hand.
        detail: how much of it is shown.
        watched: what an account did with it; None where that is not there.
    """
    found = shortfalls(model, profile)
    pictures = _pictures(model, measured, history, profile, detail)
    return {
        "model": model,
        "meaning": MEANINGS[model.decision],
        "deciding": [item for item in found if item.level == model.decision],
        "missing": [item for item in found if item.level != model.decision],
        "pictures": {picture.name: picture for picture in pictures},
        "figures": _figures(model, measured) if measured else [],
        "months": months_of(measured) if measured else None,
        "drawdowns": _drawdowns(measured) if measured else [],
        "folds": folds_of(model, measured, detail.trades),
        "proofs": [(proof_title(p.name), *figure_and_limit(p), p) for p in model.proofs],
        "costs": _costs(model, measured, profile),
        "surface": _surface(model),
        "files": _files(model, measured, detail),
        "tables": detail.tables,
        "titles": CHECKS,
        "account": account_of(model.paper, watched, measured, profile, detail) if model.paper else None,
        "champion": champion_text(model.champion) if model.champion else "",
        "source": _source(model),
    }


def _source(model: ModelPart) -> str:
    """The project's code that computed the market features."""
    code = model.checkpoint.feature_source if model.checkpoint else None
    return str(CodeSource(code.file, code.sha256, tuple(code.modules))) if code else ""


def _pictures(
    model: ModelPart, measured: Measured | None, history: History | None, profile: Profile, detail: Detail
) -> list[Picture]:
    found: list[Picture | None] = []
    if measured:
        found += [growth_picture(model.id, measured, detail), rolling_picture(model.id, measured, detail)]
        found.append(trades_picture(model.id, measured))
        if measured.backtest and detail.prices:
            found.append(prices_picture(model.symbol, measured.backtest))
    if history and model.gating:
        found.append(training_picture(model.id, history, model.gating, profile, detail))
    return [picture for picture in found if picture]


def _figures(model: ModelPart, measured: Measured) -> list[tuple[str, str, str]]:
    """Figures of all folds together: title, glossary term, text."""
    sharpe, low, high = measured.sharpe
    rows = [
        ("Return", "", signed(measured.total_return)),
        ("At equal exposure", "equal-exposure", signed(measured.held.total_return)),
        ("Buy and hold", "buy-and-hold", signed(float(measured.growth.market[-1]))),
        ("Worst drawdown", "drawdown", f"\u2212{share(measured.drawdown)}"),
        ("Sharpe ratio, annualised", "sharpe", ratio(sharpe)),
        ("with 90\u00a0% confidence", "interval", interval(ratio(low), ratio(high))),
        ("Closed trades", "trade", f"{measured.closed_trades:,}"),
        ("Trades that made money", "", share(measured.win_rate, 0)),
        ("Profit factor", "profit-factor", ratio(measured.profit_factor)),
        ("Mean position", "exposure", signed(measured.held.weight)),
        ("In the market", "exposure", f"{share(measured.mean_of('time_in_market'), 0)} of the bars"),
    ]
    if model.context:
        context = model.context
        rows.insert(
            1,
            (
                "with 90\u00a0% confidence",
                "interval",
                interval(signed(to_float(context.low)), signed(to_float(context.high))),
            ),
        )
        rows.append(
            ("Ahead of its positions on other days", "timing", f"in {likely(to_float(context.percentile) / 100.0)}")
        )
    smallest = next((p.details.get("smallest_sharpe") for p in model.proofs if p.name == "timing"), None)
    if smallest is not None:
        rows.append(("Smallest Sharpe ratio such a record finds", "smallest-sharpe", ratio(to_float(smallest))))
    return [row for row in rows if row[2]]


def record_of(context: ContextPart | None) -> str:
    """What the Sharpe ratio's distribution says."""
    if context is None:
        return ""
    return record_text(to_float(context.psr), to_float(context.deflated), to_float(context.days_needed))


def _drawdowns(measured: Measured) -> list[tuple[str, ...]]:
    times = measured.growth.times
    return [
        (
            f"\u2212{share(item.depth)}",
            day(times[item.start]),
            day(times[item.trough]),
            day(times[item.recovery]) if item.recovery is not None else "not yet",
            f"{(times[item.recovery if item.recovery is not None else -1] - times[item.start]) / 86_400:,.0f}",
        )
        for item in measured.worst
    ]


def costs_of(model: ModelPart, profile: Profile) -> Costs:
    """Costs that were assumed for a model's market."""
    crypto = Instrument.parse(model.symbol).asset_class is AssetClass.CRYPTO
    return profile.trading.crypto if crypto else profile.trading.us_equity


def _costs(model: ModelPart, measured: Measured | None, profile: Profile) -> dict[str, str]:
    """Costs in basis points, and until which the model earns anything."""
    if model.robustness is None:
        return {}
    assumed, even = costs_of(model, profile), to_float(model.robustness.break_even)
    fill = assumed.fee + assumed.slippage
    texts = {
        "assumed": f"{basis_points(assumed.fee)} of fees and {basis_points(assumed.slippage)} of slippage a fill",
        "words": break_even_text(even),
        "per_fill": "",
        "paid": "",
    }
    if math.isfinite(even) and even > 0.0 and fill > 0.0:
        texts["per_fill"] = f"That is {basis_points(even * fill, 0)} a fill instead of {basis_points(fill)}."
    if measured:
        fees, slippage = measured.paid
        texts["paid"] = (
            f"It paid {basis_points(fees, 0)} of equity in fees and {basis_points(slippage, 0)} in slippage over "
            f"{measured.days:,.0f} days"
        )
        if measured.closed_trades:
            texts["paid"] += f", {basis_points((fees + slippage) / measured.closed_trades)} of equity a closed trade"
        texts["paid"] += "."
    return texts


def _surface(model: ModelPart) -> tuple[list[str], list[tuple[str, list[Tinted]]]]:
    """Return at multiples of fees (down) and slippage (across)."""
    if model.robustness is None:
        return [], []
    points = {(to_float(p.fees), to_float(p.slippage)): to_float(p.total_return) for p in model.robustness.surface}
    fees, slippage = (list(dict.fromkeys(key[place] for key in points)) for place in (0, 1))
    most = max((abs(value) for value in points.values() if math.isfinite(value)), default=0.0)
    if len({points[key] for key in points if key[1] == slippage[0]}) == 1:
        fees = fees[:1]  # without fees there is nothing to multiply
    rows = [(f"\u00d7{a:g}", [tinted(points.get((a, b), math.nan), most) for b in slippage]) for a in fees]
    names = [f"\u00d7{b:g}" for b in slippage]
    return names, rows if len(fees) > 1 else [("return", rows[0][1])]


def _files(model: ModelPart, measured: Measured | None, detail: Detail) -> list[tuple[str, str, str]]:
    """Titles, file names and addresses of what can be downloaded."""
    if measured is None:
        return []
    files = [
        ("equity by day" if detail.days == 1 else "equity by week", "equity", equity_csv(measured, detail.days)),
        ("folds", "folds", folds_csv(measured)),
    ]
    if measured.closed_trades:
        files.insert(1, ("trades", "trades", trades_csv(measured, detail.csv)))
    return [(title, f"{model.id}-{name}.csv", address) for title, name, address in files]
