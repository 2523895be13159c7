"""The project's own tests, in a file that the gate's suite has too, with fixtures and parameters of the same names."""

import pytest

from pytest_modelgate import WindowEvidence


def test_bars_are_positive(bars: list[float]) -> None:
    """The project's own bars."""
    assert min(bars) > 0


def test_the_report_names_its_metric(metric: str) -> None:
    """Once, and not once per training metric of each model."""
    assert metric == "hit rate"


@pytest.mark.parametrize("decision", ["buy", "hold"])
def test_orders(decision: str) -> None:
    """A parameter that is called as a fixture of the gate."""
    assert decision in {"buy", "hold", "sell"}


def test_no_fold_loses_half(fold_result: WindowEvidence) -> None:
    """A check of models that the gate does not make: it runs with an archive, once per fold of each model."""
    assert fold_result.metrics.max_drawdown < 0.5
