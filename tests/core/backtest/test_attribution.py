"""A simulated window, bar by bar: what was earned is what was held times what the market did, less costs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market_factory import hourly_bars, random_walk
from support.policies import SPACES

from pytest_modelgate.core.backtest.attribution import BarAttribution, attribute, concatenate
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import simulate
from pytest_modelgate.core.evidence.records import BarFigures
from pytest_modelgate.core.market.bars import Bars

RULES = TradingRules(0.0025, 0.001, 0.1, 0.05, 0.3, 1.0, can_short=True)
CLOSE_BEFORE = 99.0


def gappy(bars: int, seed: int) -> Bars:
    """A market that opens elsewhere than it closed."""
    frame = random_walk("2024-01-01", bars, seed)
    jump = np.exp(np.random.default_rng(seed).normal(0, 0.01, bars))
    opened = frame["open"] * jump
    return hourly_bars("BTCUSD", frame.assign(open=opened, high=frame["high"] * 1.1, low=frame["low"] * 0.9))


def traded(bars: Bars, seed: int, rules: TradingRules = RULES) -> BarAttribution:
    actions = np.random.default_rng(seed).integers(0, 7, len(bars)).tolist()
    return attribute(simulate(bars, lambda row, _: actions[row], SPACES[7], rules, 1e5), bars, CLOSE_BEFORE, rules)


@given(seed=st.integers(0, 10**6), bars=st.integers(1, 60))
def test_returns_are_what_was_held_times_what_the_market_did_less_costs(seed: int, bars: int) -> None:
    attribution = traded(gappy(bars, seed), seed)
    assert attribution.gross - attribution.fees - attribution.slippage == pytest.approx(attribution.returns, abs=1e-12)


def test_market_returns_run_from_close_to_close() -> None:
    bars = gappy(20, 1)
    closes = np.concatenate([[CLOSE_BEFORE], bars.frame["close"].to_numpy()])
    assert traded(bars, 1).market == pytest.approx(closes[1:] / closes[:-1] - 1)


@pytest.mark.parametrize("multiple", [0.0, 2.0, 3.0])
def test_other_costs_give_what_a_simulation_anew_gives(multiple: float) -> None:
    bars = gappy(400, 2)
    base = traded(bars, 2)
    changed = traded(bars, 2, replace(RULES, fee=multiple * RULES.fee, slippage=multiple * RULES.slippage))
    effect = changed.total_return() - base.total_return()
    assert base.total_return(multiple, multiple) - base.total_return() == pytest.approx(effect, rel=0.02)
    assert abs(effect) > 0.04


def test_fees_and_slippage_are_told_apart() -> None:
    attribution = traded(gappy(400, 2), 2)
    assert attribution.slippage.sum() == pytest.approx(attribution.fees.sum() * RULES.slippage / RULES.fee, rel=0.01)
    assert attribution.total_return(1.0, 5.0) > attribution.total_return(5.0, 1.0)


def test_a_ruined_account_counts_as_lost_and_leaves_finite_figures() -> None:
    frame = random_walk("2024-01-01", 6)
    frame.loc[frame.index[3:], ["open", "high", "low", "close"]] *= 30.0
    rules = replace(RULES, position_size=5.0, max_position=9.0)
    bars = hourly_bars("BTCUSD", frame)
    attribution = attribute(simulate(bars, lambda *_: 2, SPACES[3], rules, 1e5), bars, CLOSE_BEFORE, rules)
    assert attribution.total_return() == -1.0
    assert all(np.isfinite(values).all() for values in vars(attribution).values())


def test_pooling_keeps_every_bar_in_order() -> None:
    first, second = traded(gappy(5, 1), 1), traded(gappy(7, 2), 2)
    assert concatenate([first, second]).returns.tolist() == [*first.returns, *second.returns]
    assert concatenate([first, second]).total_return() == pytest.approx(
        (1 + first.total_return()) * (1 + second.total_return()) - 1
    )


def test_a_track_survives_as_evidence_to_the_last_bit() -> None:
    attribution = traded(gappy(30, 3), 3)
    kept = BarFigures.of(attribution).attribution()
    assert all(getattr(kept, name).tolist() == values.tolist() for name, values in vars(attribution).items())


def test_a_bar_is_found_by_its_time() -> None:
    bars = gappy(3, 1)
    attribution = attribute(
        simulate(bars, lambda row, _: (1, 0)[row], SPACES[3], RULES, 1e5), bars, CLOSE_BEFORE, RULES
    )
    assert [bool(value) for value in attribution.fees] == [False, True, True]
    assert bars.index[1] == pd.Timestamp("2024-01-01T01:00Z")
    assert math.isclose(attribution.fees[1], 0.0025 * attribution.intraday_weight[1] * 1.001, rel_tol=1e-12)
