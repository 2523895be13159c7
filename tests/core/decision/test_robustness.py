"""How disturbances are measured, and what decision each leads to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.metrics import FoldResult, sharpe_ratio
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.proof import FoldAttribution
from pytest_modelgate.core.decision.robustness import MULTIPLES, Robustness, disturb
from pytest_modelgate.core.integrity.check import NoiseDraw
from pytest_modelgate.core.market.sessions import DayPlaces

LIVE, DROP = DecisionLevel.LIVE, DecisionLevel.DROP
NOWHERE = DayPlaces(np.arange(200), np.zeros(200, dtype=np.int64))


def fold(number: int, cost: float = 0.00009) -> FoldAttribution:
    rng, none = np.random.default_rng(number), np.zeros(200)
    held = rng.choice([0.0, 0.1], 200)
    move = rng.normal(0.003, 0.01, 200)
    fees, slippage = np.full(200, 0.75 * cost / 2), np.full(200, 0.25 * cost / 2)
    attribution = BarAttribution(held * move - fees - slippage, none, held, none, move, fees, slippage)
    return FoldAttribution(f"{number}", "out-of-sample", 9, 0.0, attribution, NOWHERE)


FOLDS = [fold(1), fold(2)]
RESULTS = [
    FoldResult(item.attribution.total_return(), sharpe_ratio(item.attribution.returns), 200, 8760.0) for item in FOLDS
]
DELAYED = [FoldResult(-0.01, 0.0, 200, 8760.0), FoldResult(0.005, 0.0, 200, 8760.0)]
NOISE = (
    NoiseDraw("prices", 0.1, tuple(RESULTS)),
    NoiseDraw("weights", 0.2, tuple(DELAYED)),
    NoiseDraw("weights", 0.3, tuple(RESULTS)),
)


def by_return(results: Sequence[FoldResult]) -> DecisionLevel:
    return LIVE if math.prod(1 + result.total_return for result in results) > 1 else DROP


def measured(folds: Sequence[FoldAttribution] = FOLDS) -> Robustness:
    return disturb(folds, RESULTS, DELAYED, NOISE, by_return)


def test_the_surface_holds_every_pair_of_multiples() -> None:
    surface = measured().surface
    assert [(point.fees, point.slippage) for point in surface] == [(f, s) for f in MULTIPLES for s in MULTIPLES]
    found = {(point.fees, point.slippage): point.total_return for point in surface}
    assert found[1.0, 1.0] == pytest.approx(math.prod(1 + item.total_return for item in RESULTS) - 1)
    assert found[0.0, 0.0] == pytest.approx(np.prod([np.prod(1 + item.attribution.gross) for item in FOLDS]) - 1)
    assert found[5.0, 1.0] < found[1.0, 5.0] < found[1.0, 1.0]  # three quarters of the costs are fees


def test_at_the_break_even_nothing_is_left() -> None:
    multiple = measured().break_even
    assert 1.0 < multiple < 10.0
    left = math.prod(1 + item.attribution.total_return(multiple, multiple) for item in FOLDS) - 1
    assert left == pytest.approx(0.0, abs=1e-12)


def test_break_evens_out_of_reach() -> None:
    losing = [
        replace(item, attribution=replace(item.attribution, intraday_return=-item.attribution.intraday_return))
        for item in FOLDS
    ]
    lost = [
        replace(item, attribution=replace(item.attribution, returns=item.attribution.gross - 0.00009))
        for item in losing
    ]
    assert measured(lost).break_even == 0.0
    assert measured([fold(1, 1e-7), fold(2, 1e-7)]).break_even == math.inf
    assert math.isnan(measured([fold(1, 0.0), fold(2, 0.0)]).break_even)


def test_every_disturbance_leads_to_a_decision_of_its_own() -> None:
    found = measured()
    assert found.undisturbed is LIVE
    assert [(item.name, item.decision) for item in found.disturbances] == [
        ("costs x2", LIVE),
        ("costs x3", DROP),
        ("one bar later", DROP),
        ("noise on prices 1", LIVE),
        ("noise on weights 1", DROP),
        ("noise on weights 2", LIVE),
    ]
    assert [item.actions_changed for item in found.disturbances[3:]] == [0.1, 0.2, 0.3]


def results_seen() -> list[list[FoldResult]]:
    """Results that are decided on: twice and three times the costs, one bar later, undisturbed."""
    seen: list[list[FoldResult]] = []

    def note(results: Sequence[FoldResult]) -> DecisionLevel:
        seen.append(list(results))
        return LIVE

    disturb(FOLDS, RESULTS, DELAYED, (), note)
    return seen


@pytest.mark.parametrize(("place", "multiple"), [(0, 2.0), (1, 3.0)])
def test_costs_change_the_sharpe_ratio_of_a_fold_too(place: int, multiple: float) -> None:
    attribution = FOLDS[0].attribution
    expected = sharpe_ratio(attribution.gross - multiple * (attribution.fees + attribution.slippage))
    assert results_seen()[place][0].sharpe == pytest.approx(expected)


def test_a_delay_is_decided_on_as_measured() -> None:
    assert results_seen()[2] == DELAYED


def test_the_undisturbed_folds_are_decided_on_as_they_are() -> None:
    assert results_seen()[3] == RESULTS
