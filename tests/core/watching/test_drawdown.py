"""Drawdowns by chance: against loops, and what the bootstrap must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelgate.core.watching.drawdown import drawdown_by_chance, max_drawdowns


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=20))
@settings(max_examples=50)
def test_the_largest_fall_is_found_from_the_start_on(returns: list[float]) -> None:
    equity, worst = [1.0], 0.0
    for one in returns:
        equity.append(equity[-1] * (1.0 + one))
        worst = max(worst, 1.0 - equity[-1] / max(equity))
    assert float(max_drawdowns(np.array(returns))) == pytest.approx(worst, abs=1e-12)


def test_a_quantile_is_that_of_series_drawn_anew() -> None:
    """Days without memory: blocks change nothing, so plain draws give the same quantile."""
    rng = np.random.default_rng(1)
    daily = rng.normal(0.0005, 0.01, 20_000)
    drawn = max_drawdowns(np.random.default_rng(2).choice(daily, (20_000, 60)))
    assert drawdown_by_chance(daily, 60, 0.9) == pytest.approx(float(np.quantile(drawn, 0.9)), rel=0.1)


def test_more_days_fall_further_and_the_same_days_give_the_same_figure() -> None:
    daily = np.random.default_rng(1).normal(0.0, 0.01, 200)
    short, long = (drawdown_by_chance(daily, days, 0.99) for days in (30, 300))
    assert short < long
    assert drawdown_by_chance(daily.copy(), 30, 0.99) == short
