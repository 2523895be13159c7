"""Policies, from observations to actions, without torch: the protocol, and MLPs as checkpoints hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from pytest_modelgate.core.typing import Actions, Floats, Weights
from pytest_modelgate.errors import CheckpointError

ACTIVATIONS = ("tanh", "relu", "elu")
ACTIONS = {
    3: ("HOLD", "BUY", "SELL"),
    7: ("HOLD", "BUY_25", "BUY_50", "BUY_75", "SELL_25", "SELL_50", "SELL_75"),
}
HOLD = 0
ACCOUNT_FEATURES = ("pnl", "win_rate", "drawdown", "position", "available_capital", "account_change")
NEUTRAL_ACCOUNT = (0.0, 0.5, 0.0, 0.0, 0.70, 0.0)


class Policy(Protocol):
    """A trained model as the simulation needs it.

    One observation is ``lookback`` rows of ``n_features`` values, oldest first; each row holds the market features
    followed by the account features, which are constant across the window.
    """

    @property
    def n_market(self) -> int:
        """Market features per bar."""
        ...

    @property
    def n_account(self) -> int:
        """Account features per bar: 0, 3 or 6."""
        ...

    @property
    def lookback(self) -> int:
        """Bars per observation."""
        ...

    @property
    def n_actions(self) -> int:
        """3 or 7, in the order of ACTIONS."""
        ...

    def logits(self, market: Floats, account: Floats) -> Floats:
        """Logits for every window of a feature series.

        Args:
            market: (bars, n_market) market features, oldest first, all finite.
            account: (n_account,) for all windows alike.

        Returns:
            (bars - lookback + 1, n_actions); row i belongs to the window that ends with bar ``i + lookback - 1``.
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
    n_account: int
    lookback: int

    @property
    def obs_dim(self) -> int:
        """Length of a flat observation."""
        return self.lookback * (self.n_market + self.n_account)

    @property
    def n_actions(self) -> int:
        """Size of the last layer."""
        return int(self.weights[-1].shape[0])

    @cached_property
    def first_layer_weights(self) -> Weights:
        """The first layer's weights by row of the window: (width, lookback, n_market + n_account)."""
        return self.weights[0].reshape(-1, self.lookback, self.n_market + self.n_account)

    @cached_property
    def account_weights(self) -> Floats:
        """(width, n_account): the first layer's weights of the account features, which are alike in all rows."""
        total: Floats = self.first_layer_weights[:, :, self.n_market :].sum(axis=1, dtype=np.float64)
        return total

    def logits(self, market: Floats, account: Floats) -> Floats:
        """See Policy.logits. Actions come from ``inference.choose_actions``; this is for looking at.

        Raises:
            CheckpointError: a logit is not finite.
        """
        count = max(0, len(market) - self.lookback + 1)
        hidden = np.zeros((count, len(self.weights[0])))
        for lag in range(self.lookback if count else 0):
            hidden += market[lag : lag + count] @ self.first_layer_weights[:, lag, : self.n_market].T
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
