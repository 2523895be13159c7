"""Are the training metrics good enough to look any further?"""

import pytest

from pytest_modelgate import Classification, Gating, Waiver

pytestmark = pytest.mark.gating


def test_threshold(gate_gating: Gating, gate_metric: str) -> None:
    """The last validation value of one metric: APPROVED passes, REVIEW is tolerated, DROP blocks."""
    band, figure = gate_gating.bands[gate_metric], gate_gating.metrics[gate_metric]
    if band is Classification.REVIEW:
        pytest.xfail(f"REVIEW: {gate_metric} is {figure:g}")
    if band is not Classification.APPROVED:
        pytest.fail(f"{band}: {gate_metric} is {figure:g}", pytrace=False)


def test_classification(gate_gating: Gating, gate_waivers: dict[str, Waiver]) -> None:
    """The worst metric decides the class of the model."""
    reasons = "; ".join([*gate_gating.findings, *gate_gating.flags])
    if gate_gating.classification is Classification.REVIEW:
        pytest.xfail(f"REVIEW: {reasons}" + (f"; {gate_waivers['gating']}" if "gating" in gate_waivers else ""))
    if gate_gating.classification is not Classification.APPROVED:
        pytest.fail(f"{gate_gating.classification}: {reasons}", pytrace=False)
