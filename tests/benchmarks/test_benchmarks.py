"""The calibration simulates what it says, and its rows are what it promises. How often models pass is not tested."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import calibration
import engine
import numpy as np
import pytest
from calibration import SCENARIOS, SIZE, VOLATILITY, Paths, Scenario, show, simulate, wilson
from scipy.stats import binomtest

from pytest_modelgate.adapters.config_files.profiles import load_profile

MISSION = load_profile("2.4.5")
COST = 0.0035
YEAR = (365, 10)


def drawn(scenario: Scenario, paths: int = 60) -> Paths:
    return simulate(scenario, np.random.default_rng(1), paths, YEAR, COST)


@pytest.mark.parametrize("skill", [0.0, 1.0, 3.0])
def test_the_true_sharpe_ratio_is_the_one_named(skill: float) -> None:
    returns = drawn(Scenario("flat", "x", sharpe=skill)).returns
    sharpes = returns.mean(axis=1) / returns.std(axis=1) * math.sqrt(8760)
    assert sharpes.mean() == pytest.approx(skill, abs=3.5 / math.sqrt(60))


def test_the_bull_market_rises_and_its_model_is_long_nine_tenths_of_the_time() -> None:
    bull = next(scenario for scenario in SCENARIOS if scenario.market == "bull")
    made = drawn(bull)
    assert made.market.mean() * 8760 / VOLATILITY == pytest.approx(1.5, abs=0.5)
    assert np.mean(made.held == SIZE) == pytest.approx(0.9, abs=0.02)


def test_the_best_of_twenty_is_better_than_one() -> None:
    one, best = (drawn(Scenario("flat", "x", candidates=count), 20).returns.sum(axis=1).mean() for count in (1, 20))
    assert best > one + 0.05


def test_only_one_fold_of_a_lucky_model_is_lucky() -> None:
    made = drawn(Scenario("flat", "x", lucky=True))
    folds = made.returns.reshape(60, 10, -1).sum(axis=2)
    deviation = SIZE * math.sqrt(0.5 / 10) * VOLATILITY
    best = np.sort(folds, axis=1)
    assert best[:, -1].mean() == pytest.approx(4 * deviation, rel=0.15)
    assert best[:, :-1].mean() == pytest.approx(0.0, abs=0.3 * deviation)


def test_costs_are_paid_for_every_change_of_position() -> None:
    made = drawn(SCENARIOS[0], 3)
    attributions = show(made, 0, 10, MISSION).attributions
    trades = sum(fold.closed_trades for fold in attributions)
    assert made.costs[0].sum() == pytest.approx(2 * trades * SIZE * COST)
    assert sum(np.sum(fold.attribution.fees + fold.attribution.slippage) for fold in attributions) == pytest.approx(
        made.costs[0].sum()
    )


@pytest.mark.parametrize(("successes", "paths"), [(0, 50), (3, 120), (50, 50)])
def test_the_interval_is_that_of_scipy(successes: int, paths: int) -> None:
    expected = binomtest(successes, paths).proportion_ci(0.95, "wilson")
    assert wilson(successes, paths) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_rows_are_those_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["calibration.py", "--paths", "2", "--shape", "180/5", "--json", str(target)])
    calibration.main()
    rows = json.loads(target.read_text())
    assert list(rows[0]) == ["market", "skill", "rule", "days", "folds", "trials", "live_rate", "low", "high", "paths"]
    assert {row["rule"] for row in rows} == {"table", "proven"}
    assert {row["skill"] for row in rows} == {"none", "long-biased", "lucky fold", "best of 20", "1", "2", "3"}
    for table, proven in zip(rows[::2], rows[1::2], strict=True):
        assert proven["live_rate"] <= table["live_rate"]


def test_rows_of_the_engine_say_how_far_they_are_from_opponent_and_bound() -> None:
    row = engine.row("work", "s", 2.0, "a note", opponent=6.0, bound=1.6)
    assert (row["ratio"], row["distance"]) == (3.0, 1.25)
    alone = engine.accounting()
    assert (alone["unit"], alone["opponent"], alone["ratio"], alone["bound"], alone["distance"]) == ("ms", *[None] * 4)
    assert 0.0 < alone["ours"] < 1000.0
