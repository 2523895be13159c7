"""Policies, from observations to actions, without torch: the protocol, and MLPs as checkpoints hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from pytest_modelgate.core.policy.activations import activate
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.core.typing import Actions, Floats, Weights
from pytest_modelgate.errors import CheckpointError

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
        activation: applied between layers; see ``activations.is_known``.
        norms: behind each hidden layer, before or after its activation; empty without any.
        normaliser: of the features before the first layer sees them; what is said of observations elsewhere is said of
            those that it has normalised.
    """

    weights: Sequence[Weights]
    biases: Sequence[Weights]
    activation: str
    n_market: int
    n_account: int
    lookback: int
    norms: Sequence[LayerNorm | None] = ()
    normaliser: Normaliser | None = None

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
        market, account = self.normalised_market(market), self.normalised_account(account)
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
        if self.normaliser is not None:
            rows = observations.reshape(-1, self.n_market + self.n_account)
            observations = self.normaliser.apply(rows, slice(None)).reshape(observations.shape)
        return self._remaining_layers(observations @ self.weights[0].T + self.biases[0])

    def normalised_market(self, market: Floats) -> Floats:
        """Market features (..., n_market) as the first layer sees them."""
        return market if self.normaliser is None else self.normaliser.apply(market, slice(self.n_market))

    def normalised_account(self, account: Floats) -> Floats:
        """Account features (..., n_account) as the first layer sees them."""
        return account if self.normaliser is None else self.normaliser.apply(account, slice(self.n_market, None))

    def norm_behind(self, layer: int) -> LayerNorm | None:
        """The normalisation behind a hidden layer, counted from 0."""
        return self.norms[layer] if self.norms else None

    def _remaining_layers(self, hidden: Floats) -> Floats:
        for number, (weight, bias) in enumerate(zip(self.weights[1:], self.biases[1:], strict=True)):
            norm = self.norm_behind(number)
            if norm is not None and norm.before_activation:
                hidden, _ = norm.apply(hidden)
            hidden = activate(self.activation, hidden)
            if norm is not None and not norm.before_activation:
                hidden, _ = norm.apply(hidden)
            hidden = hidden @ weight.T + bias
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
