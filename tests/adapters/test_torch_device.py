"""The path of GPUs on torch's own processor backend: all of it but the name of the device."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_oracle import market_for, network, networks

from pytest_modelgate.adapters.torch_device import TorchDevice, cuda_problem
from pytest_modelgate.core.convolution import convolve, plan
from pytest_modelgate.core.inference import Observed, decide
from pytest_modelgate.core.policy import MlpPolicy

DEVICE = TorchDevice("cpu")


@settings(deadline=None, max_examples=40)
@given(networks(longest=60), st.integers(1, 150))
def test_actions_are_those_of_the_processor(made: tuple[MlpPolicy, np.random.Generator], windows: int) -> None:
    policy, chance = made
    market, account = market_for(policy, chance, windows), chance.normal(size=policy.n_account)

    assert decide(policy, market, account, DEVICE).tolist() == decide(policy, market, account).tolist()
    accounts = np.tile(account, (windows, 1))
    lanes = Observed(policy, market, DEVICE).decide(np.arange(windows), accounts)
    assert lanes.tolist() == decide(policy, market, account).tolist()


@pytest.mark.parametrize("windows", [5, 500])
def test_the_first_layer_is_the_same_up_to_rounding(windows: int) -> None:
    chance = np.random.default_rng(1)
    policy = network(chance, [70], window=30, n_market=5)
    market = market_for(policy, chance, windows)
    series, shift = [market, market[3:50]], chance.normal(size=70)
    cut = plan([windows, max(0, len(series[1]) - 29)], 30, 5)
    found = DEVICE.first_layer(policy, series, cut, shift)

    assert bool(cut.length) == (windows > 100)
    assert found is not None
    assert np.allclose(found, convolve(policy, series, cut, shift, np.dtype(np.float64)), rtol=1e-12, atol=1e-12)


def test_near_ties_are_decided_by_definition_all_the_same() -> None:
    chance = np.random.default_rng(2)
    policy = network(chance, [50, 20], window=30, n_market=5, n_actions=7)
    policy.weights[-1][1:] = policy.weights[-1][0] * (1 + 1e-7 * chance.normal(size=(6, 20))).astype(np.float32)
    market = market_for(policy, chance, 200)

    assert decide(policy, market, np.empty(0), DEVICE).tolist() == decide(policy, market, np.empty(0)).tolist()


def test_a_device_without_room_leaves_the_work_to_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(3)
    policy = network(chance, [20], window=5)
    market = market_for(policy, chance, 50)
    expected = decide(policy, market, np.empty(0)).tolist()

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(TorchDevice, "_put", full)
    assert DEVICE.evaluate(policy, [market], plan([50], 5, 3), np.zeros(20)) is None
    assert decide(policy, market, np.empty(0), DEVICE).tolist() == expected
    assert Observed(policy, market, DEVICE).decide(np.arange(50), np.empty((50, 0))).tolist() == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_why() -> None:
    assert cuda_problem() in {f"torch {torch.__version__} is built without CUDA", "torch finds no usable GPU"}
