"""The rows for people: a line each, or a table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from .measuring import Row

HEAD = (
    f"{'market':<28}{'model':<36}{'kind':<11}{'Sharpe':>7}{'days/folds':>12}{'N':>4}  {'rule':<8}"
    f"{'DROP':>7}{'RETRAIN':>9}{'PAPER':>8}{'LIVE':>8}   95 % interval of LIVE"
)


def line(row: Row) -> str:
    """One row."""
    rates = {name: level.rate for name, level in row.levels.items()}
    live = row.levels["LIVE"]
    return (
        f"{row.market:<28}{row.model:<36}{row.kind:<11}{row.sharpe:>7.2f}{f'{row.days}/{row.folds}':>12}{row.trials:>4}"
        f"  {row.rule:<8}{rates['DROP']:>7.1%}{rates['RETRAIN']:>9.1%}{rates['PAPER']:>8.1%}{rates['LIVE']:>8.2%}"
        f"   {live.low:.2%} to {live.high:.2%}"
    )


def markdown(measured: Iterable[Row]) -> str:
    """LIVE in percent, a line for a model and its trials, a column for shape and rule."""
    found = list(measured)
    columns = list(dict.fromkeys((row.days, row.folds, row.rule) for row in found))
    head = ["market", "model", "kind", "Sharpe", "N", *(f"{days}/{folds} {rule}" for days, folds, rule in columns)]
    lines = [_cells(head), _cells(["---"] * len(head))]
    names = {(row.market, row.model): None for row in found}
    for market, model in names:
        own = [row for row in found if (row.market, row.model) == (market, model)]
        for trials, group in groupby(sorted(own, key=lambda row: row.trials), key=lambda row: row.trials):
            rows = list(group)
            cells = {(row.days, row.folds, row.rule): f"{100 * row.levels['LIVE'].rate:.1f}" for row in rows}
            first = [market, model, rows[0].kind, f"{rows[0].sharpe:.1f}", str(trials)]
            lines.append(_cells([*first, *(cells.get(column, "") for column in columns)]))
    return "\n".join(lines) + "\n"


def _cells(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"
