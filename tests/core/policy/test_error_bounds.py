"""Error bounds: never exceeded, whatever is fed, and never so wide that they say nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policies import mlp
from support.policy_oracle import market_for, network, networks, observation

from pytest_modelgate.core.policy import error_bounds
from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.error_bounds import (
    Layer,
    Norms,
    _row_norms,
    certify,
    first_layer_error,
    logit_errors,
    norms_of,
)
from pytest_modelgate.core.policy.first_layer import Blocking, block_norms, choose_blocking, convolve
from pytest_modelgate.core.policy.inference import RemainingLayers
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Floats, Weights

ROUNDOFF = 2.0**-53
ALL = np.array([True, True, True])


def _errors(policy: MlpPolicy, market: Floats, blocking: Blocking) -> tuple[Floats, Floats]:
    """Difference from the definition, and bound, of each logit."""
    sums = convolve(policy, [market], blocking, policy.biases[0].astype(np.float64))
    logits, hidden_norms = RemainingLayers(policy).evaluate(sums)
    bounds = logit_errors(norms_of(policy, blocking.length), block_norms([market], blocking), hidden_norms)
    starts = range(len(logits))
    seen = [observation(policy, market[start : start + policy.lookback], np.empty(0)) for start in starts]
    return np.abs(logits - np.array([reference_logits(policy, one) for one in seen])), bounds


@settings(deadline=None, max_examples=60)
@given(networks(longest=40), st.sampled_from([1.0, 1e5, 1e-6]), st.booleans())
def test_no_logit_is_further_from_its_definition_than_its_bound(
    made: tuple[MlpPolicy, np.random.Generator], spike: float, transformed: bool
) -> None:
    policy, rng = made
    first = policy.weights[0][:, : policy.lookback * policy.n_market]
    policy = replace(policy, weights=[first, *policy.weights[1:]], account=())
    market = market_for(policy, rng, 40)
    market[rng.integers(len(market))] *= spike
    length, outputs = (policy.lookback + 19, 20) if transformed else (0, 256)

    differences, bounds = _errors(policy, market, Blocking((40,), policy.lookback, length, outputs))
    assert (differences <= bounds).all()


def test_bounds_of_an_ordinary_network_are_narrow() -> None:
    rng = np.random.default_rng(1)
    policy = network(rng, [256, 128], window=40, n_market=20)
    market = market_for(policy, rng, 60)
    _, bounds = _errors(policy, market, choose_blocking([60], 40, 20))
    assert np.median(bounds) < 1e-8


@pytest.mark.parametrize("length", [48, 65, 128])
def test_the_first_layer_keeps_its_bound_next_to_a_spike(length: int) -> None:
    rng = np.random.default_rng(2)
    policy = network(rng, [16], window=40, n_market=5)
    market = market_for(policy, rng, 150)
    market[70] = 1e9
    blocking = Blocking((150,), 40, length, length - 39)

    sums = convolve(policy, [market], blocking, np.zeros(16))
    exact = np.array(
        [
            [
                math.fsum((row.astype(np.float64) * market[at : at + 40]).ravel().tolist())
                for row in policy.market_weights
            ]
            for at in range(150)
        ]
    )
    differences = np.linalg.norm(sums - exact, axis=1)
    weights = float(np.linalg.norm(policy.weights[0].astype(np.float64)))
    bounds = first_layer_error(policy, length) * weights * block_norms([market], blocking)
    assert (differences <= bounds).all()
    assert differences.max() > 1e-8  # the spike is felt in float64, so that there is something to bound


@pytest.mark.parametrize("shape", [(5, 9), (64, 30), (40, 40), (1, 7)])
def test_the_spectral_bound_is_one_and_close(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=(9, 4)), rng.normal(size=(shape[1], 9)), rng.normal(size=shape)]
    weights.append(rng.normal(size=(3, shape[0])))
    policy = mlp(weights, [np.zeros(len(weight)) for weight in weights], "tanh", 4, 0, 1)

    bound, true = norms_of(policy, 0).layers[2].spectral, float(np.linalg.norm(weights[2], 2))
    assert true <= bound <= 1.8 * true


@pytest.mark.parametrize("size", [1.0, 1e-30, 1e15])
def test_norms_of_float32_weights_are_neither_too_small_nor_wide(size: float) -> None:
    rng = np.random.default_rng(6)
    policy = network(rng, [40], window=500, n_market=10)
    policy.weights[0][:] *= np.float32(size)

    true = float(np.linalg.norm(policy.weights[0].astype(np.float64)))
    assert true <= norms_of(policy, 0).layers[0].frobenius <= 1.01 * true + 1e-16


@pytest.mark.parametrize(
    ("logits", "errors", "action", "certain"),
    [
        ([1.0, 2.0, 0.0], [0.4, 0.4, 0.4], 1, True),
        ([1.0, 2.0, 0.0], [0.5, 0.5, 0.5], 1, False),
        ([2.0, 2.0, 0.0], [0.0, 0.0, 0.0], 0, False),
        ([1.0, 2.0, 0.0], [0.1, 0.1, 2.0], 1, False),
        ([1.0, 2.0, 0.0], [0.1, 0.1, math.inf], 1, False),
        ([1.0, 2.0, 0.0], [0.1, math.nan, 0.1], 1, False),
        ([1.0, math.inf, 0.0], [0.1, 0.1, 0.1], 1, False),
    ],
)
def test_only_a_margin_above_both_errors_is_certain(
    logits: list[float], errors: list[float], action: int, certain: bool
) -> None:
    actions, sure = certify(np.array([logits]), np.array([errors]), ALL)
    assert (actions.tolist(), sure.tolist()) == ([action], [certain])


def test_a_logit_that_is_no_number_is_never_certain() -> None:
    _, sure = certify(np.array([[1.0, math.nan, 0.0]]), np.full((1, 3), 0.1), ALL)
    assert not sure.any()


def test_of_two_outputs_that_are_alike_the_first_is_certain() -> None:
    policy = network(np.random.default_rng(4), [5])
    policy.weights[-1][2], policy.biases[-1][2] = policy.weights[-1][0], policy.biases[-1][0]
    rivals = norms_of(policy, 0).rivals
    actions, sure = certify(np.array([[2.0, 1.0, 2.0]]), np.full((1, 3), 0.1), rivals)
    assert (rivals.tolist(), actions.tolist(), sure.tolist()) == ([True, True, False], [0], [True])


def test_norms_of_float32_weights_make_up_for_what_is_lost_beside_a_large_number() -> None:
    weight = np.full((1, 100_000), 1.7e-4, np.float32)  # whose square is lost beside 1
    weight[0, :64] = 1.0

    true = float(np.linalg.norm(weight.astype(np.float64)))
    assert _row_norms(weight)[0] >= true


def _bound(
    layers: list[Layer], *, hidden: float = 2.0, seen: float = 1.0, bias: float = 0.0, first: float = 0.0
) -> float:
    """Of one logit, its head's row of norm 1 and a sum of one term; ``first``: what the first layer rounds."""
    head = Layer(HEAD, np.ones(1), np.ones(1), np.full(1, bias))
    opening, *others = [*layers, head]
    norms = Norms([replace(opening, rounding=first), *others], np.array([True]))
    return float(logit_errors(norms, np.full(1, seen), np.full((1, len(layers)), hidden))[0, 0])


HEAD = 2 * (1 + 8) * ROUNDOFF
NOTHING = Layer(HEAD, 0.0, 0.0, 0.0)


def test_what_an_activation_rounds_counts() -> None:
    assert _bound([NOTHING]) >= 2 * 16 * ROUNDOFF * 2.0 + HEAD * 2.0  # of fast evaluation and definition


def test_biases_are_rounded_too() -> None:
    large = replace(NOTHING, bias=1e3)
    assert _bound([large], first=1e-2) >= 1e-2 * 1e3
    assert _bound([NOTHING, large]) >= HEAD * 1e3
    assert _bound([NOTHING], bias=1e3) >= HEAD * 1e3
    assert _bound([], first=1e-2, bias=1e3) >= 1e-2 * 1e3


@pytest.mark.parametrize("layers", [[], [NOTHING], [NOTHING, NOTHING]])
def test_numbers_too_small_to_show_leave_a_bound(layers: list[Layer]) -> None:
    assert _bound(layers, hidden=0.0, seen=0.0, first=1e-12) > 0.0


def test_what_a_layer_rounds_counts_in_full() -> None:
    rng = np.random.default_rng(7)
    policy = network(rng, [1000, 40], window=2, n_market=2)
    layers = norms_of(policy, 0).layers
    for layer, terms in zip(layers, (4, 1000, 40), strict=True):
        assert layer.rounding >= 2 * terms * ROUNDOFF  # of fast evaluation and definition
    second = Layer(1e-3, 1.0, 500.0, 0.0)
    assert _bound([Layer(0.0, 1.0, 1.0, 0.0), second]) >= 1e-3 * 500.0 * 2.0


def test_what_the_first_layer_is_off_passes_through_the_others() -> None:
    bound = _bound([Layer(0.0, 1.0, 3.0, 0.0), Layer(0.0, 7.0, 9.0, 0.0)], first=1e-3)
    assert bound >= 1.0005 * 7.0 * 1e-3 * 3.0  # something is left for what rounds in the bounds themselves


def test_the_first_layer_is_as_far_off_as_its_transform() -> None:
    policy = network(np.random.default_rng(5), [4], window=40, n_market=5)
    for length in (0, 128):
        assert norms_of(policy, length).layers[0].rounding == first_layer_error(policy, length)


def test_each_policy_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, measured, find = np.random.default_rng(6), list[int](), error_bounds.spectral_norm

    def counted(weight: Weights, norm: float) -> float:
        measured.append(len(weight))
        return find(weight, norm)

    policies = [network(rng, [4, width, width], window=3, n_market=2) for width in (5, 6)]
    monkeypatch.setattr(error_bounds, "spectral_norm", counted)

    found = [norms_of(policy, length) for length in (0, 128) for policy in policies]

    assert measured == [5, 6]
    assert found[0].layers[1:] == found[2].layers[1:] != found[3].layers[1:]


@pytest.mark.parametrize("huge", [1e300, math.inf])
def test_beyond_the_range_of_a_number_nothing_is_certain(huge: float) -> None:
    ordinary, beyond = Layer(HEAD, 1.0, 1.0, 0.0), Layer(HEAD, 1.0, huge, 0.0)
    assert not math.isfinite(_bound([beyond, ordinary]))
    assert not math.isfinite(_bound([ordinary, beyond]))
    assert not math.isfinite(_bound([ordinary], bias=huge))


def test_transforms_may_be_off_by_what_their_sums_may() -> None:
    policy = network(np.random.default_rng(5), [4], window=40, n_market=5)
    spectra = (128 + 18) * math.sqrt(128) + (40 + 18) * math.sqrt(40)
    assert first_layer_error(policy, 128) >= math.sqrt(2) * (spectra + 2 * 5 + 128 + 20) * 2.0**-53
    more = 4  # bias, account, weights and values converted
    assert first_layer_error(policy, 0) >= 2 * (policy.obs_dim + more) * 2.0**-53
