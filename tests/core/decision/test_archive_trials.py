"""The models of an archive, seen together: as many looks as their luck is independent, and never fewer known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from support import report_factory as factory

from pytest_modelgate.core.decision.archive_trials import independent_trials
from pytest_modelgate.core.evidence.records import Evidence, WindowEvidence
from pytest_modelgate.core.planning.looks import TrialCount

PLANS = [factory.plan_of(symbol) for symbol in ("AAAUSD", "BBBUSD", "CCCUSD")]
AAA, BBB, CCC = (factory.evidence_of(plan, drift=0.0008) for plan in PLANS)


def copy_of(found: dict[str, Evidence], sha256: str) -> dict[str, Evidence]:
    """Other bytes that held the same."""
    return {
        name: replace(item, checkpoint=replace(item.checkpoint, sha256=sha256))
        for name, item in found.items()
        if isinstance(item, WindowEvidence)
    }


def trials(*models: dict[str, Evidence], order: Sequence[int] = (0, 1, 2)) -> float:
    known = {plan.model.id: found for plan, found in zip(PLANS, models, strict=False)}
    plans = [PLANS[place] for place in order]
    return independent_trials(TrialCount(3), plans, lambda model, name: known.get(model, {}).get(name))


def test_models_that_hold_the_same_are_one_and_those_nobody_measured_one_each() -> None:
    same, other = copy_of(AAA, "11" * 32), copy_of(BBB, "22" * 32)

    assert trials() == trials(AAA) == 3
    assert trials(AAA, same) == pytest.approx(2.0, abs=0.1)
    assert trials(AAA, same, copy_of(AAA, "33" * 32)) == pytest.approx(1.0, abs=0.1)
    assert trials(AAA, same, other) == pytest.approx(2.0, abs=0.15)


def test_one_policy_on_several_markets_counts_by_its_luck_there_and_not_by_its_bytes() -> None:
    sha256 = "11" * 32

    assert trials(*(copy_of(found, sha256) for found in (AAA, BBB, CCC))) == trials(AAA, BBB, CCC) > 2.5
    assert trials(AAA, AAA, AAA) == pytest.approx(1.0, abs=0.1)


def test_a_model_with_a_fold_missing_counts_as_one() -> None:
    broken = {name: item for name, item in copy_of(AAA, "11" * 32).items() if name != "fold3of5"}

    assert trials(AAA, broken) == 3


def test_the_order_of_models_makes_no_difference() -> None:
    found = AAA, copy_of(BBB, "22" * 32), copy_of(CCC, "33" * 32)

    assert trials(*found) == trials(*found, order=(2, 0, 1))
