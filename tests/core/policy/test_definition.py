"""The definition of an action: written out again in plain Python, number by number."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_oracle import networks, plain_logits

from pytest_modelgate.core.policy.activations import (
    ACTIVATIONS,
    activate,
    activate_by_definition,
    errs_with_argument,
    steepest,
)
from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import CheckpointError

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


@settings(max_examples=300)
@given(st.floats(-800.0, 800.0) | st.floats(-1.0, 1.0) | st.floats(-1e-300, 1e-300))
def test_its_activations_are_those_of_the_mathematical_library(value: float) -> None:
    logistic = 1.0 / (1.0 + math.exp(-value)) if value > -700.0 else 0.0
    inner = math.sqrt(2.0 / math.pi) * (value + 0.044715 * value**3)
    expected = {
        "tanh": math.tanh(value),
        "elu": value if value > 0 else math.expm1(value),
        "leaky_relu": value if value > 0 else 0.01 * value,
        "leaky_relu(0.2)": value if value > 0 else 0.2 * value,
    }
    for name, right in expected.items():
        assert abs(activate_by_definition(name, np.array([value]))[0] - right) <= 4 * ULP * abs(right) + 5e-324
    by_argument = {
        "silu": value * logistic,
        "gelu": value * 0.5 * math.erfc(-value / math.sqrt(2.0)),
        "gelu_tanh": value * 0.5 * (1.0 + math.tanh(inner)),
    }
    for name, right in by_argument.items():
        assert abs(activate_by_definition(name, np.array([value]))[0] - right) <= 8 * ULP * abs(value)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_its_activations_are_those_of_the_fast_evaluation(name: str) -> None:
    values = np.random.default_rng(1).normal(size=(40, 50)) * 10.0 ** np.arange(-20, 20)[:, None]
    scale = np.abs(values) if errs_with_argument(name) else np.abs(activate(name, values))
    assert (np.abs(activate_by_definition(name, values) - activate(name, values)) <= 16 * ULP * scale).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("value", [0.0, -0.0])
def test_nothing_stays_nothing(name: str, value: float) -> None:
    assert activate_by_definition(name, np.array([value]))[0] == 0.0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_activation_is_steeper_than_it_says(name: str) -> None:
    values = np.linspace(-12.0, 12.0, 200_001)
    slopes = np.diff(activate_by_definition(name, values)) / np.diff(values)
    assert np.abs(slopes).max() <= steepest(name)


@pytest.mark.parametrize(
    "name", ["leaky_relu(1.5)", "leaky_relu(-0.1)", "leaky_relu()", "leaky_relu(1e)", "leaky_relu(nan)", "elu(2.0)", ""]
)
def test_what_is_no_activation_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match="is unknown, expected one of tanh"):
        activate(name, np.zeros(1))
