"""Is it as good as the model now deployed? Collected only with --gate-champion."""

import pytest

from pytest_modelgate import Comparison

pytestmark = pytest.mark.walk_forward


def test_champion(gate_champion: Comparison) -> None:
    """On the same bars; a worse one is tolerated here, the decision counts it."""
    if gate_champion.outcome == "worse":
        pytest.xfail(gate_champion.sentence)
