"""LIVE, PAPER, RETRAIN or DROP."""

import pytest

from pytest_modelgate import Judgement, Settings

pytestmark = pytest.mark.decision


def test_decision(gate_decision: Judgement, gate_settings: Settings, request: pytest.FixtureRequest) -> None:
    """The decision reaches what was asked for with --gate-require."""
    request.node.user_properties.append(("decision", gate_decision.label))
    if not gate_decision.reaches(gate_settings.require):
        reasons = "\n".join(f"- {reason}" for reason in gate_decision.reasons)
        pytest.fail(f"{gate_decision.label}, {gate_settings.require.name} is required:\n{reasons}", pytrace=False)
