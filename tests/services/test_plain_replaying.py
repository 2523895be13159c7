"""Usual recordings are read without vcrpy and Alpaca's client, and say the same; all others are theirs to judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.market_factory import random_walk, request_for

from pytest_modelgate.adapters.alpaca.actions import fetch_actions
from pytest_modelgate.adapters.alpaca.client import fetch_bars
from pytest_modelgate.adapters.alpaca.plain import plain_actions, plain_bars
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.adapters.cassettes.plain import plain_pages
from pytest_modelgate.adapters.cassettes.scrubbing import spell_address
from pytest_modelgate.core.config.settings import ADJUSTMENTS
from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe
from pytest_modelgate.core.market.corporate_actions import ActionsRequest, CorporateAction
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.digest import canonical_json
from pytest_modelgate.errors import GateError
from pytest_modelgate.services.replaying import replay_actions_text, replay_text

WHERE = "cassette"
FEW = random_walk("2024-03-01", 5)
RENAME = {"old_symbol": "FB", "old_cusip": "X", "new_symbol": "META", "new_cusip": "X", "process_date": "2024-03-02"}
PAID = {"symbol": "META", "ex_date": "2024-03-02", "rate": 0.5, "special": False, "foreign": False}

Asked = MarketRequest | ActionsRequest
Found = Bars | tuple[CorporateAction, ...]


@dataclass(frozen=True)
class Answers:
    """Answers pages in turn, and remembers them as a recording does."""

    pages: list[dict[str, Any]]
    interactions: list[dict[str, Any]]

    def __call__(self, method: str, uri: str) -> tuple[int, dict[str, list[str]], bytes]:
        body = canonical_json(self.pages[len(self.interactions)])
        request: dict[str, Any] = {"method": method, "uri": spell_address(uri), "body": None, "headers": {}}
        served = {"code": 200, "message": "OK"}
        headers = {"Content-Type": ["application/json"]}
        response = {"status": served, "headers": headers, "body": {"string": body}}
        self.interactions.append({"request": request, "response": response})
        return 200, headers, body.encode()


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"t": f"{time:%Y-%m-%dT%H:%M:%SZ}", **dict(zip("ohlcv", row, strict=True))}
        for time, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)
    ]


def pages(what: str, parts: list[dict[str, Any]], tokens: list[str]) -> list[dict[str, Any]]:
    return [
        {what: part, "next_page_token": token}
        for part, token in zip(parts, [*tokens[: len(parts) - 1], None], strict=True)
    ]


def recorded(request: Asked, answered: list[dict[str, Any]]) -> str:
    """What Alpaca's client asks for, as vcrpy would record it."""
    answers = Answers(answered, [])
    if isinstance(request, MarketRequest):
        fetch_bars(request, credentials=None, reply=answers)
    else:
        fetch_actions(request, credentials=None, reply=answers)
    return canonical_json({"version": 1, "interactions": answers.interactions})


def by_libraries(request: Asked, text: str) -> Found:
    with cassettes.play(text, WHERE, "Record it") as player:
        if isinstance(request, MarketRequest):
            return fetch_bars(request, credentials=None, reply=player.answer)
        return fetch_actions(request, credentials=None, reply=player.answer)


def plainly(request: Asked, text: str) -> Found | None:
    found = plain_pages(text)
    if found is None:
        return None
    return plain_bars(request, found) if isinstance(request, MarketRequest) else plain_actions(request, found)


def replay(request: Asked, text: str) -> Found:
    if isinstance(request, MarketRequest):
        return replay_text(request, text, WHERE)
    return replay_actions_text(request, text, WHERE)


def outcome(read: Callable[[], Found | None]) -> object:
    """What came of it, so that it can be compared."""
    try:
        found = read()
    except GateError as error:
        return str(error)
    return found.sha256 if isinstance(found, Bars) else found


COINS, STOCKS = request_for("BTCUSD", FEW), request_for("AAPL", FEW)
ACTIONS = ActionsRequest("META", date(2024, 2, 23), date(2024, 5, 1), date(2024, 3, 5))
USUAL: dict[str, tuple[Asked, list[dict[str, Any]]]] = {
    "crypto": (
        COINS,
        pages("bars", [{"BTC/USD": rows_of(FEW[:3])}, {}, {"BTC/USD": rows_of(FEW[3:])}], ["QQ==", "c d"]),
    ),
    "stock": (STOCKS, pages("bars", [{"AAPL": rows_of(FEW[:3])}, {"AAPL": rows_of(FEW[3:])}], ["QQ=="])),
    "actions": (
        ACTIONS,
        [
            *pages("corporate_actions", [{"name_changes": [RENAME]}, {"cash_dividends": [PAID]}], ["QQ=="]),
            *pages("corporate_actions", [{"cash_dividends": [{**PAID, "symbol": "FB"}]}], []),
        ],
    ),
}
TEXTS = {name: (request, recorded(request, answered)) for name, (request, answered) in USUAL.items()}


@pytest.mark.parametrize("name", list(USUAL))
def test_a_usual_recording_says_what_the_libraries_make_of_it(name: str) -> None:
    request, text = TEXTS[name]

    found = plainly(request, text)

    assert found is not None
    assert outcome(lambda: found) == outcome(lambda: by_libraries(request, text))


@pytest.mark.parametrize("name", list(USUAL))
def test_a_usual_recording_is_not_played_to_the_libraries(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    request, text = TEXTS[name]
    monkeypatch.delattr(cassettes, "play")

    assert outcome(lambda: replay(request, text)) == outcome(lambda: plainly(request, text))


SERIES = st.builds(
    lambda symbol, timeframe, first, minutes, feed, adjustment: MarketRequest(
        Instrument.parse(symbol), timeframe, first, first + pd.Timedelta(minutes=minutes), feed, adjustment
    ),
    st.sampled_from(["BTCUSD", "1INCHUSD", "AAPL", "BRK.B"]),
    st.sampled_from(list(Timeframe)),
    st.integers(0, 14 * 525_600).map(
        lambda minute: pd.Timestamp("2016-01-01", tz="UTC") + pd.Timedelta(minutes=minute)
    ),
    st.integers(0, 10**6),
    st.sampled_from(["sip", "iex", "delayed_sip", "otc", "boats", "overnight"]),
    st.sampled_from(ADJUSTMENTS),
)
TOKENS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), max_size=3)


@settings(max_examples=60)
@given(request=SERIES, tokens=TOKENS)
def test_every_question_is_the_one_that_alpacas_client_asks(request: MarketRequest, tokens: list[str]) -> None:
    row = {"t": f"{request.first:%Y-%m-%dT%H:%M:%SZ}", "o": 1.0, "h": 2.0, "l": 1.0, "c": 1.5, "v": 3.0}
    symbol = request.instrument.alpaca_symbol
    parts = [{symbol: [row] if not number else []} for number in range(len(tokens) + 1)]

    text = recorded(request, pages("bars", parts, tokens))

    assert isinstance(plainly(request, text), Bars)


@settings(max_examples=20)
@given(
    symbol=st.sampled_from(["META", "BRK.B"]),
    first=st.dates(date(2016, 1, 1), date(2030, 1, 1)),
    days=st.integers(0, 900),
    tokens=TOKENS,
)
def test_every_question_for_actions_is_the_one_that_alpacas_client_asks(
    symbol: str, first: date, days: int, tokens: list[str]
) -> None:
    last = first + timedelta(days=days)
    request = ActionsRequest(symbol, first, last, last)

    text = recorded(request, pages("corporate_actions", [{} for _ in range(len(tokens) + 1)], tokens))

    assert plainly(request, text) == ()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in _places(part, (*path, key)))]


def _changed(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    copy = value.copy()
    copy[path[0]] = _changed(value[path[0]], path[1:], change)
    return copy


ODD = st.one_of(
    st.sampled_from([None, True, [], {}, ["x"], {"x": 1}, "POST", "\ud800", "v"]),
    st.integers(-1, 300),
    st.floats(),
    st.text(max_size=3),
)


def _changes(odd: object) -> list[Callable[[Any], Any]]:
    def without_first(value: Any) -> Any:
        return (
            dict(list(value.items())[1:]) if isinstance(value, dict) else value[1:] if isinstance(value, list) else odd
        )

    return [
        lambda _: odd,
        without_first,
        lambda value: value[::-1] if isinstance(value, list) else value,
        lambda value: [*value, *value[:1]] if isinstance(value, list) else value,
        lambda value: {**value, "extra": odd} if isinstance(value, dict) else odd,
    ]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(list(TEXTS)), data=st.data())
def test_whatever_is_wrong_with_a_recording_is_for_the_libraries_to_say(name: str, data: st.DataObject) -> None:
    """Values replaced and left out anywhere, interactions repeated and turned round, in the file or within a page."""
    request, text = TEXTS[name]
    document = json.loads(text)
    number = data.draw(st.integers(0, len(document["interactions"]) - 1))
    body = ("interactions", number, "response", "body", "string")
    within = data.draw(st.booleans())
    part = json.loads(document["interactions"][number]["response"]["body"]["string"]) if within else document
    place = data.draw(st.sampled_from(_places(part)))
    part = _changed(part, place, data.draw(st.sampled_from(_changes(data.draw(ODD)))))
    changed = json.dumps(_changed(document, body, lambda _: json.dumps(part)) if within else part)

    found = outcome(lambda: plainly(request, changed))

    assert found is None or found == outcome(lambda: by_libraries(request, changed))


@pytest.mark.parametrize("name", list(USUAL))
def test_a_recording_that_is_not_usual_is_replayed_by_the_libraries(name: str) -> None:
    request, text = TEXTS[name]
    document = json.loads(text)
    document["interactions"][0]["request"]["headers"] = {"Accept": ["*/*"]}
    other = json.dumps(document)
    assert plainly(request, other) is None

    assert outcome(lambda: replay(request, other)) == outcome(lambda: plainly(request, text))


@pytest.mark.parametrize("odd", [replace(STOCKS, feed="night"), replace(STOCKS, adjustment="RAW")])
def test_what_alpacas_client_would_not_ask_for_is_not_answered(odd: MarketRequest) -> None:
    text = (
        TEXTS["stock"][1]
        .replace("feed=sip", f"feed={odd.feed}")
        .replace("adjustment=all", f"adjustment={odd.adjustment}")
    )

    with pytest.raises(GateError, match="is not one of Alpaca's"):
        replay_text(odd, text, WHERE)


@pytest.mark.parametrize("name", list(USUAL))
def test_half_a_surrogate_pair_is_no_part_of_an_address(name: str) -> None:
    request, text = TEXTS[name]
    changed = text.replace("QQ==", r"\\ud800")

    assert plainly(request, changed) is None
    with pytest.raises(GateError, match="is not Alpaca's JSON"):
        by_libraries(request, changed)


def test_pages_behind_an_unusable_action_are_for_the_libraries_to_judge() -> None:
    document = json.loads(TEXTS["actions"][1].replace(r"0.5", "null"))
    document["interactions"][-1]["request"]["uri"] = "https://["
    changed = json.dumps(document)

    assert plainly(ACTIONS, changed) is None
    with pytest.raises(GateError, match="is not a recording of vcrpy"):
        by_libraries(ACTIONS, changed)


@pytest.mark.parametrize(
    ("plain", "odd"),
    [('"next_page_token":null}', '"next_page_token":null,"quotes":{}}'), ('"v":', '"\ud800":0,"v":'), ("GET", "POST")],
    ids=["two kinds of data", "half a surrogate pair", "another method"],
)
def test_what_the_libraries_refuse_is_left_to_them(plain: str, odd: str) -> None:
    request, text = TEXTS["stock"]
    document = json.loads(text)
    last = document["interactions"][-1]
    last["response"]["body"]["string"] = last["response"]["body"]["string"].replace(plain, odd, 1)
    last["request"]["method"] = last["request"]["method"].replace(plain, odd)
    changed = json.dumps(document)

    assert plainly(request, changed) is None
    with pytest.raises(GateError):
        by_libraries(request, changed)


def test_pages_that_nobody_asks_for_are_refused() -> None:
    request, text = TEXTS["crypto"]
    document = json.loads(text)
    document["interactions"] *= 2

    with pytest.raises(GateError, match="only 3 of its 6 pages were asked for"):
        replay(request, json.dumps(document))
