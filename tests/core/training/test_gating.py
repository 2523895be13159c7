from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelgate.adapters.config_files.profiles import builtin_profiles, load_profile
from pytest_modelgate.core.training.gating import Classification, Flag, Gating, check_reward_scale, judge_training
from pytest_modelgate.core.training.run import METRICS, Declared
from pytest_modelgate.errors import ArchiveError, SettingsError

MISSION = load_profile("2.4.5")
DECLARED = Declared(reward_scale=0.001, validation_interval=50)
GOOD = {"fitness_score": 0.9, "profit_factor": 3.0, "consistency": 0.95, "max_drawdown": 0.01}
FLAG_OF = dict(zip(METRICS, (Flag.LOW_FITNESS, Flag.LOW_PF, Flag.LOW_CONSISTENCY, Flag.HIGH_DRAWDOWN), strict=True))
BETTER = {metric: 0.0 if metric == "max_drawdown" else math.inf for metric in METRICS}
WORSE = {metric: math.inf if metric == "max_drawdown" else -math.inf for metric in METRICS}
RANK = list(Classification)
APPROVED, REVIEW, DROP = Classification

shares = st.floats(0.0, 1.0)
finals = st.fixed_dictionaries(
    {
        "fitness_score": st.floats(-2.0, 2.0),
        "profit_factor": st.floats(0.0, 5.0),
        "consistency": shares,
        "max_drawdown": shares,
    }
)
thorough = settings(deadline=None, max_examples=100)


def judge(final: Mapping[str, float], profile_name: str = "2.4.5", declared: Declared = DECLARED) -> Gating:
    values = {metric: (value,) for metric, value in {**GOOD, **final}.items()}
    return judge_training(values, load_profile(profile_name), declared)


def judge_fitness(*fitness: float, declared: Declared = DECLARED) -> Gating:
    history = {metric: (value,) for metric, value in GOOD.items()}
    return judge_training({**history, "fitness_score": fitness}, MISSION, declared)


def limit(profile_name: str, band: Classification, metric: str) -> float:
    profile = load_profile(profile_name)
    value: float = getattr(profile.approved if band is APPROVED else profile.review, metric)
    return value


every_limit = pytest.mark.parametrize(
    ("profile_name", "band", "metric"),
    [(name, band, metric) for name in builtin_profiles() for band in (APPROVED, REVIEW) for metric in METRICS],
)


@every_limit
def test_a_value_at_a_limit_is_in_the_better_band(profile_name: str, band: Classification, metric: str) -> None:
    assert judge({metric: limit(profile_name, band, metric)}, profile_name).bands[metric] is band


@every_limit
def test_a_value_just_past_a_limit_is_in_the_next_band(profile_name: str, band: Classification, metric: str) -> None:
    value = math.nextafter(limit(profile_name, band, metric), WORSE[metric])
    assert judge({metric: value}, profile_name).bands[metric] is RANK[RANK.index(band) + 1]


@every_limit
def test_a_value_just_inside_a_limit_is_in_its_band(profile_name: str, band: Classification, metric: str) -> None:
    value = math.nextafter(limit(profile_name, band, metric), BETTER[metric])
    assert judge({metric: value}, profile_name).bands[metric] is band


@pytest.mark.parametrize("profile_name", builtin_profiles())
@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_is_flagged_only_beyond_the_review_limit(profile_name: str, metric: str) -> None:
    value = limit(profile_name, REVIEW, metric)
    assert judge({metric: value}, profile_name).flags == ()
    assert judge({metric: math.nextafter(value, WORSE[metric])}, profile_name).flags == (FLAG_OF[metric],)


@thorough
@given(final=finals, profile_name=st.sampled_from(builtin_profiles()))
def test_the_classification_is_the_worst_band(final: dict[str, float], profile_name: str) -> None:
    gating = judge(final, profile_name)
    assert gating.classification is max(gating.bands.values(), key=RANK.index)


@thorough
@given(final=finals, metric=st.sampled_from(METRICS), other=finals)
def test_a_better_metric_never_worsens_the_classification(
    final: dict[str, float], metric: str, other: dict[str, float]
) -> None:
    worse, better = sorted([final[metric], other[metric]], reverse=metric == "max_drawdown")
    ranks = [RANK.index(judge({**final, metric: value}).classification) for value in (worse, better)]
    assert ranks[1] <= ranks[0]


@thorough
@given(final=finals)
def test_4_1_0_is_never_stricter_than_2_4_5(final: dict[str, float]) -> None:
    newer, older = (judge(final, name).classification for name in ("4.1.0", "2.4.5"))
    assert RANK.index(newer) <= RANK.index(older)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_metric_that_is_not_finite_drops_the_model_by_name(metric: str, value: float, place: int) -> None:
    history = {name: [good] * 3 for name, good in GOOD.items()}
    history[metric][place] = value
    gating = judge_training({name: tuple(values) for name, values in history.items()}, MISSION, DECLARED)
    assert gating.classification is DROP
    assert gating.bands == {name: DROP if name == metric else APPROVED for name in METRICS}
    assert gating.findings == (f"{metric} is {value} at validation {place + 1} of 3: training diverged",)
    assert gating.warnings == gating.findings


@pytest.mark.parametrize("metric", METRICS)
def test_a_last_value_that_is_nan_is_beyond_review(metric: str) -> None:
    assert judge({metric: math.nan}).flags == (FLAG_OF[metric],)


@pytest.mark.parametrize("metric", ["consistency", "max_drawdown"])
@pytest.mark.parametrize("value", [-0.12, 8.0, math.nextafter(0.0, -1.0), math.nextafter(1.0, 2.0)])
def test_what_is_not_a_fraction_is_an_input_error(metric: str, value: float) -> None:
    with pytest.raises(ArchiveError, match=rf"{metric}: is {value} at validation 1, expected a fraction"):
        judge({metric: value})


def test_findings_say_what_was_missed_the_most_severe_first() -> None:
    gating = judge({"fitness_score": 0.6, "max_drawdown": 0.2})
    assert gating.findings == (
        "max_drawdown is 0.2, REVIEW needs at most 0.15",
        "fitness_score is 0.6, APPROVED needs at least 0.7",
    )


def test_an_approved_model_has_no_findings_flags_or_warnings() -> None:
    gating = judge({})
    assert (gating.classification, gating.findings, gating.flags, gating.warnings) == (APPROVED, (), (), ())


def test_the_last_values_are_reported() -> None:
    assert judge_fitness(0.1, 0.8).metrics == {**GOOD, "fitness_score": 0.8}


def test_flags_come_in_the_specified_order() -> None:
    history = {
        "fitness_score": (0.9, 0.1, 0.9, 0.1),
        "profit_factor": (1.0,),
        "consistency": (0.1,),
        "max_drawdown": (0.9,),
    }
    assert judge_training(history, MISSION, DECLARED).flags == tuple(Flag)


@thorough
@given(thousandths=st.integers(1, 2000))
def test_a_fitness_exactly_at_the_decline_limit_is_not_flagged(thousandths: int) -> None:
    peak = Decimal(thousandths) / 1000
    last = float(peak * Decimal("0.95"))
    assert Flag.FITNESS_DECLINE not in judge_fitness(float(peak), last).flags
    assert Flag.FITNESS_DECLINE in judge_fitness(float(peak), math.nextafter(last, -1.0)).flags


@thorough
@given(thousandths=st.integers(1, 2000))
def test_a_swing_exactly_at_the_limit_is_not_unstable(thousandths: int) -> None:
    peak = Decimal(thousandths) / 1000
    low = float(peak * Decimal("0.9"))
    top = float(peak)
    assert Flag.UNSTABLE_TRAINING not in judge_fitness(top, low, top, top).flags
    assert Flag.UNSTABLE_TRAINING in judge_fitness(top, math.nextafter(low, -1.0), top, top).flags


def test_a_negative_peak_declines_by_a_share_of_its_size() -> None:
    assert Flag.FITNESS_DECLINE not in judge_fitness(-1.0, -1.05).flags
    assert Flag.FITNESS_DECLINE in judge_fitness(-1.0, -1.06).flags


@pytest.mark.parametrize(
    ("fitness", "unstable"),
    [
        ((0.1, 0.9, 0.9), False),  # fewer than four points
        ((0.1, 0.9, 0.9, 0.9), True),
        ((0.1, 0.9, 0.9, 0.9, 0.9), False),  # the last four of five
        ((0.9, 0.1, 0.9, 0.9, 0.9), True),
        ((0.1,) * 5 + (0.9,) * 5, False),  # the first half does not count
        ((0.9,) * 4 + (0.1,) + (0.9,) * 4, True),  # the middle of nine does
    ],
)
def test_stability_looks_at_the_last_half_but_at_least_four_points(fitness: tuple[float, ...], unstable: bool) -> None:
    assert (Flag.UNSTABLE_TRAINING in judge_fitness(*fitness).flags) is unstable


def test_a_declined_fitness_recommends_the_first_of_the_best_checkpoints() -> None:
    recommended = judge_fitness(0.7, 0.9, 0.9, 0.7).recommended_checkpoint
    assert recommended
    assert (recommended.validation, recommended.update) == (2, 100)


def test_without_a_declared_interval_the_checkpoint_is_named_by_its_validation() -> None:
    recommended = judge_fitness(0.7, 0.9, 0.7, declared=Declared()).recommended_checkpoint
    assert recommended
    assert (recommended.validation, recommended.update) == (2, None)


def test_no_other_checkpoint_is_recommended_while_fitness_holds() -> None:
    assert judge_fitness(0.7, 0.9, 0.89).recommended_checkpoint is None


def test_an_undeclared_reward_scale_is_warned_about() -> None:
    (warning,) = judge({}, declared=Declared()).warnings
    assert warning == (
        "The summary declares no reward scale; the drawdown limits of profile 2.4.5 are calibrated for 0.001."
    )


@pytest.mark.parametrize("declared", [0.1, 0.0010000001, math.nan])
def test_another_reward_scale_than_the_profiles_is_refused(declared: float) -> None:
    with pytest.raises(SettingsError, match=r"UNIUSD_1Hour, reward_scale: is .* 2\.4\.5 is calibrated for 0\.001"):
        check_reward_scale("UNIUSD_1Hour", Declared(reward_scale=declared), MISSION)


@pytest.mark.parametrize("declared", [None, 0.001])
def test_the_profiles_reward_scale_or_none_is_accepted(declared: float | None) -> None:
    check_reward_scale("UNIUSD_1Hour", Declared(reward_scale=declared), MISSION)
