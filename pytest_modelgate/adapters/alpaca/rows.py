"""Bars out of the rows that Alpaca serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pytest_modelgate.core.market.bars import COLUMNS, Bars
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import MarketDataError

_FIGURES = ("o", "h", "l", "c", "v")


def to_bars(request: MarketRequest, rows: Sequence[Mapping[str, Any]], where: str) -> Bars:
    """The bars of all pages.

    Args:
        rows: in Alpaca's words, as they came.
        where: names the request in error messages.

    Raises:
        MarketDataError: there are none, or they are not the bars that were asked for.
    """
    if not rows:
        problem = "Alpaca has no bars: it does not know the symbol, or nothing was traded"
        raise MarketDataError(where, problem, "Check the spelling of the symbol and the dates")
    try:
        # Straight from JSON: Alpaca's own models take twenty times as long and refuse bars without n or vw.
        columns = np.array([[row[name] for row in rows] for name in _FIGURES])  # five long lists, not many short ones
        times = np.array([row["t"] for row in rows])
        index = pd.DatetimeIndex(pd.to_datetime(times.astype(str), utc=True, format="ISO8601")).as_unit("ns")
    except (KeyError, TypeError, ValueError):
        columns = times = np.empty(0)
        index = pd.DatetimeIndex(times, tz="UTC")
    # pandas takes "now" for a time, too, whatever the format.
    dated = times.dtype.kind == "U" and bool(np.char.isdigit(times.astype("U1")).all())
    if columns.ndim != 2 or columns.dtype.kind not in "iuf" or not dated or index.hasnans:
        problem = "a bar lacks one of t, o, h, l, c, v, or holds something else than a time and numbers"
        raise MarketDataError(where, problem, "Record it again later")
    # A bar after the window is a look into the future; the one that is open when the window starts may belong to it.
    if not (index.min() > request.first - request.timeframe.delta and index.max() <= request.last):
        problem = f"Alpaca sent bars from {index.min()} to {index.max()}, which were not asked for"
        raise MarketDataError(where, problem, "Record it again later, and check APCA_API_DATA_URL")
    values = columns.T.astype(np.float64, order="C")
    frame = pd.DataFrame(values, index=index, columns=list(COLUMNS))
    return Bars(request.instrument, request.timeframe, _each_once(frame, where))


def _each_once(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """The bars without those that only say once more what the one before says, as a page's first may.

    Raises:
        MarketDataError: one says something else.
    """
    again = np.flatnonzero(frame.index[1:] == frame.index[:-1]) + 1
    if not len(again):
        return frame
    values = frame.to_numpy()
    differ = (values[again] != values[again - 1]).any(axis=1)
    if differ.any():
        time = frame.index[again[differ][0]]
        raise MarketDataError(
            where, f"Alpaca sent two bars of {time:%Y-%m-%d %H:%M} UTC, which differ", "Record it again later"
        )
    return frame[~np.isin(np.arange(len(frame)), again)]
