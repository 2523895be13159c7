"""Timeframes, symbols and feeds beyond hours of the best known: asked for in Alpaca's words, by Alpaca's own client."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from marketsim.server import serve
from support.market_factory import random_walk, recorder, request_for, series_key

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.settings import FEEDS, OWN_FEED, Settings
from pytest_modelgate.core.market.bars import AssetClass, Bars, Instrument, Timeframe
from pytest_modelgate.core.planning.plan import market_request
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.services.market_data import as_judged, load_series
from pytest_modelgate.services.replaying import replay_bars

LIMITS = load_profile("2.4.5").market_data


def over_a_week(timeframe: Timeframe) -> pd.DataFrame:
    count = int(pd.Timedelta(days=7) / timeframe.delta)
    index = pd.date_range("2024-07-08", periods=count, freq=timeframe.delta, tz="UTC", unit="ns")
    return random_walk("2024-07-08", count).set_index(index)


@pytest.mark.parametrize(
    ("symbol", "spelled"),
    [
        ("BTCUSD", "BTC/USD"),
        ("ETHBTC", "ETH/BTC"),
        ("ETHUSDT", "ETH/USDT"),
        ("UNIUSDC", "UNI/USDC"),
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK.B"),
        ("JPM.PRC", "JPM.PRC"),
        ("XYZ.WS", "XYZ.WS"),
    ],
)
def test_a_symbol_is_asked_for_as_alpaca_spells_it(symbol: str, spelled: str, tmp_path: Path) -> None:
    frame = over_a_week(Timeframe.HOUR_1)
    with serve({series_key(symbol): frame}) as server:
        recorder(tmp_path, server).record(request_for(symbol, frame))
        asked = parse_qs(urlsplit(server.requests[0]).query)

    assert asked["symbols"] == [spelled]
    assert replay_bars(request_for(symbol, frame), tmp_path).frame.equals(frame)


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_a_timeframe_is_asked_for_as_alpaca_spells_it(timeframe: Timeframe, tmp_path: Path) -> None:
    frame = over_a_week(timeframe)
    request = request_for("BTCUSD", frame, timeframe)
    with serve({series_key("BTCUSD", timeframe): frame}, crypto_page_size=10_000) as server:
        recorder(tmp_path, server).record(request)
        asked = parse_qs(urlsplit(server.requests[0]).query)

    assert asked["timeframe"] == [timeframe.value]
    settings = Settings(archive=Path("X.zip"), cassettes=tmp_path)
    judged = load_series(request, timeframe, (), LIMITS, settings)
    assert (len(judged.bars), judged.quality.missing) == (len(frame), 0)


@pytest.mark.parametrize("symbol", ["OPUSD", "OPBTC"])
def test_what_may_be_a_pair_and_a_ticker_is_neither(symbol: str) -> None:
    with pytest.raises(ArchiveError, match=f"symbol {symbol}: may be the crypto pair OP/.* as well as a US ticker"):
        Instrument.parse(symbol)


@pytest.mark.parametrize("timeframe", [Timeframe.MIN_1, Timeframe.MIN_5, Timeframe.MIN_30])
def test_minutes_of_a_stock_are_those_of_its_session(timeframe: Timeframe) -> None:
    judged = judged_of("AAPL", timeframe, over_a_week(timeframe))

    starts = judged.index.tz_convert("America/New_York")
    assert (f"{starts[0]:%H:%M}", len(judged)) == ("09:30", 5 * int(pd.Timedelta(hours=6.5) / timeframe.delta))


def test_two_hours_of_a_stock_are_made_of_quarter_hours_from_the_open() -> None:
    assert source_of(Timeframe.HOUR_2) is Timeframe.MIN_15

    judged = judged_of("AAPL", Timeframe.HOUR_2, over_a_week(Timeframe.MIN_15), source=Timeframe.MIN_15)

    starts = judged.index.tz_convert("America/New_York")
    assert [f"{start:%H:%M}" for start in starts[:4]] == ["09:30", "11:30", "13:30", "15:30"]
    assert len(judged) == 5 * 4


@pytest.mark.parametrize("feed", ["boats", "overnight"])
def test_an_overnight_feed_is_judged_by_its_nights(feed: str, tmp_path: Path) -> None:
    frame = over_a_week(Timeframe.HOUR_1)
    hours = frame.index.to_series().dt.tz_convert("America/New_York").dt.hour
    nights = frame[((hours >= 20) | (hours < 4)).to_numpy()]
    request = replace(request_for("AAPL", frame), feed=feed)
    with serve({series_key("AAPL"): nights}) as server:
        recorder(tmp_path, server).record(request)
        assert parse_qs(urlsplit(server.requests[0]).query)["feed"] == [feed]

    judged = load_series(
        request, Timeframe.HOUR_1, (), LIMITS, Settings(archive=Path("X.zip"), cassettes=tmp_path, feed=feed)
    )

    # The night of Sunday to Monday began before the first bar; weekends' nights are no nights.
    assert judged.quality.missing == 0
    starts = judged.bars.index.tz_convert("America/New_York")
    assert set(starts.hour) == {20, 21, 22, 23, 0, 1, 2, 3}
    assert {f"{start:%a}" for start in starts[starts.hour >= 20]} == {"Sun", "Mon", "Tue", "Wed", "Thu"}


def test_every_feed_that_the_client_knows_may_be_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what the client imports
        from alpaca.data.enums import DataFeed

    assert sorted(FEEDS) == sorted([*(feed.value for feed in DataFeed), OWN_FEED])


def judged_of(symbol: str, timeframe: Timeframe, frame: pd.DataFrame, source: Timeframe | None = None) -> Bars:
    request = request_for(symbol, frame, source or timeframe)
    recorded = Bars(request.instrument, request.timeframe, frame)
    return as_judged(recorded, request, timeframe, "regular")


def source_of(timeframe: Timeframe) -> Timeframe:
    stock, as_of = Instrument("AAPL", AssetClass.EQUITY), pd.Timestamp("2024-12-27", tz="UTC")
    return market_request(stock, timeframe, Settings(archive=Path("X.zip")), as_of).timeframe
