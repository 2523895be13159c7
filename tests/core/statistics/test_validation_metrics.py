"""The four training metrics, against definitions written down a second time, and what they must not depend on."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pytest_modelgate import SettingsError, validation_metrics
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.training.gating import Classification, judge_training
from pytest_modelgate.core.training.run import METRICS, Declared

CURVES = st.lists(st.floats(1.0, 1e6), min_size=12, max_size=60)
TRADES = st.lists(st.floats(-1e4, 1e4).filter(lambda pnl: pnl == 0 or abs(pnl) > 1e-3), max_size=30)


def classified(metrics: dict[str, float]) -> Classification:
    history = {name: (value,) for name, value in metrics.items()}
    return judge_training(history, load_profile("2.4.5"), Declared()).classification


@given(CURVES, TRADES)
def test_the_metrics_are_those_that_archives_hold_and_within_their_range(
    equity: list[float], trades: list[float]
) -> None:
    metrics = validation_metrics(equity, trades)

    assert set(metrics) == set(METRICS)
    assert -1.0 <= metrics["fitness_score"] <= 1.0
    assert 0.0 <= metrics["consistency"] <= 1.0
    assert 0.0 <= metrics["max_drawdown"] <= 1.0
    assert 0.0 <= metrics["profit_factor"] < math.inf


@given(CURVES, TRADES, st.sampled_from([2.0**-10, 0.5, 2.0, 1024.0]))
def test_the_unit_of_money_does_not_matter(equity: list[float], trades: list[float], unit: float) -> None:
    scaled = validation_metrics([value * unit for value in equity], [pnl * unit for pnl in trades])

    assert scaled == pytest.approx(validation_metrics(equity, trades), rel=1e-9)


@given(CURVES, st.integers(2, 11))
def test_fitness_is_the_t_statistic_of_periods_squeezed(equity: list[float], periods: int) -> None:
    marks = [equity[round(place * (len(equity) - 1) / periods)] for place in range(periods + 1)]
    returns = [marks[place + 1] / marks[place] - 1 for place in range(periods)]
    assume(statistics.stdev(returns) > 1e-9)

    metrics = validation_metrics(equity, [1.0], periods=periods)

    t = stats.ttest_1samp(returns, 0.0).statistic
    assert metrics["fitness_score"] == pytest.approx(math.tanh(t / 2), abs=1e-9)
    assert metrics["consistency"] == pytest.approx(sum(value >= 0 for value in returns) / periods)


@given(CURVES)
def test_the_drawdown_is_the_worst_of_all_pairs_of_bars(equity: list[float]) -> None:
    worst = max(1 - low / high for place, high in enumerate(equity) for low in equity[place:])

    assert validation_metrics(equity, [])["max_drawdown"] == pytest.approx(worst, abs=1e-12)


@given(TRADES, st.floats(1.0, 1e4))
def test_another_winning_trade_never_lowers_the_profit_factor(trades: list[float], won: float) -> None:
    flat = np.full(20, 100.0)

    more = validation_metrics(flat, [*trades, won])["profit_factor"]

    if any(pnl < 0 for pnl in trades):
        assert more >= validation_metrics(flat, trades)["profit_factor"]
    else:
        assert more == 10.0


def test_a_run_that_never_trades_is_dropped() -> None:
    metrics = validation_metrics(np.full(100, 1e5), [])

    assert metrics == dict.fromkeys(METRICS, 0.0)
    assert classified(metrics) is Classification.DROP


def test_a_run_that_earns_in_every_period_is_approved() -> None:
    growth = 1.0 + 0.001 * (1 + np.sin(np.arange(200.0)))

    metrics = validation_metrics(1e5 * np.cumprod([1.0, *growth]), [120.0, 80.0, -40.0])

    assert metrics["consistency"] == 1.0
    assert metrics["profit_factor"] == 5.0
    assert metrics["max_drawdown"] == 0.0
    assert classified(metrics) is Classification.APPROVED


def test_after_a_ruin_nothing_comes_back() -> None:
    metrics = validation_metrics([100.0] * 10 + [-5.0] + [500.0] * 10, [10.0, -105.0])

    assert metrics["max_drawdown"] == 1.0
    assert metrics["consistency"] == pytest.approx(0.4)
    assert metrics["fitness_score"] < -0.9


def test_a_training_that_diverged_is_dropped() -> None:
    metrics = validation_metrics([100.0] * 11 + [math.nan], [1.0])

    assert all(map(math.isnan, metrics.values()))
    assert classified(metrics) is Classification.DROP


@pytest.mark.parametrize(
    ("equity", "trades", "periods", "told"),
    [
        ([100.0] * 10, [], 10, r"equity: has shape \(10,\), expected one series of at least 11"),
        ([[100.0] * 20] * 2, [], 10, "one series"),
        (["rich"] * 20, [], 10, "not a series of numbers"),
        ([0.0] * 20, [], 10, "starts at 0, expected more than 0"),
        ([100.0] * 20, [], 1, "periods: is 1, expected at least 2"),
        ([100.0] * 20, [math.inf], 10, "trades: one is not a finite number"),
    ],
)
def test_what_cannot_be_measured_is_refused(equity: list[float], trades: list[float], periods: int, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        validation_metrics(equity, trades, periods=periods)
