"""Definition of a policy's actions: float64 in a fixed order, hence a pure function of the numbers.

Float64 alone does not define an action: the sum behind a logit depends on the order in which a BLAS kernel adds, and
``tanh`` on the machine's mathematical library. Here every step is one addition, multiplication, division or rounding as
IEEE 754 defines it, in an order that is written down. It takes milliseconds per bar and is needed only where two
actions are so close that the fast evaluation in ``inference`` cannot tell them apart.
"""

from __future__ import annotations

import numpy as np

from pytest_modelgate.core.policy.activations import activate_by_definition, check_activation
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Floats, Weights
from pytest_modelgate.errors import CheckpointError

_BLOCK = 1 << 17  # products that are added up at a time: they stay in the cache


def reference_logits(policy: MlpPolicy, observation: Floats) -> Floats:
    """Logits (n_actions,) of one flat observation (obs_dim,), as the first layer sees it.

    Raises:
        CheckpointError: a layer produced a number that is not finite.
    """
    check_activation(policy.activation)
    values = observation
    for number, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True), start=1):
        if number > 1:
            norm = policy.norm_behind(number - 2)
            if norm is not None and norm.before_activation:
                values = _normalised(norm, values)
            values = activate_by_definition(policy.activation, values)
            if norm is not None and not norm.before_activation:
                values = _normalised(norm, values)
        with np.errstate(over="ignore", invalid="ignore"):
            values = _products_summed(weight, values) + bias
        if not np.isfinite(values).all():
            problem = f"layer {number} of {len(policy.weights)} produced a number that is not finite"
            raise CheckpointError("policy", problem, "Train the model again, or correct the feature set")
    return values


def _normalised(norm: LayerNorm, values: Floats) -> Floats:
    """``LayerNorm.apply`` of one row: mean and variance are sums by halves, the root is IEEE 754's."""
    width = len(values)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = values - _products_summed(np.ones((1, width)), values)[0] / width
        deviation = np.sqrt(_products_summed(centred[None], centred)[0] / width + norm.epsilon)
        return centred / deviation * norm.weight + norm.bias if np.isfinite(deviation) else np.full(width, np.nan)


def _products_summed(weight: Weights, values: Floats) -> Floats:
    """``weight @ values``: in each row the second half of the products is added to the first until one is left."""
    rows = min(len(weight), max(1, _BLOCK // len(values)))
    sums, products = np.empty(len(weight)), np.empty((rows, len(values)))
    for first in range(0, len(weight), rows):
        part = products[: len(weight) - first]
        part[:] = weight[first : first + rows]
        part *= values
        count = part.shape[1]
        while count > 1:
            half = (count + 1) // 2
            part[:, : count - half] += part[:, half:count]
            count = half
        sums[first : first + rows] = part[:, 0]
    return sums
