"""LIVE, PAPER, RETRAIN or DROP."""

import pytest

from pytest_modelgate import Judgement, Settings

pytestmark = pytest.mark.decision


def test_decision(gate_decision: Judgement, gate_settings: Settings, request: pytest.FixtureRequest) -> None:
    """The decision reaches what was asked for with --gate-require."""
    request.node.user_properties.append(("decision", gate_decision.label))
    if not gate_decision.reaches(gate_settings.require):
        gating, first = gate_decision.plan.gating, gate_decision.reasons[0]
        headline = gating.findings[0] if gating and gate_decision.plan.dropped else first.removeprefix("INCOMPLETE: ")
        reasons = "\n".join(f"- {reason}" for reason in gate_decision.reasons if headline not in reason)
        text = f"{gate_decision.label} ({gate_settings.require.name} required): {headline}\n{reasons}"
        pytest.fail(text.rstrip(), pytrace=False)
