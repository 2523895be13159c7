"""A recording is asked as a session of requests would ask, and its pages are what the usual parser makes of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pytest_modelgate.adapters.alpaca.transport import RecordedSession

_URL = "https://data.alpaca.markets/v1beta3/crypto/us/bars"


def _recorded(body: bytes) -> RecordedSession:
    return RecordedSession(lambda *_: (200, {"Content-Type": ["application/json"]}, body))


@pytest.mark.parametrize(
    "parameters",
    [
        {"symbols": "BTC/USD", "limit": 10_000, "page_token": None},
        {"symbols": ["A", "B"], "start": "2024-01-01T00:00:00+00:00", "page_token": "QUJD fA=="},
        {},
    ],
)
def test_a_recording_is_asked_for_the_address_that_requests_would_ask_for(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any]
) -> None:
    theirs = requests.Session().prepare_request(requests.Request("GET", _URL, params=parameters))
    monkeypatch.delattr(requests.Session, "prepare_request")  # which prepares all that a recording does not know

    response = _recorded(b"{}").request("get", _URL, headers={"APCA-API-KEY-ID": "k"}, params=parameters)

    assert (response.request.method, response.request.url) == ("GET", theirs.url)
    assert (response.url, response.status_code, response.text) == (theirs.url, 200, "{}")
    assert response.headers["content-type"] == "application/json"


def test_a_page_of_bars_is_parsed_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(requests.Response, "json")

    page = _recorded(b'{"bars": {"A": [{"c": 0.1}]}}').request("GET", _URL).json()

    assert page == {"bars": {"A": [{"c": 0.1}]}}


@pytest.mark.parametrize("body", [b'["\\ud800"]', b"[" * 300 + b"]" * 300, b"\xff", b"{]", b"\xef\xbb\xbf{}", b"[Inf]"])
def test_what_the_fast_parser_refuses_is_judged_as_ever(body: bytes) -> None:
    def judged(parse: Callable[[], object]) -> object:
        try:
            return parse()
        except ValueError:
            return "no JSON"

    response = _recorded(body).request("GET", _URL)

    assert judged(response.json) == judged(lambda: json.loads(body.decode("utf-8", "replace")))
