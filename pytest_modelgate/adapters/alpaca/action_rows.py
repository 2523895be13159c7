"""Corporate actions out of the rows that Alpaca serves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pytest_modelgate.core.market.corporate_actions import (
    ActionKind,
    ActionsRequest,
    CorporateAction,
    company_history,
)
from pytest_modelgate.errors import MarketDataError

_Row = Mapping[str, Any]
_Rows = Mapping[str, Sequence[_Row]]
_Read = Callable[[_Row], CorporateAction]
_SYMBOLS = ("symbol", "source_symbol", "old_symbol", "new_symbol", "acquiree_symbol", "acquirer_symbol")


def all_actions(request: ActionsRequest, ask: Callable[[str], _Rows]) -> tuple[CorporateAction, ...]:
    """All actions of a stock, by day; also those under names it had before.

    Args:
        ask: takes a name, gives the rows of all pages by Alpaca's word for their kind.

    Raises:
        MarketDataError: as of ``to_actions``.
    """
    names, actions = [request.symbol], set[CorporateAction]()
    for name in names:  # which grows by those that the company had before
        actions.update(to_actions(name, ask(name), str(request)))
        earlier = company_history(request.symbol, tuple(actions), request.until).names
        names += [other for other in earlier if other not in names]
    return tuple(sorted(actions))


def to_actions(symbol: str, answer: _Rows, where: str) -> tuple[CorporateAction, ...]:
    """The actions of all pages, by day, each once; kinds that change neither prices nor names are left out.

    Args:
        symbol: whose actions were asked for.
        answer: rows by Alpaca's word for their kind, as they came.
        where: names the request in error messages.

    Raises:
        MarketDataError: a row is not what Alpaca documents, or tells of another symbol.
    """
    try:
        return tuple(sorted(set(_read(symbol, answer))))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        problem = "a corporate action lacks a symbol, a date or a rate, is told in other words, or is another symbol's"
        raise MarketDataError(where, problem, "Record it again later") from None


def _read(symbol: str, answer: _Rows) -> Iterator[CorporateAction]:
    for kind, rows in answer.items():
        for row in rows:
            if symbol not in (row.get(name) for name in _SYMBOLS):
                raise ValueError(kind)
            if kind in _READERS:
                yield _READERS[kind](row)


def _day(row: _Row, name: str) -> date:
    return date.fromisoformat(row[name])


def _symbol(row: _Row, name: str) -> str:
    if not isinstance(row[name], str) or not row[name]:
        raise ValueError(name)
    return str(row[name])


def _rate(row: _Row, name: str) -> float:
    value = row[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not (math.isfinite(value) and value > 0):
        raise ValueError(name)
    return float(value)


def _split(row: _Row) -> CorporateAction:
    new, old = _rate(row, "new_rate"), _rate(row, "old_rate")
    return CorporateAction(_day(row, "ex_date"), ActionKind.SPLIT, _symbol(row, "symbol"), new=new, old=old)


def _stock_dividend(row: _Row) -> CorporateAction:
    new = _rate(row, "rate")
    return CorporateAction(_day(row, "ex_date"), ActionKind.STOCK_DIVIDEND, _symbol(row, "symbol"), new=new)


def _cash_dividend(row: _Row) -> CorporateAction:
    dollars = _rate(row, "rate")
    return CorporateAction(_day(row, "ex_date"), ActionKind.CASH_DIVIDEND, _symbol(row, "symbol"), dollars=dollars)


def _given_out(kind: ActionKind) -> _Read:
    def read(row: _Row) -> CorporateAction:
        return CorporateAction(_day(row, "ex_date"), kind, _symbol(row, "source_symbol"), _symbol(row, "new_symbol"))

    return read


def _renamed(kind: ActionKind, day: str) -> _Read:
    def read(row: _Row) -> CorporateAction:
        number = row.get("old_cusip")
        same = kind is ActionKind.RENAME and bool(number) and number == row.get("new_cusip")
        old, new = _symbol(row, "old_symbol"), _symbol(row, "new_symbol")
        return CorporateAction(_day(row, day), kind, old, new, same_security=same)

    return read


def _merged(row: _Row) -> CorporateAction:
    acquirer = row.get("acquirer_symbol") or ""
    if not isinstance(acquirer, str):
        raise TypeError(acquirer)
    return CorporateAction(_day(row, "effective_date"), ActionKind.MERGER, _symbol(row, "acquiree_symbol"), acquirer)


def _removed(row: _Row) -> CorporateAction:
    return CorporateAction(_day(row, "process_date"), ActionKind.REMOVAL, _symbol(row, "symbol"))


_READERS: Mapping[str, _Read] = {
    "forward_splits": _split,
    "reverse_splits": _split,
    "unit_splits": _renamed(ActionKind.UNIT_SPLIT, "effective_date"),
    "stock_dividends": _stock_dividend,
    "cash_dividends": _cash_dividend,
    "spin_offs": _given_out(ActionKind.SPIN_OFF),
    "rights_distributions": _given_out(ActionKind.RIGHTS),
    "name_changes": _renamed(ActionKind.RENAME, "process_date"),
    "cash_mergers": _merged,
    "stock_mergers": _merged,
    "stock_and_cash_mergers": _merged,
    "redemptions": _removed,
    "worthless_removals": _removed,
}
