"""Does the model earn in one period after the other?"""

import pytest

from pytest_modelgate import Judgement, WindowEvidence

pytestmark = pytest.mark.walk_forward


def test_fold(fold_result: WindowEvidence) -> None:
    """A fold that makes money passes; a losing one is tolerated here, the decision counts it."""
    metrics = fold_result.metrics
    if not metrics.total_return > 0:
        pytest.xfail(f"return {metrics.total_return:+.2%}, {metrics.closed_trades} trades, {fold_result.sample}")


def test_spread(decision: Judgement) -> None:
    """Folds that differ no more than chance explains pass; a wider spread is tolerated, the decision counts it."""
    if not decision.folds or decision.plan.dropped:
        pytest.skip(f"not evaluated, gating dropped the model: {decision.reasons[0]}")
    if decision.decision is None:
        pytest.fail(f"INCOMPLETE: {decision.incomplete}", pytrace=False)
    spread = decision.decision.spread
    assert spread is not None
    if spread.column != "low":
        pytest.xfail(str(spread))
