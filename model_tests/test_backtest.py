"""Does the model behave sanely over the last days? A sanity check, never proof of skill."""

import pytest

from pytest_modelgate import Sanity, Waiver, WindowEvidence

pytestmark = pytest.mark.backtest


def test_sanity(backtest: WindowEvidence, sanity: Sanity, waivers: dict[str, Waiver]) -> None:
    """A sane backtest passes, a doubtful or waived one is tolerated and caps the decision, an insane one blocks."""
    finding = f"return {backtest.metrics.total_return:+.2%}; {'; '.join(sanity.findings)}"
    if sanity.status != "pass" and "backtest" in waivers:
        pytest.xfail(f"{finding}; {waivers['backtest']}")
    if sanity.status == "warn":
        pytest.xfail(finding)
    if sanity.status != "pass":
        pytest.fail(finding, pytrace=False)
