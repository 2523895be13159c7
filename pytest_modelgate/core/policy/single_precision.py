"""Actions in float32, the arithmetic in which traders run a policy, where they can differ from the judged ones.

A float32 sum depends on the order in which a kernel adds, and that on the machine and on how many bars it is given. So
a float64 evaluation only tells which bars are beyond doubt: its action is the judged one, by more than float32 can
lose. The others are evaluated product by product, in the order of the inputs and in a random one, which is a pure
function of the numbers: every machine counts the same bars, and weights that cancel in one order do not in both.

What float32 loses is estimated layer by layer, for every value: the root of the sum of the squares of all products that
go into it, times 64 units of roundoff, and what the values before it had lost already. Rounding errors add up like
independent ones unless they conspire (Higham & Mary 2019, "A New Approach to Probabilistic Rounding Error Analysis").
What silu and gelu lose is measured by their argument, since left of 0 they cancel.

That is done in three steps, each for the bars that the one before left: by what is known from judging, with one bound
for all values of a layer; by an evaluation of what float32 is shown, with one bound; with a bound for each value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.activations import activate, errs_with_argument, steepest
from pytest_modelgate.core.policy.confidence import same_beyond_doubt, sure_actions
from pytest_modelgate.core.policy.error_bounds import spectral_norm
from pytest_modelgate.core.policy.first_layer import choose_blocking, convolve
from pytest_modelgate.core.policy.inference import Choice
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Actions, Floats, Weights

Singles = NDArray[np.float32]
_LOSS = 64.0 * 2.0**-24
_LEAST = 64.0 * 2.0**-149  # what a product too small for float32 can lose
_MOST = float(np.finfo(np.float32).max)
_SLACK = 1.001  # what rounding in the bounds themselves can add
_ROWS = 512  # windows whose hidden layers are evaluated at a time
_FEW = 64  # windows of which the first layer's sums are found one by one
_GROUP = 64  # windows that are evaluated product by product at a time, and share a random order


class _Layer(NamedTuple):
    """Weights (in, out), biases (out,); in float64 the weights' squares, and (out,) what these add up to by output.

    The first layer, of which all features count alike, needs no squares but their sums: it holds (0, out).
    """

    weight: Singles
    bias: Singles
    squares: Floats
    sums: Floats


def float32_changes(
    policy: MlpPolicy,
    market: Floats,
    account: Floats,
    choice: Choice,
    rng: np.random.Generator,
    *,
    least: float = 0.0,
) -> NDArray[np.bool_]:
    """Whether float32 changes the action at the end of every window (windows,).

    Args:
        market: (bars, n_market), oldest first, all finite.
        account: (n_account,) for all windows alike.
        choice: as judged; its leads spare evaluating most windows once more.
        rng: gives the random orders.
        least: confidence that an action needs to count, in float64, of the logits in float32.
    """
    actions = choice.actions
    changed, unsure = np.zeros(len(actions), dtype=np.bool_), np.ones(len(actions), dtype=np.bool_)
    with np.errstate(all="ignore"):
        judged, policy = policy, _rounded(policy)
        layers = [_layer(*pair, first=not n) for n, pair in enumerate(zip(policy.weights, policy.biases, strict=True))]
        seen = _seen(policy, market, account)
        largest = _largest(policy, *seen)
        if least <= 0.0 and not judged.norms and choice.leads.any():
            rounding = _rounding(judged, market, account, *seen)
            unsure = ~_known_beyond_doubt(judged, layers, largest, rounding, choice)
        sums = _first_layer(policy, *seen, unsure)
        for first in range(0, len(actions), _ROWS):
            rows = first + np.flatnonzero(unsure[first : first + _ROWS])
            for closely in (False, True):
                facts = sums[rows], largest[rows], actions[rows]
                rows = rows[~_beyond_doubt(policy, layers, *facts, least=least, closely=closely)]
            for group in np.split(rows, range(_GROUP, len(rows), _GROUP)) if len(rows) else ():
                observations = _observations(policy, *seen, group)
                for shuffle in (None, rng):
                    logits = _product_by_product(policy, layers, observations, shuffle)
                    finite = np.flatnonzero(np.isfinite(logits).all(axis=1))
                    same = np.zeros(len(group), dtype=np.bool_)
                    same[finite] = sure_actions(logits[finite].astype(np.float64), least) == actions[group[finite]]
                    changed[group] |= ~same
    return changed


def _rounded(policy: MlpPolicy) -> MlpPolicy:
    """The policy with all numbers in float32, as ``load_state_dict`` rounds them."""
    weights, biases = (
        [part.astype(np.float32, copy=False) for part in parts] for parts in (policy.weights, policy.biases)
    )
    return replace(policy, weights=weights, biases=biases)


def _layer(weight: Weights, bias: Weights, *, first: bool) -> _Layer:
    single = np.ascontiguousarray(weight.T, dtype=np.float32)
    sums = np.einsum("ij,ij->j", single, single, dtype=np.float64)
    return _Layer(single, bias.astype(np.float32), np.square(single[: 0 if first else None], dtype=np.float64), sums)


def _seen(policy: MlpPolicy, market: Floats, account: Floats) -> tuple[Singles, Singles]:
    """Features as the first layer sees them, normalised in float32, as a module of its own would."""
    return (
        policy.normalised_market(market.astype(np.float32)).astype(np.float32, copy=False),
        policy.normalised_account(account.astype(np.float32)).astype(np.float32, copy=False),
    )


def _observations(policy: MlpPolicy, market: Singles, account: Singles, windows: NDArray[np.int64]) -> Singles:
    """Flat observations (n, obs_dim) of windows (n,)."""
    return policy.observe(market[windows[:, None] + np.arange(policy.lookback)], account)


def _largest(policy: MlpPolicy, market: Singles, account: Singles) -> Floats:
    """The largest feature of every window (windows, 1), whatever its sign."""
    by_bar = np.abs(market).max(axis=1, initial=np.abs(account).max(initial=0.0))
    windows = np.lib.stride_tricks.sliding_window_view(by_bar, policy.lookback)
    largest: Floats = windows.max(axis=1, keepdims=True).astype(np.float64)
    return largest


def _rounding(policy: MlpPolicy, market: Floats, account: Floats, *seen: Singles) -> Floats:
    """Squared norm of what the features of every window (windows, 1) differ by from those that were judged."""
    shown = policy.normalised_market(market), policy.normalised_account(account)
    of_market, of_account = (np.square(a - b).sum(axis=-1) for a, b in zip(shown, seen, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(of_market + of_account, policy.lookback)
    squares: Floats = windows.sum(axis=1, keepdims=True)
    return squares


def _known_beyond_doubt(
    policy: MlpPolicy, layers: Sequence[_Layer], largest: Floats, rounding: Floats, choice: Choice
) -> NDArray[np.bool_]:
    """Whether actions (n,) lead by more than float32 can lose, told by what was chosen by alone.

    The features and weights that float32 is shown are others, too, and that moves the values of a layer together, not
    independently: it is bounded from layer to layer by Cauchy and Schwarz. What products lose is as in
    ``_beyond_doubt`` and never less, since no value of a layer exceeds the norm of all, nor 1 after tanh: what is known
    here an evaluation would find as well, so that it does not matter which windows it is known of.

    Args:
        policy: as judged, without normalisation of layers.
        layers: its own in float32.
        largest: (n, 1) features.
        rounding: (n, 1) as of ``_rounding``.
    """
    activation, last = policy.activation, len(layers) - 1
    fits, squares, lost = np.ones(len(largest), dtype=np.bool_), np.square(largest), np.zeros_like(largest)
    moved = np.sqrt(rounding)
    sizes = math.sqrt(policy.obs_dim) * largest + moved
    for number, (layer, weight, bias) in enumerate(zip(layers, policy.weights, policy.biases, strict=True)):
        if number:
            sizes = choice.sizes[:, number - 1 : number]
            squares = np.square(sizes + moved)
            if activation == "tanh":
                squares = np.minimum(squares, 1.0)
            if errs_with_argument(activation):
                lost = lost * steepest(activation) ** 2 + _LOSS**2 * squares
        lost = (lost + _LOSS**2 * squares) * layer.sums.max()
        lost += _LOSS**2 * np.square(layer.bias, dtype=np.float64).max() + len(layer.weight) * _LEAST**2
        fits &= (len(layer.weight) + 1) * lost[:, 0] < (_LOSS * _MOST) ** 2
        moved = _moved_on(layer, weight, bias, sizes, moved, rows=number == last, inner=0 < number < last)
        if number < last:
            moved *= steepest(activation)
    return fits & (choice.leads > 2.0 * _SLACK * (np.sqrt(lost) + moved)[:, 0])


def _moved_on(
    layer: _Layer, weight: Weights, bias: Weights, sizes: Floats, moved: Floats, *, rows: bool, inner: bool
) -> Floats:
    """Bound on the norm that a layer's sums move by, or on that of each by itself.

    Args:
        weight: as judged, and so is ``bias``.
        sizes: (n, 1) norms of the layer's values as judged, at least.
        moved: (n, 1) norms of what these differ by in float32, at least.
        rows: asks for each sum by itself.
        inner: the weights are few enough to find their largest singular value.
    """
    apart, shifted = np.zeros(len(bias)), np.abs(bias - layer.bias)
    if weight.dtype != layer.weight.dtype:  # else rounding moved none of them
        apart = np.square(weight - layer.weight.T).sum(axis=1)
    if rows:
        norm, off, shift = math.sqrt(layer.sums.max()), math.sqrt(apart.max()), float(shifted.max())
    else:
        norm, off, shift = _SLACK * math.sqrt(layer.sums.sum()), math.sqrt(apart.sum()), float(np.linalg.norm(shifted))
    if inner:
        norm = spectral_norm(layer.weight, norm)
    further: Floats = norm * moved + off * sizes + shift
    return further


def _first_layer(policy: MlpPolicy, market: Singles, account: Singles, wanted: NDArray[np.bool_]) -> Floats:
    """The first layer's sums of every window (windows, width), in float64; if few are wanted, of these alone."""
    series, rows = [market.astype(np.float64)], np.flatnonzero(wanted)
    sums = np.zeros((len(wanted), len(policy.biases[0])))
    if len(rows) <= _FEW:
        series = [series[0][row : row + policy.lookback] for row in rows]
    else:
        rows = np.arange(len(wanted))
    if len(rows):
        counts = [len(part) - policy.lookback + 1 for part in series]
        shift = policy.biases[0] + policy.account_weights @ account.astype(np.float64)
        sums[rows] = convolve(policy, series, choose_blocking(counts, policy.lookback, policy.n_market), shift)
    return sums


def _beyond_doubt(
    policy: MlpPolicy,
    layers: Sequence[_Layer],
    sums: Floats,
    largest: Floats,
    judged: Actions,
    *,
    least: float,
    closely: bool,
) -> NDArray[np.bool_]:
    """Whether the judged action (n,) is that of float64, by more than float32 can lose, and no sum is too large for it.

    Args:
        sums: (n, width) of the first layer.
        largest: (n, 1) features.
        closely: whether a hidden layer's values count each by itself; else all as the largest, which is never surer
            and spares half of the work.
    """
    values, fits = sums, np.ones(len(sums), dtype=np.bool_)
    squares: Floats = np.square(largest)
    lost: Floats = np.zeros_like(squares)
    for number, layer in enumerate(layers):
        if number:
            values, lost = _between(policy, number - 1, values, lost)
            squares = np.square(values)
        lost = lost + _LOSS**2 * squares
        lost = lost @ layer.squares if number and closely else lost.max(axis=1, keepdims=True) * layer.sums
        lost += _LOSS**2 * np.square(layer.bias, dtype=np.float64) + len(layer.weight) * _LEAST**2
        fits &= (len(layer.weight) + 1) * lost.max(axis=1) < (_LOSS * _MOST) ** 2  # by Cauchy and Schwarz
        if number:
            values = values @ layer.weight.astype(np.float64) + layer.bias
    return fits & same_beyond_doubt(values, np.sqrt(lost), judged, least)


def _between(policy: MlpPolicy, hidden: int, values: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """Activation and normalisation of a hidden layer, and the squares of what the values have lost then."""
    norm = policy.norm_behind(hidden)
    if norm is not None and norm.before_activation:
        values, lost = _loss_of_norm(norm, values, lost)
    if errs_with_argument(policy.activation):
        lost = lost * steepest(policy.activation) ** 2 + _LOSS**2 * np.square(values)
    values = activate(policy.activation, values)
    if norm is not None and not norm.before_activation:
        values, lost = _loss_of_norm(norm, values, lost)
    return values, lost


def _loss_of_norm(norm: LayerNorm, values: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """Each value loses what it had lost, and its share of what mean and deviation have lost."""
    normalised, deviation = norm.apply(values)
    own = lost + _LOSS**2 * (np.square(values) + np.square(values).mean(axis=1, keepdims=True))
    quotient = (normalised - norm.bias) / np.where(norm.weight == 0.0, 1.0, norm.weight)
    common = (1.0 + np.square(quotient)) * own.mean(axis=1, keepdims=True)
    scale = np.square(norm.weight) / np.square(deviation)[:, None]
    return normalised, (own + common) * scale + _LOSS**2 * np.square(norm.bias)


def _activated(activation: str, values: Singles) -> Singles:
    return activate(activation, values.astype(np.float64)).astype(np.float32)


def _product_by_product(
    policy: MlpPolicy, layers: Sequence[_Layer], observations: Singles, rng: np.random.Generator | None
) -> Singles:
    """Logits (n, n_actions), every product rounded and added by itself.

    Args:
        rng: draws the order of each layer's sums, which then begin with the bias; None keeps the order of the inputs,
            with the bias last.
    """
    values = observations
    for number, layer in enumerate(layers):
        if number:
            norm = policy.norm_behind(number - 1)
            if norm is not None and norm.before_activation:
                values = _normalised_by_value(norm, values, rng)
            values = _activated_by_parts(policy.activation, values, rng)
            if norm is not None and not norm.before_activation:
                values = _normalised_by_value(norm, values, rng)
        columns = np.ascontiguousarray(values.T)[:, :, None]
        sums = np.zeros((len(values), len(layer.bias)), dtype=np.float32)
        if rng is not None:
            sums += layer.bias
        for term in _order(len(columns), rng):
            sums += columns[term] * layer.weight[term]
        if rng is None:
            sums += layer.bias
        values = sums
    return values


def _activated_by_parts(activation: str, values: Singles, rng: np.random.Generator | None) -> Singles:
    """The activation; without rng as ``x * (1 + t) / 2``, with t the error function or tanh, where that is its formula.

    Where t is -1 in float32 nothing is left of what the function is.
    """
    activated = _activated(activation, values)
    if rng is not None or not activation.startswith("gelu"):
        return activated
    wide = values.astype(np.float64)
    share = np.divide(activate(activation, wide), wide, out=np.full_like(wide, 0.5), where=wide != 0.0)
    rounded = (2.0 * share - 1.0).astype(np.float32)
    half: Singles = values * np.float32(0.5) * (np.float32(1.0) + rounded)
    return half


def _normalised_by_value(norm: LayerNorm, values: Singles, rng: np.random.Generator | None) -> Singles:
    """Layer normalisation whose mean and variance are added up value by value."""
    count = np.float32(values.shape[1])
    total = np.zeros(len(values), dtype=np.float32)
    for term in _order(values.shape[1], rng):
        total += values[:, term]
    centred = values - (total / count)[:, None]
    squares = np.zeros(len(values), dtype=np.float32)
    for term in _order(values.shape[1], rng):
        squares += centred[:, term] * centred[:, term]
    deviation = np.sqrt(squares / count + np.float32(norm.epsilon))
    normalised: Singles = centred / deviation[:, None] * norm.weight.astype(np.float32) + norm.bias.astype(np.float32)
    return normalised


def _order(count: int, rng: np.random.Generator | None) -> Sequence[int]:
    return range(count) if rng is None else rng.permutation(count).tolist()
