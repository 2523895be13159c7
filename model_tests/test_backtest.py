"""Does the model behave sanely over the last days? A sanity check, never proof of skill."""

import pytest

from pytest_modelgate import Sanity, Waiver, WindowEvidence

pytestmark = pytest.mark.backtest


def test_sanity(gate_backtest: WindowEvidence, gate_sanity: Sanity, gate_waivers: dict[str, Waiver]) -> None:
    """A sane backtest passes, a doubtful or waived one is tolerated and caps the decision, an insane one blocks."""
    finding = f"return {gate_backtest.metrics.total_return:+.2%}; {'; '.join(gate_sanity.findings)}"
    if gate_sanity.status != "pass" and "backtest" in gate_waivers:
        pytest.xfail(f"{finding}; {gate_waivers['backtest']}")
    if gate_sanity.status == "warn":
        pytest.xfail(finding)
    if gate_sanity.status != "pass":
        pytest.fail(finding, pytrace=False)
