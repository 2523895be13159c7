"""The reference feature set: 53 causal market features. docs/features.md gives every formula, range and neutral value.

Prices enter as logarithms and volumes as shares of other volumes, so no feature depends on the unit of either. Windows
count bars, not hours, and are finite: a row depends on itself and the ``WARMUP`` bars before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from pytest_modelgate.core.features.calendar import calendar, intraday
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.log_bars import TINY, LogBars, log_volatility, per, share, wide
from pytest_modelgate.core.features.rolling import (
    ema_weights,
    full,
    lagged,
    mean_weights,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_stds,
    rolling_sums,
    rows_since_max,
    weighted_offsets,
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
    windows = _Windows.of(bars)
    features = (
        _price_action(bars, windows)
        | intraday(bars, windows.volatility)
        | calendar(bars.time)
        | _regime(bars, windows)
        | _technical(bars, windows)
        | _multi_window(bars, windows)
    )
    table = np.empty((len(frames), bars.time.size, len(_COLUMNS)))
    for number, name in enumerate(_COLUMNS):
        table[:, :, number] = features[name]
    table[:, :WARMUP] = np.nan
    return [table[number, : len(frame)] for number, frame in enumerate(frames)]


REFERENCE = FeatureSet("reference-v1", _COLUMNS, WARMUP, compute)


@dataclass(frozen=True, eq=False)
class _Windows:
    """What features of several groups measure over the same windows; every array is (series, rows).

    Attributes:
        sums: over the last rows, by what is summed and the number of rows.
        offsets: of averages and trend lines of the log close from its present value.
        deviations: standard deviations of the log close by the number of rows.
    """

    sums: Mapping[tuple[str, int], Floats]
    offsets: Mapping[str, Floats]
    deviations: Mapping[int, Floats]

    @classmethod
    def of(cls, bars: LogBars) -> _Windows:
        """Measure them all."""
        span = bars.high - bars.low
        up, down = bars.high - lagged(bars.high, 1), lagged(bars.low, 1) - bars.low
        location = per(2 * bars.close - bars.high - bars.low, span)
        sums = rolling_sums(
            {
                "distance": (np.abs(bars.returns), (14, 24, 96)),
                "square": (bars.returns * bars.returns, (12, 24, 96)),
                "true range": (bars.true_range, (14, 96)),
                "volume": (bars.volume, (12, 20, 24, 96)),
                "span": (span, (48,)),
                "square span": (span * span, (24,)),
                "signed volume": (np.sign(bars.returns) * bars.volume, (24,)),
                "located volume": (location * bars.volume, (20,)),
                "up": (np.where((up > 0) & (up > down + TINY), up, 0.0), (14,)),
                "down": (np.where((down > 0) & (down > up + TINY), down, 0.0), (14,)),
            }
        )
        offsets = dict(zip(_CLOSE, weighted_offsets(bars.close, [*_CLOSE.values()]), strict=True))
        means = {n: offsets[f"mean_{n}"] for n in (96, 48, 24, 20)}
        return cls(sums, offsets, rolling_stds(bars.close, means))

    @cached_property
    def volatility(self) -> Floats:
        """Root mean square of the last 96 log returns, per bar: what other features are measured in."""
        return self.rms("square", 96)

    def mean(self, name: str, window: int) -> Floats:
        """Of the last rows."""
        return self.sums[name, window] / window

    def rms(self, name: str, window: int) -> Floats:
        """Root of the mean of the last rows."""
        return np.sqrt(self.mean(name, window))


def _price_action(bars: LogBars, windows: _Windows) -> dict[str, Floats]:
    span = bars.high - bars.low
    return {
        "return_1": wide(per(bars.returns, windows.volatility)),
        "open_gap": wide(per(bars.open - lagged(bars.close, 1), windows.volatility)),
        "body": per(bars.close - bars.open, span),
        "upper_wick": per(bars.high - np.maximum(bars.open, bars.close), span),
        "lower_wick": per(np.minimum(bars.open, bars.close) - bars.low, span),
        "streak": _streak(bars.returns, 8),
        "range_ratio": _contrast(span, windows.mean("span", 48)),
    }


def _regime(bars: LogBars, windows: _Windows) -> dict[str, Floats]:
    daily, volatility = windows.rms("square", 24), windows.volatility
    range_volatility = windows.rms("square span", 24) / math.sqrt(4 * math.log(2))  # Parkinson 1980
    below_high = bars.close - rolling_max(bars.high, 96)
    offsets = weighted_offsets(bars.returns, [mean_weights(96), mean_weights(48)])
    means = dict(zip((96, 48), offsets, strict=True))
    deviations = rolling_stds(bars.returns, means)
    return {
        "volatility_level": wide(log_volatility(volatility)),
        "volatility_12_96": _contrast(windows.rms("square", 12), volatility),
        "volatility_percentile": _rank(daily, 96),
        "parkinson_24": _contrast(range_volatility, daily),
        **{f"efficiency_{n}": per(np.abs(_change(bars, n)), windows.sums["distance", n]) for n in (24, 96)},
        **{f"trend_{n}": per(windows.offsets[f"trend_{n}"] / n, windows.deviations[n]) for n in (24, 48, 96)},
        "autocorrelation_48": _autocorrelation(bars.returns, means[48], deviations[48], 48),
        "skew_96": wide(_skew(bars.returns, means[96], deviations[96], 96)),
        "drawdown_96": wide(per(below_high, volatility * math.sqrt(96))),
    }


def _technical(bars: LogBars, windows: _Windows) -> dict[str, Floats]:
    sums = windows.sums
    atr = windows.mean("true range", 14)
    macd = windows.offsets["ema_12"] - windows.offsets["ema_26"]
    (signal,) = weighted_offsets(macd, [ema_weights(9)])
    deviation = windows.deviations[20]
    high, low = rolling_max(bars.high, 14), rolling_min(bars.low, 14)
    plus, minus = sums["up", 14], sums["down", 14]
    volume_96, volume_12 = windows.mean("volume", 96), windows.mean("volume", 12)
    return {
        "rsi_14": per(_change(bars, 14), sums["distance", 14]),
        "macd": wide(per(macd, atr)),
        "macd_histogram": wide(per(-signal, atr)),
        "bollinger_20": per(-windows.offsets["mean_20"], 2 * deviation),
        "bollinger_width_20": _contrast(deviation, rolling_mean(deviation, 96)),
        "stochastic_14": per(2 * bars.close - high - low, high - low),
        "atr_14_96": _contrast(atr, windows.mean("true range", 96)),
        "di_14": per(plus - minus, sums["true range", 14]),
        "adx_14": rolling_mean(per(np.abs(plus - minus), plus + minus), 14),
        "aroon_25": (rows_since_max(-bars.low, 26) - rows_since_max(bars.high, 26)) / 25,
        "obv_24": share(sums["signed volume", 24], sums["volume", 24]),
        "cmf_20": share(sums["located volume", 20], sums["volume", 20]),
        "volume_1_96": share(bars.volume - volume_96, bars.volume + volume_96),
        "volume_12_96": share(volume_12 - volume_96, volume_12 + volume_96),
    }


def _multi_window(bars: LogBars, windows: _Windows) -> dict[str, Floats]:
    features = {
        f"momentum_{n}": wide(per(_change(bars, n), windows.volatility * math.sqrt(n)))
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


def _rank(values: Floats, window: int) -> Floats:
    """Share of the ``window`` rows before the present one that are less than it, minus that of those that are more."""
    total, change, size = (np.zeros(values.size) for _ in range(3))
    row = values.reshape(-1)
    for lag in range(1, window + 1):
        np.subtract(row[lag:], row[:-lag], out=change[lag:])
        np.abs(change, out=size)
        size += TINY
        change /= size
        total += change
    return full(total.reshape(values.shape) / window, window + 1)


def _standardised(values: Floats, offset: Floats, deviation: Floats, window: int) -> Iterator[Floats]:
    """The values 0, 1, ... rows before, less the mean of the last ``window``, in their standard deviations.

    Each is one array (series * rows,), of which only rows with a full window mean anything, and is overwritten by the
    next but one.
    """
    row, mean, scale = values.reshape(-1), (values + offset).reshape(-1), (deviation + TINY).reshape(-1)
    first, second = (row - mean) / scale, np.zeros_like(row)
    yield first
    for lag in range(1, window):
        first, second = second, first
        np.subtract(row[:-lag], mean[lag:], out=first[lag:])
        first /= scale
        yield first


def _autocorrelation(values: Floats, offset: Floats, deviation: Floats, window: int) -> Floats:
    total, product = np.zeros(values.size), np.empty(values.size)
    for later, earlier in pairwise(_standardised(values, offset, deviation, window)):
        total += np.multiply(later, earlier, out=product)
    return full(total.reshape(values.shape) / window, window)


def _skew(values: Floats, offset: Floats, deviation: Floats, window: int) -> Floats:
    total, cube = np.zeros(values.size), np.empty(values.size)
    for score in _standardised(values, offset, deviation, window):
        np.multiply(score, score, out=cube)
        cube *= score
        total += cube
    return full(total.reshape(values.shape) / window, window)


def _trend_weights(window: int) -> Floats:
    """Weights whose sum is ``window`` times the slope's share: the correlation of the log close with time.

    That is the t statistic of the trend line's slope on a bounded scale, once divided by the standard deviation.
    """
    deviation = math.sqrt((window**2 - 1) / 12)  # of the numbers 0 to window - 1
    position: Floats = ((window - 1) / 2 - np.arange(window, dtype=np.float64)) / deviation
    return position


_CLOSE: Mapping[str, Floats] = {  # weights of the offsets of the log close, longer ones first
    "ema_26": ema_weights(26),
    **{
        f"{kind}_{n}": weights(n)
        for n in (96, 48)
        for kind, weights in (("trend", _trend_weights), ("mean", mean_weights))
    },
    "ema_12": ema_weights(12),
    "trend_24": _trend_weights(24),
    "mean_24": mean_weights(24),
    "mean_20": mean_weights(20),
}
