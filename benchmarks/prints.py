"""The quality gate over a year of hours, and its look for doubtful prices alone, against pandas' rolling medians."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

import pandas as pd
from accounting import market
from rows import Row, make_row, medians

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.profiles import MarketDataLimits
from pytest_modelgate.core.market.bars import Bars, Instrument
from pytest_modelgate.core.market.corporate_actions import ActionKind, CorporateAction
from pytest_modelgate.core.market.prints import find_prints
from pytest_modelgate.core.market.quality import Quality, assess
from pytest_modelgate.core.market.windows import walk_forward_windows

_NOTE = "opponent: a Hampel filter on pandas' rolling medians of seven bars, which is less; target at most 20"
_ACTIONS = (
    *(CorporateAction(date(2023, month, 9), ActionKind.CASH_DIVIDEND, "AAPL", dollars=0.5) for month in (2, 5, 8, 11)),
    CorporateAction(date(2023, 6, 1), ActionKind.SPIN_OFF, "AAPL", "NEW", 1.0, 4.0),
    CorporateAction(date(2023, 6, 20), ActionKind.SPLIT, "AAPL", new=4.0),
)


def rows() -> list[Row]:
    """Milliseconds of CPU."""
    crypto, _ = market()
    bars = replace(crypto, instrument=Instrument.parse("AAPL"))  # around the clock: more hours than a stock has
    limits = load_profile("2.4.5").market_data
    whole, prints, theirs = medians(
        25,
        lambda: judged(bars, limits),
        lambda: find_prints(crypto, limits),
        lambda: rolling(bars.frame),
        clock=time.process_time,
    )
    named = (("quality gate with corporate actions, 8,760 bars", whole), ("doubtful prices, 8,760 bars", prints))
    return [make_row(name, "ms CPU", 1000.0 * ours, opponent=1000.0 * theirs, note=_NOTE) for name, ours in named]


def judged(bars: Bars, limits: MarketDataLimits) -> Quality:
    """All that is measured of a stock's series and five folds, its splits, spin-offs and dividends among them."""
    folds = walk_forward_windows(bars.index[-1], bars.timeframe, 180, 5)
    return assess(bars, bars.index, folds, limits, actions=_ACTIONS, adjustment="all")


def rolling(frame: pd.DataFrame) -> pd.DataFrame:
    """Which prices lie ten robust deviations from the median of the seven bars around."""
    prices = frame[["open", "high", "low", "close"]]
    apart = (prices - prices.rolling(7, center=True).median()).abs()
    return apart > 10.0 * 1.4826 * apart.rolling(7, center=True).median()
