"""Every row of the table from PAPER to LIVE and back, each from a record that meets all the rest."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.watch_factory import evidence_of_days

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.watching.evidence import FeeFigures, WatchedOrder, WatchEvidence
from pytest_modelgate.core.watching.findings import odds_text
from pytest_modelgate.core.watching.judging import Forward, WatchCase, judge_days, judge_watch
from pytest_modelgate.core.watching.skill import Claim

LIMITS = WatchLimits()
DAILY = np.random.default_rng(1).normal(0.001, 0.004, 180)
FORWARD = Forward(Claim(3.0, 0.004), DAILY, 36)
SKILLED, BLIND = 0.0024, -0.0012
PAPER, LIVE, RETRAIN, DROP = DecisionLevel.PAPER, DecisionLevel.LIVE, DecisionLevel.RETRAIN, DecisionLevel.DROP
MISSING = WatchedOrder(0, 0.1, 0.0, "missing")
OTHER_SIDE = WatchedOrder(0, 0.1, -0.1, "other_side")
EXPLAINED = WatchedOrder(0, 0.1, 0.1, "explained", "a holiday", 0.001)
SENT = WatchedOrder(0, 0.1, 0.1, "match", slippage=0.001)


def made(timing: float = SKILLED, days: int = 60, **changes: Any) -> WatchEvidence:
    return replace(evidence_of_days(np.random.default_rng(2).normal(timing, 0.004, days)), **changes)


def judged(evidence: WatchEvidence, limits: WatchLimits = LIMITS) -> WatchCase:
    return judge_days(evidence, FORWARD, limits)


def statuses(case: WatchCase) -> dict[str, str]:
    return {finding.name: finding.status for finding in case.findings}


def others_met(case: WatchCase, *but: str) -> bool:
    return all(status == "met" for name, status in statuses(case).items() if name not in {*but, "promotion"})


def test_a_record_with_everything_promotes_and_lifts() -> None:
    case = judged(made())
    assert (case.limit, case.lifts) == (LIVE, True)
    assert set(statuses(case).values()) == {"met"}
    assert [finding.name for finding in case.findings] == [
        "record", "orders", "costs", "tracking", "drift", "promotion"
    ]  # fmt: skip
    assert case.e_for >= 50.0 > case.e_against
    assert all(finding.sentence.endswith(".") for finding in case.findings)


FALL = (1.0, 1.2, 0.96, 1.05)
SLIPPED = tuple(replace(SENT, slippage=0.006 + 0.0001 * (n % 7)) for n in range(60))
SHORT_OF_LIVE: dict[str, tuple[dict[str, Any], str, str]] = {
    "no record": ({"problem": "nothing was recorded", "bars": 0}, "record", "incomplete"),
    "a stale record": ({"silent_days": 3.5}, "record", "incomplete"),
    "a silence nobody can tell": ({"silent_days": math.nan}, "record", "incomplete"),
    "a deposit": ({"closure": 0.002}, "record", "incomplete"),
    "a closure nobody can tell": ({"closure": math.nan}, "record", "incomplete"),
    "one recording": ({"closure": None}, "record", "waiting"),
    "too few orders": ({"orders": (*(SENT,) * 59, *(EXPLAINED,) * 3)}, "orders", "waiting"),
    "one to the other side": ({"orders": (*(SENT,) * 99, OTHER_SIDE)}, "orders", "waiting"),
    "too few as expected": ({"orders": (*(SENT,) * 66, *(MISSING,) * 4)}, "orders", "waiting"),
    "too much notional": ({"unexplained_notional": 0.06}, "orders", "waiting"),
    "orders that go wrong": ({"orders": (*(SENT,) * 60, *(MISSING,) * 8)}, "orders", "alarm"),
    "foreign orders": ({"orders": (*(SENT,) * 60, *(WatchedOrder(0, 0, 0.1, "foreign"),) * 8)}, "orders", "alarm"),
    "explanations": ({"explained": 0.31}, "orders", "alarm"),
    "dear fills": ({"orders": tuple(replace(one, slippage=0.009) for one in SLIPPED)}, "costs", "alarm"),
    "dear fees": ({"fees": FeeFigures(0.01, 0.0)}, "costs", "alarm"),
    "fees nobody can tell": ({"fees": FeeFigures(math.nan, 0.0)}, "costs", "waiting"),
    "uncertain costs": (
        {"orders": tuple(replace(SENT, slippage=0.005 + 0.04 * (-1) ** n) for n in range(60))}, "costs", "waiting"
    ),
    "a drawdown": ({"curve": FALL}, "tracking", "alarm"),
    "no curve": ({"curve": ()}, "tracking", "incomplete"),
    "a curve that is no number": ({"curve": (1.0, math.nan, 1.1)}, "tracking", "incomplete"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORT_OF_LIVE)
def test_one_thing_that_is_not_met_keeps_a_model_at_paper_and_turns_its_own_finding(name: str) -> None:
    changes, finding, status = SHORT_OF_LIVE[name]
    case = judged(made(**changes))
    assert (case.limit, case.lifts) == (PAPER, False)
    assert statuses(case)[finding] == status
    assert others_met(case, finding)
    assert statuses(case)["promotion"] != "met"


def test_thirty_days_are_needed() -> None:
    short, enough = (judged(made(0.006, days)) for days in (29, 30))
    assert min(short.e_for, enough.e_for) >= 50.0
    assert (short.limit, enough.limit) == (PAPER, LIVE)
    assert statuses(short)["record"] == "waiting"


def test_evidence_of_fifty_to_one_is_needed_and_a_gain() -> None:
    weak = judged(made(0.0))
    assert weak.limit is PAPER
    assert weak.e_for < 50.0
    assert others_met(weak)
    lost = judged(made(curve=(1.0, 1.01, 0.999)))
    assert lost.limit is PAPER
    assert "gain" in lost.reason


def test_evidence_against_the_claim_takes_a_model_off_wherever_it_is() -> None:
    for decision in ("PAPER", "LIVE"):
        case = judged(made(BLIND, 200, decision=decision))
        assert case.e_against >= 50.0
        assert (case.limit, case.lifts) == (RETRAIN, False)
        assert statuses(case)["promotion"] == "alarm"


def test_a_lost_account_drops_wherever_it_is() -> None:
    for decision in ("PAPER", "LIVE"):
        assert judged(made(decision=decision, curve=(1.0, 0.5, -0.1, 0.4))).limit is DROP


@pytest.mark.parametrize(("per_year", "days"), [(365.0, 365), (252.0, 252)])
def test_a_year_at_paper_without_live_is_enough(per_year: float, days: int) -> None:
    spent, later = (
        judged(replace(made(0.0009, count), days_per_year=per_year), replace(LIMITS, evidence=1e9))
        for count in (days - 1, days)
    )
    assert (spent.limit, later.limit) == (PAPER, RETRAIN)
    assert judged(made(SKILLED, 400)).limit is LIVE, "nobody gives up what earned LIVE"
    assert judged(replace(made(0.0009, 400), decision="LIVE"), replace(LIMITS, evidence=1e9)).limit is LIVE


LIVE_FALLS = [
    name for name, (_, _, status) in SHORT_OF_LIVE.items() if status in {"alarm", "incomplete"} and name != "no record"
]


@pytest.mark.parametrize("name", LIVE_FALLS)
def test_a_model_at_live_falls_back_to_paper_by_an_alarm_or_without_a_record(name: str) -> None:
    case = judged(made(0.0, decision="LIVE", **SHORT_OF_LIVE[name][0]))
    assert (case.limit, case.lifts) == (PAPER, False)


@pytest.mark.parametrize("name", [name for name in SHORT_OF_LIVE if SHORT_OF_LIVE[name][2] == "waiting"])
def test_a_model_at_live_stays_while_there_is_too_little_to_tell(name: str) -> None:
    case = judged(made(0.0, decision="LIVE", **SHORT_OF_LIVE[name][0]))
    assert (case.limit, case.lifts) == (LIVE, True)


def test_a_model_just_put_live_has_three_days_for_its_first_record() -> None:
    none = made(0.0, 0, decision="LIVE", problem="no bar on record yet", bars=0, curve=(), orders=(), closure=None)
    assert judged(replace(none, silent_days=2.0)).limit is LIVE
    assert judged(replace(none, silent_days=3.5)).limit is PAPER
    assert judged(replace(none, silent_days=2.0, decision="PAPER")).limit is PAPER
    assert judged(replace(none, silent_days=2.0, decision="")).limit is PAPER


@pytest.mark.parametrize("earned", [False, True])
def test_a_profile_that_asks_for_a_record_keeps_at_live_only_what_earned_it(earned: bool) -> None:
    """Else what another profile put there would be LIVE by the strict one, too."""
    asking = replace(LIMITS, required=1)
    few = made(decision="LIVE", earned=earned, orders=(SENT,) * 5)
    assert judged(few).limit is LIVE
    assert judged(few, asking).limit is (LIVE if earned else PAPER)
    assert judged(made(decision="LIVE", earned=earned), asking).limit is LIVE


def test_the_drawdown_allowed_is_the_lesser_of_chance_and_profile() -> None:
    fallen = made(curve=(1.0, 1.1, 1.1 * 0.9, 1.05))
    assert statuses(judged(fallen))["tracking"] == "alarm", "chance makes some 6 % of these days"
    wild = Forward(FORWARD.claim, 10 * DAILY, 36)
    assert statuses(judge_days(fallen, wild, LIMITS))["tracking"] == "met"
    assert statuses(judge_days(fallen, wild, replace(LIMITS, max_drawdown=0.09)))["tracking"] == "alarm"


def test_one_order_that_goes_wrong_is_no_alarm_though_it_be_the_first() -> None:
    assert statuses(judged(made(orders=(MISSING,))))["orders"] == "waiting"
    assert statuses(judged(made(orders=(MISSING,) * 2)))["orders"] == "alarm"


def test_orders_filled_in_part_count_as_sent_and_explained_ones_not_at_all() -> None:
    partial = WatchedOrder(0, 0.1, 0.1, "partial")
    assert statuses(judged(made(orders=(*(SENT,) * 54, *(partial,) * 6))))["orders"] == "met"
    assert statuses(judged(made(orders=(*(SENT,) * 60, *(EXPLAINED,) * 6))))["orders"] == "met"


def test_drift_is_shown_and_blocks_nothing() -> None:
    case = judged(made(drift=3.0))
    assert case.limit is LIVE
    assert "otherwise" in next(finding.sentence for finding in case.findings if finding.name == "drift")


def test_the_walk_forward_gives_claim_deviation_and_drawdowns() -> None:
    rng = np.random.default_rng(1)
    bars = 24 * 60
    held = 0.1 * rng.choice([-1.0, 1.0], bars)
    moves = np.sign(held) * 0.001 + rng.normal(0, 0.002, bars)
    zero = np.zeros(bars)
    fold = BarAttribution(held * moves, zero, held, zero, moves, zero, zero)
    case = judge_watch(made(), [fold, fold, fold], 8760.0, LIMITS)
    assert case.claim == pytest.approx(0.5 * math.sqrt(8760), rel=0.3)
    unknown = judge_watch(made(), [], 8760.0, LIMITS)
    assert (unknown.e_for, unknown.e_against, unknown.limit) == (1.0, 1.0, PAPER)


@pytest.mark.parametrize(
    ("value", "text"), [(0.012, "0.012 : 1"), (1.25, "1.2 : 1"), (49.97, "49 : 1"), (math.inf, "over 1,000,000 : 1")]
)
def test_odds_are_told_as_no_more_than_they_are(value: float, text: str) -> None:
    assert odds_text(value) == text
