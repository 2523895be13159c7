"""The calibration simulates what it says, and its rows are what it promises. How often models pass is not tested."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import calibration
import numpy as np
import pandas as pd
import pytest
from calibrating.accounts import Accounts
from calibrating.grid import Grid, lay_out
from calibrating.intervals import wilson
from calibrating.judging import judge
from calibrating.market import Market
from calibrating.measuring import CHUNK, pieces, terms_of
from calibrating.paths import Paths, best_of, simulate
from calibrating.policy import SIZE, Coins, Spells
from calibrating.scenario import BLIND, Scenario
from calibrating.scenarios import BULL, FLAT, LONG, SCENARIOS, STOCKS
from calibrating.series import read_series
from scipy.stats import binomtest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import sharpe_ratio
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.backtest_sanity import judge_backtest
from pytest_modelgate.core.decision.decision import decide
from pytest_modelgate.core.decision.model_case import ModelCase
from pytest_modelgate.core.decision.plausibility import TradeCount
from pytest_modelgate.core.decision.proofs import prove
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.training.gating import Classification
from pytest_modelgate.core.typing import Floats

COST = 0.0035
MISSION = load_profile("2.4.5")
YEAR = lay_out("crypto", 365, 10)
HALF = lay_out("crypto", 180, 5)
HALF_STOCKS = lay_out("stocks", 180, 5)


def drawn(scenario: Scenario, paths: int = 60, grid: Grid = YEAR) -> tuple[Paths, float]:
    models, sharpe = simulate(scenario, grid, np.random.default_rng(1), paths, cost=COST)
    return best_of(models), sharpe


def sharpes(made: Paths, grid: Grid) -> Floats:
    returns = made.returns
    return np.asarray(returns.mean(axis=1) / returns.std(axis=1) * math.sqrt(grid.per_year))


@pytest.mark.parametrize("market", [FLAT, BULL, STOCKS])
@pytest.mark.parametrize("skill", [0.0, 3.0])
def test_the_true_sharpe_ratio_is_the_one_named(market: Market, skill: float) -> None:
    grid = lay_out(market.venue, 365, 10)
    made, told = drawn(Scenario("x", market, edge=skill), 60, grid)
    assert sharpes(made, grid).mean() == pytest.approx(skill, abs=3.5 / math.sqrt(60))
    assert told == pytest.approx(skill, abs=1e-9)


@pytest.mark.parametrize(
    "scenario",
    [
        one
        for one in SCENARIOS
        if not (one.market.real or one.luck or one.candidates > 1 or isinstance(one.edge, float))
    ],
    ids=lambda one: f"{one.market.name}: {one.model}",
)
def test_a_model_without_an_edge_earns_what_its_scenario_says_and_sees_nothing_to_come(scenario: Scenario) -> None:
    grid = HALF_STOCKS if scenario.market.venue == "stocks" else HALF
    paths = 80
    made, told = drawn(scenario, paths, grid)
    assert sharpes(made, grid).mean() == pytest.approx(told, abs=3.5 / math.sqrt(paths * 180 / 365))


def test_the_bull_market_rises_and_its_model_is_long_nine_tenths_of_the_time() -> None:
    made, _sharpe = drawn(Scenario("x", BULL, LONG, edge=BLIND))
    assert made.move.mean() * 8760 / 0.8 == pytest.approx(1.5, abs=0.5)
    assert np.mean(made.held == SIZE) == pytest.approx(0.9, abs=0.02)


def test_the_best_of_twenty_is_better_than_one() -> None:
    one, best = (drawn(Scenario("x", FLAT, candidates=count), 20)[0].returns.sum(axis=1).mean() for count in (1, 20))
    assert best > one + 0.05


def test_only_one_fold_of_a_lucky_model_is_lucky() -> None:
    made, _sharpe = drawn(Scenario("x", FLAT, luck=4.0))
    folds = made.returns.reshape(60, 10, -1).sum(axis=2)
    deviation = SIZE * math.sqrt(0.5 / 10) * 0.8
    best = np.sort(folds, axis=1)
    assert best[:, -1].mean() == pytest.approx(4 * deviation, rel=0.15)
    assert best[:, :-1].mean() == pytest.approx(0.0, abs=0.3 * deviation)


def test_who_holds_overnight_earns_the_gap_and_one_bar() -> None:
    made, _sharpe = drawn(Scenario("x", STOCKS, Coins(overnight=True)), 5, HALF_STOCKS)
    assert set(HALF_STOCKS.slot[(made.carried != 0.0).any(axis=0)]) == {0}
    assert (made.gap[:, HALF_STOCKS.slot > 0] == 0.0).all()
    assert HALF_STOCKS.last[(made.held != 0.0).any(axis=0)].all()


def test_stocks_have_the_sessions_of_new_york() -> None:
    year = lay_out("stocks", 365, 5)
    bars = pd.Series(1, year.times.date).groupby(level=0).sum()
    assert (bars[pd.Timestamp("2023-07-03").date()], bars[pd.Timestamp("2023-07-05").date()]) == (4, 7)
    assert pd.Timestamp("2023-07-04").date() not in bars.index


def test_accounts_are_measured_as_the_gate_measures_them() -> None:
    made, _sharpe = drawn(Scenario("x", STOCKS, Spells(14.0, 14.0, both=True)), 3, HALF_STOCKS)
    accounts = Accounts(made, HALF_STOCKS, 0.5)
    for path in range(3):
        for fold, result in zip(accounts.attributions(path), accounts.results(path), strict=True):
            bars = fold.attribution
            assert result.total_return == pytest.approx(bars.total_return())
            assert result.sharpe == pytest.approx(sharpe_ratio(bars.returns))
            np.testing.assert_allclose(bars.returns, bars.gross - bars.fees - bars.slippage, atol=1e-15)
            side = np.sign(bars.intraday_weight)
            assert fold.closed_trades == np.sum((side != 0.0) & (side != np.concatenate([[0.0], side[:-1]])))
            changes = np.abs(np.diff(bars.intraday_weight, prepend=0.0, append=0.0)).sum()
            assert np.sum(bars.fees + bars.slippage) == pytest.approx(COST * changes)


def test_what_is_left_unmeasured_changes_no_decision() -> None:
    made, _sharpe = drawn(Scenario("x", FLAT, edge=3.0), 40, HALF)
    accounts, terms = Accounts(made, HALF, 0.7), terms_of(Scenario("x", FLAT, trials=(1, 8)))
    decided = list(judge(accounts, MISSION, terms, [1.0] * 40))
    assert {level for levels in decided for level in levels.values()} >= {DecisionLevel.PAPER, DecisionLevel.LIVE}
    for path, levels in enumerate(decided):
        sanity = judge_backtest(accounts.backtests[path], 0.08, MISSION, one_side=0.5, in_folds=True)
        trades = TradeCount(int(accounts.trades[path].sum()), int(accounts.won[path]))
        for rule, trials in terms:
            case = ModelCase(
                Classification.APPROVED,
                sanity,
                accounts.results(path),
                MISSION,
                rule,
                proofs=prove(accounts.attributions(path), MISSION, trials),
                parity=Parity("proven", ""),
                trades=trades,
            )
            assert decide(case).level is levels[rule, trials]


def test_a_real_series_keeps_its_days_and_loses_its_drift(tmp_path: Path) -> None:
    index = pd.date_range("2024-01-01", periods=24 * 30, freq="h", tz="UTC", name="timestamp")
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.01, 0.01, len(index))))
    close[24 * 20 :] /= 4.0  # a split that nobody adjusted for
    opened = np.concatenate([[100.0], close[:-1]])
    pd.DataFrame({"open": opened, "close": close}, index).to_csv(tmp_path / "one.csv.gz")
    (series,) = read_series(tmp_path)
    assert (series.venue, series.move.shape) == ("crypto", (29, 24))
    real = Scenario("x", Market("real", real=True), edge=BLIND)
    models, _sharpe = simulate(real, HALF, np.random.default_rng(1), 3, cost=COST, series=[series])
    days = models[0].move.reshape(-1, 24)
    assert all((np.abs(series.move * 0.8 - day).max(axis=1) < 1e-12).any() for day in days)
    assert abs(series.move.mean()) < 1e-12


@pytest.mark.parametrize(("successes", "paths"), [(0, 50), (3, 120), (50, 50)])
def test_the_interval_is_that_of_scipy(successes: int, paths: int) -> None:
    expected = binomtest(successes, paths).proportion_ci(0.95, "wilson")
    assert wilson(successes, paths) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_pieces_make_up_the_paths_and_none_is_drawn_twice() -> None:
    made = pieces(Scenario("x", FLAT), (180, 5), 2 * CHUNK + 7, 1)
    assert [(piece.first, piece.paths) for piece in made] == [(0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, 7)]


def test_the_rows_are_those_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, table = tmp_path / "rows.json", tmp_path / "rows.md"
    asked = ["--paths", "2", "--shape", "180/5", "--rows", "flat: best", "--rows", "flat: Sharpe 3", "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", ["calibration.py", *asked, "--json", str(target), "--markdown", str(table)])
    calibration.main()
    rows = json.loads(target.read_text())
    assert {row["rule"] for row in rows} == {"table", "proven", "pooled"}
    assert {(row["model"], row["trials"]): row["kind"] for row in rows if row["model"] == "best of 20"} == {
        ("best of 20", 1): "concealed",
        ("best of 20", 5): "concealed",
        ("best of 20", 20): "null",
    }
    for row in rows:
        assert list(row["levels"]) == ["DROP", "RETRAIN", "PAPER", "LIVE"]
        assert sum(level["rate"] for level in row["levels"].values()) == pytest.approx(1.0)
    assert "| flat | Sharpe 3 | skill | 3.0 | 20 |" in table.read_text()
