"""Bounds on how far a fast evaluation of a policy is from its definition, and the actions that are certain with them.

Both the fast evaluation (float64, any order of summation, fused or not) and the definition in ``definition`` round at
every step. Running bounds on the Euclidean norm of their difference are carried from layer to layer, for every bar.
With u the unit roundoff and gamma(n) = n u / (1 - n u) (Higham 2002, "Accuracy and Stability of Numerical Algorithms",
2nd ed., sections 3.1 and 3.5), and the subscripts f and r for the fast evaluation and the definition:

    inner products    |fl(w . h) - w . h| <= gamma(n) |w| . |h| <= gamma(n) ||w|| ||h||           in any order
    a layer           ||z_f - z_r|| <= ||W||_2 d + 2 gamma(n) (||W||_F (||h_f|| + d) + ||b||)
    an activation     ||h_f - h_r|| <= ||z_f - z_r|| + 2 e (||h_f|| + d)

where d is the difference before the step. tanh, relu, leaky relu and elu are Lipschitz with constant 1, and e is their
relative error; it includes rounding z first, since |z f'(z)| <= |f(z)| for all of them. For a logit, its own row takes
the place of both matrix norms. The largest logit is certain when it less its bound exceeds every other plus its own.

silu and gelu have a slope of up to L = 1.0999 and 1.1291, and left of 0 they fall to 0 by cancellation, so that no
relative error holds. But both are z times a share s(z) in [0, 1], which is computed to within E, whatever z is, and
|f(z)| <= |z|. So an error of at most E |z| takes the place of e |f(z)|, and ||z|| that of ||h||:

    an activation     ||h_f - h_r|| <= L ||z_f - z_r|| + 2 E (||z_f|| + d)

E includes rounding what the share is computed from: |z s'(z)| < 0.36 for all three. Layer normalisation of n values v,
with c their distances from their mean, s = sqrt(||c||^2 / n + epsilon), gain G = max |weight| and bias b: of (c, s) as
of (c / sqrt(n), sqrt(epsilon)), s is the norm, hence Lipschitz with 1 / sqrt(n), and ||c|| <= sqrt(n) s, so that

    ||c1/s1 - c2/s2|| <= ||c1 - c2|| / s2 + (||c1|| / s1) |s1 - s2| / s2 <= 2 ||v1 - v2|| / s2

for either of the two as the second. Rounding moves c by at most gamma(n + 3) ||v||, of which the same holds, and the
quotient, which is at most sqrt(n) long, by gamma(n + 10) of itself. With s at least the smaller deviation of the two,
which is at least the one computed less what d and rounding can have changed,

    a normalisation   ||y_f - y_r|| <= 2 G d / s + 2 R
                      R = G (2 gamma(n + 3) (||v_f|| + d) / s + gamma(n + 10) sqrt(n)) + 2 u ||b||

First layer by transforms of N points, W bars per window, F features, ||x|| over the rows of a block: an entry of the
series' spectrum X is off by at most sqrt(2) gamma(N + 18) sqrt(N) ||x||, one of the weights' by the same with W and
||w||. Of the 18, 15 are an angle of up to 2 pi, which is rounded twice, 2 the sine of it, 1 the sum of what is even or
odd. Products over 2F terms and the way back over at most N + 2 add theirs, relative to |X_k| |w_k|, whose mean over all
k is at most ||x|| ||w|| (Cauchy and Parseval). So for a unit

    |y_f - y| <= sqrt(2) (gamma(N + 18) sqrt(N) + gamma(W + 18) sqrt(W) + gamma(2F) + gamma(N + 20)) ||w|| ||x||

Numbers too small to be squared, or flushed to zero, are covered by ``_TINY``; beyond ``_LARGEST`` nothing is certain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.activations import errs_with_argument, steepest
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Actions, Floats, Weights
from pytest_modelgate.errors import CheckpointError

_U = 2.0**-53  # unit roundoff of float64
_LARGEST = 2.0**960
_ACTIVATION = 16.0  # roundings: more than any library's tanh or expm1 is off, and one of the argument
_SHARE = 64.0  # roundings: more than exponential, quotient and argument can move the share of silu or gelu
_NORMAL = 2.0**480  # what can be squared and summed
_TINY = 2.0**-40
_SMALLEST = 2.0**-63  # its square is a normal number of float32
_SLACK = 1.001  # what rounding in the bounds themselves, in norms, and products of two bounds can add
_TABLE = 18  # roundings of a table of sines, and of what is even and odd
_MORE = 8  # roundings of a sum besides its terms: bias, account, weights and values converted


@dataclass(frozen=True, eq=False)
class Layer:
    """Norms of one layer, none of them too small; of the last layer one for each row, (n_actions,).

    Attributes:
        rounding: difference of what fast evaluation and definition round, relative to the other norms.
        spectral, frobenius: of the weights.
        bias: Euclidean norm.
        norm: the normalisation behind it.
    """

    rounding: float
    spectral: float | Floats
    frobenius: float | Floats
    bias: float | Floats
    norm: LayerNorm | None = None


@dataclass(frozen=True, eq=False)
class Norms:
    """Weight norms that the error bounds need.

    Attributes:
        layers: at least one; ``spectral`` of the first is not needed.
        rivals: outputs that differ from all before them: of two that are alike the second never wins.
        activation: between the layers.
    """

    layers: Sequence[Layer]
    rivals: NDArray[np.bool_]
    activation: str = "tanh"


@dataclass(frozen=True, eq=False)
class Bound:
    """Bounds on what a layer is fed, at every bar.

    Attributes:
        difference: (bars, 1) Euclidean norm of the difference between fast evaluation and definition; not finite where
            there is no bound.
        size: (bars, 1) Euclidean norm of the values in either.
    """

    difference: Floats
    size: Floats

    def of_sums(self, layer: Layer) -> Floats:
        """Bound on the difference of a layer's sums: (bars, 1), or of the last layer (bars, n_actions)."""
        scale = (layer.frobenius + _TINY) * self.size + layer.bias
        return np.where(scale < _LARGEST, layer.spectral * self.difference + layer.rounding * scale, np.inf)

    def through(self, layer: Layer, activation: str, figures: Iterator[Floats]) -> Bound:
        """Bounds after a layer, its activation and its normalisation.

        Args:
            figures: (bars, 1) each, of the fast evaluation, see ``RemainingLayers.evaluate``.
        """
        difference, norm = self.of_sums(layer), layer.norm
        if norm is not None and norm.before_activation:
            difference = _normalised(norm, difference, next(figures), next(figures))
        norms = next(figures)
        rounded = 2.0 * (_SHARE if errs_with_argument(activation) else _ACTIVATION) * _U * (norms + _TINY)
        difference = _SLACK * (steepest(activation) * difference + rounded)
        if norm is not None and not norm.before_activation:
            difference = _normalised(norm, difference, next(figures), next(figures))
            norms = np.full_like(norms, norm.reach)
        return Bound(difference, norms + difference + _TINY)


def _normalised(norm: LayerNorm, difference: Floats, norms: Floats, deviation: Floats) -> Floats:
    """Bound on the difference of normalised values whose arguments have this bound, these norms and deviations."""
    width = len(norm.weight)
    root, size = math.sqrt(width), norms + difference + _TINY
    moved = _gamma(width + 3) * size
    least = deviation / _SLACK - (moved + difference) / root
    rounded = norm.gain * (2.0 * moved / least + _gamma(width + 10) * root) + 2.0 * _U * norm.offset
    bound = _SLACK * (2.0 * norm.gain * difference / least + 2.0 * rounded)
    return np.where((size < _NORMAL) & (least > 0.0), bound, np.inf)


_measured: WeakKeyDictionary[MlpPolicy, Norms] = WeakKeyDictionary()  # weights are millions, and never change


def norms_of(policy: MlpPolicy, transform: int) -> Norms:
    """Measure a policy, once.

    Args:
        transform: points of the first layer's transform; 0 without one.

    Raises:
        CheckpointError: a weight or bias is not finite.
    """
    norms = _measured.get(policy)
    if norms is None:
        norms = _measured[policy] = _measure(policy)
    first, *others = norms.layers
    return replace(norms, layers=[replace(first, rounding=first_layer_error(policy, transform)), *others])


def _measure(policy: MlpPolicy) -> Norms:
    """The norms without a transform; errors as of ``norms_of``."""
    layers: list[Layer] = []
    count = len(policy.weights)
    for number, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True), start=1):
        rows, biases = _row_norms(weight), np.abs(bias.astype(np.float64))
        with np.errstate(over="ignore", under="ignore"):
            frobenius, bias_norm = (_SLACK * float(np.linalg.norm(part)) for part in (rows, biases))
        if not math.isfinite(frobenius + bias_norm):
            _refuse_non_finite(weight, bias, number)
        rounding = 2.0 * _gamma(weight.shape[1] + _MORE)
        if number == count:
            layers.append(Layer(rounding, _SLACK * rows, _SLACK * rows, biases))
        else:
            spectral = spectral_norm(weight, frobenius) if number > 2 else frobenius
            layers.append(Layer(rounding, spectral, frobenius, bias_norm, policy.norm_behind(number - 1)))
    return Norms(layers, _rivals(policy), policy.activation)


def _rivals(policy: MlpPolicy) -> NDArray[np.bool_]:
    rows = np.column_stack([policy.weights[-1], policy.biases[-1]])
    return np.array([not (rows[:row] == rows[row]).all(axis=1).any() for row in range(len(rows))])


def _row_norms(weight: Weights) -> Floats:
    """At least the Euclidean norms of rows; in the weights' precision, whose rounding and underflow are put back."""
    terms, roundoff = weight.shape[1], float(np.finfo(weight.dtype).eps) / 2.0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", weight, weight).astype(np.float64)
    norms: Floats = np.sqrt(squares * (1.0 + 2.0 * _gamma(terms + 1, roundoff))) + math.sqrt(terms) * _SMALLEST
    return norms


def _refuse_non_finite(weight: Weights, bias: Weights, number: int) -> None:
    for name, values in (("weight", weight), ("bias", bias)):
        if not np.isfinite(values).all():
            problem = "holds a number that is not finite: training diverged"
            raise CheckpointError(f"policy, {name} of layer {number}", problem, "Train the model again")


def spectral_norm(weight: Weights, frobenius: float) -> float:
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


def logit_errors(norms: Norms, market_norms: Floats, hidden_norms: Floats) -> Floats:
    """Bounds on the difference of every logit: (bars, n_actions); not finite where there is none.

    Args:
        market_norms: (bars,) Euclidean norm of what the first layer saw.
        hidden_norms: (bars, figures) of the fast evaluation, see ``RemainingLayers.evaluate``.
    """
    *hidden, head = norms.layers
    with np.errstate(all="ignore"):
        bound = Bound(np.zeros((len(market_norms), 1)), market_norms[:, None] + _TINY)
        figures = iter(hidden_norms.T[:, :, None])
        for layer in hidden:
            bound = bound.through(layer, norms.activation, figures)
        return _SLACK * bound.of_sums(head)


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
