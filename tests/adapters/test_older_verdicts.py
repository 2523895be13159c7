"""Verdicts from before a part was added are spelled, and sealed, as they were."""

from typing import Any

import pytest

from pytest_modelgate.adapters.verdict.schema import BacktestPart, ContextPart, ProofPart

WINDOW: dict[str, Any] = dict.fromkeys(
    ("sharpe", "sharpe_per_bar", "max_drawdown", "profit_factor", "win_rate", "exposure", "time_in_market", "turnover"),
    0.5,
)
WINDOW |= {"start": "a", "end": "b", "sample": "gap", "return": 0.1, "min_equity": 9.0, "trades": 1, "bars": 2}
WINDOW |= {"refused_orders": {}, "exits": {}}
COMPARED = dict.fromkeys(("buy_and_hold", "percentile", "low", "high", "days_needed"), 0.5)
BY_COSTS = {
    "name": "costs",
    "shown": True,
    "figure": 0.1,
    "limit": 0.0,
    "at_most": False,
    "sentence": "x.",
    "details": {},
}


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (BacktestPart, {**WINDOW, "status": "pass", "findings": []}),
        (ContextPart, {**COMPARED, "regimes": []}),
        (ProofPart, BY_COSTS),
    ],
)
def test_what_an_older_verdict_lacks_is_not_added(part: Any, written: dict[str, Any]) -> None:
    assert part.model_validate(written).model_dump(mode="json") == written
