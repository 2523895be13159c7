"""Where bars begin: on the provider's grid, and on the one that a trainer's bars had.

Trainers put four hours and days together from hours, with the first bar as origin, so that they can begin at any hour.
Two and four hours of crypto are put together likewise for them; stocks have sessions, and other origins than these are
refused, as are days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pytest_modelgate.core.market.bars import AssetClass, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest

CLOCK = pd.Timestamp(0, tz="UTC").as_unit("ns")
"""The origin of Alpaca's bars of crypto up to four hours: they lie on the UTC clock."""
_JOINED = (Timeframe.HOUR_2, Timeframe.HOUR_4)  # of crypto, from hours
_EXCHANGE_ZONE = "America/New_York"
_SHOWN = 8


def origin_of(told: Sequence[pd.Timestamp], instrument: Instrument, timeframe: Timeframe) -> pd.Timestamp:
    """The first moment since 1970 (UTC) at which a trainer's bar would begin; the clock's unless hours can make others.

    Args:
        told: moments at which bars of the trainer began; the first one decides, ``off_grid`` says what contradicts it.
    """
    if not told or instrument.asset_class is not AssetClass.CRYPTO or timeframe not in _JOINED:
        return CLOCK
    late = (told[0] - CLOCK) % timeframe.delta
    return CLOCK if late % Timeframe.HOUR_1.delta else (CLOCK + late).as_unit("ns")


def origin_within(request: MarketRequest, timeframe: Timeframe) -> pd.Timestamp:
    """As ``origin_of``, of the bars that are made of a request: with its end the last of them ends."""
    told = [] if request.timeframe is timeframe else [request.closes_at]
    return origin_of(told, request.instrument, timeframe)


def name_of(origin: pd.Timestamp) -> str:
    """An origin as verdicts spell it: ``03:00 UTC``; empty for the clock's."""
    return "" if origin == CLOCK else f"{origin:%H:%M} UTC"


def off_grid(moments: Sequence[pd.Timestamp], bars: Bars) -> str:
    """Half a sentence on moments (UTC) at which no bar begins by the clock of the judged ones; empty if all fit.

    Crypto is held against the UTC clock, stocks against New York's; up to hours only the minutes have to fit.
    """
    zone = "UTC" if bars.instrument.asset_class is AssetClass.CRYPTO else _EXCHANGE_ZONE
    of_day = _is_open(bars.timeframe)
    known = set(_minutes(bars.index.tz_convert(zone), of_day=of_day).unique())
    for moment in moments:
        begins = _minutes(moment.tz_convert(zone), of_day=of_day)
        if begins not in known:
            listed = ", ".join(_spelled(minute, of_day=of_day) for minute in sorted(known)[:_SHOWN])
            return f"a bar begins at {_spelled(begins, of_day=of_day)} {zone}, those judged begin at {listed}"
    return ""


def untold_grid(moments: Sequence[pd.Timestamp], bars: Bars) -> str:
    """A sentence where nothing tells at which hours a trainer's bars began; empty where something does."""
    if moments or not _is_open(bars.timeframe):
        return ""
    return (
        f"Nothing tells at which hours the trainer's {bars.timeframe} bars began (bar_origin in the summary, or bars "
        "in the parity probe): on another grid than Alpaca's it was trained on other bars than it is judged on."
    )


def against(bars: Bars) -> str:
    """What to do about bars that began at other hours than those judged."""
    if bars.instrument.asset_class is AssetClass.CRYPTO:
        return "Train on days as Alpaca has them, on two and four hours that all begin on one grid of full hours (UTC)"
    return "Train on bars that are counted from the session's open, as recorded_bars gives them: stocks have no others"


def _minutes(local: Any, *, of_day: bool) -> Any:  # noqa: ANN401 - of a time an int, of an index an index of them
    """Minutes since midnight by a local clock, or since the hour."""
    return local.hour * 60 + local.minute if of_day else local.minute


def _spelled(minute: int, *, of_day: bool) -> str:
    return f"{minute // 60:02}:{minute % 60:02}" if of_day else f":{minute:02}"


def _is_open(timeframe: Timeframe) -> bool:
    return timeframe.delta > Timeframe.HOUR_1.delta
