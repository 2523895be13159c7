from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_modelgate.adapters.config_files.profiles import builtin_profiles, load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.decision import Decision, decide
from pytest_modelgate.core.decision.model_case import ModelCase
from pytest_modelgate.core.decision.plausibility import NO_TRADES, find_implausible
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.training.gating import Classification

MISSION, LITERAL = load_profile("2.4.5"), load_profile("2.4.5-literal")
DROP, RETRAIN, PAPER, LIVE = DecisionLevel
APPROVED = Classification.APPROVED
PROVEN = Parity("proven", "all of it")
PASS, WARN, FAIL = Sanity("pass", ()), Sanity("warn", ("few trades",)), Sanity("fail", ("no trade",))
HOURS, BARS = 8760.0, 864
NOISE = {"low": 1.0, "moderate": 1.6, "high": 3.0, "undefined": math.nan}  # for 5 and for 10 folds alike
Rule = Literal["proven", "pooled", "table"]


def folds_of(returns: Sequence[float], column: str = "low") -> list[FoldResult]:
    """Folds with these returns whose Sharpes lie as far apart as the column says."""
    step = NOISE[column] / math.sqrt(BARS) / (statistics.stdev(range(len(returns))) if len(returns) > 1 else 1.0)
    return [FoldResult(value, 0.05 + rank * step, BARS, HOURS) for rank, value in enumerate(returns)]


def decide_on(
    folds: Sequence[FoldResult],
    classification: Classification = APPROVED,
    sanity: Sanity = PASS,
    profile: Profile = MISSION,
    rule: Rule = "table",
) -> Decision:
    return decide(ModelCase(classification, sanity, folds, profile, rule, parity=PROVEN))


def mixed(positive: int, count: int, loss: float = -0.01) -> list[float]:
    return [0.05] * positive + [loss] * (count - positive)


@pytest.mark.parametrize(
    ("returns", "low", "moderate", "high"),
    [
        (mixed(5, 5), LIVE, PAPER, PAPER),
        (mixed(4, 5), LIVE, PAPER, PAPER),
        (mixed(8, 10), LIVE, PAPER, PAPER),
        (mixed(7, 10), PAPER, PAPER, RETRAIN),
        (mixed(3, 5), PAPER, PAPER, RETRAIN),
        (mixed(6, 10), PAPER, PAPER, RETRAIN),
        (mixed(2, 5), RETRAIN, RETRAIN, RETRAIN),
        (mixed(5, 10), RETRAIN, RETRAIN, RETRAIN),
        (mixed(1, 5), RETRAIN, RETRAIN, RETRAIN),
        (mixed(0, 5, loss=0.0), RETRAIN, RETRAIN, RETRAIN),  # without trades: neither positive nor losing
        (mixed(1, 10, loss=-0.001), RETRAIN, RETRAIN, RETRAIN),  # nine losses, but not of the whole
        (mixed(1, 10), DROP, DROP, DROP),
        (mixed(0, 5), DROP, DROP, DROP),
        ([-0.1] * 4 + [0.0], RETRAIN, RETRAIN, RETRAIN),  # 80 % losing
    ],
    ids=str,
)
def test_the_table(returns: list[float], low: DecisionLevel, moderate: DecisionLevel, high: DecisionLevel) -> None:
    said = {column: decide_on(folds_of(returns, column)).table for column in NOISE}
    assert said == {"low": low, "moderate": moderate, "high": high, "undefined": high}


@pytest.mark.parametrize(
    ("returns", "low", "moderate", "high"),
    [
        (mixed(4, 5), LIVE, PAPER, PAPER),
        (mixed(3, 5), LIVE, PAPER, RETRAIN),
        (mixed(6, 10), LIVE, PAPER, RETRAIN),
        (mixed(5, 10), RETRAIN, RETRAIN, RETRAIN),
        (mixed(0, 5), DROP, DROP, DROP),
    ],
    ids=str,
)
def test_pooled_evidence_asks_for_fewer_good_folds_and_the_same_agreement(
    returns: list[float], low: DecisionLevel, moderate: DecisionLevel, high: DecisionLevel
) -> None:
    decisions = {column: decide_on(folds_of(returns, column), rule="pooled") for column in NOISE}
    said = {column: decision.table for column, decision in decisions.items()}
    assert said == {"low": low, "moderate": moderate, "high": high, "undefined": high}
    assert decisions["low"].level is min(low, PAPER)  # nothing is proven


@pytest.mark.parametrize("profile", [MISSION, LITERAL], ids=lambda profile: profile.name)
@pytest.mark.parametrize("rule", ["proven", "pooled", "table"])
def test_the_worked_example_is_retrain(profile: Profile, rule: Rule) -> None:
    sharpes = [-3.67, 2.36, 0.02, -1.6563, -2.9537]
    assert (round(statistics.mean(sharpes), 2), round(statistics.pstdev(sharpes), 2)) == (-1.18, 2.17)
    returns = [-0.11, 0.35, 0.004, -0.05, -0.09]
    folds = [FoldResult(r, s / math.sqrt(HOURS), BARS, HOURS) for r, s in zip(returns, sharpes, strict=True)]
    decision = decide_on(folds, profile=profile, rule=rule)
    assert (decision.positive, decision.folds, decision.table, decision.level) == (2, 5, RETRAIN, RETRAIN)
    assert decision.compounded_return > 0.0
    assert decision.reasons[0] == "2 of 5 folds made money, fewer than 60 %: the table says RETRAIN."


def test_nothing_lowers_a_flawless_model_under_the_table_rule() -> None:
    decision = decide_on(folds_of(mixed(5, 5)))
    assert (decision.table, decision.level, decision.caps) == (LIVE, LIVE, ())
    spread = "their Sharpe ratios differ no more than chance explains (1.00 noise units, p = 0.41)"
    assert decision.reasons == (f"5 of 5 folds made money, and {spread}: the table says LIVE.",)


@pytest.mark.parametrize(
    ("folds", "classification", "sanity", "level", "reason"),
    [
        (mixed(5, 5), Classification.REVIEW, PASS, PAPER, "The training metrics are in the REVIEW band"),
        (mixed(5, 5), Classification.DROP, PASS, DROP, "The training metrics are in the DROP band"),
        (mixed(5, 5), APPROVED, WARN, PAPER, "The backtest raises doubts, which allows PAPER at most: few trades."),
        (mixed(5, 5), APPROVED, FAIL, RETRAIN, "The backtest is not sane, which allows RETRAIN at most: no trade."),
        (mixed(4, 4), APPROVED, PASS, PAPER, "4 folds are too few: LIVE needs 5."),
        (mixed(3, 3), APPROVED, PASS, PAPER, "3 folds are too few: LIVE needs 5."),
        (mixed(2, 2), APPROVED, PASS, RETRAIN, "2 folds are too few: PAPER needs 3."),
        ([0.01] * 4 + [-0.5], APPROVED, PASS, RETRAIN, "Over all folds together the model made no money (-47.97%)"),
        (
            [0.5, 0.01, 0.01, 0.01, -0.1],
            APPROVED,
            PASS,
            PAPER,
            "Without its best fold the model made no money (-7.27%)",
        ),
    ],
    ids=str,
)
def test_a_cap_lowers_what_the_table_says(
    folds: list[float], classification: Classification, sanity: Sanity, level: DecisionLevel, reason: str
) -> None:
    decision = decide_on(folds_of(folds), classification, sanity)
    assert decision.table is not None
    assert decision.level is level < decision.table
    assert decision.reasons[0].startswith(reason)
    assert decision.caps[0].reason == decision.reasons[0]


def test_unmeasured_proofs_allow_paper_at_most() -> None:
    decision = decide_on(folds_of(mixed(5, 5)), rule="proven")
    assert (decision.table, decision.level) == (LIVE, PAPER)
    assert decision.reasons[0] == "Not proven, data it never saw: it was not measured; PAPER at most."


def test_every_reason_is_listed_the_most_decisive_first() -> None:
    decision = decide_on(folds_of(mixed(4, 4)), Classification.REVIEW, FAIL, rule="proven")
    assert [reason.split(",")[0] for reason in decision.reasons] == [
        "The backtest is not sane",
        "The training metrics are in the REVIEW band",
        "4 folds are too few: LIVE needs 5.",
        *["Not proven"] * 5,
        "4 of 4 folds made money",
    ]


def test_a_compounded_return_of_exactly_zero_made_no_money() -> None:
    decision = decide_on(folds_of([1.0, -0.5, 0.0]))
    assert decision.compounded_return == 0.0
    assert any(reason.startswith("Over all folds together") for reason in decision.reasons)


def test_a_compounded_return_of_exactly_zero_is_no_consistent_loss() -> None:
    decision = decide_on(folds_of([511.0, *[-0.5] * 9]))  # 512 halved nine times
    assert (decision.losing, decision.compounded_return, decision.table) == (9, 0.0, RETRAIN)


def test_a_return_of_exactly_zero_without_the_best_fold_is_one_lucky_period() -> None:
    decision = decide_on(folds_of([2.0, 1.0, -0.5, 0.0, 0.0]))
    assert decision.compounded_without_best == 0.0
    assert any(reason.startswith("Without its best fold") for reason in decision.reasons)


def test_a_gain_too_small_for_the_rounding_of_a_float_is_a_gain() -> None:
    assert decide_on(folds_of([1e-20] * 5)).level is LIVE


def test_compounded_returns_are_reported_with_and_without_the_best_fold() -> None:
    decision = decide_on(folds_of([0.1, -0.2, 0.5, 0.0]))
    assert decision.compounded_return == pytest.approx(1.1 * 0.8 * 1.5 - 1)
    assert decision.compounded_without_best == pytest.approx(1.1 * 0.8 - 1)
    assert (decision.folds, decision.positive, decision.losing) == (4, 2, 1)


def test_two_ruined_folds_do_not_multiply_to_a_gain() -> None:
    assert decide_on(folds_of([0.1, 0.1, 0.1, -3.0, -3.0])).compounded_return == -1.0


def test_a_dropped_model_is_decided_without_backtest_and_folds() -> None:
    shortfalls = ("profit_factor is nan at validation 3 of 9: training diverged",)
    decision = decide(ModelCase(Classification.DROP, None, (), MISSION, "proven", shortfalls=shortfalls))
    assert (decision.level, decision.table, decision.spread, decision.folds) == (DROP, None, None, 0)
    assert decision.reasons == (
        "The training metrics are in the DROP band: profit_factor is nan at validation 3 of 9: training diverged.",
    )


@pytest.mark.parametrize(("sanity", "folds"), [(None, mixed(5, 5)), (PASS, []), (None, [])])
@pytest.mark.parametrize("classification", [APPROVED, Classification.REVIEW])
def test_missing_evidence_is_an_error_and_no_decision(
    classification: Classification, sanity: Sanity | None, folds: list[float]
) -> None:
    with pytest.raises(ValueError, match="needs a backtest and folds"):
        ModelCase(classification, sanity, folds_of(folds) if folds else [], MISSION, "table")


def test_levels_are_ordered_and_shown_by_name() -> None:
    assert DROP < RETRAIN < PAPER < LIVE
    assert f"{LIVE}" == "LIVE"


# Properties. Folds of one model share their bars per year; lengths, Sharpes and returns are free.

profiles = st.sampled_from([load_profile(name) for name in builtin_profiles()])
rules = st.sampled_from(["proven", "pooled", "table"])
classifications = st.sampled_from(Classification)
sanities = st.sampled_from([PASS, WARN, FAIL])
fold_returns = st.one_of(st.floats(-1.2, 2.0), st.floats(-0.02, 0.05), st.just(0.0))
thorough = settings(deadline=None, max_examples=150)


@st.composite
def fold_lists(draw: st.DrawFn, min_size: int = 1, *, defined: bool = False) -> list[FoldResult]:
    per_year = draw(st.sampled_from([HOURS, 2190.0, 1764.3]))
    skill, noise = draw(st.floats(-0.1, 0.1)), draw(st.sampled_from([0.0, 0.01, 0.05, 0.5]))
    sharpes = st.floats(-1.0, 1.0).map(lambda value: skill + noise * value)
    if not defined:
        sharpes = st.one_of(sharpes, sharpes, sharpes, st.just(math.nan))
    one = st.builds(FoldResult, fold_returns, sharpes, st.integers(2, 2000), st.just(per_year))
    return draw(st.lists(one, min_size=min_size, max_size=12))


@thorough
@given(
    returns=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12),
    sharpe=st.floats(),
    bars=st.integers(1, 10**9),
    profile=profiles,
    rule=rules,
)
def test_total_over_finite_returns(
    returns: list[float], sharpe: float, bars: int, profile: Profile, rule: Rule
) -> None:
    folds = [FoldResult(value, sharpe * rank, bars, HOURS) for rank, value in enumerate(returns)]
    decision = decide_on(folds, profile=profile, rule=rule)
    assert decision.level in DecisionLevel
    assert decision.reasons
    assert all(reason.endswith(".") for reason in decision.reasons)


@thorough
@given(folds=fold_lists(), data=st.data(), profile=profiles)
def test_the_order_of_folds_does_not_matter(folds: list[FoldResult], data: st.DataObject, profile: Profile) -> None:
    shuffled = data.draw(st.permutations(folds))
    assert repr(decide_on(shuffled, profile=profile)) == repr(decide_on(folds, profile=profile))


@thorough
@given(folds=fold_lists(), data=st.data(), profile=profiles, rule=rules)
def test_a_higher_fold_return_never_worsens(
    folds: list[FoldResult], data: st.DataObject, profile: Profile, rule: Rule
) -> None:
    place = data.draw(st.integers(0, len(folds) - 1))
    raised = list(folds)
    more = data.draw(st.floats(folds[place].total_return, 3.0))
    raised[place] = replace(folds[place], total_return=more)
    before, after = (decide_on(some, profile=profile, rule=rule).level for some in (folds, raised))
    assert after >= before


@thorough
@given(folds=fold_lists(min_size=2, defined=True), share=st.floats(0.0, 0.99), profile=profiles)
def test_folds_that_agree_more_never_worsen(folds: list[FoldResult], share: float, profile: Profile) -> None:
    mean = sum(fold.bars * fold.sharpe for fold in folds) / sum(fold.bars for fold in folds)
    closer = [replace(fold, sharpe=mean + share * (fold.sharpe - mean)) for fold in folds]
    assert decide_on(closer, profile=profile).level >= decide_on(folds, profile=profile).level


@thorough
@given(folds=fold_lists(), data=st.data(), profile=profiles)
def test_an_undefined_sharpe_never_helps(folds: list[FoldResult], data: st.DataObject, profile: Profile) -> None:
    place = data.draw(st.integers(0, len(folds) - 1))
    without = [replace(fold, sharpe=math.nan) if n == place else fold for n, fold in enumerate(folds)]
    assert decide_on(without, profile=profile).level <= decide_on(folds, profile=profile).level


@thorough
@given(folds=fold_lists(), classification=classifications, sanity=sanities, profile=profiles, rule=rules)
def test_better_training_or_backtest_or_a_laxer_rule_never_worsens(
    folds: list[FoldResult], classification: Classification, sanity: Sanity, profile: Profile, rule: Rule
) -> None:
    decision = decide_on(folds, classification, sanity, profile, rule).level
    assert decide_on(folds, APPROVED, sanity, profile, rule).level >= decision
    assert decide_on(folds, Classification.DROP, sanity, profile, rule).level <= decision
    assert decide_on(folds, classification, PASS, profile, rule).level >= decision
    assert decide_on(folds, classification, FAIL, profile, rule).level <= decision
    assert decide_on(folds, classification, sanity, profile, "table").level >= decision


@thorough
@given(folds=fold_lists(), classification=classifications, sanity=sanities, profile=profiles, rule=rules)
def test_the_decision_is_the_least_of_table_and_caps(
    folds: list[FoldResult], classification: Classification, sanity: Sanity, profile: Profile, rule: Rule
) -> None:
    decision = decide_on(folds, classification, sanity, profile, rule)
    assert decision.table is not None
    assert decision.level == min(decision.table, *(cap.level for cap in decision.caps), LIVE)
    assert len(decision.reasons) == 1 + len(decision.caps)


@thorough
@given(folds=fold_lists(min_size=4), classification=classifications, sanity=sanities, profile=profiles, rule=rules)
def test_live_means_that_every_condition_holds(
    folds: list[FoldResult], classification: Classification, sanity: Sanity, profile: Profile, rule: Rule
) -> None:
    folds = [replace(fold, total_return=abs(fold.total_return)) for fold in folds]
    decision = decide_on(folds, classification, sanity, profile, rule)
    conditions = (
        (classification, sanity.status, rule) == (APPROVED, "pass", "table"),
        decision.folds >= 5,
        5 * decision.positive >= 4 * decision.folds,
        decision.spread is not None and decision.spread.column == "low",
        decision.positive > 1,
        not find_implausible(folds, (), NO_TRADES, profile.implausible),
    )
    assert (decision.level is LIVE) == all(conditions)


@thorough
@given(folds=fold_lists(min_size=5), more=st.floats(0.0, 100.0), profile=profiles)
def test_a_better_best_fold_alone_never_makes_a_model_live(
    folds: list[FoldResult], more: float, profile: Profile
) -> None:
    assume(decide_on(folds, profile=profile).level is not LIVE)
    best = max(range(len(folds)), key=lambda place: folds[place].total_return)
    raised = [replace(fold, total_return=fold.total_return + more * (n == best)) for n, fold in enumerate(folds)]
    assert decide_on(raised, profile=profile).level is not LIVE
