"""Folds and backtest: one line each, and what unfolds below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.adapters.verdict.schema import ModelPart, WindowPart
from pytest_modelgate.core.evidence.curves import TradeLine, growth, trade_lines
from pytest_modelgate.report.formats import moment, money, plural, price, ratio, share, signed, to_float
from pytest_modelgate.report.measured import Measured

_REFUSED = {
    "below_minimum": "below the smallest order",
    "insufficient_cash": "for want of cash",
    "position_cap": "at the cap of a position",
    "short_not_allowed": "to sell crypto it did not hold",
    "cut_to_cap": "cut to the cap",
    "low_confidence": "bars without an action sure enough",
}


@dataclass(frozen=True)
class Trade:
    """One trade: minutes since 1970 of its first and last fill, and texts."""

    first: int
    last: int
    won: bool
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """One window.

    Attributes:
        first, last: minutes since 1970.
        won: whether it made money.
        cells: figures of its line: return, buy and hold, Sharpe ratio, drawdown, trades.
        facts: further figures, as titles and texts.
        trades: those that find room; ``left_out`` says how many do not.
    """

    name: str
    sample: str
    period: str
    first: int
    last: int
    won: bool
    cells: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    trades: Sequence[Trade]
    left_out: str


def folds_of(model: ModelPart, measured: Measured | None, most_trades: int) -> list[Fold]:
    """Every fold that was measured, oldest first, then the backtest.

    Args:
        most_trades: listed over all folds.
    """
    evidence = {fold.start: fold for fold in measured.folds} if measured else {}
    parts: list[tuple[str, WindowPart]] = [(f"Fold {fold.index}", fold) for fold in model.folds]
    room = max(1, most_trades // max(1, len(parts)))
    folds = []
    for name, part in parts:
        found = evidence.get(part.start)
        market = signed(float(growth([found]).market[-1])) if found else ""
        folds.append(_fold(name, part, market, trade_lines(found) if found else [], room))
    if model.backtest:
        found = measured.backtest if measured else None
        market = signed(float(growth([found]).market[-1])) if found else ""
        folds.append(_fold("Backtest", model.backtest, market, [], room))
    return folds


def _fold(name: str, part: WindowPart, market: str, trades: Sequence[TradeLine], room: int) -> Fold:
    total, first, last = to_float(part.total_return), pd.Timestamp(part.start), pd.Timestamp(part.end)
    cells = (
        signed(total),
        market or "\u2013",
        ratio(to_float(part.sharpe)),
        f"\u2212{share(to_float(part.max_drawdown))}",
        f"{part.trades:,}",
    )
    left_out = f"The last {room} of {len(trades)}; the file of trades has more." if len(trades) > room else ""
    return Fold(
        name,
        part.sample,
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
        int(first.timestamp()) // 60,
        int(last.timestamp()) // 60,
        total > 0.0,
        cells,
        tuple(_facts(part)),
        [_trade(trade) for trade in trades[-room:]],
        left_out,
    )


def _facts(part: WindowPart) -> list[tuple[str, str]]:
    noise = to_float(part.sharpe_per_bar) * math.sqrt(part.bars)
    facts = [
        ("Sharpe ratio in noise units", ratio(noise)),
        ("Trades that made money", share(to_float(part.win_rate), 0)),
        ("Profit factor", ratio(to_float(part.profit_factor))),
        ("Mean size of the position", share(to_float(part.exposure))),
        ("In the market", f"{share(to_float(part.time_in_market), 0)} of {part.bars:,} bars"),
        ("Turnover", f"{ratio(to_float(part.turnover), 0)} times equity a year"),
        ("Lowest equity", f"{to_float(part.min_equity):,.0f} USD"),
    ]
    if part.exits:
        facts.append(("Closed by a rule", ", ".join(f"{n} by {k.replace('_', ' ')}" for k, n in part.exits.items())))
    if part.waited_orders:
        facts.append(("Waited for the session's open", plural(part.waited_orders, "order")))
    if part.refused_orders:
        said = (f"{count:,} {_REFUSED.get(reason, reason)}" for reason, count in part.refused_orders.items())
        facts.append(("Not executed, here as at Alpaca", ", ".join(said)))
    if part.flagged:
        growth_share = to_float(part.flagged.share)
        of_all = "" if math.isnan(growth_share) else f", {share(growth_share, 0)} of all"
        earned = signed(to_float(part.flagged.total_return))
        facts.append(("Earned at bars with doubtful prices", f"{earned} at {part.flagged.bars}{of_all}"))
    return facts


def _trade(trade: TradeLine) -> Trade:
    cells = (
        moment(trade.entered),
        moment(trade.left),
        "long" if trade.side > 0 else "short",
        f"{trade.bars:,}",
        price(trade.entry),
        price(trade.exit),
        money(trade.pnl),
        signed(trade.share, 2),
    )
    return Trade(trade.entered // 60, trade.left // 60, trade.pnl > 0.0, cells)
