"""The demonstration's market: eight hourly series under Alpaca's names, every price of them generated.

Nothing here is, resembles or predicts the market of the same name. What the series differ in is how much there is to
learn: that is the parameter ``edge``, known here and hidden from whoever judges a model trained on them. Seeds were
picked so that the last 180 days show what each series is for and prices stay in a plausible range.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from marketsim.generator import SeriesSpec, generate, generate_halves
from marketsim.wire import SeriesKey

AS_OF = pd.Timestamp("2024-12-27T21:18:19Z")
"""When the demonstration's training ended; bars after it exist, so that asking for them by mistake is noticed."""

HELD_OUT_FROM = pd.Timestamp("2024-06-30T21:00:00Z")
"""Start of the last 180 days of closed bars before AS_OF: what no demonstration model is trained on."""

_START = pd.Timestamp("2023-09-01T00:00:00Z")  # a stock's request for a year and its warm-up begins 2023-09-08
_END = pd.Timestamp("2024-12-29T00:00:00Z")


_crypto = partial(SeriesSpec, asset_class="crypto", start=_START, end=_END, spell=48.0)
_stock = partial(SeriesSpec, asset_class="us_equity", start=_START, end=_END, spell=18.0)

DEMO: Mapping[SeriesKey, SeriesSpec] = {
    # A bull market without a pattern: only being long pays, which is no skill.
    ("crypto", "BTC/USD", "1Hour"): _crypto(seed=111, price=26000.0, volatility=0.4, drift=0.6, turnover=4e6),
    # A faint pattern; costs and chance take some months back.
    ("crypto", "ETH/USD", "1Hour"): _crypto(seed=105, price=1650.0, volatility=0.45, edge=0.3, turnover=2e6),
    # A plain pattern that ends while the model is being judged: it earned, and no longer does.
    ("crypto", "LINK/USD", "1Hour"): _crypto(
        seed=113,
        price=14.0,
        volatility=0.45,
        edge=0.5,
        edge_until=pd.Timestamp("2024-08-12T21:00:00Z"),
        turnover=2e5,
        decimals=3,
    ),
    # A plain pattern until training ends, then none: good training metrics with nothing behind them.
    ("crypto", "LTC/USD", "1Hour"): _crypto(
        seed=101,
        price=65.0,
        volatility=0.45,
        edge=0.6,
        edge_until=HELD_OUT_FROM,
        turnover=2e5,
        decimals=3,
        zero_volume=0.003,
    ),
    # A pattern in the quotes, but in a fifth of all hours nobody traded at them.
    ("crypto", "SOL/USD", "1Hour"): _crypto(
        seed=211, price=150.0, volatility=0.5, edge=0.5, turnover=8e2, decimals=3, zero_volume=0.25
    ),
    # A plain pattern that comes often, lasts, and is not too good to be true.
    ("crypto", "UNI/USD", "1Hour"): _crypto(
        seed=123, price=7.0, volatility=0.355, edge=0.6, spell=40.0, turnover=4e4, decimals=4, zero_volume=0.006
    ),
    # A plain pattern in sessions, with overnight gaps.
    ("us_equity", "AAPL", "1Hour"): _stock(seed=103, price=188.0, volatility=0.25, edge=0.9, turnover=1.2e9),
    # A calm market without a pattern.
    ("us_equity", "GOOGL", "1Hour"): _stock(seed=105, price=136.0, volatility=0.27, drift=0.1, turnover=5e8),
}


def demo_series() -> dict[SeriesKey, pd.DataFrame]:
    """Bars of DEMO, 2023-09-01 to 2024-12-28 UTC: hours of all, and half hours of stocks, of which one is the open."""
    hours = {key: generate(spec) for key, spec in DEMO.items()}
    stocks = {key: spec for key, spec in DEMO.items() if spec.asset_class == "us_equity"}
    return {
        **hours,
        **{
            (market, symbol, "30Min"): generate_halves(stocks[market, symbol, timeframe])
            for market, symbol, timeframe in stocks
        },
    }
