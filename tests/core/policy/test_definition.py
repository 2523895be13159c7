"""The definition of an action: written out again in plain Python, number by number."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_oracle import networks, plain_logits

from pytest_modelgate.core.policy import definition
from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.mlp import MlpPolicy

ULP = 2.0**-52


def _halved(terms: list[float]) -> float:
    while len(terms) > 1:
        half = (len(terms) + 1) // 2
        terms = [one + terms[half + at] if half + at < len(terms) else one for at, one in enumerate(terms[:half])]
    return terms[0]


@settings(deadline=None, max_examples=40)
@given(networks(longest=15))
def test_sums_are_formed_by_halving_to_the_last_bit(made: tuple[MlpPolicy, np.random.Generator]) -> None:
    policy, rng = made
    seen = rng.normal(size=policy.obs_dim)
    weight, bias = policy.weights[0], policy.biases[0]
    single = replace(policy, weights=[weight], biases=[bias], activation="relu")

    expected = [
        _halved([w * x for w, x in zip(row, seen.tolist(), strict=True)]) + b
        for row, b in zip(weight.tolist(), bias.tolist(), strict=True)
    ]
    assert reference_logits(single, seen).tolist() == expected


@settings(deadline=None, max_examples=60)
@given(networks(longest=40))
def test_it_is_the_plain_forward_pass_up_to_rounding(made: tuple[MlpPolicy, np.random.Generator]) -> None:
    policy, rng = made
    seen = rng.normal(size=policy.obs_dim)
    assert np.allclose(reference_logits(policy, seen), plain_logits(policy, seen), rtol=1e-12, atol=1e-12)


@settings(max_examples=150)
@given(st.floats(-800.0, 800.0) | st.floats(-1.0, 1.0) | st.floats(-1e-300, 1e-300))
def test_its_activations_are_those_of_the_mathematical_library(value: float) -> None:
    squashed = definition._squash("tanh", np.array([value]))[0]
    assert abs(squashed - math.tanh(value)) <= 4 * ULP * abs(math.tanh(value)) + 5e-324
    elu = value if value > 0 else math.expm1(value)
    assert abs(definition._elu(np.array([value]))[0] - elu) <= 4 * ULP * abs(elu) + 5e-324


@pytest.mark.parametrize("value", [0.0, -0.0])
def test_nothing_stays_nothing(value: float) -> None:
    assert definition._squash("tanh", np.array([value]))[0] == 0.0
    assert definition._elu(np.array([value]))[0] == 0.0
