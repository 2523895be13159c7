"""Are the training metrics good enough to look any further?"""

import pytest

from pytest_modelgate import Classification, Gating, Waiver

pytestmark = pytest.mark.gating


def test_threshold(gating: Gating, metric: str) -> None:
    """The last validation value of one metric: APPROVED passes, REVIEW is tolerated, DROP blocks."""
    band, figure = gating.bands[metric], gating.metrics[metric]
    if band is Classification.REVIEW:
        pytest.xfail(f"REVIEW: {metric} is {figure:g}")
    if band is not Classification.APPROVED:
        pytest.fail(f"{band}: {metric} is {figure:g}", pytrace=False)


def test_classification(gating: Gating, waivers: dict[str, Waiver]) -> None:
    """The worst metric decides the class of the model."""
    reasons = "; ".join([*gating.findings, *gating.flags])
    if gating.classification is Classification.REVIEW:
        pytest.xfail(f"REVIEW: {reasons}" + (f"; {waivers['gating']}" if "gating" in waivers else ""))
    if gating.classification is not Classification.APPROVED:
        pytest.fail(f"{gating.classification}: {reasons}", pytrace=False)
