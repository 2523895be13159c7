"""The path of GPUs on torch's own CPU backend: all of it but the name of the device."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_oracle import market_for, network, networks

from pytest_modelgate.adapters.gpu import torch_device
from pytest_modelgate.adapters.gpu.torch_device import TorchDevice, cuda_problem
from pytest_modelgate.core.policy.first_layer import choose_blocking, convolve
from pytest_modelgate.core.policy.inference import PolicySession, RemainingLayers, choose_actions, choose_actions_of_all
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import CheckpointError

DEVICE = TorchDevice("cpu")


@settings(deadline=None, max_examples=40)
@given(networks(longest=60), st.integers(1, 150))
def test_actions_are_those_of_the_cpu(made: tuple[MlpPolicy, np.random.Generator], windows: int) -> None:
    policy, rng = made
    market, account = market_for(policy, rng, windows), rng.normal(size=policy.n_account)

    assert choose_actions(policy, market, account, DEVICE).tolist() == choose_actions(policy, market, account).tolist()
    accounts = np.tile(account, (windows, 1))
    episodes = PolicySession(policy, market, DEVICE).choose_actions(np.arange(windows), accounts)
    assert episodes.tolist() == choose_actions(policy, market, account).tolist()


@pytest.mark.parametrize("windows", [5, 500])
def test_the_first_layer_is_the_same_up_to_rounding(windows: int) -> None:
    rng = np.random.default_rng(1)
    policy = network(rng, [70], window=30, n_market=5)
    market = market_for(policy, rng, windows)
    series, shift = [market, market[3:50]], rng.normal(size=70)
    blocking = choose_blocking([windows, max(0, len(series[1]) - 29)], 30, 5)
    sums = DEVICE.first_layer(policy, series, blocking, shift)

    assert bool(blocking.length) == (windows > 100)
    assert sums is not None
    assert np.allclose(sums, convolve(policy, series, blocking, shift), rtol=1e-12, atol=1e-12)


def test_norms_of_hidden_values_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_device, "_UNITS", 16)  # of 70, in several pieces
    monkeypatch.setattr(torch_device, "_ROWS", 50)
    rng = np.random.default_rng(4)
    policy = network(rng, [70, 30], window=30, n_market=5)
    market, shift = market_for(policy, rng, 320), rng.normal(size=70)
    blocking = choose_blocking([320], 30, 5)

    evaluated = DEVICE.evaluate(policy, [market], blocking, shift)
    assert blocking.length
    assert evaluated is not None
    expected = RemainingLayers(policy).evaluate(convolve(policy, [market], blocking, shift))
    for one, other in zip(evaluated, expected, strict=True):
        assert np.allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize("number", [0, 1])
def test_a_feature_that_is_not_finite_is_refused_as_by_the_cpu(number: int) -> None:
    policy = network(np.random.default_rng(1), [5, 4])
    market = [np.ones((9, 3)), np.ones((9, 3))]
    market[number][6, 1] = np.inf
    with pytest.raises(CheckpointError, match="market features: column 1 is not finite at row 6"):
        choose_actions_of_all(policy, market, np.empty(0), DEVICE)


def test_a_layer_that_overflows_is_refused_as_by_the_cpu() -> None:
    policy = network(np.random.default_rng(1), [5, 4])
    huge = replace(policy, weights=[np.full(weight.shape, 1e308) for weight in policy.weights])
    with pytest.raises(CheckpointError, match="layer 1 of 3 produced a number that is not finite"):
        choose_actions(huge, np.full((9, 3), 1e9), np.empty(0), DEVICE)


def test_near_ties_are_decided_by_definition_all_the_same() -> None:
    rng = np.random.default_rng(2)
    policy = network(rng, [50, 20], window=30, n_market=5, n_actions=7)
    policy.weights[-1][1:] = policy.weights[-1][0] * (1 + 1e-7 * rng.normal(size=(6, 20))).astype(np.float32)
    market = market_for(policy, rng, 200)

    assert (
        choose_actions(policy, market, np.empty(0), DEVICE).tolist()
        == choose_actions(policy, market, np.empty(0)).tolist()
    )


def test_a_device_without_room_leaves_the_work_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    policy = network(rng, [20], window=5)
    market = market_for(policy, rng, 50)
    expected = choose_actions(policy, market, np.empty(0)).tolist()

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(TorchDevice, "_put", full)
    assert DEVICE.evaluate(policy, [market], choose_blocking([50], 5, 3), np.zeros(20)) is None
    assert choose_actions(policy, market, np.empty(0), DEVICE).tolist() == expected
    assert PolicySession(policy, market, DEVICE).choose_actions(np.arange(50), np.empty((50, 0))).tolist() == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_why() -> None:
    assert cuda_problem() in {f"torch {torch.__version__} is built without CUDA", "torch finds no usable GPU"}
