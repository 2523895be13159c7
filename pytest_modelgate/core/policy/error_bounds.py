"""How far a fast evaluation of a policy can be from its definition, and which actions are certain all the same.

Both the fast evaluation (float32 or float64, any order of summation, fused or not) and the definition in ``reference``
round at every step. Running bounds on the Euclidean norm of their difference are carried from layer to layer, for every
bar. With u the unit roundoff, gamma(n) = n u / (1 - n u), and the subscripts f and r for the fast evaluation and the
definition (Higham 2002, "Accuracy and Stability of Numerical Algorithms", 2nd ed., sections 3.1 and 3.5):

    inner products    |fl(w . h) - w . h| <= gamma(n) |w| . |h| <= gamma(n) ||w|| ||h||           in any order
    a layer           ||z_f - z_r|| <= ||W||_2 d + (gamma_f + gamma_r) (||W||_F (||h_f|| + d) + ||b||)
    an activation     ||h_f - h_r|| <= ||z_f - z_r|| + (e_f + e_r) (||h_f|| + d)

where d is the difference before the step. tanh, relu and elu are Lipschitz with constant 1, and e is their relative
error; it includes rounding z first, since |z f'(z)| <= |f(z)| for all three. For a logit, its own row takes the place
of both matrix norms. The largest logit is certain when it less its bound exceeds every other plus its own.

First layer by transforms of N points, W bars per window, F features, ||x|| over the rows of a block: an entry of the
series' spectrum X is off by at most sqrt(2) gamma(N + 18) sqrt(N) ||x||, one of the weights' by the same with W and
||w||. Of the 18, 15 are an angle of up to 2 pi, which is rounded twice, 2 the sine of it, 1 the sum of what is even or
odd. Products over 2F terms and the way back over at most N + 2 add theirs, relative to |X_k| |w_k|, whose mean over all
k is at most ||x|| ||w|| (Cauchy and Parseval). So for a unit

    |y_f - y| <= sqrt(2) (gamma(N + 18) sqrt(N) + gamma(W + 18) sqrt(W) + gamma(2F) + gamma(N + 20)) ||w|| ||x||

Numbers too small for float32, or to be squared, or flushed to zero, are covered by ``_TINY``; beyond ``LARGEST``
nothing is certain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Actions, Floats, Weights
from pytest_modelgate.errors import CheckpointError

ROUNDOFF = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}
LARGEST = {np.dtype(np.float32): 2.0**120, np.dtype(np.float64): 2.0**960}
_U = 2.0**-53
_ACTIVATION = 16.0  # roundings: more than any library's tanh or expm1 is off, and one of the argument
_TINY = 2.0**-40
_SMALLEST = 2.0**-63  # its square is a normal number of float32
_SLACK = 1.001  # what rounding in the bounds themselves, in norms, and products of two bounds can add
_TERMS = 128  # in float32 that are added up at a time
_TABLE = 18  # roundings of a table of sines, and of what is even and odd
_MORE = 8  # roundings of a sum besides its terms: bias, account, weights and values converted


@dataclass(frozen=True)
class Layer:
    """Norms of one layer, none of them too small.

    Attributes:
        inputs: terms of an inner product.
        spectral, frobenius: of the weights.
        bias: Euclidean norm.
    """

    inputs: int
    spectral: float
    frobenius: float
    bias: float


@dataclass(frozen=True, eq=False)
class Norms:
    """What of a policy its bounds depend on.

    Attributes:
        layers: all but the last; ``spectral`` of the first is not needed.
        head: Euclidean norms of the last layer's rows, and ``head_bias``, absolute biases, (n_actions,) each.
        rivals: outputs that differ from all before them: of two that are alike the second never wins.
    """

    layers: Sequence[Layer]
    head_inputs: int
    head: Floats
    head_bias: Floats
    rivals: NDArray[np.bool_]


def norms_of(policy: MlpPolicy) -> Norms:
    """Measure a policy.

    Raises:
        CheckpointError: a weight or bias is not finite.
    """
    layers = []
    for number, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True), start=1):
        rows = _row_norms(weight)
        with np.errstate(over="ignore", under="ignore"):
            frobenius, biases = (_SLACK * float(np.linalg.norm(part)) for part in (rows, bias.astype(np.float64)))
        if not math.isfinite(frobenius + biases):
            _refuse_non_finite(weight, bias, number)
        spectral = _spectral(weight, frobenius) if 2 < number < len(policy.weights) else frobenius
        layers.append(Layer(weight.shape[1], spectral, frobenius, biases))
    last = np.column_stack([policy.weights[-1], policy.biases[-1]])
    rivals = np.zeros(len(last), dtype=np.bool_)
    rivals[np.unique(last, axis=0, return_index=True)[1]] = True
    head_bias = np.abs(policy.biases[-1].astype(np.float64))
    return Norms(layers[:-1], layers[-1].inputs, _SLACK * rows, head_bias, rivals)


def _row_norms(weight: Weights) -> Floats:
    """At least the Euclidean norms of rows; in the weights' precision, whose rounding and underflow are put back."""
    terms, roundoff = weight.shape[1], ROUNDOFF[weight.dtype]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", weight, weight).astype(np.float64)
    found: Floats = np.sqrt(squares * (1.0 + 2.0 * _gamma(terms + 1, roundoff))) + math.sqrt(terms) * _SMALLEST
    return found


def _refuse_non_finite(weight: Weights, bias: Weights, number: int) -> None:
    for name, values in (("weight", weight), ("bias", bias)):
        if not np.isfinite(values).all():
            problem = "holds a number that is not finite: training diverged"
            raise CheckpointError(f"policy, {name} of layer {number}", problem, "Train the model again")


def _spectral(weight: Weights, frobenius: float) -> float:
    """At least the largest singular value: the fourth root of the sum of their eighth powers, by the Gram matrix."""
    wide = (weight if weight.shape[0] <= weight.shape[1] else weight.T).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        gram = wide @ wide.T
        size = float(np.linalg.norm(gram))
        squared = float(np.linalg.norm(gram @ gram)) + _gamma(len(gram)) * size * size
    bound = _SLACK * math.sqrt(math.sqrt(squared) + _gamma(wide.shape[1]) * frobenius * frobenius)
    return min(frobenius, bound)


def _gamma(terms: float, roundoff: float = _U) -> float:
    return terms * roundoff / (1.0 - terms * roundoff)


def first_layer_error(policy: MlpPolicy, length: int) -> float:
    """The first layer's difference as a multiple of its Frobenius norm times the norm of what a block shows it.

    Args:
        length: points of the transform; 0 without one.
    """
    plain = 2.0 * _gamma(policy.obs_dim + _MORE)
    if not length:
        return plain
    steps = [points + _TABLE for points in (length, policy.lookback)]
    spectra = _gamma(steps[0]) * math.sqrt(length) + _gamma(steps[1]) * math.sqrt(policy.lookback)
    return plain + _SLACK * math.sqrt(2.0) * (spectra + _gamma(2 * policy.n_market) + _gamma(steps[0] + 2))


def logit_errors(
    norms: Norms,
    relative: float,
    seen: Floats,
    sizes: Floats,
    *,
    kind: np.dtype[np.floating],
    kept: np.dtype[np.floating],
) -> Floats:
    """Bounds on the difference of every logit: (bars, n_actions); inf where there is none.

    Args:
        relative: as ``first_layer_error`` says.
        seen: (bars,) norm of what the first layer saw.
        sizes: (bars, hidden layers) norms of the values after each activation.
        kind: precision of the layers after the first.
        kept: precision that the first layer's sums were rounded to; without hidden layers float64.
    """
    largest, rounded = LARGEST[kind], _ACTIVATION * (ROUNDOFF[kind] + _U)
    with np.errstate(all="ignore"):
        possible = np.ones(len(seen), dtype=np.bool_)
        values, apart, share = seen + _TINY, np.zeros(len(seen)), relative
        following = [*(layer.inputs for layer in norms.layers[1:]), norms.head_inputs]
        for number, layer in enumerate(norms.layers):
            scale = (layer.frobenius + _TINY) * values + layer.bias
            apart = layer.spectral * apart + share * scale
            if number == 0:
                apart += _SLACK * ROUNDOFF[kept] * (sizes[:, 0] + _TINY)
                possible &= scale < LARGEST[kept]
            possible &= scale < largest
            apart = _SLACK * (apart + rounded * (sizes[:, number] + _TINY))
            values, share = sizes[:, number] + apart + _TINY, _layer_error(following[number], kind)
        scale = (norms.head + _TINY) * values[:, None] + norms.head_bias
        bounds = _SLACK * (norms.head * apart[:, None] + share * scale)
        return np.where(possible[:, None] & (scale < largest), bounds, np.inf)


def split(inputs: int, kind: np.dtype[np.floating]) -> tuple[int, int]:
    """Into how many sums of how many terms an inner product is split.

    What rounding can do grows with the longest way a term goes through additions, so in float32 short sums leave fewer
    actions uncertain, at no cost.
    """
    count = 1 if kind == np.float64 else -(-inputs // _TERMS)
    return count, -(-inputs // count)


def _layer_error(inputs: int, kind: np.dtype[np.floating]) -> float:
    """Of the layer after ``inputs`` values, relative to the norms; the fast evaluation's and the definition's."""
    return _gamma(sum(split(inputs, kind)) + _MORE, ROUNDOFF[kind]) + _gamma(inputs + _MORE)


def certify(logits: Floats, errors: Floats, rivals: NDArray[np.bool_]) -> tuple[Actions, NDArray[np.bool_]]:
    """The action of each row, and whether it is certain."""
    with np.errstate(invalid="ignore"):
        contested = np.where(rivals, logits, -np.inf)
        actions: Actions = np.argmax(contested, axis=1).astype(np.int64)
        rows = np.arange(len(logits))
        least = contested[rows, actions] - errors[rows, actions]
        most = contested + errors
        most[rows, actions] = -np.inf
        finite = np.isfinite(errors).all(axis=1) & np.isfinite(logits).all(axis=1)
        return actions, finite & (least > most.max(axis=1))
