"""Recordings as they are usually: every page by its address, without vcrpy."""

from __future__ import annotations

from typing import Any

from pytest_modelgate.adapters.files.fast_json import parse_json

# A mapping that is made here has no other form; vcrpy would take more.
_NO_BODY: dict[str, Any] = {"body": None, "headers": {}, "method": "GET"}
_SERVED: dict[str, Any] = {"code": 200, "message": "OK"}


def plain_pages(text: str) -> list[tuple[str, Any]] | None:
    """Addresses and parsed pages of a recording, in the order in which they were asked for.

    None for a text that differs from what ``vcr.record`` writes: what it is worth is for vcrpy to say. Importing that
    takes as long as reading the recordings of a year.
    """
    try:
        recording = parse_json(text)
        if recording["version"] != 1 or recording.keys() != {"version", "interactions"}:
            return None
        return [_page(interaction["request"], interaction["response"]) for interaction in recording["interactions"]]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None


def _page(request: dict[str, Any], response: dict[str, Any]) -> tuple[str, Any]:
    address, body = request["uri"], response["body"]["string"]
    for values in response["headers"].values():
        ", ".join(values)
    if request != {**_NO_BODY, "uri": address} or response["status"] != _SERVED:
        raise ValueError(address)
    body.encode()  # half a surrogate pair is no text
    return address, parse_json(body)
