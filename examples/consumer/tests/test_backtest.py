"""What this project demands of models beyond the gate: runs with an archive, once per fold of each model."""

from pytest_modelgate import WindowEvidence


def test_no_fold_loses_half(fold_result: WindowEvidence) -> None:
    """A failure blocks the run; no test can make the verdict kinder."""
    assert fold_result.metrics.max_drawdown < 0.5
