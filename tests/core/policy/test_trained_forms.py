"""What trainers' own forms of observations and actions become is the same function."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.core.integrity.perturbations import noisy, shuffled
from pytest_modelgate.core.policy.actions import Target
from pytest_modelgate.core.policy.ladder import STEPS, Ladder, rungs
from pytest_modelgate.core.policy.layout import MARKET, Layout
from pytest_modelgate.core.policy.mlp import MlpPolicy


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    account = draw(st.lists(st.sampled_from(["pnl", "drawdown", "position"]), unique=True, max_size=3))
    parts = draw(st.permutations([MARKET, *account]))
    return Layout(tuple(parts), tuple(account), draw(st.integers(1, 4)), draw(st.integers(1, 5)))


@given(layouts(), st.integers(0, 2**32))
def test_a_first_layer_gives_the_same_sums_for_rows_as_for_the_flat_form(layout: Layout, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, observations = rng.integers(-9, 9, (3, layout.size)), rng.integers(-9, 9, (7, layout.size))

    by_row = layout.to_rows(observations.astype(float)) @ layout.weights(weight.astype(float)).T

    assert (by_row == observations @ weight.T).all()


def test_account_features_stand_at_the_end_of_every_row() -> None:
    layout = Layout(("pnl", MARKET, "drawdown"), ("drawdown", "pnl"), lookback=2, n_market=2)

    assert layout.to_row([9.0, 1.0, 2.0, 3.0, 4.0, 8.0]).tolist() == [1.0, 2.0, 8.0, 9.0, 3.0, 4.0, 8.0, 9.0]


def on_ladder(ladder: Ladder) -> MlpPolicy:
    """A policy whose one output is its one feature."""
    weight, bias = ladder.head(np.array([[1.0]]), np.zeros(1))
    return MlpPolicy([weight], [bias], "tanh", 1, (), 1, rungs(-1.0, 1.0), ladder=ladder)


@given(st.floats(-6.0, 6.0), st.booleans(), st.floats(-3.0, 0.0), st.floats(0.1, 3.0))
def test_the_largest_output_is_the_rung_nearest_to_the_action(
    x: float, squashed: bool, low: float, size: float
) -> None:
    ladder = Ladder(low, low + size, squashed)
    policy = on_ladder(ladder)

    logits = policy.logits_of(np.array([[x]]))
    chosen = policy.actions[int(logits[0].argmax())]

    share = 0.5 * (math.tanh(x) + 1.0) if squashed else min(1.0, max(0.0, (x - low) / size))
    assert isinstance(chosen, Target)
    assert abs(chosen.exposure - (2.0 * share - 1.0)) <= 1.0 / STEPS + 1e-9
    assert ladder.actions_of(logits)[0, 0] == pytest.approx(low + share * size, abs=1e-9)


def test_noise_and_shuffles_change_the_one_output_and_keep_its_rungs_in_order() -> None:
    ladder = Ladder(-1.0, 1.0, squashed=True)
    rng = np.random.default_rng(1)
    weight, bias = ladder.head(rng.normal(size=(1, 8)), np.zeros(1))
    policy = MlpPolicy([weight], [bias], "tanh", 8, (), 1, rungs(-1.0, 1.0), ladder=ladder)
    observations = rng.normal(size=(200, 8))

    for changed in (noisy(policy, rng, 0.05), shuffled(policy, rng)):
        actions = ladder.actions_of(changed.logits_of(observations))[:, 0]
        chosen = changed.logits_of(observations).argmax(axis=1)
        assert np.abs(chosen / STEPS * 2.0 - 1.0 - actions).max() <= 1.0 / STEPS + 1e-9
        assert np.abs(actions - ladder.actions_of(policy.logits_of(observations))[:, 0]).max() > 0.001
