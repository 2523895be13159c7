from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelgate.core.backtest.fills import Fill, Trade
from pytest_modelgate.core.backtest.metrics import Metrics, bars_per_year, measure
from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.market.bars import AssetClass, Timeframe
from pytest_modelgate.errors import MarketDataError

HOURS = 8760.0
curves = st.lists(st.floats(10.0, 1e6), min_size=2, max_size=50)
thorough = settings(deadline=None, max_examples=100)


def trajectory(
    equity: Sequence[float],
    position: Sequence[float] | None = None,
    pnl: Sequence[float] = (),
    traded: Sequence[float] = (),
) -> Trajectory:
    n = len(equity) - 1
    index = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC", unit="ns")
    value = np.array([0.0] * n if position is None else position, dtype=np.float64)
    curve = np.array(equity, dtype=np.float64)
    return Trajectory(
        index=index,
        equity=curve,
        cash=curve[1:] - value,
        position_value=value,
        quantity=value / 10.0,
        actions=np.zeros(n - 1, dtype=np.int64),
        fills=tuple(Fill(0, "buy", notional / 10.0, 10.0, 0.0) for notional in traded),
        trades=tuple(Trade(0, 0, "long", 1.0, gain, 0.0) for gain in pnl),
        refused={},
    )


def measured(equity: Sequence[float], **parts: Sequence[float]) -> Metrics:
    return measure(trajectory(equity, **parts), HOURS)


@thorough
@given(curves)
def test_drawdown_is_the_largest_fall_from_any_earlier_equity(equity: list[float]) -> None:
    falls = [(before - after) / before for i, before in enumerate(equity) for after in equity[i:]]
    assert measured(equity).max_drawdown == pytest.approx(max(falls), rel=1e-12, abs=1e-15)


@thorough
@given(curves)
def test_sharpe_is_mean_over_sample_deviation_of_the_bar_returns(equity: list[float]) -> None:
    returns = [after / before - 1.0 for before, after in pairwise(equity)]
    sharpe = measured(equity).sharpe
    if len(returns) < 2 or max(returns) - min(returns) <= 1e-12:
        assert math.isnan(sharpe)
    else:
        assert sharpe == pytest.approx(statistics.fmean(returns) / statistics.stdev(returns), rel=1e-6, abs=1e-9)


@thorough
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=30))
def test_profit_factor_and_win_rate_count_money_and_trades(pnl: list[float]) -> None:
    metrics = measured([100.0, 100.0], pnl=pnl)
    gain, loss = sum(x for x in pnl if x > 0), sum(-x for x in pnl if x < 0)
    expected = gain / loss if loss else math.inf if gain else math.nan
    assert metrics.profit_factor == pytest.approx(expected, nan_ok=True)
    assert metrics.win_rate == sum(x > 0 for x in pnl) / len(pnl)
    assert metrics.closed_trades == len(pnl)


@thorough
@given(curves, st.sampled_from([2.0**-10, 4.0]))
def test_the_currency_unit_matters_to_no_ratio(equity: list[float], unit: float) -> None:
    position = [value / 3.0 for value in equity[1:]]
    one = measured(equity, position=position, traded=equity)
    other = measured(
        [value * unit for value in equity],
        position=[value * unit for value in position],
        traded=[value * unit for value in equity],
    )
    for name in ("total_return", "max_drawdown", "sharpe", "exposure", "turnover"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-12, nan_ok=True)


@thorough
@given(curves)
def test_drawdown_lies_between_zero_and_one_while_solvent(equity: list[float]) -> None:
    assert 0.0 <= measured(equity).max_drawdown < 1.0


def test_total_return_compares_the_end_with_the_capital() -> None:
    assert measured([100.0, 90.0, 125.0]).total_return == 0.25


def test_drawdown_sees_a_fall_from_the_starting_capital() -> None:
    assert measured([100.0, 80.0, 90.0]).max_drawdown == pytest.approx(0.2)


def test_sharpe_is_annualised_by_the_root_of_the_bars_per_year() -> None:
    metrics = measured([100.0, 101.0, 100.5, 103.0])
    assert metrics.sharpe_annualised == pytest.approx(metrics.sharpe * math.sqrt(HOURS))


STEADY = [7.0 * 1.003**bar for bar in range(8)]  # returns that differ by rounding alone


@pytest.mark.parametrize("equity", [[100.0, 101.0], [100.0, 100.0, 100.0], STEADY], ids=["one", "flat", "steady"])
def test_sharpe_is_undefined_without_variation(equity: list[float]) -> None:
    metrics = measured(equity)
    assert math.isnan(metrics.sharpe)
    assert math.isnan(metrics.sharpe_annualised)


def test_without_trades_profit_factor_and_win_rate_are_undefined() -> None:
    metrics = measured([100.0, 100.0])
    assert math.isnan(metrics.profit_factor)
    assert math.isnan(metrics.win_rate)
    assert metrics.closed_trades == 0


def test_profit_factor_is_infinite_without_losses() -> None:
    assert measured([100.0, 105.0], pnl=[5.0, 0.0]).profit_factor == math.inf


def test_profit_factor_is_undefined_when_nothing_was_won_or_lost() -> None:
    assert math.isnan(measured([100.0, 100.0], pnl=[0.0]).profit_factor)


def test_exposure_averages_long_and_short_alike() -> None:
    metrics = measured([100.0, 100.0, 200.0, 100.0, 100.0], position=[50.0, -50.0, 0.0, 0.0])
    assert metrics.exposure == pytest.approx((0.5 + 0.25) / 4)
    assert metrics.time_in_market == 0.5


def test_turnover_is_the_traded_notional_over_mean_equity_per_year() -> None:
    metrics = measured([100.0, 100.0, 300.0], traded=[50.0, 150.0])
    assert metrics.turnover == pytest.approx(200.0 / 200.0 * HOURS / 2)


def test_ruin_leaves_the_ratios_to_equity_undefined() -> None:
    metrics = measured([100.0, -50.0, 20.0, 30.0], position=[-20.0, 0.0, 0.0], traded=[5.0])
    assert metrics.min_equity == -50.0
    assert metrics.max_drawdown == pytest.approx(1.5)
    assert all(math.isnan(value) for value in (metrics.sharpe, metrics.exposure, metrics.turnover))


def test_bars_and_their_yearly_count_are_reported() -> None:
    metrics = measured([100.0, 101.0, 102.0])
    assert (metrics.bars, metrics.bars_per_year) == (2, HOURS)


@pytest.mark.parametrize(
    ("timeframe", "expected"),
    [(Timeframe.MIN_15, 35_040.0), (Timeframe.HOUR_1, 8_760.0), (Timeframe.HOUR_4, 2_190.0), (Timeframe.DAY_1, 365.0)],
)
def test_crypto_years_are_full(timeframe: Timeframe, expected: float) -> None:
    assert bars_per_year(pd.DatetimeIndex([], tz="UTC"), timeframe, AssetClass.CRYPTO) == expected


def test_equity_years_are_counted() -> None:
    start = pd.Timestamp("2023-01-03 14:00", tz="UTC")
    index = pd.DatetimeIndex([start, *[start + pd.Timedelta(days=d) for d in (1, 2, 100, 182.5)]])
    assert bars_per_year(index, Timeframe.DAY_1, AssetClass.EQUITY) == 8.0


def test_one_equity_bar_makes_no_year() -> None:
    with pytest.raises(MarketDataError, match="expected at least 2"):
        bars_per_year(pd.DatetimeIndex(["2024-01-02"], tz="UTC"), Timeframe.DAY_1, AssetClass.EQUITY)
