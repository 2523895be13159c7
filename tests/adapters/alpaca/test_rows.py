"""Rows of Alpaca's JSON that hold something else than a time and numbers are refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from pytest_modelgate.adapters.alpaca.rows import to_bars
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import MarketDataError

_DAY = (pd.Timestamp("2024-01-02T15:00Z"), pd.Timestamp("2024-01-02T20:00Z"))
_REQUEST = MarketRequest(Instrument.parse("AAPL"), Timeframe.HOUR_1, *_DAY, "sip", "all")
_ROW = {"t": "2024-01-02T15:00:00Z", **dict.fromkeys("ohlcv", 1)}

_FIGURES: list[Any] = ["1", None, [1], {}, 10**30]  # as one figure
_ALIKE: list[Any] = [True, "1", [1], [], [1, 2], {}]  # as all of them
_TIMES: list[Any] = [1, None, [], ["2024-01-02T15:00:00Z"], "soon", "now", "today"]


@pytest.mark.parametrize(
    "other",
    [
        *({"c": value} for value in _FIGURES),
        *(dict.fromkeys("ohlcv", value) for value in _ALIKE),
        *({"t": value} for value in _TIMES),
    ],
)
def test_what_is_no_bar_is_refused(other: dict[str, Any]) -> None:
    assert len(to_bars(_REQUEST, [_ROW], "here")) == 1

    with pytest.raises(MarketDataError, match="holds something else than a time and numbers"):
        to_bars(_REQUEST, [_ROW | other], "here")
