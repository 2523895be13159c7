"""Where bars begin: on the provider's grid, and on the one that a trainer's bars had.

Trainers put four hours and days together from hours, with the first bar as origin, so that they can begin at any hour.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pytest_modelgate.core.market.bars import AssetClass, Bars, Timeframe

_EXCHANGE_ZONE = "America/New_York"
_SHOWN = 8


def off_grid(moments: Sequence[pd.Timestamp], bars: Bars) -> str:
    """Half a sentence on moments (UTC) at which no bar begins by the clock of the judged ones; empty if all fit.

    Crypto is held against the UTC clock, stocks against New York's; up to hours only the minutes have to fit.
    """
    zone = "UTC" if bars.instrument.asset_class is AssetClass.CRYPTO else _EXCHANGE_ZONE
    form = "%H:%M" if _is_open(bars.timeframe) else ":%M"
    known = set(bars.index.tz_convert(zone).strftime(form))
    for moment in moments:
        begins = moment.tz_convert(zone).strftime(form)
        if begins not in known:
            listed = ", ".join(sorted(known)[:_SHOWN])
            return f"a bar begins at {begins} {zone}, those judged begin at {listed}"
    return ""


def untold_grid(moments: Sequence[pd.Timestamp], bars: Bars) -> str:
    """A sentence where nothing tells at which hours a trainer's bars began; empty where something does."""
    if moments or not _is_open(bars.timeframe):
        return ""
    return (
        f"Nothing tells at which hours the trainer's {bars.timeframe} bars began (bar_origin in the summary, or bars "
        "in the parity probe): on another grid than Alpaca's it was trained on other bars than it is judged on."
    )


def _is_open(timeframe: Timeframe) -> bool:
    return timeframe.delta > Timeframe.HOUR_1.delta
