"""What the page computes of a model's evidence, once: its folds one after the other, and what they compare with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.attribution import BarAttribution, concatenate
from pytest_modelgate.core.evidence.curves import Growth, TradeLine, growth, trade_lines
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.statistics.drawdowns import Drawdown, worst_drawdowns
from pytest_modelgate.core.statistics.exposure import EqualExposure, equal_exposure
from pytest_modelgate.core.statistics.periods import compounded_by
from pytest_modelgate.core.statistics.rolling import rolling_mean, rolling_sharpe
from pytest_modelgate.core.statistics.sharpe import sharpe_interval, sharpe_shape
from pytest_modelgate.core.typing import Floats

_DAY, _WORST, _ROLLING_DAYS, _CONFIDENCE = 86_400, 5, 30, 0.9


@dataclass(frozen=True)
class Measured:
    """The folds of one model, oldest first, at least one, and its backtest.

    Attributes:
        backtest: None where there is none.
    """

    folds: Sequence[WindowEvidence]
    backtest: WindowEvidence | None

    @cached_property
    def attribution(self) -> BarAttribution:
        """Of all folds, n bars."""
        return concatenate([fold.bars.attribution() for fold in self.folds])

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """(n,) starts of the bars, seconds since 1970 UTC."""
        return np.concatenate([np.array(fold.times, dtype=np.int64) for fold in self.folds])

    @cached_property
    def growth(self) -> Growth:
        """Equity, market and equal exposure, and the drawdown."""
        return growth(self.folds)

    @cached_property
    def held(self) -> EqualExposure:
        """The market at the mean position of the model."""
        return equal_exposure(self.attribution.intraday_weight, self.attribution.market)

    @property
    def total_return(self) -> float:
        """Of all folds, a fraction."""
        return float(self.growth.model[-1])

    @property
    def drawdown(self) -> float:
        """The deepest at any close, across folds, a positive fraction."""
        return float(self.growth.drawdown.max())

    @property
    def worst(self) -> list[Drawdown]:
        """The five deepest drawdowns; rows are those of ``growth``."""
        return worst_drawdowns(1.0 + self.growth.model, _WORST)

    @property
    def bars_per_year(self) -> float:
        """What annualises."""
        return self.folds[0].metrics.bars_per_year

    @cached_property
    def sharpe(self) -> tuple[float, float, float]:
        """Annualised, of all folds, and the ends of its 90 % interval; NaN where undefined."""
        shape, year = sharpe_shape(self.attribution.returns), math.sqrt(self.bars_per_year)
        low, high = sharpe_interval(shape, _CONFIDENCE)
        return shape.sharpe * year, low * year, high * year

    @property
    def days(self) -> float:
        """Calendar days of all folds."""
        return sum(span.end - span.start for span in self.growth.spans) / _DAY

    @cached_property
    def daily(self) -> dict[int, float]:
        """Returns by UTC day, numbered since 1970."""
        return compounded_by(self.times // _DAY, self.attribution.returns)

    def monthly(self, returns: Floats) -> dict[int, float]:
        """Returns (n,) by UTC month, numbered since January 1970."""
        return compounded_by(self.times.astype("M8[s]").astype("M8[M]").astype(np.int64), returns)

    @property
    def rolling_bars(self) -> int:
        """Bars in 30 days, or in a quarter of shorter records."""
        days = min(float(_ROLLING_DAYS), self.days / 4.0)
        return max(2, round(len(self.times) * days / self.days))

    @property
    def rolling(self) -> tuple[Floats, Floats]:
        """Annualised Sharpe ratio of the last 30 days at every bar (n,), and the mean signed position of a day."""
        day = max(1, round(len(self.times) / self.days))
        sharpe = rolling_sharpe(self.attribution.returns, self.rolling_bars, self.bars_per_year)
        return sharpe, rolling_mean(self.attribution.intraday_weight, day)

    @cached_property
    def trades(self) -> list[list[TradeLine]]:
        """By fold, oldest first."""
        return [trade_lines(fold) for fold in self.folds]

    @property
    def closed_trades(self) -> int:
        """Round trips in all folds."""
        return sum(fold.metrics.closed_trades for fold in self.folds)

    @property
    def win_rate(self) -> float:
        """Trades with a profit over all; NaN without any."""
        won = [fold.metrics.win_rate * fold.metrics.closed_trades for fold in self.folds if fold.metrics.closed_trades]
        return sum(won) / self.closed_trades if self.closed_trades else math.nan

    @property
    def profit_factor(self) -> float:
        """Gross profit over gross loss of all trades; NaN where their P&L is not on record."""
        profits = [trade.pnl for fold in self.trades for trade in fold]
        won, lost = sum(p for p in profits if p > 0.0), -sum(p for p in profits if p < 0.0)
        if any(map(math.isnan, profits)) or not profits:
            return math.nan
        return won / lost if lost > 0.0 else math.inf

    @property
    def paid(self) -> tuple[float, float]:
        """Fees and slippage of all folds, as sums of shares of equity."""
        return float(self.attribution.fees.sum()), float(self.attribution.slippage.sum())

    def mean_of(self, name: str) -> float:
        """A metric of the folds, weighted by their bars."""
        bars = [fold.metrics.bars for fold in self.folds]
        values = [float(getattr(fold.metrics, name)) for fold in self.folds]
        return sum(value * count for value, count in zip(values, bars, strict=True)) / sum(bars)


def measured(windows: dict[str, WindowEvidence], folds: Sequence[str]) -> Measured | None:
    """Evidence of a model that was evaluated, as far as it is there; None without any fold.

    Args:
        windows: by name, with their bars.
        folds: names of the folds, oldest first.
    """
    found = [windows[name] for name in folds if name in windows and windows[name].times]
    backtest = windows.get("backtest")
    return Measured(found, backtest if backtest and backtest.times else None) if found else None
