from __future__ import annotations

import base64
import gzip
import json
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from marketsim.server import MarketServer, serve
from marketsim.wire import SeriesKey

with warnings.catch_warnings():  # alpaca-py imports a deprecated part of websockets
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.enums import Sort
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import Adjustment, DataFeed
    from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
    from alpaca.data.historical.corporate_actions import CorporateActionsClient
    from alpaca.data.models import BarSet
    from alpaca.data.models.corporate_actions import CorporateActionsSet
    from alpaca.data.requests import CorporateActionsRequest, CryptoBarsRequest, StockBarsRequest
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

CRYPTO, STOCKS, ACTIONS = "/v1beta3/crypto/us/bars", "/v2/stocks/bars", "/v1/corporate-actions"
HOUR = TimeFrame(1, TimeFrameUnit.Hour)
KEYS = ("key", "secret")
SIGNED = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}


def frame(bars: int, first_close: float) -> pd.DataFrame:
    index = pd.date_range("2024-01-02T05:00:00Z", periods=bars, freq="h", unit="ns")
    close = first_close + np.arange(bars)
    volume = np.where(np.arange(bars) == 1, 0.0, 100.0)
    return pd.DataFrame(
        {"open": close, "high": close + 1, "low": close - 0.5, "close": close, "volume": volume}, index=index
    )


SERIES: dict[SeriesKey, pd.DataFrame] = {
    ("crypto", "BTC/USD", "1Hour"): frame(30, 40000),
    ("crypto", "ETH/USD", "1Hour"): frame(4, 2000),
    ("us_equity", "AAPL", "1Hour"): frame(5, 180),
    ("us_equity", "GOOGL", "1Hour"): frame(5, 140),
}


@pytest.fixture
def server() -> Iterator[MarketServer]:
    with serve(SERIES, page_size=4, crypto_page_size=12, keys=KEYS) as running:
        yield running


def get(
    server: MarketServer, path: str, headers: dict[str, str] | None = None, **query: str | int
) -> tuple[int, dict[str, Any]]:
    request = Request(f"{server.url}{path}?{urlencode(query)}", headers=headers or {})
    try:
        with urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def ask(server: MarketServer, path: str = CRYPTO, **query: str | int) -> dict[str, Any]:
    status, answer = get(server, path, SIGNED, **{"timeframe": "1Hour", **query})
    assert status == 200, answer
    return answer


def test_a_bar_has_the_fields_and_spelling_of_alpaca(server: MarketServer) -> None:
    answer = ask(server, symbols="BTC/USD", limit=1)
    expected = {"t": "2024-01-02T05:00:00Z", "o": 40000, "h": 40001, "l": 39999.5, "c": 40000, "v": 100, "n": 10}
    assert answer["bars"] == {"BTC/USD": [expected | {"vw": 40000.166667}]}


def test_a_crypto_bar_without_trades_has_zero_count_volume_and_vwap(server: MarketServer) -> None:
    bar = ask(server, symbols="BTC/USD", limit=2)["bars"]["BTC/USD"][1]
    assert (bar["n"], bar["v"], bar["vw"], bar["c"]) == (0, 0, 0, 40001)


def test_given_trade_count_and_vwap_are_served() -> None:
    given = frame(1, 10).assign(trade_count=7, vwap=10.25)
    with serve({("crypto", "BTC/USD", "1Hour"): given}) as running:
        bar = ask(running, symbols="BTC/USD")["bars"]["BTC/USD"][0]
    assert (bar["n"], bar["vw"]) == (7, 10.25)


def test_start_and_end_are_both_inclusive(server: MarketServer) -> None:
    answer = ask(server, STOCKS, symbols="AAPL", start="2024-01-02T06:00:00Z", end="2024-01-02T08:00:00+00:00")
    assert [bar["t"][11:13] for bar in answer["bars"]["AAPL"]] == ["06", "07", "08"]


def test_times_with_an_offset_mean_the_same_moment(server: MarketServer) -> None:
    answer = ask(server, symbols="BTC/USD", start="2024-01-02T01:00:00-05:00", end="2024-01-02T06:00:00")
    assert [bar["t"] for bar in answer["bars"]["BTC/USD"]] == ["2024-01-02T06:00:00Z"]


def test_limit_counts_all_symbols_together(server: MarketServer) -> None:
    answer = ask(server, symbols="ETH/USD,BTC/USD", start="2024-01-03T08:00:00Z", end="2024-01-03T10:00:00Z")
    assert {symbol: len(bars) for symbol, bars in answer["bars"].items()} == {"BTC/USD": 3}
    answer = ask(server, STOCKS, symbols="GOOGL,AAPL", start="2024-01-02T08:00:00Z", limit=3)
    assert {symbol: len(bars) for symbol, bars in answer["bars"].items()} == {"AAPL": 2, "GOOGL": 1}


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_following_the_tokens_yields_every_bar_once_by_symbol_then_time(server: MarketServer, sort: str) -> None:
    found: list[tuple[str, str]] = []
    query: dict[str, Any] = {"symbols": "ETH/USD,BTC/USD", "sort": sort, "limit": 8}
    for _ in range(5):
        answer = ask(server, **query)
        found += [(symbol, bar["t"]) for symbol, bars in answer["bars"].items() for bar in bars]
        query["page_token"] = answer["next_page_token"]
    assert query["page_token"] is None
    step = 1 if sort == "asc" else -1
    expected = [
        (symbol, time)
        for symbol in ("BTC/USD", "ETH/USD")
        for time in SERIES["crypto", symbol, "1Hour"].index.map(lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}")[::step]
    ]
    assert found == expected


def test_crypto_pages_are_sized_by_the_server_whatever_the_limit(server: MarketServer) -> None:
    assert len(ask(server, symbols="BTC/USD", limit=10000)["bars"]["BTC/USD"]) == 12


@pytest.mark.parametrize(
    ("asof", "first_close"), [("2021-06-29", None), ("2021-06-30", 180), ("2023-01-01", 140), (None, 140)]
)
def test_a_symbol_means_what_it_meant_on_a_date(asof: str | None, first_close: int | None) -> None:
    listings = {"META": {"2021-06-30": "AAPL", "2022-06-09": "GOOGL"}}
    with serve(SERIES, listings=listings) as running:
        bars = ask(running, STOCKS, symbols="META", **({"asof": asof} if asof else {}))["bars"]
    assert [bar["c"] for bar in bars.get("META", [])[:1]] == ([first_close] if first_close else [])


def test_the_default_limit_is_1000() -> None:
    with serve({("us_equity", "AAPL", "1Hour"): frame(1001, 10)}) as running:
        assert len(ask(running, STOCKS, symbols="AAPL")["bars"]["AAPL"]) == 1000
        assert len(ask(running, STOCKS, symbols="AAPL", limit=10000)["bars"]["AAPL"]) == 1001


def test_the_last_page_has_no_token_even_when_it_is_full(server: MarketServer) -> None:
    assert ask(server, symbols="ETH/USD", limit=4)["next_page_token"] is None


def test_the_token_names_the_last_bar_served(server: MarketServer) -> None:
    token = ask(server, symbols="BTC/USD", limit=2)["next_page_token"]
    last = pd.Timestamp("2024-01-02T06:00:00Z").as_unit("ns").value
    assert base64.b64decode(token).decode() == f"BTC/USD|H|{last}"


@pytest.mark.parametrize("query", [{"symbols": "DOGE/USD"}, {"symbols": "BTC/USD", "start": "2030-01-01"}])
def test_nothing_found_is_an_empty_object(server: MarketServer, query: dict[str, str]) -> None:
    assert ask(server, **query) == {"bars": {}, "next_page_token": None}


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        (CRYPTO, {"symbols": "BTCUSD"}, "BTCUSD"),
        (STOCKS, {"symbols": "BTC/USD"}, "BTC/USD"),
        (CRYPTO, {}, "symbol"),
        (CRYPTO, {"symbols": "BTC/USD", "limit": "10001"}, "10001"),
        (CRYPTO, {"symbols": "BTC/USD", "limit": "0"}, "limit"),
        (CRYPTO, {"symbols": "BTC/USD", "feed": "sip"}, "feed"),
        (STOCKS, {"symbols": "AAPL", "feed": "free"}, "free"),
        (STOCKS, {"symbols": "AAPL", "adjustment": "none"}, "none"),
        (STOCKS, {"symbols": "AAPL", "sort": "up"}, "up"),
        (STOCKS, {"symbols": "AAPL", "colour": "red"}, "colour"),
        (STOCKS, {"symbols": "AAPL", "asof": "then"}, "asof"),
        (CRYPTO, {"symbols": "BTC/USD", "asof": "2024-01-02"}, "asof"),
        (CRYPTO, {"symbols": "BTC/USD", "timeframe": "24Hour"}, "24Hour"),
        (CRYPTO, {"symbols": "BTC/USD", "timeframe": "hour"}, "hour"),
        (CRYPTO, {"symbols": "BTC/USD", "start": "now"}, "start"),
        (CRYPTO, {"symbols": "BTC/USD", "start": "2024-01-03", "end": "2024-01-02"}, "end"),
        (CRYPTO, {"symbols": "BTC/USD", "page_token": "???"}, "page_token"),
        (STOCKS, {"symbols": "AAPL", "adjustment": "split,none"}, "none"),
        (ACTIONS, {"symbols": "AAPL"}, "timeframe"),
    ],
)
def test_a_bad_query_is_400_and_names_the_fault(
    server: MarketServer, path: str, query: dict[str, str], named: str
) -> None:
    status, answer = get(server, path, SIGNED, **{"timeframe": "1Hour", **query})
    assert status == 400
    assert named in answer["message"]


WRONG = SIGNED | {"APCA-API-SECRET-KEY": "wrong"}


@pytest.mark.parametrize(
    ("path", "symbol", "headers", "status"),
    [
        (STOCKS, "AAPL", {}, 401),
        (STOCKS, "AAPL", WRONG, 401),
        (STOCKS, "AAPL", SIGNED, 200),
        (CRYPTO, "BTC/USD", {}, 200),
        (CRYPTO, "BTC/USD", WRONG, 401),
        (CRYPTO, "BTC/USD", SIGNED, 200),
    ],
)
def test_stocks_need_the_right_keys_and_crypto_refuses_wrong_ones(
    server: MarketServer, path: str, symbol: str, headers: dict[str, str], status: int
) -> None:
    found, answer = get(server, path, headers, symbols=symbol, timeframe="1Hour")
    assert found == status
    assert ("message" in answer) == (status == 401)


def test_without_configured_keys_any_pair_is_accepted_but_stocks_still_need_one() -> None:
    with serve(SERIES) as running:
        assert get(running, STOCKS, WRONG, symbols="AAPL", timeframe="1Hour")[0] == 200
        assert get(running, STOCKS, {}, symbols="AAPL", timeframe="1Hour")[0] == 401


def test_an_unknown_path_is_404(server: MarketServer) -> None:
    assert get(server, "/v2/stocks/trades", SIGNED, symbols="AAPL")[0] == 404


def test_answers_are_compressed_only_when_asked(server: MarketServer) -> None:
    url = f"{server.url}{CRYPTO}?{urlencode({'symbols': 'ETH/USD', 'timeframe': '1Hour'})}"
    with urlopen(url, timeout=10) as response:
        plain = response.read()
        assert response.headers["Content-Encoding"] is None
    with urlopen(Request(url, headers={"Accept-Encoding": "gzip, deflate"}), timeout=10) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(response.read()) == plain


def test_requests_are_recorded_as_sent(server: MarketServer) -> None:
    ask(server, symbols="BTC/USD")
    assert server.requests == ["/v1beta3/crypto/us/bars?timeframe=1Hour&symbols=BTC%2FUSD"]


def test_injected_faults_answer_the_next_requests_in_order(server: MarketServer) -> None:
    server.fail_next(403, {"message": "subscription does not permit querying recent SIP data"})
    server.fail_next(429, "<html>slow down</html>", {"Content-Type": "text/html", "X-Ratelimit-Remaining": "0"})
    assert get(server, STOCKS, SIGNED)[0] == 403
    with pytest.raises(HTTPError) as caught:
        urlopen(f"{server.url}{CRYPTO}", timeout=10)
    with caught.value as error:
        assert (error.code, error.headers["Content-Type"], error.headers["X-Ratelimit-Remaining"], error.read()) == (
            429,
            "text/html",
            "0",
            b"<html>slow down</html>",
        )
    assert get(server, CRYPTO, symbols="BTC/USD", timeframe="1Hour")[0] == 200


@pytest.mark.parametrize("key", [("crypto", "BTCUSD", "1Hour"), ("forex", "EUR/USD", "1Hour"), ("crypto", "A/B", "h")])
def test_series_must_be_keyed_as_alpaca_spells_them(key: SeriesKey) -> None:
    with pytest.raises(ValueError, match="expected a key"), serve({key: frame(1, 1)}):
        pass


def test_series_must_be_increasing_utc_time() -> None:
    key = ("crypto", "BTC/USD", "1Hour")
    with pytest.raises(ValueError, match="UTC"), serve({key: frame(2, 1).tz_localize(None)}):
        pass
    with pytest.raises(ValueError, match="increase"), serve({key: frame(2, 1).iloc[::-1]}):
        pass


def test_alpacas_own_crypto_client_follows_the_pages(server: MarketServer) -> None:
    client = CryptoHistoricalDataClient(url_override=server.url, raw_data=True)
    request = CryptoBarsRequest(
        symbol_or_symbols="BTC/USD",
        timeframe=HOUR,
        start=datetime(2024, 1, 2, 5, tzinfo=UTC),
        end=datetime(2024, 1, 3, 5, tzinfo=UTC),
    )
    bars = client.get_crypto_bars(request)
    assert isinstance(bars, dict)
    assert len(bars["BTC/USD"]) == 25
    assert len(server.requests) == 3
    assert "page_token=" in server.requests[1]


def test_alpacas_own_stock_client_reads_models_and_all_parameters() -> None:
    request = StockBarsRequest(
        symbol_or_symbols=["GOOGL", "AAPL"],
        timeframe=HOUR,
        start=datetime(2024, 1, 2, tzinfo=UTC),
        adjustment=Adjustment.ALL,
        feed=DataFeed.SIP,
        sort=Sort.ASC,
    )
    with serve(SERIES, keys=KEYS) as running:
        found = StockHistoricalDataClient(*KEYS, url_override=running.url).get_stock_bars(request)
    assert isinstance(found, BarSet)
    assert {symbol: len(bars) for symbol, bars in found.data.items()} == {"AAPL": 5, "GOOGL": 5}
    assert found.data["GOOGL"][-1].close == 144


def test_alpacas_own_client_reports_an_injected_fault(server: MarketServer) -> None:
    server.fail_next(403, {"message": "subscription does not permit querying recent SIP data"})
    client = StockHistoricalDataClient(*KEYS, url_override=server.url, raw_data=True)
    with pytest.raises(APIError, match="recent SIP data"):
        client.get_stock_bars(StockBarsRequest(symbol_or_symbols="AAPL", timeframe=HOUR))


def test_alpacas_own_client_reads_corporate_actions_of_a_symbol_and_its_days_from_all_pages() -> None:
    split = {"id": str(UUID(int=7)), "symbol": "AAPL", "cusip": "0", "new_rate": 4, "old_rate": 1}
    days = ["2020-08-31", "2020-09-01", "2020-09-02", "2021-01-04"]
    rows = [{**split, "ex_date": day, "process_date": day} for day in days]
    other = {**split, "symbol": "TSLA", "ex_date": "2020-08-31", "process_date": "2020-08-31"}
    query = CorporateActionsRequest(symbols=["AAPL"], start=date(2020, 8, 1), end=date(2020, 12, 31), limit=None)
    with serve(SERIES, actions={"forward_splits": [other, *rows]}, page_size=2) as server:
        found = CorporateActionsClient(*KEYS, url_override=server.url).get_corporate_actions(query)

    assert isinstance(found, CorporateActionsSet)
    assert [str(action.ex_date) for action in found.data["forward_splits"]] == days[:3]  # type: ignore[union-attr]
    assert len(server.requests) == 2
