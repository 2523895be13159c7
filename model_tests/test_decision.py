"""LIVE, PAPER, RETRAIN or DROP."""

import pytest

from pytest_modelgate import Judgement, Settings

pytestmark = pytest.mark.decision


def test_decision(decision: Judgement, gate_settings: Settings, request: pytest.FixtureRequest) -> None:
    """The decision reaches what was asked for with --gate-require."""
    request.node.user_properties.append(("decision", decision.label))
    if not decision.reaches(gate_settings.require):
        reasons = "\n".join(f"- {reason}" for reason in decision.reasons)
        pytest.fail(f"{decision.label}, {gate_settings.require.name} is required:\n{reasons}", pytrace=False)
