"""What a record is worth: each of its findings, and the level it lets a model have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.watching.evidence import WatchEvidence

FindingName = Literal["record", "orders", "costs", "tracking", "drift", "promotion"]
FindingStatus = Literal["met", "waiting", "alarm", "incomplete"]


@dataclass(frozen=True)
class Finding:
    """One question about the record: ``waiting`` is not enough yet or explained, ``alarm`` is against the model."""

    name: FindingName
    status: FindingStatus
    sentence: str


@dataclass(frozen=True)
class WatchCase:
    """A judged record.

    Attributes:
        findings: one of every name, in their order.
        e_for, e_against: evidence for skill, and against the claim; 1 without any.
        claim: excess Sharpe ratio a year that the walk-forward claims.
        limit: the most the model may have by its record.
        reason: why, one sentence.
        lifts: whether the record lifts the caps gating (REVIEW), backtest (warn) and lucky fold from PAPER to LIVE.
    """

    evidence: WatchEvidence
    findings: tuple[Finding, ...]
    e_for: float
    e_against: float
    claim: float
    limit: DecisionLevel
    reason: str
    lifts: bool


def judge_watch(
    evidence: WatchEvidence, folds: Sequence[BarAttribution], bars_per_year: float, limits: WatchLimits
) -> WatchCase:
    """Judge one record.

    Args:
        folds: of the walk-forward, oldest first, from which the claim and the daily deviation are.
        limits: the profile's ``watch`` section.
    """
    raise NotImplementedError
