"""What float32 does to actions is told, by an oracle that is torch; sound policies are not accused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from support.checkpoints import load
from support.function_fuzzing import judge
from support.policies import mlp
from support.policy_oracle import market_for, network
from support.torch_functions import Network, networks
from support.torch_functions import market as market_of_fuzzing

from pytest_modelgate.core.policy import single_precision
from pytest_modelgate.core.policy.inference import Choice, choose_actions, choose_of_all
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.core.policy.single_precision import float32_changes
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

ACCOUNT = np.array([0.0, 0.5, 0.0])


class _Sparing(np.random.Generator):
    """An rng whose permutations bring the last term behind the first."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(1))

    def permutation(self, x: int) -> np.ndarray:  # type: ignore[override]
        return np.array([0, x - 1, *range(1, x - 1)])


def share(policy: MlpPolicy, market: Floats | None = None, rng: np.random.Generator | None = None) -> float:
    rng = rng or np.random.default_rng(1)
    market = market_for(policy, rng, 300) if market is None else market
    account = ACCOUNT[: policy.n_account]
    (choice,) = choose_of_all(policy, [market], account)
    return float(float32_changes(policy, market, account, choice, rng).mean())


@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks())
def test_a_policy_acts_in_torch_as_judged_or_it_is_told(tmp_path: Path, made: Network) -> None:
    assert judge(made, tmp_path)[1] == ""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks(ills=("none",)))
def test_a_sound_policy_is_not_accused(tmp_path: Path, made: Network) -> None:
    assert judge(made, tmp_path)[0] != "told"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks())
def test_what_is_known_from_judging_changes_nothing(tmp_path: Path, made: Network) -> None:
    """With the leads of the judged actions, and without, so that every window is evaluated anew."""
    try:
        policy = load(made.save(tmp_path)).policy
        market = market_of_fuzzing(np.random.default_rng(made.seed), 100 + policy.lookback - 1)
        (choice,) = choose_of_all(policy, [market], np.zeros(0))
    except CheckpointError:
        return
    blind = choice._replace(leads=np.zeros(len(choice.leads)))
    knowing, anew = (
        float32_changes(policy, market, np.zeros(0), given, np.random.default_rng(1)).tolist()
        for given in (choice, blind)
    )
    assert knowing == anew


@pytest.mark.parametrize("activation", ["tanh", "elu", "silu", "gelu", "leaky_relu"])
def test_features_that_float32_moves_for_all_values_of_a_layer_alike_are_told(activation: str) -> None:
    """A price of which the mean leaves little, before hidden values that are all the same: what they lose adds up."""
    prices = 50_000.0 + 0.01 * np.random.default_rng(3).normal(size=(2000, 1))
    policy = mlp(
        [np.ones((256, 1)), np.array([np.ones(256), np.zeros(256)])],
        [np.zeros(256), np.zeros(2)],
        activation,
        1,
        0,
        1,
    )
    policy = replace(policy, normaliser=Normaliser.of(np.array([50_000.0]), np.ones(1), 10.0, [0], 1))
    assert share(policy, prices) > 0.05


@pytest.mark.parametrize("seed", range(40))
def test_what_is_known_from_judging_is_known_from_an_evaluation_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of networks whose values err alike: else orders drawn for other windows would hang on what was known of these."""
    rng = np.random.default_rng(seed)
    activation = ("tanh", "relu", "elu", "silu", "gelu", "leaky_relu")[seed % 6]
    sizes = [int(rng.integers(1, 12)), *rng.choice([1, 8, 64, 256], size=int(rng.integers(1, 4))).tolist(), 3]
    weights = [rng.normal(size=(after, before)) / np.sqrt(before) for before, after in pairwise(sizes)]
    if seed % 2:
        weights = [np.abs(weight) for weight in weights]
    prices = 1000.0 * (1.0 + 10.0 ** rng.uniform(-7, -5) * rng.normal(size=(300, sizes[0])))
    policy = mlp(weights, [np.zeros(size) for size in sizes[1:]], activation, sizes[0], 0, 1)
    normaliser = Normaliser.of(prices.mean(axis=0), prices.std(axis=0), 10.0, range(sizes[0]), sizes[0])
    policy = replace(policy, normaliser=normaliser)
    logits = policy.logits(prices, np.zeros(0))
    policy.biases[-1][0] -= np.median(logits[:, 0] - logits[:, 1:].max(axis=1))  # so that no action is far ahead
    (choice,) = choose_of_all(policy, [prices], np.zeros(0))
    doubted: list[list[int]] = []
    evaluate = single_precision._product_by_product

    def note(*args: object) -> object:
        doubted[-1].append(len(args[2]))  # type: ignore[arg-type]
        return evaluate(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(single_precision, "_product_by_product", note)
    told = []
    for leads in (choice.leads, np.zeros(300)):
        doubted.append([])
        given = choice._replace(leads=leads)
        told.append(float32_changes(policy, prices, np.zeros(0), given, np.random.default_rng(1)).tolist())
    assert told[0] == told[1]
    assert doubted[0] == doubted[1]


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "silu", "gelu", "leaky_relu"])
def test_a_window_beyond_doubt_is_not_evaluated_once_more(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    policy = network(rng, [64, 32], activation=activation)
    market = market_for(policy, rng, 300)
    (choice,) = choose_of_all(policy, [market], np.zeros(0))
    evaluated = []
    monkeypatch.setattr(single_precision, "convolve", lambda _policy, series, *_: evaluated.extend(series))
    clear = np.flatnonzero(choice.leads > 0.01)
    for row in clear.tolist():
        float32_changes(policy, market[row : row + policy.lookback], np.zeros(0), choice.cut(row, row + 1), rng)
    assert len(clear) > 100
    assert evaluated == []


@pytest.mark.parametrize("size", [1e9, 1e12])
def test_biases_that_cancel_are_told(size: float) -> None:
    policy = network(np.random.default_rng(1), [16, 16], activation="relu")
    first, second, last = policy.biases
    policy = replace(
        policy, biases=[first + size, second - policy.weights[1].sum(axis=1, dtype=np.float64) * size, last]
    )
    assert share(policy) > 0.2


def test_weights_that_cancel_side_by_side_are_told() -> None:
    """In the order of the inputs nothing is lost between the two; in another order all is."""
    rng = np.random.default_rng(1)
    policy = network(rng, [16], window=8, n_market=6)
    policy.weights[0][:, :2] = [1e12, -1e12]
    market = rng.normal(size=(307, 6))
    market[:, :2] = 1.0
    assert share(policy, market) > 0.2


def test_weights_that_cancel_far_apart_are_told_even_where_chance_brings_them_together() -> None:
    rng = np.random.default_rng(1)
    policy = network(rng, [16], window=8, n_market=6)
    policy.weights[0][:, [0, -1]], policy.biases[0][:] = [1e12, -1e12], 0.0
    market = rng.normal(size=(307, 6))
    market[:, [0, -1]] = 1.0
    assert share(policy, market, _Sparing()) > 0.2


@pytest.mark.parametrize("size", [1e39, 1e300])
def test_numbers_that_float32_does_not_have_are_told(size: float) -> None:
    policy = network(np.random.default_rng(1), [16])
    policy = replace(policy, biases=[policy.biases[0], np.array([size, 0.0, 0.0])])
    assert share(policy) == 1.0


def test_a_sum_that_float32_does_not_have_is_told() -> None:
    """Of numbers that it has: the judged action is ahead by more than any rounding."""
    head = np.array([[3e38, 3e38], [0.0, 0.0], [0.0, 0.0]])
    policy = mlp([np.ones((2, 3)), head], [np.zeros(2), np.zeros(3)], "tanh", 3, 0, 1)
    assert share(policy, np.abs(np.random.default_rng(1).normal(size=(300, 3))) + 1.0) == 1.0


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_what_cancels_inside_of_an_activation_is_told(activation: str) -> None:
    """Left of -6 torch's float32 has nothing left of either gelu, and of three logits alike the first wins."""
    head = np.array([[0.0], [-1.0], [1.0]])
    policy = mlp([np.ones((1, 3)), head], [np.full(1, -9.0), np.zeros(3)], activation, 3, 0, 1)
    assert share(policy, np.abs(np.random.default_rng(1).normal(size=(300, 3))) * 0.3) > 0.9


def test_float64_weights_are_rounded_as_load_state_dict_rounds_them() -> None:
    """Two logits apart by less than float32 can tell, so that the first wins there."""
    head = np.array([[0.0, 0.0], [1e-9, 0.0], [0.0, 0.0]]) + 1.0
    policy = mlp([np.ones((2, 3)), head], [np.zeros(2), np.zeros(3)], "tanh", 3, 0, 1)
    assert share(policy, np.abs(np.random.default_rng(1).normal(size=(300, 3))) + 1.0) == 1.0


def test_account_features_are_shown_to_float32_too() -> None:
    policy = network(np.random.default_rng(1), [16], n_account=3)
    assert share(policy) == 0.0


@pytest.mark.parametrize("windows", [1, 63, 256, 257, 600])
def test_every_window_is_counted_once(windows: int) -> None:
    rng = np.random.default_rng(1)
    policy = network(rng, [16])
    market = market_for(policy, rng, windows)
    wrong = (choose_actions(policy, market, np.zeros(0)) + 1) % 3
    choice = Choice(wrong, np.zeros(windows), np.empty((windows, 0)))
    assert float32_changes(policy, market, np.zeros(0), choice, rng).tolist() == [True] * windows


def test_what_is_counted_does_not_depend_on_how_a_kernel_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy a tenth of whose bars are open, evaluated as another machine would."""
    rng = np.random.default_rng(1)
    policy = network(rng, [16, 16], window=8)
    policy.weights[-1][:], policy.biases[-1][:] = 1.0 + 2e-6 * policy.weights[-1], 0.0
    market = market_for(policy, rng, 500)
    (choice,) = choose_of_all(policy, [market], np.zeros(0))
    counts = []
    for rows in (256, 100, 1):  # other shapes, other kernels
        monkeypatch.setattr(single_precision, "_ROWS", rows)
        monkeypatch.setattr(single_precision, "_GROUP", 1)
        plain = [float32_changes(policy, market, np.zeros(0), choice, _Sparing()).tolist()]
        counts += plain
    assert counts[0] == counts[1] == counts[2]
    assert any(counts[0])


def test_torch_keeps_float32_where_it_is_told_to() -> None:
    """The oracle itself: no TF32, no bfloat16 in its products."""
    left, right = torch.ones(1, 1) * (1 + 2**-23), torch.ones(1, 1)
    assert (left @ right).item() == 1 + 2**-23
