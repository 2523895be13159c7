"""Bars and corporate actions out of recorded pages, without Alpaca's client.

Where pages lie under the addresses at which the client asks, in the order in which it does, they are what it would make
of them. All else is the client's to judge: see ``client`` and ``actions``. Importing it, vcrpy and what both stand on
takes a sixth of a small run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from pytest_modelgate.adapters.alpaca.action_rows import all_actions
from pytest_modelgate.adapters.alpaca.rows import to_bars
from pytest_modelgate.core.config.settings import ADJUSTMENTS, FEEDS
from pytest_modelgate.core.market.bars import AssetClass, Bars
from pytest_modelgate.core.market.corporate_actions import ActionsRequest, CorporateAction
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import MarketDataError

Page = tuple[str, Any]
"""An address, its parameters in order, and the JSON that came."""
_HOST = "https://data.alpaca.markets"
_BARS, _ACTIONS = 10_000, 1_000  # rows of a page, the most that the service takes


class _NotAskedError(Exception):
    """Pages are not those that are asked for here."""


def plain_bars(request: MarketRequest, pages: Sequence[Page]) -> Bars | None:
    """The bars of a recording; None where the client has to look at it.

    Raises:
        MarketDataError: as of ``to_bars``.
    """
    left = iter(pages)
    try:
        rows = _all_rows(left, *_bars_question(request), "bars")
    except _NotAskedError:
        return None
    if next(left, None) is not None:
        return None
    return to_bars(request, rows.get(request.instrument.alpaca_symbol, []), f"market data of {request}")


def plain_actions(request: ActionsRequest, pages: Sequence[Page]) -> tuple[CorporateAction, ...] | None:
    """The corporate actions of a recording; None where the client has to look at it, as also where one is unusable."""
    left = iter(pages)
    dates = {"start": f"{request.first}", "end": f"{request.last}", "sort": "asc", "limit": f"{_ACTIONS}"}
    path = "/v1/corporate-actions"
    try:
        actions = all_actions(
            request, lambda name: _all_rows(left, path, {"symbols": name, **dates}, "corporate_actions")
        )
    except (_NotAskedError, MarketDataError):  # the pages behind an unusable action may be worse
        return None
    return None if next(left, None) is not None else actions


def _bars_question(request: MarketRequest) -> tuple[str, dict[str, str]]:
    """Path and parameters of the first page.

    Raises:
        _NotAskedError: the client would not ask with this feed or adjustment.
    """
    parameters = {
        "symbols": request.instrument.alpaca_symbol,
        "timeframe": str(request.timeframe),
        "start": request.first.to_pydatetime().isoformat(),
        "end": request.last.to_pydatetime().isoformat(),
        "sort": "asc",
        "limit": f"{_BARS}",
    }
    if request.instrument.asset_class is AssetClass.CRYPTO:
        return "/v1beta3/crypto/us/bars", parameters
    if request.feed not in FEEDS or request.adjustment not in ADJUSTMENTS:
        raise _NotAskedError
    pins = {"feed": request.feed, "adjustment": request.adjustment, "asof": request.asof}
    return "/v2/stocks/bars", parameters | pins


def _all_rows(pages: Iterator[Page], path: str, parameters: Mapping[str, str], what: str) -> dict[str, list[Any]]:
    """Rows of the next pages, up to the last of this question, by symbol or kind.

    Raises:
        _NotAskedError: another page comes next, or one in another form.
    """
    found: dict[str, list[Any]] = {}
    asked = dict(parameters)
    while True:
        address, page = next(pages, ("", None))
        if address != _address(path, asked) or not isinstance(page, dict) or page.keys() != {what, "next_page_token"}:
            raise _NotAskedError
        parts, token = page[what], page["next_page_token"]
        if not isinstance(parts, dict) or not all(isinstance(rows, list) for rows in parts.values()):
            raise _NotAskedError
        for name, rows in parts.items():
            found.setdefault(name, []).extend(rows)
        if token is None:
            return found
        if not isinstance(token, str) or not token:
            raise _NotAskedError
        asked["page_token"] = token


def _address(path: str, parameters: Mapping[str, str]) -> str:
    query = "&".join(sorted(f"{name}={quote_plus(value)}" for name, value in parameters.items()))
    return f"{_HOST}{path}?{query}"
