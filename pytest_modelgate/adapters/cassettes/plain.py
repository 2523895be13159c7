"""Recordings as they are usually: every page by its address, without vcrpy."""

from __future__ import annotations

from typing import Any

# Not ``parse_json``: half a surrogate pair, which only the slower parser takes, is no part of an address.
from pydantic_core import from_json

# As ``vcr.record`` writes them; vcrpy would take more.
_ASKED: dict[str, Any] = {"body": None, "headers": {}, "method": "GET"}
_SERVED: dict[str, Any] = {"code": 200, "message": "OK"}


def plain_pages(text: str) -> list[tuple[str, Any]] | None:
    """Addresses and parsed pages of a recording, in the order in which they were asked for.

    None for a text that differs from what ``vcr.record`` writes: what it is worth is for vcrpy to say. Importing that
    takes as long as reading the recordings of a year.
    """
    try:
        recording = from_json(text)
        if recording["version"] != 1 or recording.keys() != {"version", "interactions"}:
            return None
        return [_page(interaction["request"], interaction["response"]) for interaction in recording["interactions"]]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None


def _page(request: dict[str, Any], response: dict[str, Any]) -> tuple[str, Any]:
    address, body = request["uri"], response["body"]["string"]
    for values in response["headers"].values():
        ", ".join(values)  # as vcrpy's answer would be told: TypeError unless they are texts
    if request != {**_ASKED, "uri": address} or response["status"] != _SERVED:
        raise ValueError(address)
    return address, from_json(body)
