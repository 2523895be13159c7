"""Scrubbing: what of a conversation with Alpaca is kept in a cassette, which others will read."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

from pytest_modelgate.digest import canonical_json

HOST = "data.alpaca.markets"
_PARAMETERS = frozenset(
    ("symbols", "timeframe", "start", "end", "limit", "page_token", "sort", "adjustment", "asof", "feed", "currency")
)
_BAR = frozenset("tohlcv") | {"n", "vw"}
_SIDES = ("new", "old", "alternate", "source", "acquirer", "acquiree")
_ACTION = (
    frozenset(("symbol", "cusip", "rate", "cash_rate", "special", "foreign"))
    | {f"{day}_date" for day in ("process", "ex", "record", "payable", "effective")}
    | {f"{side}_{what}" for side in _SIDES for what in ("symbol", "cusip", "rate")}
)


def scrub_request(request: Any) -> Any:  # noqa: ANN401 - vcrpy publishes no types
    """The request without headers and body, its address as ``spell_address`` leaves it."""
    request.uri = spell_address(request.uri)
    request.headers = {}
    request.body = None
    return request


def spell_address(uri: str, leave_out: Collection[str] = ()) -> str:
    """An address with Alpaca's host, whatever host was asked, and of its parameters Alpaca's own.

    They are sorted: their order is the client's affair and may change with its version.

    Args:
        leave_out: names of parameters that are not to be kept either.
    """
    parts = urlsplit(uri)
    kept = _PARAMETERS.difference(leave_out)
    known = sorted(pair for pair in parts.query.split("&") if pair.partition("=")[0] in kept)
    return urlunsplit(("https", HOST, parts.path, "&".join(known), ""))


def scrub_response(response: dict[str, Any]) -> dict[str, Any] | None:
    """A page of bars or of corporate actions, with the content type for headers and the fields that Alpaca documents.

    None for all else.
    """
    body = _page(response["body"]["string"]) if response["status"]["code"] == 200 else None
    if body is None:
        return None
    kept = {name: value for name, value in response["headers"].items() if name.lower() == "content-type"}
    return {"status": {"code": 200, "message": "OK"}, "headers": kept, "body": {"string": body}}


def _page(body: bytes) -> bytes | None:
    """The page in a response's body; None where it holds something else, such as one that broke off."""
    try:
        page = json.loads(body)
        what, fields = ("bars", _BAR) if "bars" in page else ("corporate_actions", _ACTION)
        kept = {
            kind: [{name: value for name, value in row.items() if name in fields} for row in rows]
            for kind, rows in page[what].items()
        }
        return canonical_json({what: kept, "next_page_token": page.get("next_page_token")}).encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def spellings_of(secret: str) -> set[str]:
    """Spellings of a text in a cassette: in an address, or as JSON within the JSON of the file."""
    inner = json.dumps(secret)[1:-1]
    plain = {secret, quote(secret, safe=""), quote_plus(secret), inner, json.dumps(secret, ensure_ascii=False)[1:-1]}
    return plain | {json.dumps(spelling)[1:-1] for spelling in plain}
