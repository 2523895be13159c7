"""An activation is understood whichever way it is said, and never guessed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoints import contents, load, refused, saved

from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.training.run import Declared


def _config(activation: object) -> dict[str, object]:
    return {"activation": activation, "feature_set": "reference-v1"}


@pytest.mark.parametrize(
    ("said", "name"),
    [
        pytest.param(torch.nn.Tanh, "tanh", id="class"),
        (torch.nn.Tanh(), "tanh"),
        (torch.tanh, "tanh"),
        (torch.nn.functional.elu, "elu"),
        (torch.nn.ReLU(inplace=True), "relu"),
        (torch.nn.ELU(), "elu"),
        (torch.nn.SiLU, "silu"),
        (torch.nn.GELU, "gelu"),
        (torch.nn.GELU(), "gelu"),
        (torch.nn.GELU(approximate="tanh"), "gelu_tanh"),
        (torch.nn.LeakyReLU, "leaky_relu"),
        (torch.nn.LeakyReLU(), "leaky_relu"),
        (torch.nn.LeakyReLU(0.2), "leaky_relu(0.2)"),
        ("nn.Tanh()", "tanh"),
        ("torch.tanh", "tanh"),
        ("Tanh", "tanh"),
        ("<class 'torch.nn.modules.activation.Tanh'>", "tanh"),
        ("torch.nn.ReLU(inplace=True)", "relu"),
        ("swish", "silu"),
        ("nn.GELU(approximate='tanh')", "gelu_tanh"),
        ("GELU(approximate='none')", "gelu"),
        ("gelu_tanh", "gelu_tanh"),
        ("LeakyReLU(negative_slope=0.01)", "leaky_relu"),
        ("nn.LeakyReLU(0.2, inplace=True)", "leaky_relu(0.2)"),
        ("leaky_relu", "leaky_relu"),
        ("ELU(alpha=1.0)", "elu"),
    ],
)
def test_an_activation_is_understood(tmp_path: Path, said: Any, name: str) -> None:
    path = saved(tmp_path, contents(config=_config(said)))

    assert load(path).facts.activation == name


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (torch.nn.Identity, "'identity' is none: without one between them, layers are a single linear one"),
        (torch.nn.Identity(), "'identity' is none"),
        (torch.nn.ELU(0.5), r"'elu\(0\.5\)' is unknown"),
        ("nn.ELU(alpha=0.5)", r"'elu\(0\.5\)' is unknown"),
        (torch.nn.LeakyReLU(1.5), r"'leaky_relu\(1\.5\)' is unknown"),
        (functools.partial(torch.nn.LeakyReLU, negative_slope=0.2), "says an instance of functools.partial"),
        (functools.partial(torch.nn.functional.elu, alpha=0.5), "says an instance of functools.partial"),
        (torch.nn.Mish(), "'mish' is unknown, expected one of tanh"),
        ("lambda x: x", "is unknown"),
        pytest.param(torch.nn.Tanh, "--gate-activation says 'relu', the checkpoint says 'tanh'", id="option"),
        (torch.device("cpu"), "an instance of torch.device, expected a name|'device' is unknown"),
        ({}, "the checkpoint says a dict, expected a name"),
    ],
)
def test_what_the_gate_cannot_compute_is_refused(tmp_path: Path, said: Any, sentence: str) -> None:
    option = "relu" if "says 'relu'" in sentence else None

    refused(saved(tmp_path, contents(config=_config(said))), sentence, activation=option)


@pytest.mark.parametrize(("name", "inner"), [("activation", "relu"), ("feature_set", "mine-v1")])
def test_a_checkpoint_that_says_two_things_is_refused(tmp_path: Path, name: str, inner: str) -> None:
    made = contents(config=_config("tanh") | {name: inner})

    refused(saved(tmp_path, {**made, name: "tanh"}), f"X.pt, {name}: config says '{inner}', the entry beside it 'tanh'")
    assert getattr(load(saved(tmp_path, {**made, name: inner})).facts, name) == inner
    made["config"][name] = None
    assert getattr(load(saved(tmp_path, {**made, name: inner})).facts, name) == inner


def test_summary_and_class_agree(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(config=_config(torch.nn.SiLU)))

    assert load(path, declared=Declared(activation="Swish")).facts.activation == "silu"


@pytest.mark.parametrize(
    "function",
    [
        torch.nn.Tanh(),
        torch.nn.ELU(),
        torch.nn.SiLU(),
        torch.nn.GELU(),
        torch.nn.GELU(approximate="tanh"),
        torch.nn.LeakyReLU(),
        torch.nn.LeakyReLU(0.3),
    ],
)
def test_it_is_the_function_that_torch_computes(tmp_path: Path, function: torch.nn.Module) -> None:
    policy: MlpPolicy = load(saved(tmp_path, contents(config=_config(function)))).policy
    values = np.random.default_rng(1).normal(size=(4, policy.obs_dim))
    hidden = torch.from_numpy(values)
    for weight, bias in zip(policy.weights, policy.biases, strict=True):
        hidden = function(hidden) if weight is not policy.weights[0] else hidden
        hidden = hidden @ torch.from_numpy(weight.astype(np.float64)).T + torch.from_numpy(bias.astype(np.float64))

    assert np.allclose(policy.logits_of(values), hidden.numpy(), rtol=1e-13, atol=1e-13)
