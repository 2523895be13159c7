"""Small made-up markets for tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from support import model_factory

from pytest_modelgate.adapters.alpaca.keys import KEY_ID, SECRET_KEY
from pytest_modelgate.core.market.bars import COLUMNS, AssetClass, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.services.recording import Recorder

if TYPE_CHECKING:  # not found by runs that need no server
    from marketsim.server import MarketServer


def random_walk(first: str, hours: int, seed: int = 1) -> pd.DataFrame:
    """Hourly bars around the clock, prices rounded and volumes whole like a feed's."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, hours)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = 1.0 + np.abs(rng.normal(0.0, 0.002, hours))
    values = [opened, np.maximum(opened, close) * spread, np.minimum(opened, close) / spread, close]
    frame = pd.DataFrame(np.round([*values, rng.integers(1, 900, hours)], 4).T, columns=list(COLUMNS))
    return frame.set_index(pd.date_range(first, periods=hours, freq="h", tz="UTC", unit="ns"))


def waves(hours: int = 24 * 430, seed: int = 7) -> pd.DataFrame:
    """Trends up and down in turn, with a little noise: whoever follows them earns in every fold."""
    frame = random_walk("2023-11-01", hours, seed=seed)
    rng = np.random.default_rng(seed)
    returns = model_factory.waves(len(frame)) + rng.normal(0.0, 0.009, len(frame))
    close = np.round(100.0 * np.exp(np.cumsum(returns - returns.mean())), 4)
    opened = np.concatenate([[100.0], close[:-1]])
    return frame.assign(open=opened, high=np.maximum(opened, close), low=np.minimum(opened, close), close=close)


def halves_of(hours: pd.DataFrame) -> pd.DataFrame:
    """Half hours that hours may be made of: the second begins half way between open and close."""
    middle = ((hours["open"] + hours["close"]) / 2).round(4)
    halves = [hours.assign(close=middle), hours.assign(open=middle).shift(freq="30min")]
    return pd.concat([half.assign(volume=(half["volume"] // 2).clip(lower=1)) for half in halves]).sort_index()


def served(symbol: str, hours: pd.DataFrame) -> dict[tuple[str, str, str], pd.DataFrame]:
    """What a server has of a symbol: hours, and of a stock the half hours that tell how sessions opened."""
    series = {series_key(symbol): hours}
    if Instrument.parse(symbol).asset_class is AssetClass.EQUITY:
        series[series_key(symbol, Timeframe.MIN_30)] = halves_of(hours)
    return series


def hourly_bars(symbol: str, frame: pd.DataFrame) -> Bars:
    return Bars(Instrument.parse(symbol), Timeframe.HOUR_1, frame)


def request_for(
    symbol: str, frame: pd.DataFrame, timeframe: Timeframe = Timeframe.HOUR_1, adjustment: str = "all"
) -> MarketRequest:
    """Ask for all of a series."""
    first, last = pd.Timestamp(frame.index[0]), pd.Timestamp(frame.index[-1])
    return MarketRequest(Instrument.parse(symbol), timeframe, first, last, "sip", adjustment)


def series_key(symbol: str, timeframe: Timeframe = Timeframe.HOUR_1) -> tuple[str, str, str]:
    """What the local market server calls a series."""
    instrument = Instrument.parse(symbol)
    market = "crypto" if instrument.asset_class is AssetClass.CRYPTO else "us_equity"
    return market, instrument.alpaca_symbol, timeframe.value


def recorder(folder: Path, server: MarketServer, **options: Any) -> Recorder:
    """Records from a local server, without waiting for turns."""
    environ = {"APCA_API_DATA_URL": server.url, KEY_ID: "PKTESTKEY", SECRET_KEY: "s3cr3t-s3cr3t"}
    return Recorder(folder, environ, **{"requests_per_minute": math.inf, **options})
