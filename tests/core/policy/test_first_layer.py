"""The first layer over time is the product of its weights with every window, and never sees a matrix of windows."""

import tracemalloc
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policy_oracle import network

from pytest_modelgate.core.policy.first_layer import Blocking, block_norms, choose_blocking, convolve
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Floats


def window_by_window(policy: MlpPolicy, series: Sequence[Floats], shift: Floats) -> Floats:
    weights = policy.market_weights.reshape(len(shift), -1).astype(np.float64)
    seen = [
        market[at : at + policy.lookback].ravel()
        for market in series
        for at in range(len(market) - policy.lookback + 1)
    ]
    return np.array(seen).reshape(len(seen), -1) @ weights.T + shift


@settings(deadline=None, max_examples=100)
@given(
    window=st.integers(1, 40),
    outputs=st.integers(1, 50),
    counts=st.lists(st.integers(0, 90), min_size=1, max_size=4).filter(any),
    width=st.integers(1, 70),
    n_account=st.sampled_from([0, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_however_it_is_cut_it_is_the_product_with_every_window(
    *, window: int, outputs: int, counts: list[int], width: int, n_account: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    policy = network(rng, [width], window=window, n_market=2, n_account=n_account)
    series = [rng.normal(size=(count + window - 1, 2)) for count in counts]
    shift = rng.normal(size=width)
    blocking = Blocking(tuple(counts), window, window + outputs - 1, outputs)
    expected = window_by_window(policy, series, shift)

    for chosen in (blocking, Blocking(tuple(counts), window, 0, 256)):
        assert np.allclose(convolve(policy, series, chosen, shift), expected, rtol=0, atol=1e-12)


def test_the_norm_of_a_window_is_that_of_its_own_block() -> None:
    rng = np.random.default_rng(2)
    counts, window, outputs = (7, 0, 12), 4, 5
    series = [rng.normal(size=(count + window - 1, 2)) for count in counts]
    norms = block_norms(series, Blocking(counts, window, window + outputs - 1, outputs))

    expected = []
    for market, count in zip(series, counts, strict=True):
        for at in range(count):
            first = at - at % outputs
            expected.append(float(np.linalg.norm(market[first : first + outputs + window - 1])))
    assert np.allclose(norms, expected, rtol=1e-14)


def test_long_series_are_transformed_and_short_ones_are_not() -> None:
    assert choose_blocking([5], 100, 53).length == 0
    assert choose_blocking([4320], 3, 53).length == 0
    assert choose_blocking([140], 100, 53).length == 0  # fewer multiplications by transforms, but dearer ones
    for counts in ([253], [4320], [20] * 12):
        assert choose_blocking(counts, 100, 53).length > 100


def test_a_year_of_windows_takes_a_fraction_of_the_matrix_of_windows() -> None:
    rng = np.random.default_rng(1)
    policy = network(rng, [256], window=100, n_market=20)
    market, shift = rng.normal(size=(8760, 20)), np.zeros(256)
    blocking = choose_blocking([8661], 100, 20)
    tracemalloc.start()
    convolve(policy, [market], blocking, shift)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert blocking.length
    assert peak < 8661 * policy.obs_dim * 8 / 2
