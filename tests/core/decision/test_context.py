"""What a return is compared with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.decision.context import bootstrap_interval, put_in_context
from pytest_modelgate.core.statistics.bootstrap import block_length
from pytest_modelgate.core.statistics.sharpe import probabilistic_sharpe, sharpe_shape

Floats = NDArray[np.float64]


def attribution(seed: int, bars: int = 1000, edge: float = 0.0005) -> BarAttribution:
    rng = np.random.default_rng(seed)
    held, move, none = rng.choice([0.0, 0.1], bars), rng.normal(0.0002, 0.01, bars), np.zeros(bars)
    move = move + 10 * edge * held * rng.random(bars)
    return BarAttribution(held * move, none, held, none, move, none, none)


@pytest.mark.parametrize("bars", [300, 1001])
def test_the_interval_is_that_of_arch(bars: int) -> None:
    returns = attribution(1, bars).returns
    bootstrap = CircularBlockBootstrap(block_length(bars), returns, seed=np.random.default_rng(2))

    def total(sample: Floats) -> Floats:
        return np.array([np.prod(1.0 + sample) - 1.0])

    theirs = bootstrap.conf_int(total, reps=4000, method="percentile", size=0.90).ravel()
    ours = bootstrap_interval(returns)
    width = theirs[1] - theirs[0]
    assert ours == pytest.approx(theirs.tolist(), abs=0.06 * width)


def test_the_interval_needs_no_luck_of_its_own() -> None:
    returns = attribution(1).returns
    np.random.default_rng().random()
    assert bootstrap_interval(returns) == bootstrap_interval(returns.copy())


def test_returns_that_are_all_alike_leave_no_doubt() -> None:
    whole = 1.01**50 - 1
    assert bootstrap_interval(np.full(50, 0.01)) == pytest.approx((whole, whole))


@pytest.mark.parametrize("returns", [[0.0], [0.1, -0.05], [-1.0, 0.5, 0.5]])
def test_short_and_ruinous_records_have_an_interval_too(returns: list[float]) -> None:
    low, high = bootstrap_interval(np.array(returns))
    assert -1.0 <= low <= high < math.inf


def test_buy_and_hold_is_the_market_over_the_same_bars() -> None:
    made = attribution(3)
    assert put_in_context(made, 10.0, 50.0, 1).buy_and_hold == pytest.approx(np.prod(1 + made.intraday_return) - 1)


@given(seed=st.integers(0, 1000))
def test_the_regimes_of_a_kind_make_up_the_whole(seed: int) -> None:
    made = attribution(seed, 300)
    regimes = put_in_context(made, 10.0, 50.0, 1).regimes
    for kind in (regimes[:3], regimes[3:]):
        assert sum(regime.share for regime in kind) == pytest.approx(1.0)
        assert math.prod(1 + regime.total_return for regime in kind) == pytest.approx(np.prod(1 + made.returns))
        assert math.prod(1 + regime.market_return for regime in kind) == pytest.approx(np.prod(1 + made.market))


def test_regimes_are_told_apart_by_what_was_known_before() -> None:
    rng, none = np.random.default_rng(4), np.zeros(600)
    move = np.concatenate([rng.normal(0.001, 0.001, 300), rng.normal(-0.004, 0.01, 300)])
    held = np.where(np.arange(600) < 300, 0.1, 0.0)  # earns in the calm, rising half only
    made = BarAttribution(held * move, none, held, none, move, none, none)
    found = {regime.name: regime for regime in put_in_context(made, 25.0, 50.0, 1).regimes}
    assert [found[name].share for name in ("calm", "usual", "wild")] == pytest.approx([1 / 3] * 3, abs=0.01)
    assert found["calm"].total_return > 0.005
    assert found["wild"].total_return == 0.0
    assert found["rising"].total_return > 0.02
    assert abs(found["falling"].total_return) < 0.005


def regimes_of(market: Floats) -> dict[str, float]:
    """Share of the bars by regime."""
    none = np.zeros(len(market))
    made = BarAttribution(none, none, none, none, market, none, none)
    return {regime.name: regime.share for regime in put_in_context(made, 25.0, 50.0, 1).regimes}


def test_a_market_that_compounds_to_a_loss_falls_though_its_returns_add_up_to_a_gain() -> None:
    assert regimes_of(np.tile([0.11, -0.1], 600))["falling"] > 0.9


def test_a_trend_lasts_for_120_bars() -> None:
    market = np.zeros(600)
    market[100] = 0.5
    assert regimes_of(market)["rising"] == pytest.approx(120 / 600)


@pytest.mark.parametrize(("bar", "wild"), [(60, False), (61, True), (84, True), (85, False)])
def test_a_jump_is_wild_for_a_day_of_bars(bar: int, *, wild: bool) -> None:
    market, returns, none = np.zeros(144), np.zeros(144), np.zeros(144)
    market[60], returns[bar] = 0.5, 0.01
    made = BarAttribution(returns, none, none, none, market, none, none)
    found = {regime.name: regime.total_return for regime in put_in_context(made, 25.0, 50.0, 1).regimes}
    assert (found["wild"] > 0.0) == wild


def test_a_market_that_has_not_moved_does_not_rise() -> None:
    assert regimes_of(np.zeros(200))["rising"] == 0.0


def test_a_crash_belongs_to_the_market_before_it() -> None:
    none = np.zeros(600)
    move = 0.001 + np.random.default_rng(4).normal(0.0, np.where(np.arange(600) <= 300, 0.0002, 0.0005))
    move[300] = -0.5  # wild and falling from the next bar on
    found = put_in_context(BarAttribution(none, none, none, none, move, none, none), 25.0, 50.0, 1).regimes
    returns = {regime.name: regime.market_return for regime in found}
    assert min(returns["wild"], returns["falling"]) > 0.0
    assert returns["rising"] < -0.1
    assert min(returns["calm"], returns["usual"]) < -0.2


def test_days_needed_are_those_until_the_sharpe_ratio_is_proven() -> None:
    made = attribution(5, 500, edge=0.001)
    shape = sharpe_shape(made.returns)
    assert 0.5 < probabilistic_sharpe(shape) < 0.95
    days = put_in_context(made, 50.0, 50.0, 1).days_needed
    assert days > 0.0
    bars = 500 + days * 10
    assert probabilistic_sharpe(type(shape)(shape.sharpe, shape.error, round(bars))) == pytest.approx(0.95, abs=1e-3)


def test_a_proven_a_hopeless_and_a_missing_sharpe_ratio_need_no_days_all_days_and_none() -> None:
    proven, hopeless, none = attribution(6, edge=0.05), attribution(6, edge=-0.05), np.zeros(50)
    idle = BarAttribution(none, none, none, none, attribution(6, 50).intraday_return, none, none)
    needed = [put_in_context(made, 50.0, 50.0, 1).days_needed for made in (proven, hopeless, idle)]
    assert needed[:2] == [0.0, math.inf]
    assert math.isnan(needed[2])
