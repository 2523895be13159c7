"""Alpaca's answers to requests for corporate actions, without the network: query in, JSON-ready answer out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import date

from marketsim.wire import BadRequestError

ActionRows = Mapping[str, Sequence[Mapping[str, object]]]
"""Rows by Alpaca's word for their kind: ``{"forward_splits": [{"symbol": "AAPL", "ex_date": "2020-08-31", ...}]}``."""

PATH = "/v1/corporate-actions"
_PARAMETERS = frozenset({"symbols", "cusips", "types", "start", "end", "ids", "limit", "page_token", "sort"})
_LIMIT_MOST = 1000


class ActionList:
    """The actions that the server knows.

    Args:
        rows: as Alpaca sends them; ``process_date`` decides when one is listed.
        page_size: the most rows in one page, whatever the request's limit.
    """

    def __init__(self, rows: ActionRows, page_size: int) -> None:
        listed = [(str(row["process_date"]), kind, dict(row)) for kind, some in rows.items() for row in some]
        self._rows = sorted(listed, key=lambda row: row[:2])
        self._page_size = page_size

    def page(self, query: Mapping[str, str]) -> dict[str, object]:
        """One page of rows, by the day on which they were booked; without dates, of all days.

        Raises:
            BadRequestError: Alpaca would answer 400.
        """
        if unknown := sorted(query.keys() - _PARAMETERS):
            raise BadRequestError(f"unexpected query parameter(s): {', '.join(unknown)}")
        limit = query.get("limit", "100")
        if not limit.isdecimal() or not 1 <= int(limit) <= _LIMIT_MOST:
            raise BadRequestError(f"invalid limit: {limit}, expected 1 to {_LIMIT_MOST}")
        start, end = _day(query, "start", "0001-01-01"), _day(query, "end", "9999-12-31")
        symbols = set(query["symbols"].split(",")) if "symbols" in query else None
        rows = [
            (kind, row)
            for day, kind, row in self._rows
            if start <= day <= end
            and (symbols is None or symbols & {row[name] for name in row if name.endswith("symbol")})
        ]
        first = _offset(query.get("page_token"))
        last = first + min(int(limit), self._page_size)
        actions: dict[str, list[dict[str, object]]] = {}
        for kind, row in rows[first:last]:
            actions.setdefault(kind, []).append(row)
        token = base64.b64encode(str(last).encode()).decode() if last < len(rows) else None
        return {"corporate_actions": actions, "next_page_token": token}


def _day(query: Mapping[str, str], name: str, default: str) -> str:
    try:
        return date.fromisoformat(query.get(name, default)).isoformat()
    except ValueError:
        raise BadRequestError(f"invalid {name}: {query[name]}") from None


def _offset(token: str | None) -> int:
    try:
        return int(base64.b64decode(token, validate=True)) if token else 0
    except (binascii.Error, ValueError):
        raise BadRequestError(f"invalid page_token: {token}") from None
