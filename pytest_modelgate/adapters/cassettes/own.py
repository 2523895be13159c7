"""Cassettes of a user's own bars: no conversation, but the bars themselves and the file that they are from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from pytest_modelgate.core.market.bars import COLUMNS, Bars
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.digest import canonical_json
from pytest_modelgate.errors import MarketDataError

_SCHEMA = "modelgate.own-bars/1"


def own_text(bars: Bars) -> str:
    """The text of a cassette that holds bars to the last bit."""
    columns = {name: bars.frame[name].tolist() for name in COLUMNS}
    start_ns = bars.index.asi8.tolist()
    return canonical_json({"schema": _SCHEMA, "source": bars.source, "start_ns": start_ns, **columns})


def own_bars(request: MarketRequest, text: str, where: str, remedy: str) -> Bars:
    """The bars of a cassette, as ``own_text`` wrote them.

    Raises:
        MarketDataError: it is no such cassette, or holds other bars than were asked for.
    """
    try:
        document = json.loads(text)
        ours = document["schema"] == _SCHEMA and isinstance(document["source"], str)
        values = np.array([document[name] for name in COLUMNS] if ours else [], dtype=np.float64).T
        index = pd.DatetimeIndex(np.array(document["start_ns"], dtype="datetime64[ns]"), tz="UTC")
        frame = pd.DataFrame(values, index=index, columns=list(COLUMNS))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise MarketDataError(where, "is not a recording of one's own bars", remedy) from None
    if not len(index) or index.min() < request.first or index.max() > request.last:
        raise MarketDataError(where, "holds other bars than were asked for", remedy)
    return Bars(request.instrument, request.timeframe, frame, source=document["source"])
