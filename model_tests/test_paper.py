"""What did an account do with it, and what is that worth? Collected only with --gate-paper."""

import pytest

from pytest_modelgate import Finding, WatchCase

pytestmark = pytest.mark.watch


def test_record(gate_paper_record: Finding) -> None:
    """What the account did since these bytes were put in force is on record, whole and without contradiction."""
    _judge(gate_paper_record)


def test_orders_match(gate_paper: WatchCase) -> None:
    """The account was sent the orders that the model asked for."""
    _judge(gate_paper.of("orders"))


def test_costs(gate_paper: WatchCase) -> None:
    """Fees and slippage are no more than the model has been shown to bear."""
    _judge(gate_paper.of("costs"))


def test_tracking(gate_paper: WatchCase) -> None:
    """The account has not lost more than the walk-forward makes likely."""
    _judge(gate_paper.of("tracking"))


def test_drift(gate_paper: WatchCase) -> None:
    """It acts as it did in the walk-forward; where it does not, that is only shown."""
    _judge(gate_paper.of("drift"))


def test_promotion(gate_paper: WatchCase) -> None:
    """The record allows LIVE, or not yet; where it speaks against the model it blocks it."""
    _judge(gate_paper.of("promotion"))


def _judge(finding: Finding) -> None:
    """What is not enough yet, or explained, is tolerated; an alarm blocks the model."""
    if finding.status == "waiting":
        pytest.xfail(finding.sentence)
    if finding.status == "incomplete":
        pytest.fail(f"INCOMPLETE: {finding.sentence}", pytrace=False)
    if finding.status != "met":
        pytest.fail(finding.sentence, pytrace=False)
