"""An action counts when its softmax probability reaches the threshold, whatever evaluates it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_oracle import market_for, network, networks, observation, plain_logits

from pytest_modelgate.core.policy import inference, single_precision
from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.core.policy.confidence import certify_confidence, sure_action, sure_actions
from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.elementary import exp
from pytest_modelgate.core.policy.inference import PolicySession, choose_actions, choose_of_all
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.policy.single_precision import float32_changes
from pytest_modelgate.core.typing import Floats

NONE = np.empty(0)
Made = tuple[MlpPolicy, np.random.Generator]


def confidence(logits: Floats) -> float:
    return 1.0 / math.fsum(math.exp(value - logits.max()) for value in logits.tolist())


@given(st.floats(-700.0, 0.0))
def test_the_exponential_is_right_to_a_few_units_in_the_last_place_and_a_little_less_far_from_zero(
    value: float,
) -> None:
    assert exp(np.array([value]))[0] == pytest.approx(math.exp(value), rel=7e-16 - 4e-17 * value, abs=0.0)


def test_the_exponential_of_whole_and_of_huge_numbers() -> None:
    assert exp(np.array([0.0, -0.0, -701.0, -math.inf])).tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7])
def test_a_confidence_at_the_threshold_counts(count: int) -> None:
    even = np.full(count, -3.7)
    assert sure_action(even, float(Fraction(1, count))) == 0
    assert sure_action(even, math.nextafter(1.0 / count, 1.0)) == NO_ACTION


def test_without_a_threshold_every_action_counts() -> None:
    assert sure_action(np.zeros(100), 0.0) == 0


@settings(deadline=None, max_examples=80)
@given(networks(), st.integers(1, 100), st.floats(0.2, 0.99))
def test_every_bar_acts_where_the_softmax_of_its_observation_reaches_the_threshold(
    made: Made, windows: int, least: float
) -> None:
    policy, rng = made
    market, account = market_for(policy, rng, windows), rng.normal(size=policy.n_account)
    rows = np.arange(windows)
    seen = [observation(policy, market[row : row + policy.lookback], account) for row in rows]
    plain = [plain_logits(policy, one) for one in seen]
    expected = [int(np.argmax(one)) if confidence(one) >= least else NO_ACTION for one in plain]

    assert choose_actions(policy, market, account, None, least).tolist() == expected
    session = PolicySession(policy, market, least=least)
    assert session.choose_actions(rows, np.tile(account, (windows, 1))).tolist() == expected
    assert sure_actions(np.array(plain), least).tolist() == expected


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_a_confidence_next_to_the_threshold_is_decided_by_definition(activation: str) -> None:
    rng = np.random.default_rng(5)
    policy = network(rng, [40, 20], window=30, n_market=5, n_actions=7, activation=activation)
    market = market_for(policy, rng, 60)
    for row in range(0, 60, 6):
        logits = reference_logits(policy, observation(policy, market[row : row + policy.lookback], NONE))
        total = 0.0
        for share in exp(logits - logits.max()).tolist():
            total += share
        least = 1.0 / total
        for threshold, acts in ((least, True), (math.nextafter(least, 1.0), False), (math.nextafter(least, 0.0), True)):
            chosen = choose_actions(policy, market, NONE, None, threshold)
            alone = choose_actions(policy, market[row : row + policy.lookback], NONE, None, threshold)
            assert chosen[row] == alone[0] == (np.argmax(logits) if acts else NO_ACTION)


def test_only_what_is_next_to_the_threshold_is_evaluated_by_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    policy = network(rng, [40, 20], window=30, n_market=5, n_actions=7)
    monkeypatch.setattr(inference, "reference_logits", None)
    chosen = choose_actions(policy, market_for(policy, rng, 500), NONE, None, 0.4).tolist()
    assert len(set(chosen)) > 2
    assert 50 < chosen.count(NO_ACTION) < 450


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.floats(-20.0, 20.0), min_size=2, max_size=8),
    st.floats(0.05, 0.99),
    st.floats(-14.0, 0.0),
    st.integers(0, 2**32 - 1),
)
def test_what_is_certain_holds_for_all_logits_within_the_bounds(
    centre: list[float], least: float, size: float, seed: int
) -> None:
    rng, logits = np.random.default_rng(seed), np.array([centre])
    errors = 10.0**size * rng.random(logits.shape)
    action = int(np.argmax(logits))
    reached, certain = certify_confidence(logits, errors, np.array([action]), least)
    for _ in range(20):
        within = logits + errors * rng.choice([-1.0, 1.0, 0.3], logits.shape)
        if certain[0] and np.argmax(within) == action:
            assert (sure_action(within[0], least) == action) == reached[0]
    if size < -10 and abs(confidence(logits[0]) / least - 1.0) > 1e-8:
        assert certain[0]


def test_nothing_is_certain_without_a_bound() -> None:
    for errors in ([np.inf, 0.0], [np.nan, 0.0]):
        _, certain = certify_confidence(np.array([[5.0, 0.0]]), np.array([errors]), np.array([0]), 0.4)
        assert not certain[0]


def test_what_float32_changes_is_the_same_whether_bars_are_looked_at_or_known(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    policy = network(rng, [40, 20], window=30, n_market=5, n_actions=7)
    market = market_for(policy, rng, 64)
    logits = [plain_logits(policy, observation(policy, market[row : row + policy.lookback], NONE)) for row in range(64)]
    least = confidence(logits[7]) * (1.0 + 1e-9)  # where float64 stays below, and float32 may not
    (judged,) = choose_of_all(policy, [market], NONE, None, least)

    def changes() -> list[bool]:
        found = float32_changes(policy, market, NONE, judged, np.random.default_rng(1), least=least)
        return [bool(one) for one in found]

    shortcut = changes()
    monkeypatch.setattr(single_precision, "_beyond_doubt", lambda *given, **_: np.zeros(len(given[4]), dtype=np.bool_))
    assert shortcut == changes()
    assert [row for row, changed in enumerate(shortcut) if changed] in ([], [7])


def test_what_float32_cannot_tell_from_the_threshold_is_told() -> None:
    rng = np.random.default_rng(9)
    policy = network(rng, [40, 20], window=30, n_market=5, n_actions=7)
    market = market_for(policy, rng, 64)
    told = 0
    for row in range(64):
        seen = observation(policy, market[row : row + policy.lookback], NONE)
        for side in (1.0 + 1e-10, 1.0 - 1e-10):
            least = confidence(plain_logits(policy, seen)) * side
            part = market[row : row + policy.lookback]
            (judged,) = choose_of_all(policy, [part], NONE, None, least)
            told += int(float32_changes(policy, part, NONE, judged, rng, least=least)[0])
    assert 40 < told < 128  # on one of the two sides float32 says the other thing
