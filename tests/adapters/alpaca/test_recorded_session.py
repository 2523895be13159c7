"""A recording is asked as a session of requests would ask."""

import json
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


def test_a_page_is_parsed_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", None)

    page = _recorded(b'{"bars": {"A": [{"c": 0.1}]}}').request("GET", _URL).json()

    assert page == {"bars": {"A": [{"c": 0.1}]}}
