"""Policies, from observations to actions, without torch: the protocol, and MLPs as checkpoints hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.account_features import AccountFeature
from pytest_modelgate.core.policy.actions import Action
from pytest_modelgate.core.typing import Actions, Floats, Weights
from pytest_modelgate.errors import CheckpointError

T = TypeVar("T", np.float32, np.float64)
ACTIVATIONS = ("tanh", "relu", "elu")


class Policy(Protocol):
    """A trained model as the simulation needs it.

    One observation is ``lookback`` rows, oldest first; each row holds the market features in their order, and the
    account features, which are constant across the window, in their places.
    """

    @property
    def n_market(self) -> int:
        """Market features per bar."""
        ...

    @property
    def account(self) -> tuple[AccountFeature, ...]:
        """Account features, in the order in which ``logits`` takes them."""
        ...

    @property
    def lookback(self) -> int:
        """Bars per observation."""
        ...

    @property
    def actions(self) -> tuple[Action, ...]:
        """What each of its outputs means."""
        ...

    def logits(self, market: Floats, account: Floats) -> Floats:
        """Logits for every window of a feature series.

        Args:
            market: (bars, n_market) market features, oldest first, all finite.
            account: (account features,) for all windows alike.

        Returns:
            (bars - lookback + 1, actions); row i belongs to the window that ends with bar ``i + lookback - 1``.
        """
        ...


@dataclass(frozen=True, eq=False)
class MlpPolicy:
    """An MLP over the flattened observation.

    Its actions are those of ``definition.reference_logits``; ``inference`` finds them without evaluating that at every
    bar.

    Attributes:
        weights: per layer (out, in), float64, or float32 as checkpoints hold them.
        biases: per layer (out,).
        activation: applied between layers; one of ACTIVATIONS.
    """

    weights: Sequence[Weights]
    biases: Sequence[Weights]
    activation: str
    n_market: int
    account: tuple[AccountFeature, ...]
    lookback: int
    actions: tuple[Action, ...]

    @property
    def n_account(self) -> int:
        """Account features per bar."""
        return len(self.account)

    @property
    def n_features(self) -> int:
        """Columns of an observation's row."""
        return self.n_market + self.n_account

    @property
    def obs_dim(self) -> int:
        """Length of a flat observation."""
        return self.lookback * self.n_features

    @property
    def n_actions(self) -> int:
        """Size of the last layer."""
        return int(self.weights[-1].shape[0])

    @cached_property
    def account_places(self) -> list[int]:
        """Columns of the account features in a row, in their order."""
        return [feature.place % self.n_features for feature in self.account]

    @cached_property
    def market_weights(self) -> Weights:
        """The first layer's weights of the market features: (width, lookback, n_market), a view if these come first."""
        by_row = self._weights_by_row
        if sorted(self.account_places) == list(range(self.n_market, self.n_features)):
            return by_row[:, :, : self.n_market]
        return np.delete(by_row, self.account_places, axis=2)

    @cached_property
    def account_weights(self) -> Floats:
        """(width, n_account): the first layer's weights of the account features, which are alike in all rows."""
        total: Floats = self._weights_by_row[:, :, self.account_places].sum(axis=1, dtype=np.float64)
        return total

    @property
    def _weights_by_row(self) -> Weights:
        return self.weights[0].reshape(-1, self.lookback, self.n_features)

    def observe(self, market: NDArray[T], account: NDArray[T]) -> NDArray[T]:
        """Flat observations (..., obs_dim) of windows (..., lookback, n_market), with account features (n_account,)."""
        rows = np.empty((*market.shape[:-1], self.n_features), dtype=market.dtype)
        market_places = np.delete(np.arange(self.n_features), self.account_places)
        rows[..., market_places], rows[..., self.account_places] = market, account
        return rows.reshape(*market.shape[:-2], self.obs_dim)

    def logits(self, market: Floats, account: Floats) -> Floats:
        """See Policy.logits. Actions come from ``inference.choose_actions``; this is for looking at.

        Raises:
            CheckpointError: a logit is not finite.
        """
        count = max(0, len(market) - self.lookback + 1)
        hidden = np.zeros((count, len(self.weights[0])))
        for lag in range(self.lookback if count else 0):
            hidden += market[lag : lag + count] @ self.market_weights[:, lag].T
        return self._remaining_layers(hidden + (self.biases[0] + self.account_weights @ account))

    def logits_of(self, observations: Floats) -> Floats:
        """Logits of flat observations (n, obs_dim), in the plain way.

        Raises:
            CheckpointError: a logit is not finite.
        """
        return self._remaining_layers(observations @ self.weights[0].T + self.biases[0])

    def _remaining_layers(self, hidden: Floats) -> Floats:
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = activate(self.activation, hidden) @ weight.T + bias
        _refuse_non_finite(hidden)
        return hidden


def greedy(logits: Floats) -> Actions:
    """The action of each row: the largest logit, the lowest index on ties.

    Raises:
        CheckpointError: a logit is not finite.
    """
    _refuse_non_finite(logits)
    actions: Actions = np.argmax(logits, axis=-1).astype(np.int64)
    return actions


def _refuse_non_finite(logits: Floats) -> None:
    if not np.isfinite(logits).all():
        raise CheckpointError("policy", "produced a logit that is not finite", "Train the model again")


def check_activation(name: str) -> None:
    """Refuse an activation that is unknown.

    Raises:
        CheckpointError: it is not one of ACTIVATIONS.
    """
    if name not in ACTIVATIONS:
        problem = f"{name!r} is unknown, expected one of {', '.join(ACTIVATIONS)}"
        raise CheckpointError("activation", problem, "Name it with --gate-activation")


def activate(name: str, values: Floats) -> Floats:
    """Apply an activation as fast as numpy does it.

    Raises:
        CheckpointError: it is not one of ACTIVATIONS.
    """
    check_activation(name)
    if name == "tanh":
        return np.tanh(values)
    if name == "relu":
        return np.maximum(values, 0.0)
    return np.where(values > 0.0, values, np.expm1(np.minimum(values, 0.0)))
