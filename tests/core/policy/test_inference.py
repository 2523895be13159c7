"""Actions chosen fast are those of one full observation and one forward pass per bar."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policies import NEUTRAL_ACCOUNT, mlp
from support.policy_oracle import market_for, network, networks, observation, plain_actions

from pytest_modelgate.core.policy import error_bounds, inference
from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.error_bounds import Norms
from pytest_modelgate.core.policy.inference import PolicySession, choose_actions, choose_actions_of_all
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

Made = tuple[MlpPolicy, np.random.Generator]


@settings(deadline=None, max_examples=120)
@given(networks(), st.integers(1, 150))
def test_every_bar_has_the_action_of_its_full_observation(made: Made, windows: int) -> None:
    policy, rng = made
    market, account = market_for(policy, rng, windows), np.array(NEUTRAL_ACCOUNT[: policy.n_account])

    assert choose_actions(policy, market, account).tolist() == plain_actions(policy, market, account).tolist()


@settings(deadline=None, max_examples=60)
@given(networks(longest=60), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_episode_has_the_action_of_its_own_account_in_any_order(made: Made, episodes: int, seed: int) -> None:
    policy, rng = made
    market, accounts = market_for(policy, rng, 30), rng.normal(size=(episodes, policy.n_account))
    rows = rng.integers(0, 30, episodes)
    order = np.random.default_rng(seed).permutation(episodes)
    session = PolicySession(policy, market)

    expected = [
        int(plain_actions(policy, market[row : row + policy.lookback], account)[0])
        for row, account in zip(rows.tolist(), accounts, strict=True)
    ]
    assert session.choose_actions(rows, accounts).tolist() == expected
    assert session.choose_actions(rows[order], accounts[order]).tolist() == [expected[episode] for episode in order]


@pytest.mark.parametrize("windows", [1, 3, 200])
def test_batches_do_not_matter(windows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    policy = near_tied(network(rng, [40, 20], window=30, n_market=5), 1e-9)
    market = market_for(policy, rng, windows)
    expected = choose_actions(policy, market, np.empty(0)).tolist()
    for rows in (1, 64):
        monkeypatch.setattr(inference, "_ROWS", rows)
        assert choose_actions(policy, market, np.empty(0)).tolist() == expected
    pieces = [choose_actions(policy, market[first : first + policy.lookback], np.empty(0)) for first in range(windows)]
    assert np.concatenate(pieces).tolist() == expected


def near_tied(policy: MlpPolicy, margin: float, seed: int = 7) -> MlpPolicy:
    """All outputs alike but for a relative margin: rounding would decide between them."""
    rng = np.random.default_rng(seed)
    head, bias = (part[-1].astype(np.float64) for part in (policy.weights, policy.biases))
    near = head[:1] * (1.0 + margin * rng.standard_normal(head.shape))
    close = bias[:1] * (1.0 + margin * rng.standard_normal(bias.shape))
    return replace(policy, weights=[*policy.weights[:-1], near], biases=[*policy.biases[:-1], close])


def by_definition(policy: MlpPolicy, market: Floats) -> list[int]:
    rows = range(len(market) - policy.lookback + 1)
    none = np.empty(0)
    seen = [observation(policy, market[row : row + policy.lookback], none) for row in rows]
    return [int(np.argmax(reference_logits(policy, one))) for one in seen]


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
@pytest.mark.parametrize("margin", [1e-7, 1e-10, 1e-13, 1e-15, 0.0])
def test_near_ties_are_decided_by_definition(margin: float, activation: str) -> None:
    rng = np.random.default_rng(3)
    policy = near_tied(network(rng, [64, 32], window=40, n_market=5, n_actions=7, activation=activation), margin)
    market = market_for(policy, rng, 120)

    actions = choose_actions(policy, market, np.empty(0)).tolist()
    assert actions == by_definition(policy, market)
    if margin >= 1e-10:
        assert actions == plain_actions(policy, market, np.empty(0)).tolist()
        assert len(set(actions)) > 1
    if margin == 0.0:
        assert set(actions) == {0}


def tuned(policy: MlpPolicy, market: Floats, bar: int, margin: float, rng: np.random.Generator) -> MlpPolicy:
    """The last biases such that at one bar all outputs, of different rows, are alike but for a relative margin."""
    logits = reference_logits(policy, observation(policy, market[bar : bar + policy.lookback], np.empty(0)))
    wanted = logits.max() * (1.0 + margin * rng.standard_normal(len(logits)))
    return replace(policy, biases=[*policy.biases[:-1], policy.biases[-1] + wanted - logits])


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_ties_of_different_outputs_are_decided_by_definition(activation: str) -> None:
    rng = np.random.default_rng(12)
    for _ in range(60):
        hidden = [int(units) for units in rng.integers(1, 40, rng.integers(1, 4))]
        policy = network(rng, hidden, window=20, n_market=3, n_actions=7, activation=activation)
        market, bar = market_for(policy, rng, 6), int(rng.integers(6))
        policy = tuned(policy, market, bar, 10.0 ** rng.uniform(-16, -5), rng)
        assert choose_actions(policy, market, np.empty(0)).tolist() == by_definition(policy, market)


@pytest.mark.parametrize("scale", [1.0, 1e-140, 1e-165, 1e-300])
def test_features_too_small_to_be_squared_are_reckoned_with(scale: float) -> None:
    rng = np.random.default_rng(13)
    weights = rng.normal(size=40).astype(np.float32)
    policy = mlp(
        [np.array([rng.permutation(weights) for _ in range(3)])], [np.zeros(3, np.float32)], "tanh", 4, 0, 10
    )  # on features that are all alike only the order of summation tells the outputs apart
    market = np.full((60, 4), scale * 0.7)

    with np.errstate(under="ignore"):
        assert choose_actions(policy, market, np.empty(0)).tolist() == by_definition(policy, market)


@pytest.mark.parametrize("spike", [1e4, 1e8, 1e12, 1e200])
def test_a_spike_leaks_into_no_other_action(spike: float) -> None:
    rng = np.random.default_rng(4)
    policy = near_tied(network(rng, [64, 32], window=40, n_market=5), 1e-6)
    market = market_for(policy, rng, 200)
    market[90, 2] = spike

    assert choose_actions(policy, market, np.empty(0)).tolist() == by_definition(policy, market)


def test_an_account_far_larger_than_the_market_is_reckoned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(11)
    policy = network(rng, [20, 10], window=12, n_market=3, n_account=3)
    market, seen = 1e-6 * market_for(policy, rng, 5), []
    errors = error_bounds.logit_errors

    def noted(norms: Norms, market_norms: Floats, hidden_norms: Floats) -> Floats:
        seen.extend(market_norms.tolist())
        return errors(norms, market_norms, hidden_norms)

    monkeypatch.setattr(inference, "logit_errors", noted)
    choose_actions(policy, market, np.full(3, 1e6))
    assert min(seen) >= 1e6 * np.sqrt(12 * 3)


def test_weights_that_cancel_are_seen_through() -> None:
    rng = np.random.default_rng(5)
    policy = network(rng, [64, 33], window=40, n_market=5)
    first, second, head = (weight.astype(np.float64) for weight in policy.weights)
    first[32:] = first[:32]  # pairs of units that are the same, and cancel in the next layer but for a trace
    second[:, 32:] = -second[:, :32] * (1.0 + 1e-9 * rng.standard_normal((33, 32)))
    cancelling = replace(
        policy,
        weights=[first, 1e6 * second, head],
        biases=[np.concatenate([policy.biases[0][:32]] * 2), np.zeros(33), np.zeros(3)],
    )
    market = market_for(policy, rng, 150)

    actions = choose_actions(cancelling, market, np.empty(0)).tolist()
    assert actions == by_definition(cancelling, market) == plain_actions(cancelling, market, np.empty(0)).tolist()
    assert len(set(actions)) > 1


@pytest.mark.parametrize("scale", [1e-30, 1e-300, 1e25, 1e60])
def test_numbers_beyond_float32_are_in_reach(scale: float) -> None:
    rng = np.random.default_rng(6)
    policy = network(rng, [20, 10], window=12, n_market=3, activation="relu")
    scaled = replace(policy, weights=[scale * weight.astype(np.float64) for weight in policy.weights])
    scaled = replace(scaled, biases=[np.zeros(len(bias)) for bias in policy.biases])
    market = market_for(policy, rng, 60)

    with np.errstate(under="ignore"):
        assert choose_actions(scaled, market, np.empty(0)).tolist() == by_definition(scaled, market)


def test_next_to_no_bar_of_an_ordinary_network_needs_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    policy = network(rng, [256, 128], window=40, n_market=20, n_actions=7)
    defined = Mock(wraps=reference_logits)
    monkeypatch.setattr(inference, "reference_logits", defined)
    choose_actions(policy, market_for(policy, rng, 1000), np.empty(0))
    assert defined.call_count <= 2


def test_several_series_at_once_are_as_each_by_itself() -> None:
    rng = np.random.default_rng(9)
    policy = near_tied(network(rng, [30, 10], window=7), 1e-15)
    series = [market_for(policy, rng, 40), market_for(policy, rng, 1)[:3], market_for(policy, rng, 90)]

    chosen = choose_actions_of_all(policy, series, np.empty(0))
    assert np.unique(np.concatenate(chosen)).tolist() == [0, 1, 2]
    assert [len(actions) for actions in chosen] == [40, 0, 90]
    for actions, market in zip(chosen, series, strict=True):
        assert actions.tolist() == choose_actions(policy, market, np.empty(0)).tolist()


def test_a_series_shorter_than_a_window_has_no_actions() -> None:
    assert choose_actions(network(np.random.default_rng(1), [3]), np.ones((3, 3)), np.empty(0)).shape == (0,)


@pytest.mark.parametrize(("layer", "name"), [(0, "weight of layer 1"), (2, "weight of layer 3")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused_by_its_layer(layer: int, name: str, value: float) -> None:
    policy = network(np.random.default_rng(1), [5, 4])
    policy.weights[layer][1, 2] = value

    with pytest.raises(CheckpointError, match=rf"policy, {name}: holds a number that is not finite"):
        choose_actions(policy, np.ones((9, 3)), np.empty(0))


def test_a_bias_that_is_not_finite_is_refused_by_its_layer() -> None:
    policy = network(np.random.default_rng(1), [5, 4])
    policy.biases[1][0] = np.inf

    with pytest.raises(CheckpointError, match=r"policy, bias of layer 2: holds a number that is not finite"):
        choose_actions(policy, np.ones((9, 3)), np.empty(0))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_feature_that_is_not_finite_is_refused_by_its_column(number: int, value: float) -> None:
    series = [np.ones((9, 3)), np.ones((9, 3))]
    series[number][6, 1] = value

    with pytest.raises(CheckpointError, match=r"market features: column 1 is not finite at row 6"):
        choose_actions_of_all(network(np.random.default_rng(1), [5, 4]), series, np.empty(0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_account_feature_that_is_not_finite_is_refused_by_its_name(value: float) -> None:
    policy = network(np.random.default_rng(1), [5, 4], n_account=3)

    with pytest.raises(CheckpointError, match=r"account features: drawdown is not finite"):
        choose_actions(policy, np.ones((9, 3)), np.array([0.0, 0.5, value]))


@pytest.mark.parametrize(
    ("size", "layer", "activation"),
    [(1e308, 1, "relu"), (1e308, 1, "tanh"), (1e150, 2, "relu"), (1e100, 3, "relu"), (1e100, 3, "elu")],
)
def test_a_layer_that_overflows_is_refused_by_its_number(size: float, layer: int, activation: str) -> None:
    policy = network(np.random.default_rng(1), [5, 4], activation=activation)
    huge = replace(policy, weights=[np.full(weight.shape, size) for weight in policy.weights])

    with pytest.raises(CheckpointError, match=rf"policy: layer {layer} of 3 produced a number that is not finite"):
        choose_actions(huge, np.full((9, 3), 1e9), np.empty(0))


def test_finite_numbers_whose_squares_are_not_decide() -> None:
    weights = [np.eye(4), np.eye(4), np.zeros((4, 4)), np.eye(3, 4)]
    weights[2][0, 0] = 1.3402e154
    policy = mlp(weights, [np.array([1e200, 0, 0, 0]), *map(np.zeros, (4, 4, 3))], "tanh", 4, 0, 1)

    assert choose_actions(policy, np.ones((3, 4)), np.empty(0)).tolist() == by_definition(policy, np.ones((3, 4)))


def test_an_unknown_activation_is_refused() -> None:
    policy = network(np.random.default_rng(1), [5, 4], activation="mish")
    with pytest.raises(CheckpointError, match="'mish' is unknown, expected one of tanh, relu, elu"):
        choose_actions(policy, np.ones((9, 3)), np.empty(0))
