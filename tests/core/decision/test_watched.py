"""What an account's record may add to a decision, and what it may not."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.record_factory import case_of, unwatched, watched
from support.report_factory import evidence_of, plan_of

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.decision import Decision, decide
from pytest_modelgate.core.decision.judgement import Judgement, judge
from pytest_modelgate.core.decision.model_case import ModelCase
from pytest_modelgate.core.decision.proof import PROOFS, Proof
from pytest_modelgate.core.evidence.records import WindowFailure
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.planning.plan import ModelPlan, OnAccount
from pytest_modelgate.core.training.gating import Classification
from pytest_modelgate.core.watching.evidence import WatchEvidence

USUAL, STRICT = load_profile("2.4.5"), load_profile("strict")
DROP, RETRAIN, PAPER, LIVE = DecisionLevel
LEVELS = st.sampled_from(DecisionLevel)


def _folds(*returns: float) -> list[FoldResult]:
    return [FoldResult(value, 0.1 * value, 800, 8760.0) for value in returns]


def _case(**changes: Any) -> ModelCase:
    flawless: dict[str, Any] = {
        "classification": Classification.APPROVED,
        "sanity": Sanity("pass", ()),
        "folds": _folds(*[0.05] * 5),
        "profile": USUAL,
        "rule": "proven",
        "proofs": [Proof(name, True, 0.01, 0.5, at_most=False, sentence="x.") for name in PROOFS],
        "parity": Parity("proven", "all of it"),
    }
    return ModelCase(**flawless | changes)


def _decide(**changes: Any) -> Decision:
    return decide(_case(**changes))


LUCKY = {"folds": _folds(0.5, 0.01, 0.01, 0.01, -0.1)}
DOUBTED = {"sanity": Sanity("warn", ("one trade",))}
IN_REVIEW = {"classification": Classification.REVIEW}


@pytest.mark.parametrize("held", [IN_REVIEW, DOUBTED, LUCKY], ids=["review", "backtest", "lucky fold"])
def test_a_record_that_is_enough_outweighs_doubts_about_skill(held: dict[str, Any]) -> None:
    before, after = (_decide(**held, watch=case_of(LIVE, lifts=lifts)) for lifts in (False, True))

    assert (before.level, after.level) == (PAPER, LIVE)
    assert after.caps[0].reason.endswith("; its record on an account outweighs that, which allows LIVE.")


@pytest.mark.parametrize(
    "held",
    [
        {"sanity": Sanity("fail", ("it is insane",))},
        {"folds": _folds(*[0.05] * 4)},
        {"checks": [Check("causality", "fail", "It sees the future.")]},
        {"proofs": []},
        {"parity": Parity("unproven", "nothing was compared")},
        {"uncertified": True},
        {"folds": _folds(0.01, 0.01, 0.01, 0.01, -0.5)},
    ],
    ids=["insane backtest", "few folds", "integrity", "proofs", "parity", "uncertified", "no profit"],
)
def test_a_record_outweighs_nothing_else(held: dict[str, Any]) -> None:
    assert _decide(**held, watch=case_of(LIVE, lifts=True)).level is _decide(**held).level < LIVE


def test_a_waived_step_and_a_record_do_not_add_up() -> None:
    """An insane backtest that a waiver lets to PAPER is not let on to LIVE."""
    from datetime import date

    from pytest_modelgate.core.config.waivers import Waiver

    waivers = {"backtest": Waiver("A_1Hour", "backtest", "it is known", "ada", date(2026, 3, 1))}
    insane = {"sanity": Sanity("fail", ("it is insane",)), "waivers": waivers}

    assert _decide(**insane, watch=case_of(LIVE, lifts=True)).level is PAPER


@given(
    limit=LEVELS,
    lifts=st.booleans(),
    classification=st.sampled_from(Classification),
    sanity=st.sampled_from(["pass", "warn", "fail"]),
)
@settings(max_examples=60)
def test_no_decision_is_above_what_the_record_allows(
    limit: DecisionLevel, lifts: bool, classification: Classification, sanity: Any
) -> None:
    doubt = Sanity(sanity, () if sanity == "pass" else ("x",))
    decided = _decide(watch=case_of(limit, lifts=lifts), classification=classification, sanity=doubt)

    assert decided.level <= limit


def test_what_a_record_holds_back_nobody_waives() -> None:
    (cap,) = _decide(watch=case_of(PAPER)).caps

    assert (cap.source.kind, cap.waivable) == (CapKind.PAPER, False)


def test_the_strict_profile_takes_no_model_beyond_paper_without_a_record() -> None:
    assert [_decide(profile=profile).level for profile in (USUAL, STRICT)] == [LIVE, PAPER]


def test_the_strict_profile_is_content_with_a_record() -> None:
    assert _decide(profile=STRICT, watch=case_of(LIVE)).level is LIVE


def _judged(evidence: WatchEvidence | WindowFailure | None, profile: Any = USUAL) -> Judgement:
    plan = replace(plan_of("UNIUSD"), watched=OnAccount("d" * 64, None))
    known = evidence_of(plan, drift=0.0008)
    return judge(plan, profile, "proven", lambda name: evidence if name == "paper" else known.get(name), 1)


def test_a_model_whose_account_is_asked_has_a_record_to_show() -> None:
    plan = plan_of("UNIUSD")
    asked: ModelPlan = replace(plan, watched=OnAccount("d" * 64, None))

    assert [work.name for work in asked.work] == [*(work.name for work in plan.work), "paper"]


def test_without_its_record_such_a_model_is_incomplete() -> None:
    assert _judged(None).incomplete == "paper was not evaluated in this run"


def test_a_record_that_cannot_be_read_costs_the_decision_and_is_no_fault_of_the_model() -> None:
    failure = WindowFailure("UNIUSD_1Hour", "paper", "cassettes/paper", "was altered", "Restore it")

    judgement = _judged(failure)

    assert (judgement.label, judgement.of_model) == ("INCOMPLETE", False)


def test_a_model_that_no_account_trades_gets_no_further_than_paper() -> None:
    judgement = _judged(unwatched())

    assert judgement.decision
    (cap,) = (cap for cap in judgement.decision.caps if cap.source.kind is CapKind.PAPER)
    told = "No account trades it, which allows PAPER at most: no model of its name is in force there."
    assert (cap.level, cap.reason) == (PAPER, told)


def test_a_stale_record_gets_no_further_than_paper() -> None:
    judgement = _judged(watched(silent_days=4.0))

    assert judgement.decision
    told = (
        "allows PAPER at most: LIVE needs a complete record: The last complete recording ended 4.0 days before the run"
    )
    assert any(told in reason for reason in judgement.reasons)


@pytest.mark.parametrize(
    ("decision", "earned", "lifts"), [("PAPER", False, True), ("LIVE", True, True), ("LIVE", False, False)]
)
def test_a_model_at_live_outweighs_doubts_only_where_a_record_brought_it_there(
    decision: str, earned: bool, lifts: bool
) -> None:
    evidence = watched(edge=0.01, decision=decision, earned=earned)
    matched = tuple(replace(order, outcome="match", actual=order.expected) for order in evidence.orders)

    judgement = _judged(replace(evidence, orders=matched, unexplained_notional=0.0))

    assert judgement.watch
    assert (judgement.watch.limit, judgement.watch.lifts) == (LIVE, lifts), judgement.watch.findings


def test_costs_are_held_against_no_more_than_the_proof_of_money_has_shown() -> None:
    proofs = replace(USUAL.proofs, cost_multiple=1.5)

    judgement = _judged(watched(), replace(USUAL, proofs=proofs))

    assert judgement.watch
    assert "52.5 bp are borne" in judgement.watch.of("costs").sentence


def test_a_judgement_without_bars_has_them_again_where_they_are_still_the_same() -> None:
    evidence = watched()
    judgement = _judged(evidence)
    known = evidence_of(judgement.plan, drift=0.0008)

    again = judgement.without_bars().with_bars(lambda name: evidence if name == "paper" else known.get(name))

    assert judgement.without_bars().watch != judgement.watch
    assert again.watch == judgement.watch
