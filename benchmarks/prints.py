"""The look for doubtful prices in a year of hours, against pandas' rolling medians, which is less than all it does."""

from __future__ import annotations

import time

import pandas as pd
from accounting import market
from rows import Row, make_row, medians

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.market.prints import find_prints


def rows() -> list[Row]:
    """Milliseconds of CPU."""
    bars, _ = market()
    limits = load_profile("2.4.5").market_data
    ours, theirs = medians(25, lambda: find_prints(bars, limits), lambda: rolling(bars.frame), clock=time.process_time)
    note = "opponent: a Hampel filter on pandas' rolling medians of seven bars; target at most 20"
    name = "doubtful prices, 8,760 bars"
    return [make_row(name, "ms CPU", 1000.0 * ours, opponent=1000.0 * theirs, note=note)]


def rolling(frame: pd.DataFrame) -> pd.DataFrame:
    """Which prices lie ten robust deviations from the median of the seven bars around."""
    prices = frame[["open", "high", "low", "close"]]
    apart = (prices - prices.rolling(7, center=True).median()).abs()
    return apart > 10.0 * 1.4826 * apart.rolling(7, center=True).median()
