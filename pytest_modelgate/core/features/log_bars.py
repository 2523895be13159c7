"""Bars as the reference features see them: log prices, their usual derivatives, and safe quotients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.core.features.rolling import lagged
from pytest_modelgate.core.market.bars import COLUMNS
from pytest_modelgate.core.typing import Floats

TINY = 1e-8  # log units, a ten-thousandth of a basis point: far below any tick, far above rounding
_WIDE = 5.0
_VOLUME_CAP = 1e300  # sums over a window stay finite


@dataclass(frozen=True, eq=False)
class LogBars:
    """Series side by side, (series, rows) in every column, oldest first; row t rests on bars up to t.

    Attributes:
        time: bar starts (1, rows), nanoseconds since the epoch, UTC; all series have them in common.
        open: natural logarithm of the open; likewise ``close``.
        high: natural logarithm of the highest of open, high, low and close: feeds do print an open above the high.
        low: natural logarithm of the lowest of the four.
        close: see ``open``.
        volume: units of the asset.
        returns: log return from the bar before; the first is NaN.
        true_range: log high less log low, both extended to the close before (Wilder 1978); the first is NaN.
    """

    time: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    returns: Floats
    true_range: Floats

    @classmethod
    def of(cls, frames: Sequence[pd.DataFrame]) -> LogBars:
        """Derive the columns from open, high, low, close and volume.

        Args:
            frames: at least one; shorter ones end sooner than the longest, whose first bars' times they have: what they
                lack is NaN.
        """
        longest = max(frames, key=len)
        columns = _side_by_side(frames, len(longest))
        # Of contiguous copies: numpy may round differently in its code for strided columns.
        prices = [np.log(columns[name]) for name in ("open", "high", "low", "close")]
        open_, close = prices[0], prices[3]
        high, low = np.max(prices, axis=0), np.min(prices, axis=0)
        before = lagged(close, 1)
        returns = close - before
        return cls(
            time=pd.DatetimeIndex(longest.index).as_unit("ns").asi8[None],
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=np.minimum(columns["volume"], _VOLUME_CAP),
            returns=returns,
            true_range=np.maximum(high, before) - np.minimum(low, before),
        )


def _side_by_side(frames: Sequence[pd.DataFrame], rows: int) -> dict[str, Floats]:
    """The columns of all frames, (series, rows) each."""
    columns = {name: np.full((len(frames), rows), np.nan) for name in COLUMNS}
    for number, frame in enumerate(frames):
        table = frame.to_numpy(dtype=np.float64)  # once: to pick a column of a frame takes as long as a window
        for name, column in columns.items():
            column[number, : len(frame)] = table[:, frame.columns.get_loc(name)]
    return columns


def per(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient of log-price quantities, denominator >= 0: 0 / 0 is 0, and rounding never becomes a signal."""
    return numerator / (denominator + TINY)


def share(part: Floats, whole: Floats) -> Floats:
    """Quotient of volumes, 0 where there was no volume at all."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def log_volatility(volatility: Floats) -> Floats:
    """Natural logarithm of a volatility in units of 1 % per bar; defined for a flat market."""
    return np.log((volatility + TINY) / 0.01)


def wide(values: Floats) -> Floats:
    """Limit to [-5, 5]: what is measured in standard deviations has outliers, and a network must not meet them."""
    return np.clip(values, -_WIDE, _WIDE)
