"""Actions in float32, the arithmetic in which traders run a policy, where they can differ from the judged ones.

A float32 sum depends on the order in which a kernel adds, and that on the machine and on how many bars it is given. So
the plain forward pass only tells which bars are beyond doubt: its action is the judged one, by more than float32 can
have lost. The others are evaluated product by product, in the order of the inputs and in a random one, which is a pure
function of the numbers: every machine counts the same bars, and weights that cancel in one order do not in both.

What float32 loses is estimated layer by layer, for every value: the root of the sum of the squares of all products that
go into it, times 64 units of roundoff, and what the values before it had lost already. Rounding errors add up like
independent ones unless they conspire (Higham & Mary 2019, "A New Approach to Probabilistic Rounding Error Analysis").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.confidence import same_beyond_doubt, sure_actions
from pytest_modelgate.core.policy.mlp import MlpPolicy, activate
from pytest_modelgate.core.typing import Actions, Floats, Weights

Singles = NDArray[np.float32]
_LOSS = 64.0 * 2.0**-24
_LEAST = 64.0 * 2.0**-149  # what a product too small for float32 can lose
_ROWS = 256  # windows that are observed at a time
_GROUP = 64  # windows that are evaluated product by product at a time, and share a random order


class _Layer(NamedTuple):
    """Weights (in, out), biases (out,), and the weights' squares in float64; of the first layer (1, out) their sums."""

    weight: Singles
    bias: Singles
    squares: Floats


def float32_changes(
    policy: MlpPolicy,
    market: Floats,
    account: Floats,
    actions: Actions,
    rng: np.random.Generator,
    *,
    least: float = 0.0,
) -> NDArray[np.bool_]:
    """Whether float32 changes the action at the end of every window (windows,).

    Args:
        market: (bars, n_market), oldest first, all finite.
        account: (n_account,) for all windows alike.
        actions: (windows,) as judged.
        rng: gives the random orders.
        least: confidence that an action needs to count, in float64, of the logits in float32.
    """
    changed = np.zeros(len(actions), dtype=np.bool_)
    with np.errstate(all="ignore"):
        pairs = zip(policy.weights, policy.biases, strict=True)
        layers = [_single(weight, bias, first=number == 0) for number, (weight, bias) in enumerate(pairs)]
        seen = market.astype(np.float32), account.astype(np.float32)
        for first in range(0, len(actions), _ROWS):
            judged = actions[first : first + _ROWS]
            observations = _observations(policy, *seen, first, len(judged))
            doubtful = np.flatnonzero(~_beyond_doubt(layers, policy.activation, observations, judged, least))
            for group in np.split(doubtful, range(_GROUP, len(doubtful), _GROUP)) if len(doubtful) else ():
                for shuffle in (None, rng):
                    logits = _product_by_product(layers, policy.activation, observations[group], shuffle)
                    finite = np.flatnonzero(np.isfinite(logits).all(axis=1))
                    same = np.zeros(len(group), dtype=np.bool_)
                    same[finite] = sure_actions(logits[finite].astype(np.float64), least) == judged[group[finite]]
                    changed[first + group] |= ~same
    return changed


def _single(weight: Weights, bias: Weights, *, first: bool) -> _Layer:
    single = np.ascontiguousarray(weight.T, dtype=np.float32)
    sums = np.einsum("ij,ij->j", single, single, dtype=np.float64)[None]
    return _Layer(single, bias.astype(np.float32), sums if first else np.square(single, dtype=np.float64))


def _observations(policy: MlpPolicy, market: Singles, account: Singles, first: int, count: int) -> Singles:
    """Flat observations (count, obs_dim) of consecutive windows."""
    rows = first + np.arange(count)[:, None] + np.arange(policy.lookback)
    return policy.observe(market[rows], account)


def _beyond_doubt(
    layers: Sequence[_Layer], activation: str, observations: Singles, judged: Actions, least: float
) -> NDArray[np.bool_]:
    """Whether the plain forward pass gives the judged action (n,), by more than it can have lost."""
    values = observations
    squares: Floats = np.square(np.abs(observations).max(axis=1, keepdims=True), dtype=np.float64)
    lost: Floats = np.zeros_like(squares)
    for number, layer in enumerate(layers):
        if number:
            values = _activated(activation, values)
            squares = np.square(values, dtype=np.float64)
        lost = (lost + _LOSS**2 * squares) @ layer.squares
        lost += _LOSS**2 * np.square(layer.bias, dtype=np.float64) + len(layer.weight) * _LEAST**2
        values = values @ layer.weight + layer.bias
    return same_beyond_doubt(values.astype(np.float64), np.sqrt(lost), judged, least)


def _activated(activation: str, values: Singles) -> Singles:
    return activate(activation, values.astype(np.float64)).astype(np.float32)


def _product_by_product(
    layers: Sequence[_Layer], activation: str, observations: Singles, rng: np.random.Generator | None
) -> Singles:
    """Logits (n, n_actions), every product rounded and added by itself.

    Args:
        rng: draws the order of each layer's sums, which then begin with the bias; None keeps the order of the inputs,
            with the bias last.
    """
    values = observations
    for number, layer in enumerate(layers):
        if number:
            values = _activated(activation, values)
        columns = np.ascontiguousarray(values.T)[:, :, None]
        sums = np.zeros((len(values), len(layer.bias)), dtype=np.float32)
        if rng is not None:
            sums += layer.bias
        for term in range(len(columns)) if rng is None else rng.permutation(len(columns)).tolist():
            sums += columns[term] * layer.weight[term]
        if rng is None:
            sums += layer.bias
        values = sums
    return values
