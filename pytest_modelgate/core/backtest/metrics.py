"""Metrics of a trajectory, and the bars per year that annualise them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd

from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.market.bars import AssetClass, Timeframe
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import MarketDataError

_YEAR = pd.Timedelta(days=365)
_FLAT = 1e-12  # returns that vary by no more than rounding do not vary


@dataclass(frozen=True)
class Metrics:
    """Metrics of one evaluated window; fractions unless stated otherwise.

    Attributes:
        total_return: last equity over starting capital, less 1.
        max_drawdown: largest (peak - equity) / peak, positive; the peak includes the starting capital.
        sharpe: mean over standard deviation (ddof 1) of simple bar returns, per bar; NaN when undefined.
        sharpe_annualised: ``sharpe`` times the square root of ``bars_per_year``.
        profit_factor: gross profit over gross loss of closed trades after costs; inf without losses, NaN without
            trades.
        win_rate: closed trades with a profit over closed trades; NaN without trades.
        closed_trades: round trips from flat to flat.
        exposure: mean of the absolute position value over equity.
        time_in_market: fraction of bars that end with a position.
        turnover: two-sided traded notional over mean equity, per year.
        min_equity: lowest equity at any bar close, USD.
        bars: length of the window.
        bars_per_year: what annualises.
    """

    total_return: float
    max_drawdown: float
    sharpe: float
    sharpe_annualised: float
    profit_factor: float
    win_rate: float
    closed_trades: int
    exposure: float
    time_in_market: float
    turnover: float
    min_equity: float
    bars: int
    bars_per_year: float


def bars_per_year(index: pd.DatetimeIndex, timeframe: Timeframe, asset_class: AssetClass) -> float:
    """Bars in a year of 365 days, for annualising.

    Crypto trades around the clock: the year over the bar size, 8760 for hours. Equities: counted, as intervals between
    the first and the last bar over the time between them, so pass the whole series and not one fold.

    Raises:
        MarketDataError: fewer than two bars of an equity.
    """
    if asset_class is AssetClass.CRYPTO:
        return _YEAR / timeframe.delta
    if len(index) < 2:
        raise MarketDataError(
            f"bars of {timeframe}",
            f"a year of bars cannot be counted from {len(index)}, expected at least 2",
            "Record a longer cassette with `modelgate record`",
        )
    return (len(index) - 1) * (_YEAR / (index[-1] - index[0]))


def measure(trajectory: Trajectory, bars_per_year: float) -> Metrics:
    """Measure a trajectory of n bars.

    There are n bar returns, ``equity[1:] / equity[:-1] - 1``. The Sharpe ratio (Sharpe 1994, risk-free rate 0) is
    undefined, NaN, for fewer than two returns, when they do not vary, and once equity was 0 or less at any bar; so
    are exposure and turnover then. The profit factor is NaN too when trades neither won nor lost anything.

    Args:
        trajectory: what ``simulate`` returned.
        bars_per_year: what ``bars_per_year`` counted for the whole series.
    """
    equity = trajectory.equity
    solvent = bool(equity.min() > 0.0)
    peak = np.maximum.accumulate(equity)
    sharpe = sharpe_ratio(equity[1:] / equity[:-1] - 1.0) if solvent else math.nan
    profits = [trade.pnl for trade in trajectory.trades]
    traded = math.fsum(fill.quantity * fill.price for fill in trajectory.fills)
    bars = len(trajectory.index)
    return Metrics(
        total_return=float(equity[-1] / equity[0] - 1.0),
        max_drawdown=float(np.max((peak - equity) / peak)),
        sharpe=sharpe,
        sharpe_annualised=sharpe * math.sqrt(bars_per_year),
        profit_factor=profit_factor(profits),
        win_rate=sum(pnl > 0.0 for pnl in profits) / len(profits) if profits else math.nan,
        closed_trades=len(profits),
        exposure=float(np.mean(np.abs(trajectory.position_value) / equity[1:])) if solvent else math.nan,
        time_in_market=float(np.mean(trajectory.position_value != 0.0)),
        turnover=float(traded / equity[1:].mean() * bars_per_year / bars) if solvent else math.nan,
        min_equity=float(equity.min()),
        bars=bars,
        bars_per_year=bars_per_year,
    )


def sharpe_ratio(returns: Floats) -> float:
    """Mean over standard deviation (ddof 1) of returns; NaN under two of them, or when they do not vary."""
    if len(returns) < 2 or np.ptp(returns) <= _FLAT:
        return math.nan
    return float(returns.mean() / returns.std(ddof=1))


def compounded(returns: Iterable[float]) -> Fraction:
    """Returns one after the other, exact: neither their order nor rounding may turn a loss into a gain.

    Nothing comes back from a ruin.
    """
    return math.prod((max(Fraction(0), 1 + Fraction(value)) for value in returns), start=Fraction(1)) - 1


def profit_factor(profits: Iterable[float]) -> float:
    """Gross profit over gross loss of closed trades; inf without losses, NaN where nothing was won or lost."""
    profits = list(profits)
    gain = math.fsum(pnl for pnl in profits if pnl > 0.0)
    loss = -math.fsum(pnl for pnl in profits if pnl < 0.0)
    if loss > 0.0:
        return gain / loss
    return math.inf if gain > 0.0 else math.nan


@dataclass(frozen=True)
class FoldResult:
    """Figures of one fold that the decision needs.

    Attributes:
        total_return: fraction.
        sharpe: per bar (mean over standard deviation of bar returns, ddof 1); NaN when undefined.
        bars: bar returns in the fold.
        bars_per_year: what annualises.
    """

    total_return: float
    sharpe: float
    bars: int
    bars_per_year: float

    @classmethod
    def of(cls, metrics: Metrics) -> FoldResult:
        """Take from a window's metrics what the decision needs."""
        return cls(metrics.total_return, metrics.sharpe, metrics.bars, metrics.bars_per_year)

    def __post_init__(self) -> None:
        """Refuse a fold that was not measured: it must end as an error, never as a decision.

        Raises:
            ValueError: the return is not finite, or bars or bars per year are not positive.
        """
        if not math.isfinite(self.total_return):
            raise ValueError(f"the fold's total return is {self.total_return}, expected a finite fraction")
        if not (self.bars > 0 and 0.0 < self.bars_per_year < math.inf):
            raise ValueError(f"the fold has {self.bars} bars at {self.bars_per_year} a year, expected positive numbers")

    @property
    def sharpe_annualised(self) -> float:
        """The per-bar Sharpe times the square root of the bars in a year (Lo 2002, for returns without memory)."""
        return self.sharpe * math.sqrt(self.bars_per_year)
