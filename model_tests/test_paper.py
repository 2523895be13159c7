"""What did an account do with it, and what is that worth? Collected only with --gate-paper."""

import pytest

from pytest_modelgate import Finding, WatchCase, WatchEvidence

pytestmark = pytest.mark.watch


def test_record(gate_paper_record: WatchEvidence) -> None:
    """What the account did since these bytes were put in force is on record, whole and without contradiction."""
    if not gate_paper_record.since:
        pytest.skip(gate_paper_record.problem)
    if gate_paper_record.problem:
        pytest.fail(f"INCOMPLETE: {gate_paper_record.problem}. {gate_paper_record.remedy}.", pytrace=False)


def test_orders_match(gate_paper: WatchCase) -> None:
    """The account was sent the orders that the model asked for."""
    _judge(gate_paper, "orders")


def test_costs(gate_paper: WatchCase) -> None:
    """Fees and slippage are no more than the model has been shown to bear."""
    _judge(gate_paper, "costs")


def test_tracking(gate_paper: WatchCase) -> None:
    """The account's equity moves as that of the simulation does."""
    _judge(gate_paper, "tracking")


def test_drift(gate_paper: WatchCase) -> None:
    """It acts as it did in the walk-forward; where it does not, that is tolerated."""
    _judge(gate_paper, "drift")


def test_promotion(gate_paper: WatchCase) -> None:
    """The record speaks for a skill, or not yet; against the one that was claimed it blocks the model."""
    _judge(gate_paper, "promotion")


def _judge(case: WatchCase, name: str) -> None:
    """What is not enough yet, or explained, is tolerated; an alarm blocks the model."""
    finding: Finding = next(finding for finding in case.findings if finding.name == name)
    if finding.status == "waiting":
        pytest.xfail(finding.sentence)
    if finding.status == "incomplete":
        pytest.fail(f"INCOMPLETE: {finding.sentence}", pytrace=False)
    if finding.status != "met":
        pytest.fail(finding.sentence, pytrace=False)
