"""Real vcrpy recordings of a local server, replayed without it."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from marketsim.server import MarketServer, serve
from support.market_factory import random_walk, request_for, series_key

from pytest_modelgate.adapters.alpaca.client import Credentials, fetch_bars
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import MarketDataError

FRAME = random_walk("2024-03-01", 700)
REQUEST = request_for("BTCUSD", FRAME)
KEYS = Credentials("PKTESTKEY", "s3cr3t-s3cr3t")
WHERE, REMEDY = "cassette BTC-USD", "Record it"
BAR = {"t": "2024-03-01T00:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 0, "n": 0, "vw": 0}


@pytest.fixture
def market() -> Iterator[MarketServer]:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        yield server


def record(market: MarketServer, data_url: str = "") -> str:
    with cassettes.record(WHERE, (KEYS.key, KEYS.secret)) as recording:
        fetch_bars(REQUEST, credentials=KEYS, data_url=data_url or market.url)
    return recording.text


def replay(text: str, request: MarketRequest = REQUEST) -> Bars:
    with cassettes.play(text, WHERE, REMEDY) as player:
        return fetch_bars(request, credentials=None, reply=player.answer)


def interactions(text: str) -> list[dict[str, Any]]:
    interactions: list[dict[str, Any]] = json.loads(text)["interactions"]
    return interactions


def test_a_recording_replays_without_server_and_keys() -> None:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        text = record(server)

    assert replay(text).frame.equals(FRAME)


def test_the_addresses_bear_alpacas_own_host(market: MarketServer) -> None:
    recorded = interactions(record(market))

    assert len(recorded) == 3
    assert all(item["request"]["uri"].startswith("https://data.alpaca.markets/v1beta3/") for item in recorded)


def test_nothing_of_headers_is_kept_but_the_content_type(market: MarketServer) -> None:
    recorded = interactions(record(market))

    assert all(item["request"]["headers"] == {} for item in recorded)
    assert {name for item in recorded for name in item["response"]["headers"]} == {"Content-Type"}


def test_a_secret_planted_in_headers_query_and_body_is_found_nowhere(market: MarketServer) -> None:
    """Whoever answers may plant one: a proxy, a debug build, a cookie."""
    secret = "pl4nted-s3cret"
    market.fail_next(
        200,
        {
            "bars": {"BTC/USD": [{**BAR, "debug": secret}]},
            "next_page_token": None,
            "echo": {"authorization": secret},
            secret: 1,
        },
        {"Set-Cookie": f"session={secret}", "X-Request-Id": secret, "APCA-API-SECRET-KEY": secret},
    )
    with cassettes.record(WHERE) as recording:
        request = urllib.request.Request(
            f"{market.url}/v1beta3/crypto/us/bars?symbols=BTC%2FUSD&apikey={secret}&token={secret}#{secret}",
            headers={"Authorization": f"Basic {secret}", "Cookie": secret, "User-Agent": secret},
            data=None,
        )
        urllib.request.urlopen(request).read()

    (kept,) = interactions(recording.text)
    assert secret not in recording.text
    assert kept["request"]["uri"] == "https://data.alpaca.markets/v1beta3/crypto/us/bars?symbols=BTC%2FUSD"
    assert json.loads(kept["response"]["body"]["string"]) == {"bars": {"BTC/USD": [BAR]}, "next_page_token": None}


def test_credentials_in_the_address_are_not_kept(market: MarketServer) -> None:
    text = record(market, market.url.replace("http://", "http://somebody:pl4nted@"))

    assert "pl4nted" not in text
    assert "somebody" not in text


def test_no_key_stands_in_a_recording(market: MarketServer) -> None:
    text = record(market)

    assert KEYS.key not in text
    assert KEYS.secret not in text


@pytest.mark.parametrize("spelling", [KEYS.secret, "a" + KEYS.secret + "z"])
def test_a_recording_that_would_hold_a_live_key_is_refused(market: MarketServer, spelling: str) -> None:
    market.fail_next(200, {"bars": {"BTC/USD": [BAR]}, "next_page_token": spelling})
    market.fail_next(200, {"bars": {"BTC/USD": [BAR | {"t": "2024-03-01T01:00:00Z"}]}, "next_page_token": None})

    with pytest.raises(MarketDataError, match="held one of your keys"):
        record(market)


def test_a_second_recording_is_the_same_text(market: MarketServer) -> None:
    assert record(market) == record(market)


def test_trouble_on_the_way_is_never_recorded(market: MarketServer) -> None:
    page: dict[str, Any] = {"bars": {}, "next_page_token": None}
    kept_page = {"bars": {"BTC/USD": [BAR]}, "next_page_token": None}
    troubles = ((503, page), (429, "slow"), (200, kept_page), (200, '{"bars": {"BTC'), (200, '{"bars": null}'))
    for status, body in troubles:
        market.fail_next(status, body)

    with cassettes.record(WHERE) as recording:
        for _ in range(5):
            try:
                urllib.request.urlopen(f"{market.url}/v1beta3/crypto/us/bars?symbols=BTC%2FUSD").read()
            except urllib.error.HTTPError as error:
                error.close()

    (kept,) = interactions(recording.text)
    assert json.loads(kept["response"]["body"]["string"]) == kept_page


def test_a_block_that_fails_records_nothing(market: MarketServer) -> None:
    market.fail_next(200, {"bars": {"BTC/USD": [BAR]}, "next_page_token": "more"})
    market.fail_next(500, "oops")

    with pytest.raises(MarketDataError, match="status 500"), cassettes.record(WHERE) as recording:
        fetch_bars(REQUEST, credentials=None, data_url=market.url)

    assert recording.text == ""


def test_a_block_that_asks_for_nothing_is_an_error() -> None:
    with pytest.raises(MarketDataError, match="nothing was recorded"), cassettes.record(WHERE):
        pass


def test_another_window_is_not_answered(market: MarketServer) -> None:
    text = record(market)
    other = request_for("BTCUSD", FRAME.iloc[5:])

    with pytest.raises(MarketDataError, match=r"does not hold GET https://data\.alpaca\.markets/.*T05.*Record it"):
        replay(text, other)


def test_another_method_is_not_answered(market: MarketServer) -> None:
    text = record(market)
    address = interactions(text)[0]["request"]["uri"]

    with pytest.raises(MarketDataError, match="does not hold POST"), cassettes.play(text, WHERE, REMEDY) as player:
        player.answer("POST", address)


def test_a_page_is_played_once(market: MarketServer) -> None:
    text = record(market)
    address = interactions(text)[0]["request"]["uri"]

    player = cassettes.Player(text, WHERE, REMEDY)
    assert player.answer("GET", address)[0] == 200

    with pytest.raises(MarketDataError, match="does not hold GET"):
        player.answer("GET", address)


@pytest.mark.parametrize("status", ["1e400", "NaN", "null"])
def test_a_status_that_is_no_number_is_one_clear_error(market: MarketServer, status: str) -> None:
    text = record(market).replace('"code":200', f'"code":{status}')

    with pytest.raises(MarketDataError, match="is not a recording of vcrpy"):
        replay(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "{",
        "[]",
        "[" * 100_000,
        '{"interactions": [{}]}',
        '{"interactions": null}',
        '{"version": 1, "interactions": [{"request": {}, "response": {}}]}',
    ],
)
def test_a_damaged_recording_is_one_clear_error(text: str) -> None:
    with pytest.raises(MarketDataError, match=r"cassette BTC-USD"):
        replay(text)


def test_a_page_that_nobody_asks_for_is_an_error(market: MarketServer) -> None:
    document = json.loads(record(market))
    spare = json.loads(json.dumps(document["interactions"][0]))
    spare["request"]["uri"] += "&page_token=spare"
    document["interactions"].append(spare)

    with pytest.raises(MarketDataError, match="only 3 of its 4 pages"):
        replay(json.dumps(document))


def test_replay_closes_sockets_and_opens_them_again(market: MarketServer) -> None:
    text = record(market)
    address = ("127.0.0.1", int(market.url.rpartition(":")[2]))

    with pytest.raises(MarketDataError, match="a connection to 127"), cassettes.play(text, WHERE, REMEDY):
        socket.create_connection(address)
    with (
        pytest.raises(MarketDataError, match=r"a connection to .*127"),
        cassettes.play(text, WHERE, REMEDY),
        socket.socket() as bare,
    ):
        bare.connect(address)

    socket.create_connection(address).close()
