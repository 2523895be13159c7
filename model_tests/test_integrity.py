"""Does the gate run the very function that was trained?"""

import pytest

from pytest_modelgate.core.evidence import WindowEvidence

pytestmark = pytest.mark.integrity


def test_parity(backtest: WindowEvidence) -> None:
    """The trainer's own outputs are reproduced; without a parity probe nothing is proven, which is tolerated."""
    if backtest.checkpoint.parity != "proven":
        pytest.xfail(f"unproven: {backtest.checkpoint.parity_detail}")
