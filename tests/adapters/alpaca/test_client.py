"""The real alpaca-py client against a local server that speaks Alpaca's wire."""

import socket
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from marketsim.server import MarketServer, serve
from support.market_factory import random_walk, request_for, series_key

from pytest_modelgate.adapters.alpaca.client import Credentials, fetch_bars
from pytest_modelgate.adapters.alpaca.transport import RateLimiter, RequestPolicy
from pytest_modelgate.core.config.settings import ADJUSTMENTS
from pytest_modelgate.core.market.bars import Timeframe
from pytest_modelgate.errors import GateError, MarketDataError, SettingsError

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
    said = {"feed=sip", "adjustment=all", "sort=asc", "limit=10000", "asof=2024-03-30"}
    assert said <= set(asked.partition("?")[2].split("&"))


@pytest.mark.parametrize("adjustment", ADJUSTMENTS)
def test_every_adjustment_is_asked_for_in_alpacas_words(market: MarketServer, adjustment: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fetch_bars(request_for("AAPL", FRAME, adjustment=adjustment), credentials=KEYS, data_url=market.url)

    assert parse_qs(market.requests[0].partition("?")[2])["adjustment"] == [adjustment]


@pytest.mark.parametrize("time", ["2024-03-30T04:00:00Z", "2024-02-29T23:00:00Z"])
def test_a_bar_that_was_not_asked_for_is_refused(market: MarketServer, time: str) -> None:
    bars = [{"t": t, "o": 1, "h": 2, "l": 1, "c": 2, "v": 0} for t in sorted(["2024-03-01T00:00:00Z", time])]
    market.fail_next(200, {"bars": {"BTC/USD": bars}, "next_page_token": None})

    with pytest.raises(MarketDataError, match="not asked for"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)


@pytest.mark.parametrize("field", ["feed", "adjustment"])
def test_a_word_that_alpaca_does_not_know_is_refused_before_anything_is_asked(market: MarketServer, field: str) -> None:
    request = replace(request_for("AAPL", FRAME), **{field: "best"})  # type: ignore[arg-type]  # one of two text fields

    with pytest.raises(SettingsError, match=f"{field}: 'best' is not one of Alpaca's"):
        fetch_bars(request, credentials=KEYS, data_url=market.url)

    assert market.requests == []


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_every_timeframe_is_asked_for_by_its_name(timeframe: Timeframe) -> None:
    with serve({series_key("BTCUSD", timeframe): FRAME}) as server:
        fetch_bars(request_for("BTCUSD", FRAME, timeframe), credentials=None, data_url=server.url)

    assert f"timeframe={timeframe.value}" in server.requests[0]


def test_a_symbol_without_bars_is_an_error_that_names_it(market: MarketServer) -> None:
    with pytest.raises(MarketDataError, match=r"DOGE/USD.* has no bars"):
        fetch_bars(request_for("DOGEUSD", FRAME), credentials=None, data_url=market.url)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, {"message": "invalid symbol"}, "malformed .status 400: 'invalid symbol'.*Check the symbol"),
        (401, {"message": "unauthorized."}, "does not know these keys .status 401.*ALPACA_KEYS_FILE"),
        (401, "<html>unauthorized</html>", "does not know these keys .status 401.*ALPACA_KEYS_FILE"),
        (403, {"message": "subscription does not permit querying recent SIP data"}, "your subscription.*--feed iex"),
        (403, {"message": "forbidden."}, "refuses this to these keys.*ALPACA_KEYS_FILE"),
        (422, {"message": "bad"}, "refused the request's values.*Check the symbol"),
        (404, {"message": "endpoint not found."}, "APCA_API_DATA_URL"),
        (429, {"message": "too many requests."}, "limits the rate of requests.*Wait a minute"),
        (500, "oops", "failed.*status 500.*Record again later"),
        (503, {"message": {"a": []}}, "failed.*status 503"),
    ],
)
def test_a_refusal_is_one_sentence_with_symbol_window_and_remedy(
    market: MarketServer, status: int, body: str, sentence: str
) -> None:
    market.fail_next(status, body)

    with pytest.raises(GateError, match=sentence) as caught:
        fetch_bars(request_for("AAPL", FRAME), credentials=KEYS, data_url=market.url)

    assert caught.value.where == (
        "market data of AAPL 1Hour from 2024-03-01 00:00 to 2024-03-30 03:00 UTC, feed sip, all"
    )
    assert len(market.requests) == 1


def test_wrong_keys_are_wrong_for_every_symbol(market: MarketServer) -> None:
    with pytest.raises(SettingsError, match=r"does not know these keys.*crypto needs none"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=Credentials("PKOTHER", "x"), data_url=market.url)


def test_keys_that_are_asked_for_and_not_there_are_named(market: MarketServer) -> None:
    market.fail_next(401, "no")

    with pytest.raises(SettingsError, match=r"asks for keys.*Set ALPACA_KEYS_FILE"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)


@pytest.mark.parametrize("said", ["red \x1b[31m", "long " * 100, "\u202ereversed", ""])
def test_of_the_services_words_only_plain_short_ones_are_passed_on(market: MarketServer, said: str) -> None:
    market.fail_next(400, {"message": said})

    with pytest.raises(MarketDataError) as caught:
        fetch_bars(request_for("AAPL", FRAME), credentials=KEYS, data_url=market.url)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_page_token_that_comes_back_ends_the_fetch(market: MarketServer) -> None:
    bar = {"t": "2024-03-01T00:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 0}
    for _ in range(3):
        market.fail_next(200, {"bars": {"BTC/USD": [bar]}, "next_page_token": "QlRD"})

    with pytest.raises(MarketDataError, match="a page token came back"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)

    assert len(market.requests) == 2


def bar(row: int, close: float = 2.0) -> dict[str, object]:
    return {"t": f"{FRAME.index[row]:%Y-%m-%dT%H:%M:%SZ}", "o": 1, "h": 2, "l": 1, "c": close, "v": 0}


def test_a_bar_that_two_pages_hold_is_one_bar(market: MarketServer) -> None:
    market.fail_next(200, {"bars": {"BTC/USD": [bar(0), bar(1)]}, "next_page_token": "QlRD"})
    market.fail_next(200, {"bars": {"BTC/USD": [bar(1), bar(2)]}, "next_page_token": None})

    bars = fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)

    assert bars.index.equals(FRAME.index[:3])


def test_a_bar_of_which_two_pages_say_different_things_is_refused(market: MarketServer) -> None:
    market.fail_next(200, {"bars": {"BTC/USD": [bar(0), bar(1)]}, "next_page_token": "QlRD"})
    market.fail_next(200, {"bars": {"BTC/USD": [bar(1, close=1.5), bar(2)]}, "next_page_token": None})

    with pytest.raises(MarketDataError, match=r"two bars of 2024-03-01 01:00 UTC, which differ"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)


def test_an_empty_page_token_is_neither_a_page_nor_the_end(market: MarketServer) -> None:
    market.fail_next(200, {"bars": {"BTC/USD": [bar(0), bar(1)]}, "next_page_token": ""})

    with pytest.raises(MarketDataError, match="by an empty token"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)

    assert len(market.requests) == 1


def test_a_redirect_is_not_followed(market: MarketServer) -> None:
    market.fail_next(302, "", {"Location": f"{market.url}/v1beta3/crypto/us/bars"})

    with pytest.raises(MarketDataError, match="not Alpaca's JSON"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)


def test_an_entry_in_netrc_does_not_replace_the_keys(
    market: MarketServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    request_policy = RequestPolicy(limiter=RateLimiter(tmp_path, 0.0))

    bars = fetch_bars(request_for("AAPL", FRAME), credentials=KEYS, data_url=market.url, request_policy=request_policy)

    assert bars.frame.equals(FRAME)
    assert market.headers[0]["Authorization"] is None


@pytest.mark.parametrize(
    "body",
    [
        '{"bars": null, "next_page_token": null}',
        '{"bars": {"BTC/USD": null}, "next_page_token": null}',
        '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": 1}]}, "next_page_token": null}',
        '{"bars": {"BTC/USD": [{"t": "soon", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}, "next_page_token": null}',
        '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": "x", "h": 1, "l": 1, "c": 1, "v": 1}]}}',
        '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": "1.5", "h": 2, "l": 1, "c": 1, "v": 1}]}}',
        '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": null, "h": 1, "l": 1, "c": 1, "v": 1}]}}',
        '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": NaN, "h": 1, "l": 1, "c": 1, "v": 1}]}}',
        '{"bars": {"BTC/USD": [{"t": null, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}}',
        '{"bars": {"BTC/USD": [{"t": 1709251200, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}}',
        '{"bars": {"BTC/USD": [{"t": "", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}}',
        (
            '{"bars": {"BTC/USD": [{"t": "2024-03-01T00:00:00Z", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1},'
            '{"t": "", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}}'
        ),
        '{"bars": {"BTC/USD": "many"}}',
        '{"bars": {"BTC/USD": [5]}}',
        '{"bars": {"BTC/US',
        "[" * 100_000,
        "[]",
        "",
    ],
)
def test_an_answer_that_is_not_bars_is_one_clear_error(market: MarketServer, body: str) -> None:
    market.fail_next(200, body)

    with pytest.raises(MarketDataError, match=r"BTC/?USD"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)


def test_bars_without_trade_count_and_vwap_are_taken(market: MarketServer) -> None:
    bar = {"t": "2024-03-01T00:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 0}
    market.fail_next(200, {"bars": {"BTC/USD": [bar]}, "next_page_token": None})

    bars = fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)

    assert bars.frame.to_numpy().tolist() == [[1.0, 2.0, 1.0, 2.0, 0.0]]


def test_a_service_that_does_not_answer_ends_in_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(MarketDataError, match=r"BTC/USD .* did not answer within 0\.2 s.*record again later"):
            fetch_bars(
                request_for("BTCUSD", FRAME),
                credentials=None,
                data_url=url,
                request_policy=RequestPolicy(timeout_s=0.2),
            )


def close_first_connection(server: socket.socket) -> None:
    server.accept()[0].close()


def test_a_connection_that_breaks_off_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hang_up = threading.Thread(target=close_first_connection, args=(server,))
        hang_up.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(MarketDataError, match="broke off"):
            fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=url)
        hang_up.join()


def test_an_answer_that_breaks_off_in_the_middle_is_told(market: MarketServer) -> None:
    market.fail_next(200, {"bars": {"BTC/USD": []}}, cut=True)

    with pytest.raises(MarketDataError, match="broke off"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=market.url)


@pytest.mark.parametrize("url", ["localhost:80", "data.alpaca.markets", "http://", "ftp://data.alpaca.markets"])
def test_an_address_without_meaning_names_the_variable_that_holds_it(url: str) -> None:
    with pytest.raises(SettingsError, match="APCA_API_DATA_URL"):
        fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=url)


def test_an_address_may_end_in_a_slash(market: MarketServer) -> None:
    fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=f"{market.url}/")

    assert market.requests[0].startswith("/v1beta3/")


def test_compression_is_one_that_the_recorder_decodes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []
        listener = threading.Thread(target=hear_and_close, args=(server, heard))
        listener.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(MarketDataError):
            fetch_bars(request_for("BTCUSD", FRAME), credentials=None, data_url=url)
        listener.join()

    assert b"Accept-Encoding: gzip\r\n" in heard[0]


def hear_and_close(server: socket.socket, heard: list[bytes]) -> None:
    connection, _ = server.accept()
    with connection:
        heard.append(connection.recv(65536))


def test_neither_error_nor_representation_shows_a_key(market: MarketServer) -> None:
    market.fail_next(401, {"message": f"forbidden for {KEYS.key}"})

    with pytest.raises(GateError) as caught:
        fetch_bars(request_for("AAPL", FRAME), credentials=KEYS, data_url=market.url)

    shown = f"{caught.value} {caught.value!r} {KEYS!r}"
    assert KEYS.key not in shown
    assert KEYS.secret not in shown
