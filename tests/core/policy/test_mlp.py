"""The split first layer against the plain way: one full observation, one forward pass."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policies import mlp

from pytest_modelgate.core.policy.activations import ACTIVATIONS
from pytest_modelgate.core.policy.mlp import MlpPolicy, greedy
from pytest_modelgate.errors import CheckpointError


@st.composite
def policies(draw: st.DrawFn) -> tuple[MlpPolicy, np.random.Generator]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    window, n_market = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    n_account, n_actions = draw(st.sampled_from([0, 3, 6])), draw(st.sampled_from([3, 7]))
    sizes = [window * (n_market + n_account), *draw(st.lists(st.integers(1, 9), max_size=4)), n_actions]
    weights = [rng.normal(size=(out, inputs)) for inputs, out in pairwise(sizes)]
    biases = [rng.normal(size=out) for out in sizes[1:]]
    activation = draw(st.sampled_from(ACTIVATIONS))
    return mlp(weights, biases, activation, n_market, n_account, window), rng


@settings(deadline=None, max_examples=60)
@given(policies(), st.integers(0, 30))
def test_every_window_gets_the_logits_of_its_full_observation(
    made: tuple[MlpPolicy, np.random.Generator], more: int
) -> None:
    policy, rng = made
    market = rng.normal(size=(policy.lookback + more, policy.n_market))
    account = rng.normal(size=policy.n_account)

    rows = np.hstack([market, np.tile(account, (len(market), 1))])
    observations = np.array([rows[end : end + policy.lookback].ravel() for end in range(more + 1)])

    assert np.allclose(policy.logits(market, account), policy.logits_of(observations), rtol=1e-10, atol=1e-10)


def test_fewer_rows_than_a_window_give_no_logits() -> None:
    policy = mlp([np.ones((3, 4))], [np.zeros(3)], "tanh", 2, 0, 2)

    assert policy.logits(np.ones((1, 2)), np.empty(0)).shape == (0, 3)


def test_a_logit_that_is_not_finite_is_refused() -> None:
    policy = mlp([np.full((3, 1), 1e308)], [np.zeros(3)], "tanh", 1, 0, 1)

    with np.errstate(over="ignore"), pytest.raises(CheckpointError, match="not finite"):
        policy.logits(np.array([[1e10]]), np.empty(0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_logit_that_is_not_finite_is_no_action(value: float) -> None:
    with pytest.raises(CheckpointError, match="not finite"):
        greedy(np.array([[1.0, value, 0.0]]))


def test_ties_go_to_the_lowest_index() -> None:
    assert greedy(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])).tolist() == [0, 1]
