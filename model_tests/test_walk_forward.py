"""Does the model earn in one period after the other?"""

import pytest

from pytest_modelgate import Judgement, WindowEvidence

pytestmark = pytest.mark.walk_forward


def test_fold(gate_fold_result: WindowEvidence) -> None:
    """A fold that makes money passes; a losing one is tolerated here, the decision counts it."""
    metrics = gate_fold_result.metrics
    if not metrics.total_return > 0:
        pytest.xfail(f"return {metrics.total_return:+.2%}, {metrics.closed_trades} trades, {gate_fold_result.sample}")


def test_spread(gate_decision: Judgement) -> None:
    """Folds that differ no more than chance explains pass; a wider spread is tolerated, the decision counts it."""
    if not gate_decision.folds or gate_decision.plan.dropped:
        gating = gate_decision.plan.gating
        pytest.skip(f"not evaluated, gating dropped the model: {'; '.join(gating.findings) if gating else ''}")
    if gate_decision.decision is None:
        pytest.fail(f"INCOMPLETE: {gate_decision.incomplete}", pytrace=False)
    spread = gate_decision.decision.spread
    assert spread is not None
    if spread.column != "low":
        pytest.xfail(str(spread))
