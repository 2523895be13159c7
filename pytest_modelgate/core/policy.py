"""Policies: observations to actions, in float64 and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.errors import CheckpointError

Floats = NDArray[np.float64]

ACTIVATIONS = ("tanh", "relu", "elu")
ACTIONS = {
    3: ("HOLD", "BUY", "SELL"),
    7: ("HOLD", "BUY_25", "BUY_50", "BUY_75", "SELL_25", "SELL_50", "SELL_75"),
}
HOLD = 0
ACCOUNT_FEATURES = ("pnl", "win_rate", "drawdown", "position", "available_capital", "account_change")
NEUTRAL_ACCOUNT = (0.0, 0.5, 0.0, 0.0, 0.70, 0.0)


class Policy(Protocol):
    """What the simulation needs of a model.

    One observation is ``window`` rows of ``n_features`` values, oldest first; each row holds the market features
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
    def window(self) -> int:
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
            (bars - window + 1, n_actions); row i belongs to the window that ends with bar ``i + window - 1``.
        """
        ...


@dataclass(frozen=True, eq=False)
class MlpPolicy:
    """A multilayer perceptron over the flattened observation.

    The first layer is linear in the observation, so it is applied row by row of the window: a sum of ``window`` small
    products over the whole series plus the account's share. The (bars, obs_dim) matrix of observations never exists.

    Attributes:
        weights: per layer (out, in), float64.
        biases: per layer (out,), float64.
        activation: applied between layers; one of ACTIVATIONS.
    """

    weights: Sequence[Floats]
    biases: Sequence[Floats]
    activation: str
    n_market: int
    n_account: int
    window: int

    @property
    def obs_dim(self) -> int:
        """Length of a flat observation."""
        return self.window * (self.n_market + self.n_account)

    @property
    def n_actions(self) -> int:
        """Size of the last layer."""
        return int(self.weights[-1].shape[0])

    def logits(self, market: Floats, account: Floats) -> Floats:
        """See Policy.logits.

        Raises:
            CheckpointError: a logit is not finite.
        """
        return self.finish(self.first_layer(market), account)

    def first_layer(self, market: Floats) -> Floats:
        """What every window of a feature series adds to the first layer: (bars - window + 1, width)."""
        count = max(0, len(market) - self.window + 1)
        first = self.weights[0].reshape(-1, self.window, self.n_market + self.n_account)
        hidden = np.zeros((count, len(first)))
        for lag in range(self.window if count else 0):
            hidden += market[lag : lag + count] @ first[:, lag, : self.n_market].T
        return hidden

    def finish(self, hidden: Floats, account: Floats) -> Floats:
        """Logits of rows of ``first_layer``, account features (n_account,) added.

        Raises:
            CheckpointError: a logit is not finite.
        """
        first = self.weights[0].reshape(-1, self.window, self.n_market + self.n_account)
        share = first[:, :, self.n_market :].sum(axis=1) @ account
        return self._remaining_layers(hidden + (self.biases[0] + share))

    def logits_of(self, observations: Floats) -> Floats:
        """Logits of flat observations (n, obs_dim), in the plain way.

        Raises:
            CheckpointError: a logit is not finite.
        """
        return self._remaining_layers(observations @ self.weights[0].T + self.biases[0])

    def _remaining_layers(self, hidden: Floats) -> Floats:
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = _activate(self.activation, hidden) @ weight.T + bias
        if not np.isfinite(hidden).all():
            raise CheckpointError("policy", "produced a logit that is not finite", "Train the model again")
        return hidden


def greedy(logits: Floats) -> NDArray[np.int64]:
    """The action of each row: the largest logit, the lowest index on ties."""
    actions: NDArray[np.int64] = np.argmax(logits, axis=-1).astype(np.int64)
    return actions


def _activate(name: str, values: Floats) -> Floats:
    if name == "tanh":
        return np.tanh(values)
    if name == "relu":
        return np.maximum(values, 0.0)
    if name == "elu":
        return np.where(values > 0, values, np.expm1(np.minimum(values, 0.0)))
    raise CheckpointError(
        "activation", f"{name!r} is unknown, expected one of {', '.join(ACTIVATIONS)}", "Name it with --gate-activation"
    )
