"""What a record is worth: each of its findings, and the level it lets a model have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution, concatenate
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.core.watching.findings import (
    Finding,
    FindingName,
    FindingStatus,
    judge_costs,
    judge_drift,
    judge_orders,
    judge_record,
    judge_tracking,
    odds_text,
)
from pytest_modelgate.core.watching.skill import Claim, against_claim, claim_of, for_skill, standardised

__all__ = ["Finding", "FindingName", "FindingStatus", "Forward", "WatchCase", "judge_days", "judge_watch"]

_BLOCKING: tuple[FindingName, ...] = ("orders", "costs", "tracking")
_YEAR = 365.0  # days


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
        brief: what decides, in a few words such as ``2 of 60 orders``.
    """

    evidence: WatchEvidence
    findings: tuple[Finding, ...]
    e_for: float
    e_against: float
    claim: float
    limit: DecisionLevel
    reason: str
    lifts: bool
    brief: str = ""

    def of(self, name: FindingName) -> Finding:
        """One of the findings."""
        return next(finding for finding in self.findings if finding.name == name)


def judge_watch(
    evidence: WatchEvidence, folds: Sequence[BarAttribution], bars_per_year: float, limits: WatchLimits
) -> WatchCase:
    """Judge one record.

    Args:
        folds: of the walk-forward, oldest first, from which the claim and the daily deviation are.
        limits: the profile's ``watch`` section.
    """
    if not folds:
        return judge_days(evidence, Forward(Claim(0.0, 0.0), np.zeros(0), 0), limits)
    whole, a_day = concatenate(folds), bars_per_year / evidence.days_per_year
    claim = claim_of(whole, bars_per_year, evidence.days_per_year)
    fold_days = max(1, round(min(map(len, folds)) / a_day))
    return judge_days(evidence, Forward(claim, _by_day(whole.returns, a_day), fold_days), limits)


@dataclass(frozen=True, eq=False)
class Forward:
    """What a walk-forward says: its claim, the returns of its days (n,), and how many days a fold has."""

    claim: Claim
    daily: Floats
    fold_days: int


def judge_days(evidence: WatchEvidence, forward: Forward, limits: WatchLimits) -> WatchCase:
    """As ``judge_watch``, of a walk-forward by its days."""
    findings = (
        judge_record(evidence, limits),
        judge_orders(evidence, limits),
        judge_costs(evidence, limits),
        judge_tracking(evidence, forward.daily, forward.fold_days, limits),
        judge_drift(evidence),
    )
    e_for, e_against = _skill(evidence, forward.claim)
    status = {finding.name: finding.status for finding in findings}
    row = _limit(evidence, status, e_for, e_against, limits)
    complete = status["record"] == "met"
    if row.limit is DecisionLevel.LIVE:
        promotion: FindingStatus = "met"
    elif row.against:
        promotion = "alarm"
    else:
        promotion = "waiting" if complete or status["record"] == "waiting" else "incomplete"
    last = Finding("promotion", promotion, row.reason)
    lifts = row.limit is DecisionLevel.LIVE
    brief = _brief(evidence, status, row, e_for, limits)
    return WatchCase(
        evidence, (*findings, last), e_for, e_against, forward.claim.sharpe, row.limit, row.reason, lifts, brief
    )


@dataclass(frozen=True)
class _Row:
    """A row of the table: ``against`` where something speaks against the model, and not only too little for it."""

    limit: DecisionLevel
    reason: str
    against: bool = False


def _limit(
    evidence: WatchEvidence,
    status: Mapping[FindingName, FindingStatus],
    e_for: float,
    e_against: float,
    limits: WatchLimits,
) -> _Row:
    """The first row that applies, from the worst on; whatever is not known is a reason for less."""
    live = evidence.decision == "LIVE"
    stays = live and (evidence.earned or not limits.required)  # else it was put there on other terms than these
    short = "" if stays else _short_of_live(evidence, status, e_for, limits)
    row = _against(evidence, e_against, limits, given_up="" if live else short)
    if row is not None:
        return row
    alarms = [name for name in _BLOCKING if status[name] == "alarm"]
    if alarms:
        return _Row(DecisionLevel.PAPER, f"Alarm of {' and '.join(alarms)}: see the findings.", against=True)
    if stays:
        return _live(evidence, status, limits)
    if short:
        return _Row(DecisionLevel.PAPER, f"LIVE needs {short}.")
    days = len(evidence.days)
    reason = f"{odds_text(e_for)} for skill in {days} days, with orders and costs as judged: the record allows LIVE."
    return _Row(DecisionLevel.LIVE, reason)


def _brief(
    evidence: WatchEvidence, status: Mapping[FindingName, FindingStatus], row: _Row, e_for: float, limits: WatchLimits
) -> str:
    """What decides: what is against the model, else the first thing that is not enough yet."""
    alarms = [name for name in _BLOCKING if status[name] == "alarm"]
    judged = sum(order.outcome != "explained" for order in evidence.orders)
    odds = f"E = {odds_text(e_for).removesuffix(' : 1')} of {limits.evidence:g}"
    said = (
        (not evidence.since, "no account trades it"),
        (row.limit < DecisionLevel.PAPER, "evidence against it"),
        (bool(alarms), f"alarm of {' and '.join(alarms)}"),
        (status["record"] == "incomplete", "no complete record"),
        (row.limit is DecisionLevel.LIVE, odds if evidence.decision == "PAPER" else "no alarm"),
        (judged < limits.min_orders, f"{judged} of {limits.min_orders} orders"),
        (len(evidence.days) < limits.min_days, f"{len(evidence.days)} of {limits.min_days} days"),
        (status["orders"] != "met", "orders"),
        (status["costs"] != "met", "costs"),
    )
    return next((text for applies, text in said if applies), odds)


def _short_of_live(
    evidence: WatchEvidence, status: Mapping[FindingName, FindingStatus], e_for: float, limits: WatchLimits
) -> str:
    """What a record at PAPER lacks for LIVE; empty where it has everything."""
    if status["record"] != "met":
        return f"a {'longer' if status['record'] == 'waiting' else 'complete'} record: see the findings"
    if unmet := [name for name in _BLOCKING if status[name] != "met"]:
        return f"more of {' and '.join(unmet)}: see the findings"
    if not e_for >= limits.evidence:
        return f"{limits.evidence:g} : 1 for skill, the record has {odds_text(e_for)} after {len(evidence.days)} days"
    made = evidence.curve[-1] - 1.0
    return "" if made > 0.0 else f"a gain, the account made {made:+.1%}"


def _against(evidence: WatchEvidence, e_against: float, limits: WatchLimits, *, given_up: str) -> _Row | None:
    """What takes a model off the account, whatever else is on record."""
    if evidence.curve and not min(evidence.curve) > 0.0:
        return _Row(DecisionLevel.DROP, "The model lost all of its part of the account.", against=True)
    if not e_against < limits.evidence:
        reason = (
            f"{odds_text(e_against)} against the skill that the walk-forward claims; {limits.evidence:g} : 1 is enough."
        )
        return _Row(DecisionLevel.RETRAIN, reason, against=True)
    if given_up and len(evidence.days) >= limits.give_up_days * evidence.days_per_year / _YEAR:
        reason = f"At PAPER for {len(evidence.days)} days without what LIVE needs: {given_up}."
        return _Row(DecisionLevel.RETRAIN, reason, against=True)
    return None


def _live(evidence: WatchEvidence, status: Mapping[FindingName, FindingStatus], limits: WatchLimits) -> _Row:
    """A model at LIVE without an alarm stays, unless nothing tells how it does."""
    young = bool(evidence.problem) and not evidence.bars and evidence.silent_days <= limits.max_silence_days
    if status["record"] == "incomplete" and not young:
        return _Row(DecisionLevel.PAPER, "A model at LIVE needs a complete record of the last days: see the findings.")
    if status["tracking"] == "incomplete" and not young:
        return _Row(DecisionLevel.PAPER, "Nothing tells what the model's part of the account was worth.")
    return _Row(DecisionLevel.LIVE, "No alarm: the model stays at LIVE.")


def _skill(evidence: WatchEvidence, claim: Claim) -> tuple[float, float]:
    """Evidence for skill and against the claim, as of the last day; 1 where nothing says how a day varies."""
    if not evidence.days or not claim.deviation > 0.0:
        return 1.0, 1.0
    gains = np.array([day.timing for day in evidence.days])
    gained = for_skill(gains, claim.deviation, evidence.days_per_year)
    lost = against_claim(standardised(gains, claim.deviation), claim.sharpe, evidence.days_per_year)
    return float(gained[-1]), float(lost[-1])


def _by_day(returns: Floats, bars_per_day: float) -> Floats:
    """Returns compounded over stretches of a day's length; nothing comes back from a ruin."""
    length = max(1, round(bars_per_day))
    days = len(returns) // length
    daily: Floats = np.prod(np.maximum(0.0, 1.0 + returns[: days * length].reshape(days, length)), axis=1) - 1.0
    return daily
