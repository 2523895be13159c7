"""Definition of a policy's actions: float64 in a fixed order, hence a pure function of the numbers.

Float64 alone does not define an action: the sum behind a logit depends on the order in which a BLAS kernel adds, and
``tanh`` on the machine's mathematical library. Here every step is one addition, multiplication, division or rounding as
IEEE 754 defines it, in an order that is written down. It takes milliseconds per bar and is needed only where two
actions are so close that the fast evaluation in ``inference`` cannot tell them apart.
"""

from __future__ import annotations

import numpy as np

from pytest_modelgate.core.policy.mlp import MlpPolicy, check_activation
from pytest_modelgate.core.typing import Floats, Weights
from pytest_modelgate.errors import CheckpointError

_BLOCK = 1 << 17  # products that are added up at a time: they stay in the cache
_TERMS = 14  # of the series of expm1 within half a binary order of magnitude: what is left out is below 2**-58
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 33 bits, so that its multiples by up to 20 bits are exact
_LN2 = float.fromhex("0x1.62e42fefa39efp-1")
_LN2_LOW = _LN2 - _LN2_HIGH


def reference_logits(policy: MlpPolicy, observation: Floats) -> Floats:
    """Logits (n_actions,) of one flat observation (obs_dim,).

    Raises:
        CheckpointError: a layer produced a number that is not finite.
    """
    check_activation(policy.activation)
    values = observation
    for number, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True), start=1):
        if number > 1:
            values = _elu(values) if policy.activation == "elu" else _squash(policy.activation, values)
        with np.errstate(over="ignore", invalid="ignore"):
            values = _products_summed(weight, values) + bias
        if not np.isfinite(values).all():
            problem = f"layer {number} of {len(policy.weights)} produced a number that is not finite"
            raise CheckpointError("policy", problem, "Train the model again, or correct the feature set")
    return values


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


def _squash(name: str, values: Floats) -> Floats:
    if name == "relu":
        return np.maximum(values, 0.0)
    decay = _expm1(-2.0 * np.abs(values))
    return np.copysign(decay / (decay + 2.0), values)


def _elu(values: Floats) -> Floats:
    return np.where(values > 0.0, values, _expm1(np.minimum(values, 0.0)))


def _expm1(values: Floats) -> Floats:
    """``exp(values) - 1`` for values of at most 0, good to a few units in the last place."""
    values = np.maximum(values, -60.0)  # where it is -1 already
    powers = np.rint(values / _LN2)
    rest = (values - powers * _LN2_HIGH) - powers * _LN2_LOW
    series = np.ones_like(rest)
    for term in range(_TERMS, 1, -1):
        series = 1.0 + rest * series / term
    scale = np.ldexp(1.0, powers.astype(np.int64))
    return scale * (rest * series) + (scale - 1.0)
