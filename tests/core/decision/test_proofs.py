"""Each proof by itself, and what the decision makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import DecisionRule
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.decision import Decision, decide
from pytest_modelgate.core.decision.model_case import ModelCase
from pytest_modelgate.core.decision.proof import PROOFS, FoldAttribution, Proof, compound
from pytest_modelgate.core.decision.proofs import prove
from pytest_modelgate.core.integrity.check import Check, NoiseDraw
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.market.sessions import DayPlaces
from pytest_modelgate.core.training.gating import Classification

MISSION, STRICT = load_profile("2.4.5"), load_profile("strict")
RETRAIN, PAPER, LIVE = DecisionLevel.RETRAIN, DecisionLevel.PAPER, DecisionLevel.LIVE
thorough = settings(deadline=None, max_examples=100)


def days_of(number: int, bars: int, slots: int = 10) -> DayPlaces:
    """Days of ten bars, 40 a fold, one fold after the other."""
    every = number * 400 + np.arange(bars)
    return DayPlaces(every // slots, every % slots)


def fold(number: int, edge: float = 0.3, *, bars: int = 400, cost: float = 0.0001, **changes: Any) -> FoldAttribution:
    """A fold of 40 days of 10 bars, in or out of the market by the day, that earns ``edge`` noise units a bar."""
    rng = np.random.default_rng(number)
    held = np.repeat(rng.choice([0.0, 0.1], bars // 10), 10)
    move = rng.normal(0.0, 0.01, bars) + edge * 0.01 * np.where(held > 0, 1.0, -1.0)
    paid = np.where(np.diff(held, prepend=0.0) != 0, 0.1 * cost, 0.0)
    none = np.zeros(bars)
    attribution = BarAttribution(held * move - paid, none, held, none, move, paid / 2, paid / 2)
    return FoldAttribution(
        **{
            "start": f"2024-{number:02}",
            "sample": "out-of-sample",
            "closed_trades": 20,
            "delayed_return": 0.01,
            "attribution": attribution,
            "places": days_of(number, bars),
            **changes,
        }
    )


GOOD = [fold(number) for number in range(1, 6)]
ALL = prove(GOOD, MISSION, 1)


def proofs_of(folds: Sequence[FoldAttribution], profile: Profile = MISSION, trials: int = 1) -> dict[str, Proof]:
    return {proof.name: proof for proof in prove(folds, profile, trials)}


def decide_with(
    proofs: Sequence[Proof],
    profile: Profile = MISSION,
    checks: Sequence[Check] = (),
    parity: Literal["proven", "unproven"] = "proven",
    rule: DecisionRule = "proven",
) -> Decision:
    folds = [FoldResult(0.05, 0.05 + step / 100, 864, 8760.0) for step in range(5)]
    shown: Any = {"proofs": proofs, "checks": checks, "parity": Parity(parity, "so it is")}
    return decide(ModelCase(Classification.APPROVED, Sanity("pass", ()), folds, profile, rule, **shown))


def test_a_skilled_model_proves_all_five_and_is_live() -> None:
    found = prove(GOOD, MISSION, 1)
    assert [proof.name for proof in found] == list(PROOFS)
    assert all(proof.passed for proof in found)
    assert decide_with(found).level is LIVE


def test_strict_asks_for_one_bar_later_and_a_little_noise_too() -> None:
    assert list(proofs_of(GOOD, STRICT)) == [*PROOFS, "delay", "noise"]


@pytest.mark.parametrize(
    ("returns", "passed"), [([0.01, 0.02], True), ([0.01, 0.0], False), ([0.01, -0.02], False), ([], False)]
)
def test_strict_asks_for_a_profit_under_every_draw_of_noise(returns: list[float], *, passed: bool) -> None:
    draws = [NoiseDraw("prices", 0.1, (FoldResult(value, 0.1, 10, 8760.0),)) for value in returns]
    (proof,) = (proof for proof in prove(GOOD, STRICT, 1, draws) if proof.name == "noise")
    assert proof.passed == passed


@pytest.mark.parametrize("sample", ["in-sample", "gap", "unknown"])
def test_one_fold_that_is_not_out_of_sample_is_one_too_many(sample: str) -> None:
    proof = proofs_of([*GOOD[:4], replace(GOOD[4], sample=sample)])["out_of_sample"]
    assert (proof.passed, proof.figure, proof.limit) == (False, 4, 5)
    assert f"4 of 5 folds are out-of-sample (1 {sample})" in proof.sentence


def test_timing_is_asked_more_of_the_more_models_were_tried() -> None:
    one, many = (proofs_of(GOOD, trials=trials)["timing"] for trials in (1, 40))
    assert one.limit == pytest.approx(0.02)
    assert (1 - many.limit) ** 40 == pytest.approx(0.98)
    assert one.figure == many.figure
    assert "2% shared among 40 trials" in many.sentence
    assert "shared among" not in one.sentence


def test_the_sentence_tells_gain_copies_and_luck() -> None:
    timing = proofs_of(GOOD)["timing"]
    own, copies = timing.details["own"], timing.details["copies"]
    assert f"gain {copies:+.2%} on average, the model {own:+.2%} after costs" in timing.sentence
    assert f"with a probability of {timing.figure:.2%}; at most 2.00% is asked for" in timing.sentence
    assert f"shows in 80% of cases is {timing.details['smallest_sharpe']:.1f}." in timing.sentence


def test_the_smallest_sharpe_ratio_is_that_of_the_design() -> None:
    """Half of the time in the market, 200 days: (2.05 + 0.84) sqrt(0.5) / sqrt(200 / 365.25)."""
    share = float(np.mean(np.concatenate([item.attribution.intraday_weight for item in GOOD]) != 0))
    expected = (2.0537 + 0.8416) * math.sqrt(1 - share) / math.sqrt(200 / 365.25)
    assert proofs_of(GOOD)["timing"].details["smallest_sharpe"] == pytest.approx(expected, rel=1e-4)


def test_too_few_days_to_show_anything_are_said_to_be() -> None:
    few = [replace(item, places=DayPlaces(np.full(400, number), np.arange(400))) for number, item in enumerate(GOOD)]
    proof = proofs_of(few)["timing"]  # of 5 days the model itself is one in five
    assert not proof.passed
    assert "cannot be shown" in proof.sentence


def with_limits(**limits: Any) -> Profile:
    return replace(STRICT, proofs=replace(STRICT.proofs, **limits))


@pytest.mark.parametrize(("nudge", "passed"), [(1.0, True), (-1.0, False)])
def test_a_timing_at_its_limit_passes_and_beyond_it_does_not(nudge: float, *, passed: bool) -> None:
    folds = [fold(number, edge=0.08) for number in range(1, 6)]
    timing = proofs_of(folds)["timing"]
    profile = with_limits(max_p=timing.figure * (1 + nudge * 1e-9), max_rank=1.0)
    assert proofs_of(folds, profile)["timing"].passed == passed


@pytest.mark.parametrize(("nudge", "passed"), [(0.0, True), (1.0, False)])
def test_the_timing_without_any_fold_at_its_limit_passes(nudge: float, *, passed: bool) -> None:
    folds = [fold(number, edge=0.1) for number in range(1, 6)]
    least = proofs_of(folds)["single_fold"].figure
    p = float(norm.sf(least))
    assert 0.0 < p < 0.5
    profile = with_limits(max_p_without_fold=p * (1 + 1e-9 - nudge * 2e-9))
    assert proofs_of(folds, profile)["single_fold"].passed == passed


def test_one_fold_must_not_carry_the_timing() -> None:
    folds = [*(fold(number, edge=0.0) for number in range(1, 5)), fold(5, edge=1.5)]
    found = proofs_of(folds)
    assert found["timing"].passed
    assert not found["single_fold"].passed
    assert found["single_fold"].figure == pytest.approx(z_of(folds[:4]))
    assert "without fold 5" in found["single_fold"].sentence


def z_of(folds: Sequence[FoldAttribution]) -> float:
    return proofs_of(folds)["timing"].details["z"]


def test_a_single_fold_leaves_nothing_to_be_shown_without_it() -> None:
    proof = proofs_of(GOOD[:1])["single_fold"]
    assert (math.isnan(proof.figure), proof.passed) == (True, False)


@pytest.mark.parametrize(("p_value", "level"), [(0.30, PAPER), (math.nextafter(0.30, 1.0), RETRAIN)])
def test_a_timing_that_luck_explains_well_allows_retrain_at_most(p_value: float, level: DecisionLevel) -> None:
    found = [replace(proof, figure=p_value, passed=False) if proof.name == "timing" else proof for proof in ALL]
    assert decide_with(found).level is level


def test_under_the_table_alone_no_timing_is_asked_for() -> None:
    hopeless = [replace(proof, figure=1.0, passed=False) for proof in ALL]
    assert decide_with(hopeless, rule="table").level is LIVE


ASKED = {"min_psr": 0.95, "min_psr_without_best": 0.85, "min_dsr": 0.75}


def test_a_sharpe_ratio_is_a_proof_only_where_the_profile_asks_for_one() -> None:
    assert "sharpe" not in proofs_of(GOOD)
    for name, limit in ASKED.items():
        assert "sharpe" in proofs_of(GOOD, with_limits(**{name: limit}))


@pytest.mark.parametrize(("nudge", "passed"), [(0.0, True), (1.0, False)])
@pytest.mark.parametrize("name", ["min_psr", "min_dsr", "min_psr_without_best"])
def test_a_sharpe_ratio_exactly_at_its_limits_passes(name: str, nudge: float, *, passed: bool) -> None:
    folds = [fold(number, edge=0.1) for number in range(1, 6)]
    proof = proofs_of(folds, with_limits(**ASKED))["sharpe"]
    figures = {
        "min_psr": proof.figure,
        "min_dsr": proof.details["deflated"],
        "min_psr_without_best": proof.details["without_best"],
    }
    assert all(0.0 < figure < 1.0 for figure in figures.values())
    limits = figures | {name: math.nextafter(figures[name], figures[name] + nudge)}
    assert proofs_of(folds, with_limits(**limits))["sharpe"].passed == passed


def test_a_deflated_ratio_that_is_too_low_is_told_of_a_single_model_too() -> None:
    folds = [fold(number, edge=0.1) for number in range(1, 6)]
    sentence = proofs_of(folds, with_limits(min_dsr=1.0))["sharpe"].sentence
    assert "more than the luck of the best of 1 trials" in sentence


def test_a_deflated_ratio_of_a_single_model_that_is_high_enough_is_not_told() -> None:
    assert "luck of the best" not in proofs_of(GOOD, with_limits(**ASKED))["sharpe"].sentence


def periodic() -> FoldAttribution:
    """A model in a market that repeats itself every ten days: each shift by a period gains the same."""
    bars = np.arange(400)
    move = np.tile(np.random.default_rng(9).normal(0.0, 0.01, 10), 40)
    held, none = np.where((bars % 10 < 5) & (move > 0), 0.1, 0.0), np.zeros(400)
    attribution = BarAttribution(held * move, none, held, none, move, none, none)
    return FoldAttribution("1", "out-of-sample", 40, 0.1, attribution, days_of(1, 400, slots=1))


@pytest.mark.parametrize(("nudge", "passed"), [(0.0, True), (-1.0, False)])
def test_a_rank_exactly_at_its_limit_passes(nudge: float, *, passed: bool) -> None:
    rank = proofs_of([periodic()])["timing"].details["rank"]
    profile = with_limits(max_rank=math.nextafter(rank, rank + nudge), max_p=0.5)
    assert proofs_of([periodic()], profile)["timing"].passed == passed


def test_a_model_outdone_by_its_own_shifts_shows_no_timing_however_far_ahead_of_their_mean() -> None:
    proof = proofs_of([periodic()], with_limits(max_p=0.5))["timing"]
    assert proof.details["rank"] == pytest.approx(0.1)
    assert (proof.figure <= proof.limit, proof.passed) == (True, False)


def test_a_model_that_only_holds_through_a_bull_market_shows_no_timing() -> None:
    folds = []
    for item in GOOD:
        attribution = replace(
            item.attribution, intraday_weight=np.full(400, 0.1), intraday_return=item.attribution.intraday_return + 0.01
        )
        folds.append(replace(item, attribution=replace(attribution, returns=attribution.gross)))
    proof = proofs_of(folds)["timing"]
    assert (proof.passed, proof.figure) == (False, 1.0)
    assert "Being in the market as often on other days might have done as well" in proof.sentence


def test_the_sharpe_ratio_must_outlive_the_best_fold() -> None:
    folds = [*(fold(number, edge=0.0) for number in range(1, 5)), fold(5, edge=1.5)]
    proof = proofs_of(folds, with_limits(**ASKED))["sharpe"]
    assert proof.figure >= 0.95
    assert proof.details["without_best"] < 0.85
    assert not proof.passed
    assert f"Without the best fold it is {proof.details['without_best']:.1%} (85%)" in proof.sentence


def test_the_sharpe_ratio_must_be_more_than_the_luck_of_the_best_of_all_trials() -> None:
    folds = [fold(number, edge=0.14) for number in range(1, 6)]
    alone, many = (proofs_of(folds, with_limits(**ASKED), trials)["sharpe"] for trials in (1, 500))
    assert alone.passed
    assert alone.details["deflated"] == alone.figure
    assert not many.passed
    assert many.figure == alone.figure
    assert "the best of 500 trials" in many.sentence


def test_returns_that_never_vary_prove_nothing() -> None:
    none = np.zeros(400)
    idle = [
        replace(item, attribution=BarAttribution(none, none, none, none, item.attribution.intraday_return, none, none))
        for item in GOOD
    ]
    found = proofs_of(idle)
    assert [name for name, proof in found.items() if proof.passed] == ["out_of_sample", "trades"]


def test_costs_are_multiplied_as_the_profile_says() -> None:
    folds = [fold(number, edge=0.3, cost=0.01) for number in range(1, 6)]
    twice, thrice = proofs_of(folds)["money"], proofs_of(folds, STRICT)["money"]
    nets = [item.attribution.gross - 2 * (item.attribution.fees + item.attribution.slippage) for item in folds]
    expected = float(np.prod(1 + np.concatenate(nets)))
    assert twice.figure == pytest.approx(expected - 1)
    assert (twice.details["multiple"], thrice.details["multiple"]) == (2.0, 3.0)
    assert (twice.passed, thrice.passed) == (True, False)


@pytest.mark.parametrize(
    ("counts", "profile", "passed"),
    [
        ([3, 3, 3, 3, 3], MISSION, True),
        ([3, 3, 3, 3, 2], MISSION, False),
        ([27, 1, 1, 1, 0], MISSION, False),
        ([11, 1, 1, 1, 1], MISSION, True),
        ([12, 12, 12, 12, 12], STRICT, True),
        ([12, 12, 12, 12, 11], STRICT, False),
    ],
)
def test_trades_are_counted_over_all_folds_and_in_every_one(counts: list[int], profile: Profile, passed: bool) -> None:
    folds = [replace(item, closed_trades=count) for item, count in zip(GOOD, counts, strict=True)]
    proof = proofs_of(folds, profile)["trades"]
    assert (proof.passed, proof.figure, proof.details["least"]) == (passed, sum(counts), min(counts))


@pytest.mark.parametrize(("delayed", "passed"), [(1e-9, True), (0.0, False), (-0.01, False)])
def test_one_bar_later_must_still_earn(delayed: float, *, passed: bool) -> None:
    late = [replace(item, delayed_return=delayed) for item in GOOD]
    assert proofs_of(late, STRICT)["delay"].passed == passed


@given(returns=st.lists(st.floats(-1.5, 2.0), min_size=2, max_size=8), data=st.data())
def test_returns_compound_to_the_same_in_any_order(returns: list[float], data: st.DataObject) -> None:
    assert compound(data.draw(st.permutations(returns))) == compound(returns)


@thorough
@given(order=st.permutations(range(5)), trials=st.integers(1, 50), profile=st.sampled_from([MISSION, STRICT]))
def test_the_order_of_folds_does_not_matter(order: list[int], trials: int, profile: Profile) -> None:
    shuffled = prove([GOOD[place] for place in order], profile, trials)

    assert repr(shuffled) == repr(prove(GOOD, profile, trials))  # as text, where NaN equals NaN on every Python


@thorough
@given(
    moves=st.lists(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=8), min_size=1, max_size=6),
    size=st.sampled_from([0.0, 0.1, -0.3]),
    trials=st.integers(1, 1000),
    profile=st.sampled_from([MISSION, STRICT]),
)
def test_total_over_finite_input(moves: list[list[float]], size: float, trials: int, profile: Profile) -> None:
    folds = []
    for number, values in enumerate(moves):
        move, none = np.array(values), np.zeros(len(values))
        held = np.full(len(values), size)
        folds.append(
            FoldAttribution(
                str(number),
                "unknown",
                0,
                0.0,
                BarAttribution(held * move, none, held, none, move, none, none),
                days_of(number, len(values), slots=3),
            )
        )
    found = prove(folds, profile, trials)
    assert all(proof.sentence.endswith(".") and proof.title for proof in found)
    assert decide_with(found, profile).level <= PAPER


@thorough
@given(trials=st.integers(1, 200), more=st.integers(0, 200), profile=st.sampled_from([MISSION, STRICT]))
def test_more_trials_never_prove_more(trials: int, more: int, profile: Profile) -> None:
    fewer, many = proofs_of(GOOD, profile, trials), proofs_of(GOOD, profile, trials + more)
    assert all(fewer[name].passed or not many[name].passed for name in fewer)


flags = st.lists(st.booleans(), min_size=5, max_size=5)


def proofs_with(flags: Sequence[bool]) -> list[Proof]:
    return [
        Proof(name, flag, 0.25, 0.25, at_most=False, sentence="So it is.")
        for name, flag in zip(PROOFS, flags, strict=True)
    ]


@thorough
@given(before=flags, place=st.integers(0, 4))
def test_one_proof_more_never_worsens_the_decision(before: list[bool], place: int) -> None:
    after = [flag or number == place for number, flag in enumerate(before)]
    assert decide_with(proofs_with(after)).level >= decide_with(proofs_with(before)).level


@thorough
@given(found=flags, order=st.permutations(range(5)), parity=st.sampled_from(["proven", "unproven"]))
def test_live_means_that_every_proof_is_passed_and_parity_proven(
    found: list[bool], order: list[int], parity: Literal["proven", "unproven"]
) -> None:
    proofs = proofs_with(found)
    decision = decide_with([proofs[place] for place in order], parity=parity)
    assert (decision.level is LIVE) == (all(found) and parity == "proven")
    assert decision.table is LIVE
    assert len(decision.caps) == found.count(False) + (parity == "unproven")


@pytest.mark.parametrize("place", [0, 4])
def test_money_must_be_left_without_the_best_fold_whatever_is_waived(place: int) -> None:
    """The cap for one lucky fold can be waived; the proof cannot."""
    folds = [fold(number, edge=-0.02 if number - 1 != place else 1.0, cost=0.0) for number in range(1, 6)]
    money = proofs_of(folds)["money"]
    assert money.figure > 0.0 > money.details["without_best"]
    assert not money.passed


@pytest.mark.parametrize("missing", PROOFS)
def test_a_proof_that_was_not_measured_is_not_passed(missing: str) -> None:
    decision = decide_with([proof for proof in proofs_with([True] * 5) if proof.name != missing])
    assert decision.level is PAPER
    assert "it was not measured" in decision.reasons[0]


@thorough
@given(found=flags, status=st.sampled_from(["pass", "warn", "fail"]))
def test_a_failed_integrity_check_allows_retrain_at_most(found: list[bool], status: Any) -> None:
    check = Check("causality", status, "So it is.")
    without, decision = decide_with(proofs_with(found)), decide_with(proofs_with(found), checks=[check])
    if status == "fail":
        assert decision.level is DecisionLevel.RETRAIN
        assert decision.reasons[0] == "Integrity, nothing depends on the future: So it is; RETRAIN at most."
    else:
        assert decision == without
