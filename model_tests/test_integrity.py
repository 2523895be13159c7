"""Does the gate run the very function that was trained?"""

import pytest

from pytest_modelgate.core.evidence import CheckpointEvidence

pytestmark = pytest.mark.integrity


def test_parity(checkpoint: CheckpointEvidence) -> None:
    """The trainer's own outputs are reproduced; without a parity probe nothing is proven, which is tolerated."""
    if checkpoint.parity != "proven":
        pytest.xfail(f"unproven: {checkpoint.parity_detail}")
