from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import Metrics
from pytest_modelgate.core.decision.backtest_sanity import Sanity, judge_backtest, one_sided

PROFILE = load_profile("2.4.5")
PROXY = 0.20
SANE = Metrics(
    total_return=0.05,
    max_drawdown=0.02,
    sharpe=0.03,
    sharpe_annualised=2.8,
    profit_factor=1.5,
    win_rate=0.55,
    closed_trades=20,
    exposure=0.10,
    time_in_market=0.40,
    turnover=30.0,
    min_equity=99_000.0,
    bars=720,
    bars_per_year=8760.0,
)


def judge(changed: Mapping[str, Any]) -> Sanity:
    measured = {name: value for name, value in changed.items() if name != "proxy"}
    metrics = replace(SANE, **measured)
    proxy = changed.get("proxy", PROXY)
    return judge_backtest(metrics, proxy, PROFILE, one_side=metrics.time_in_market, in_folds=False)


def test_a_sane_backtest_passes_without_findings() -> None:
    assert judge({}) == Sanity("pass", ())


@pytest.mark.parametrize(
    "at_the_limit",
    [
        {"max_drawdown": 0.15, "proxy": 0.30},
        {"max_drawdown": 0.10},  # half the proxy
        {"max_drawdown": 0.0, "proxy": 0.0},
        {"closed_trades": 5},
        {"profit_factor": 1.0},
        {"profit_factor": math.inf},
        {"time_in_market": 0.95},
        {"total_return": math.nextafter(0.0, 1.0)},
        {"min_equity": math.nextafter(0.0, 1.0)},
    ],
    ids=str,
)
def test_a_value_at_its_limit_passes(at_the_limit: dict[str, float]) -> None:
    assert judge(at_the_limit) == Sanity("pass", ())


@pytest.mark.parametrize(
    ("beyond", "finding"),
    [
        ({"total_return": 0.0}, "it made no money: total return 0.00%"),
        ({"profit_factor": math.nextafter(1.0, 0.0)}, "profit factor 1.00, expected at least 1"),
        ({"closed_trades": 4}, "4 closed trades are fewer than 5"),
        ({"closed_trades": 1}, "1 closed trades are fewer than 5"),
        (
            {"max_drawdown": math.nextafter(0.10, 1.0)},
            "max drawdown 10.00% is above 50% of the 20.00% seen in training",
        ),
        ({"time_in_market": 0.96}, "it held a position on one side in 96.0% of the bars: an index fund, not a model"),
    ],
)
def test_a_doubtful_backtest_warns(beyond: dict[str, float], finding: str) -> None:
    assert judge(beyond) == Sanity("warn", (finding,))


@pytest.mark.parametrize(
    ("beyond", "finding"),
    [
        ({"min_equity": 0.0}, "the account was wiped out: equity fell to 0.00 USD"),
        (
            {"max_drawdown": math.nextafter(0.15, 1.0), "proxy": 0.4},
            "max drawdown 15.00% is above the limit of 15.00%",
        ),
        ({"max_drawdown": 0.05, "proxy": 0.04}, "max drawdown 5.00% is above the 4.00% seen in training"),
    ],
)
def test_an_insane_backtest_fails(beyond: dict[str, float], finding: str) -> None:
    assert judge(beyond) == Sanity("fail", (finding,))


def test_a_model_that_never_trades_fails_for_that_reason_alone() -> None:
    idle = {"total_return": 0.0, "profit_factor": math.nan, "win_rate": math.nan, "closed_trades": 0}
    assert judge(idle) == Sanity("fail", ("it did not close a single trade",))


def test_what_fails_is_told_before_what_warns() -> None:
    sanity = judge({"total_return": -0.2, "max_drawdown": 0.3, "proxy": 0.5})
    assert sanity.status == "fail"
    assert [text.split(":")[0] for text in sanity.findings] == [
        "max drawdown 30.00% is above the limit of 15.00%",
        "it made no money",
        "max drawdown 30.00% is above 50% of the 50.00% seen in training",
    ]


@pytest.mark.parametrize("field", ["max_drawdown", "min_equity", "proxy"])
def test_an_undefined_measure_that_could_fail_fails(field: str) -> None:
    assert judge({field: math.nan}).status == "fail"


@pytest.mark.parametrize("field", ["total_return", "profit_factor", "time_in_market"])
def test_an_undefined_measure_that_could_warn_warns(field: str) -> None:
    assert judge({field: math.nan}).status == "warn"


def test_what_the_folds_judge_over_the_same_bars_is_shown_and_holds_nothing_back() -> None:
    poor = replace(SANE, total_return=-0.01, profit_factor=0.9, closed_trades=3)
    twice, once = (judge_backtest(poor, PROXY, PROFILE, one_side=0.4, in_folds=seen) for seen in (False, True))
    assert (twice.status, len(twice.findings), twice.shown) == ("warn", 3, ())
    assert (once.status, once.findings, once.shown) == ("pass", (), twice.findings)


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"max_drawdown": 0.3}, "fail"), ({"closed_trades": 0}, "fail"), ({"max_drawdown": 0.12}, "warn")],
    ids=str,
)
def test_what_no_fold_judges_holds_a_model_back_there_too(changed: dict[str, Any], status: str) -> None:
    sanity = judge_backtest(replace(SANE, **changed), PROXY, PROFILE, one_side=0.4, in_folds=True)
    assert sanity.status == status


def test_time_in_market_counts_one_side() -> None:
    """A model that is long or short at any time decides; one that is always long does not."""
    always = replace(SANE, time_in_market=1.0)
    both, long = np.array([0.1, -0.1, 0.1, -0.1]), np.full(4, 0.1)
    assert [one_sided(always, both), one_sided(always, long), one_sided(always, -long)] == [0.5, 1.0, 1.0]
    assert one_sided(replace(SANE, time_in_market=0.0), np.zeros(4)) == 0.0
