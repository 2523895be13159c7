"""The reference feature set: 53 causal market features. docs/features.md gives every formula, range and neutral value.

Prices enter as logarithms and volumes as shares of other volumes, so no feature depends on the unit of either. Windows
count bars, not hours, and are finite: a row depends on itself and the ``WARMUP`` bars before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from pytest_modelgate.core.features.calendar import calendar, intraday
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.log_bars import TINY, LogBars, log_volatility, per, share, wide
from pytest_modelgate.core.features.rolling import (
    ema_offset,
    lagged,
    mean_and_std,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_rms,
    rolling_std,
    rolling_sum,
    rows_since_max,
    weighted_offset,
)
from pytest_modelgate.core.typing import Floats

GROUPS: Mapping[str, tuple[str, ...]] = {
    "price action": ("return_1", "open_gap", "body", "upper_wick", "lower_wick", "streak", "range_ratio"),
    "intraday": ("day_return", "day_range_position", "day_vwap_distance", "overnight_gap"),
    "calendar": (
        "time_of_day_sin",
        "time_of_day_cos",
        "weekday_sin",
        "weekday_cos",
        "day_of_month_sin",
        "day_of_month_cos",
        "weekend",
    ),
    "regime": (
        "volatility_level",
        "volatility_12_96",
        "volatility_percentile",
        "parkinson_24",
        "efficiency_24",
        "efficiency_96",
        "trend_24",
        "trend_48",
        "trend_96",
        "autocorrelation_48",
        "skew_96",
        "drawdown_96",
    ),
    "technical": (
        "rsi_14",
        "macd",
        "macd_histogram",
        "bollinger_20",
        "bollinger_width_20",
        "stochastic_14",
        "atr_14_96",
        "di_14",
        "adx_14",
        "aroon_25",
        "obv_24",
        "cmf_20",
        "volume_1_96",
        "volume_12_96",
    ),
    "multi-window": (
        "momentum_3",
        "momentum_6",
        "momentum_12",
        "momentum_24",
        "momentum_48",
        "momentum_96",
        "momentum_192",
        "channel_48",
        "channel_192",
    ),
}
_COLUMNS = tuple(name for names in GROUPS.values() for name in names)
WARMUP = 192  # the longest look back, momentum_192's


def compute(frame: pd.DataFrame) -> pd.DataFrame:
    """Compute the features of a whole series.

    Args:
        frame: validated bars, as in ``Bars.frame``.

    Returns:
        One float64 column per feature in the order of ``GROUPS``; rows before ``WARMUP`` are NaN, all others finite.
    """
    return pd.DataFrame(compute_all([frame])[0], index=frame.index, columns=_COLUMNS)


def compute_all(frames: Sequence[pd.DataFrame]) -> list[Floats]:
    """``compute`` for several series at once, which takes little longer than one: (rows, features) for each.

    Args:
        frames: as of ``LogBars.of``.
    """
    bars = LogBars.of(frames)
    features = (
        _price_action(bars)
        | intraday(bars)
        | calendar(bars.time)
        | _regime(bars)
        | _technical(bars)
        | _multi_window(bars)
    )
    table = np.empty((len(frames), len(bars.time), len(_COLUMNS)))
    for number, name in enumerate(_COLUMNS):
        table[:, :, number] = features[name].T
    table[:, :WARMUP] = np.nan
    return [table[number, : len(frame)] for number, frame in enumerate(frames)]


REFERENCE = FeatureSet("reference-v1", _COLUMNS, WARMUP, compute)


def _price_action(bars: LogBars) -> dict[str, Floats]:
    span = bars.high - bars.low
    return {
        "return_1": wide(per(bars.returns, bars.volatility)),
        "open_gap": wide(per(bars.open - lagged(bars.close, 1), bars.volatility)),
        "body": per(bars.close - bars.open, span),
        "upper_wick": per(bars.high - np.maximum(bars.open, bars.close), span),
        "lower_wick": per(np.minimum(bars.open, bars.close) - bars.low, span),
        "streak": _streak(bars.returns, 8),
        "range_ratio": _contrast(span, rolling_mean(span, 48)),
    }


def _regime(bars: LogBars) -> dict[str, Floats]:
    distance = np.abs(bars.returns)
    daily = rolling_rms(bars.returns, 24)
    rank = np.zeros_like(daily)
    for lag in range(1, 97):
        change = daily[lag:] - daily[:-lag]
        rank[lag:] += per(change, np.abs(change))
    range_volatility = rolling_rms(bars.high - bars.low, 24) / math.sqrt(4 * math.log(2))  # Parkinson 1980
    below_high = bars.close - rolling_max(bars.high, 96)
    return {
        "volatility_level": wide(log_volatility(bars.volatility)),
        "volatility_12_96": _contrast(rolling_rms(bars.returns, 12), bars.volatility),
        "volatility_percentile": rank / 96,
        "parkinson_24": _contrast(range_volatility, daily),
        **{f"efficiency_{n}": per(np.abs(_change(bars, n)), rolling_sum(distance, n)) for n in (24, 96)},
        **{f"trend_{n}": _trend(bars.close, n) for n in (24, 48, 96)},
        "autocorrelation_48": _autocorrelation(bars.returns, 48),
        "skew_96": wide(_skew(bars.returns, 96)),
        "drawdown_96": wide(per(below_high, bars.volatility * math.sqrt(96))),
    }


def _technical(bars: LogBars) -> dict[str, Floats]:
    span = bars.high - bars.low
    atr = rolling_mean(bars.true_range, 14)
    macd = ema_offset(bars.close, 12) - ema_offset(bars.close, 26)
    offset, deviation = mean_and_std(bars.close, 20)
    high, low = rolling_max(bars.high, 14), rolling_min(bars.low, 14)
    up, down = bars.high - lagged(bars.high, 1), lagged(bars.low, 1) - bars.low
    plus = rolling_sum(np.where((up > 0) & (up > down + TINY), up, 0.0), 14)
    minus = rolling_sum(np.where((down > 0) & (down > up + TINY), down, 0.0), 14)
    location = per(2 * bars.close - bars.high - bars.low, span)
    volume_96 = rolling_mean(bars.volume, 96)
    volume_12 = rolling_mean(bars.volume, 12)
    return {
        "rsi_14": per(_change(bars, 14), rolling_sum(np.abs(bars.returns), 14)),
        "macd": wide(per(macd, atr)),
        "macd_histogram": wide(per(-ema_offset(macd, 9), atr)),
        "bollinger_20": per(-offset, 2 * deviation),
        "bollinger_width_20": _contrast(deviation, rolling_mean(deviation, 96)),
        "stochastic_14": per(2 * bars.close - high - low, high - low),
        "atr_14_96": _contrast(atr, rolling_mean(bars.true_range, 96)),
        "di_14": per(plus - minus, rolling_sum(bars.true_range, 14)),
        "adx_14": rolling_mean(per(np.abs(plus - minus), plus + minus), 14),
        "aroon_25": (rows_since_max(-bars.low, 26) - rows_since_max(bars.high, 26)) / 25,
        "obv_24": share(rolling_sum(np.sign(bars.returns) * bars.volume, 24), rolling_sum(bars.volume, 24)),
        "cmf_20": share(rolling_sum(location * bars.volume, 20), rolling_sum(bars.volume, 20)),
        "volume_1_96": share(bars.volume - volume_96, bars.volume + volume_96),
        "volume_12_96": share(volume_12 - volume_96, volume_12 + volume_96),
    }


def _multi_window(bars: LogBars) -> dict[str, Floats]:
    features = {
        f"momentum_{n}": wide(per(_change(bars, n), bars.volatility * math.sqrt(n)))
        for n in (3, 6, 12, 24, 48, 96, 192)
    }
    for n in (48, 192):
        high, low = rolling_max(bars.high, n), rolling_min(bars.low, n)
        features[f"channel_{n}"] = per(2 * bars.close - high - low, high - low)
    return features


def _change(bars: LogBars, window: int) -> Floats:
    return bars.close - lagged(bars.close, window)


def _contrast(value: Floats, norm: Floats) -> Floats:
    """(a - b) / (a + b): 0 when alike, towards -1 or 1 when one of two quantities >= 0 dwarfs the other."""
    return per(value - norm, value + norm)


def _streak(returns: Floats, longest: int) -> Floats:
    direction = np.sign(returns)
    run, unbroken = direction.copy(), np.ones(returns.shape, dtype=bool)
    for lag in range(1, longest):
        unbroken &= lagged(direction, lag) == direction
        run += np.where(unbroken, direction, 0.0)
    return run / longest


def _trend(close: Floats, window: int) -> Floats:
    """Correlation of the log close with time: the t statistic of the trend line's slope on a bounded scale."""
    deviation = math.sqrt((window**2 - 1) / 12)  # of the numbers 0 to window - 1
    position = ((window - 1) / 2 - np.arange(window, dtype=np.float64)) / deviation
    return per(weighted_offset(close, position) / window, rolling_std(close, window))


def _standardised(values: Floats, window: int) -> list[Floats]:
    """The last ``window`` rows by lag, less their mean, in their standard deviations."""
    offset, deviation = mean_and_std(values, window)
    mean = values + offset
    return [per(lagged(values, lag) - mean, deviation) for lag in range(window)]


def _autocorrelation(returns: Floats, window: int) -> Floats:
    scores = _standardised(returns, window)
    total = np.zeros_like(returns)
    for later, earlier in pairwise(scores):
        total += later * earlier
    return total / window


def _skew(returns: Floats, window: int) -> Floats:
    total = np.zeros_like(returns)
    for score in _standardised(returns, window):
        total += score * score * score
    return total / window
