"""Random networks, and the straightforward way to their actions: one full observation, one forward pass, per bar."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import strategies as st
from support.policies import mlp

from pytest_modelgate.core.policy.activations import ACTIVATIONS
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Actions, Floats


def network(
    rng: np.random.Generator,
    hidden: list[int],
    *,
    window: int = 4,
    n_market: int = 3,
    n_account: int = 0,
    n_actions: int = 3,
    activation: str = "tanh",
) -> MlpPolicy:
    """Weights in float32, as in a checkpoint, of about the size that training begins with."""
    sizes = [window * (n_market + n_account), *hidden, n_actions]
    weights = [(rng.normal(size=(out, into)) * 1.5 / np.sqrt(into)).astype(np.float32) for into, out in pairwise(sizes)]
    biases = [(0.1 * rng.normal(size=out)).astype(np.float32) for out in sizes[1:]]
    return mlp(weights, biases, activation, n_market, n_account, window)


@st.composite
def networks(draw: st.DrawFn, longest: int = 200) -> tuple[MlpPolicy, np.random.Generator]:
    """One to five layers; small windows as often as large ones."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    policy = network(
        rng,
        draw(st.lists(st.integers(1, 150), max_size=4)),
        window=draw(st.one_of(st.integers(1, 12), st.integers(13, longest))),
        n_market=draw(st.integers(1, 8)),
        n_account=draw(st.sampled_from([0, 3, 6])),
        n_actions=draw(st.sampled_from([3, 7])),
        activation=draw(st.sampled_from(ACTIVATIONS)),
    )
    if draw(st.booleans()):  # account features anywhere in a row
        places = rng.permutation(policy.n_features)[: policy.n_account].tolist()
        account = tuple(replace(item, place=place) for item, place in zip(policy.account, places, strict=True))
        policy = replace(policy, account=account)
    norms = draw(st.sampled_from(["none", "none", "before", "after", "some"]))
    return with_norms(policy, rng, norms), rng


def with_norms(policy: MlpPolicy, rng: np.random.Generator, place: str) -> MlpPolicy:
    """A policy with layer normalisations ``before`` or ``after`` its activations, or behind ``some`` layers."""
    if place == "none":
        return policy
    norms: list[LayerNorm | None] = []
    for weight in policy.weights[:-1]:
        first = place == "before" or (place == "some" and bool(rng.integers(2)))
        scale, shift = 1.0 + 0.3 * rng.normal(size=(2, len(weight))) - np.array([[0.0], [1.0]])
        norms.append(None if place == "some" and rng.random() < 0.4 else LayerNorm(scale, shift, 1e-5, first))
    return replace(policy, norms=norms)


def market_for(policy: MlpPolicy, rng: np.random.Generator, windows: int) -> Floats:
    """Features of so many windows, some columns of them constant."""
    market: Floats = rng.normal(size=(policy.lookback + windows - 1, policy.n_market))
    market[:, rng.random(policy.n_market) < 0.2] = 0.25
    return market


def observation(policy: MlpPolicy, market: Floats, account: Floats) -> Floats:
    """One flat observation of the rows of a window, value by value."""
    width, seen = policy.n_market + len(account), []
    by_place = {item.place % width: value for item, value in zip(policy.account, account.tolist(), strict=True)}
    for row in market.tolist():
        left = iter(row)
        seen += [by_place[column] if column in by_place else next(left) for column in range(width)]
    return np.array(seen)


def _activated(name: str, values: Floats) -> Floats:
    if name == "tanh":
        return np.tanh(values)
    if name in ("gelu", "gelu_tanh", "silu", "leaky_relu"):
        torch = pytest.importorskip("torch")
        how = {"gelu_tanh": {"approximate": "tanh"}}.get(name, {})
        function = getattr(torch.nn.functional, name.removesuffix("_tanh"))
        activated: Floats = function(torch.from_numpy(values), **how).numpy()
        return activated
    below = np.exp(np.minimum(values, 0.0)) - 1.0 if name == "elu" else np.zeros_like(values)
    return np.where(values > 0, values, below)


def _normed(norm: LayerNorm, values: Floats) -> Floats:
    torch = pytest.importorskip("torch")
    parts = (torch.from_numpy(part) for part in (values, norm.weight, norm.bias))
    seen, weight, bias = parts
    normed: Floats = torch.nn.functional.layer_norm(seen, seen.shape, weight, bias).numpy()
    return normed


def plain_logits(policy: MlpPolicy, seen: Floats) -> Floats:
    """One forward pass in float64."""
    values = seen
    for number, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True)):
        if number:
            norm = policy.norm_behind(number - 1)
            values = _normed(norm, values) if norm and norm.before_activation else values
            values = _activated(policy.activation, values)
            values = _normed(norm, values) if norm and not norm.before_activation else values
        values = weight.astype(np.float64) @ values + bias.astype(np.float64)
    return values


def plain_actions(policy: MlpPolicy, market: Floats, account: Floats) -> Actions:
    """The largest logit at the end of every window, the lowest index on ties."""
    windows = [market[first : first + policy.lookback] for first in range(len(market) - policy.lookback + 1)]
    actions = [int(np.argmax(plain_logits(policy, observation(policy, seen, account)))) for seen in windows]
    return np.array(actions, dtype=np.int64)
