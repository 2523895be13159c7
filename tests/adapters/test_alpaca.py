"""The real alpaca-py client against a local server that speaks Alpaca's wire."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from market_factory import random_walk, request_for, series_key
from marketsim.server import MarketServer, serve

from pytest_modelgate.adapters.alpaca import Credentials, fetch_bars, read_credentials
from pytest_modelgate.core.bars import Timeframe
from pytest_modelgate.errors import MarketDataError, SettingsError

FRAME = random_walk("2024-03-01", 700)
KEYS = Credentials("PKTESTKEY", "s3cr3t-s3cr3t")


@pytest.fixture
def market() -> Iterator[MarketServer]:
    series = {series_key(symbol): FRAME for symbol in ("BTCUSD", "AAPL")}
    with serve(series, keys=(KEYS.key, KEYS.secret)) as server:
        yield server


def test_all_pages_of_a_crypto_series_arrive_unchanged(market: MarketServer) -> None:
    bars = fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)

    assert len(market.requests) == 3  # 700 bars in pages of 300
    assert bars.frame.equals(FRAME)


def test_a_stock_request_names_feed_adjustment_and_order(market: MarketServer) -> None:
    bars = fetch_bars(request_for("AAPL", FRAME), credentials=KEYS, data_url=market.url)

    assert bars.frame.equals(FRAME)
    (asked,) = market.requests
    assert {"feed=sip", "adjustment=all", "sort=asc", "limit=10000"} <= set(asked.partition("?")[2].split("&"))


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_every_timeframe_is_asked_for_by_its_name(timeframe: Timeframe) -> None:
    with serve({series_key("BTCUSD", timeframe): FRAME}) as server:
        fetch_bars(request_for("BTCUSD", FRAME, timeframe), credentials=None, data_url=server.url)

    assert f"timeframe={timeframe.value}" in server.requests[0]


def test_a_symbol_without_bars_is_an_error_that_names_it(market: MarketServer) -> None:
    with pytest.raises(MarketDataError, match="DOGE/USD.* has no bars"):
        fetch_bars(request_for("DOGEUSD", FRAME), credentials=None, data_url=market.url)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, {"message": "invalid symbol"}, "malformed.*status 400"),
        (401, "<html>unauthorized</html>", "does not know these keys"),
        (403, {"message": "subscription does not permit querying recent SIP data"}, "subscription"),
        (422, {"message": "bad"}, "refused the request's values"),
        (500, "oops", "failed .status 500"),
    ],
)
def test_a_refusal_is_told_in_our_words(market: MarketServer, status: int, body: str, told: str) -> None:
    market.fail_next(status, body)

    with pytest.raises(MarketDataError, match=told):
        fetch_bars(request_for("AAPL", FRAME), credentials=KEYS, data_url=market.url)


@pytest.mark.parametrize(
    "body",
    [
        '{"bars": null, "next_page_token": null}',
        '{"bars": {"BTC/USD": null}, "next_page_token": null}',
        '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": 1}]}, "next_page_token": null}',
        '{"bars": {"BTC/USD": [{"t": "soon", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}, "next_page_token": null}',
        '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": "x", "h": 1, "l": 1, "c": 1, "v": 1}]}}',
        '{"bars": {"BTC/US',
        "[]",
    ],
)
def test_an_answer_that_is_not_bars_is_one_clear_error(market: MarketServer, body: str) -> None:
    market.fail_next(200, body)

    with pytest.raises(MarketDataError, match="BTC/USD"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)


def test_bars_without_trade_count_and_vwap_are_taken(market: MarketServer) -> None:
    bar = {"t": "2024-03-01T00:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 0}
    market.fail_next(200, {"bars": {"BTC/USD": [bar]}, "next_page_token": None})

    bars = fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)

    assert bars.frame.to_numpy().tolist() == [[1.0, 2.0, 1.0, 2.0, 0.0]]


def test_a_service_that_does_not_answer_ends_in_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(MarketDataError, match=r"did not answer within 0\.2 s"):
            fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=url, timeout_s=0.2)


def test_a_connection_that_breaks_off_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hang_up = threading.Thread(target=lambda: server.accept()[0].close())
        hang_up.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(MarketDataError, match="broke off"):
            fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=url)
        hang_up.join()


def test_neither_error_nor_representation_shows_a_key(market: MarketServer) -> None:
    market.fail_next(401, {"message": f"forbidden for {KEYS.key}"})

    with pytest.raises(MarketDataError) as caught:
        fetch_bars(request_for("AAPL", FRAME), credentials=KEYS, data_url=market.url)

    shown = f"{caught.value} {caught.value!r} {KEYS!r}"
    assert KEYS.key not in shown
    assert KEYS.secret not in shown


@pytest.mark.parametrize(
    "text",
    [
        "APCA_API_KEY_ID=PK1\nAPCA_API_SECRET_KEY=abc\n",
        "# my keys\nexport APCA_API_KEY_ID='PK1'\nexport APCA_API_SECRET_KEY=\"abc\"\n",
        json.dumps({"APCA_API_KEY_ID": "PK1", "APCA_API_SECRET_KEY": "abc"}),
        "PK1\nabc\n",
        "PK1\nabc==\n",
    ],
)
def test_every_form_of_a_keys_file_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(text)

    credentials = read_credentials({"ALPACA_KEYS_FILE": str(path), "APCA_API_KEY_ID": "other"})

    assert credentials is not None
    assert (credentials.key, credentials.secret.rstrip("=")) == ("PK1", "abc")


def test_variables_serve_where_no_file_is_named() -> None:
    credentials = read_credentials({"APCA_API_KEY_ID": "PK1", "APCA_API_SECRET_KEY": "abc"})

    assert credentials == Credentials("PK1", "abc")


def test_no_keys_at_all_are_none() -> None:
    assert read_credentials({}) is None


@pytest.mark.parametrize(
    "text",
    ["", "onlyone\n", "{broken", '{"APCA_API_KEY_ID": 5}', "APCA_API_KEY_ID=PK1\nOTHER=hushhush\n", "a b\nhushhush"],
)
def test_a_useless_keys_file_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(text)

    with pytest.raises(SettingsError, match=r"keys\.txt") as caught:
        read_credentials({"ALPACA_KEYS_FILE": str(path)})

    assert "hushhush" not in str(caught.value)


def test_a_missing_keys_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.txt: cannot be read"):
        read_credentials({"ALPACA_KEYS_FILE": str(tmp_path / "nowhere.txt")})


def test_half_a_pair_of_variables_names_the_missing_half() -> None:
    with pytest.raises(SettingsError, match="APCA_API_SECRET_KEY"):
        read_credentials({"APCA_API_KEY_ID": "PK1"})
