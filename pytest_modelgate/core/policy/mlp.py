"""Policies, from observations to actions, without torch: the protocol, and MLPs as checkpoints hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.account_features import AccountFeature, market_places
from pytest_modelgate.core.policy.actions import Action
from pytest_modelgate.core.policy.activations import activate
from pytest_modelgate.core.policy.ladder import Ladder
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.core.policy.layout import Layout
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.core.typing import Actions, Floats, Weights
from pytest_modelgate.errors import CheckpointError

T = TypeVar("T", np.float32, np.float64)


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
        activation: applied between layers; see ``activations.is_known``.
        norms: behind each hidden layer, before or after its activation; empty without any.
        normaliser: of the features before the first layer sees them; what is said of observations elsewhere is said of
            those that it has normalised.
        layout: how its trainer flattens observations; None where that is the gate's form. ``weights`` are for the
            gate's form either way.
        ladder: the one continuous action that its outputs are the rungs of; None where they are actions by themselves.
    """

    weights: Sequence[Weights]
    biases: Sequence[Weights]
    activation: str
    n_market: int
    account: tuple[AccountFeature, ...]
    lookback: int
    actions: tuple[Action, ...]
    norms: Sequence[LayerNorm | None] = ()
    normaliser: Normaliser | None = None
    layout: Layout | None = None
    ladder: Ladder | None = None

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
    def market_places(self) -> list[int]:
        """Columns of the market features in a row."""
        return market_places(self.n_features, self.account)

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
        rows[..., self.market_places], rows[..., self.account_places] = market, account
        return rows.reshape(*market.shape[:-2], self.obs_dim)

    def logits(self, market: Floats, account: Floats) -> Floats:
        """See Policy.logits. Actions come from ``inference.choose_actions``; this is for looking at.

        Raises:
            CheckpointError: a logit is not finite.
        """
        market, account = self.normalised_market(market), self.normalised_account(account)
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
        if self.normaliser is not None:
            rows = observations.reshape(-1, self.n_market + self.n_account)
            observations = self.normaliser.apply(rows, range(self.n_features)).reshape(observations.shape)
        return self._remaining_layers(observations @ self.weights[0].T + self.biases[0])

    def normalised_market(self, market: Floats) -> Floats:
        """Market features (..., n_market) as the first layer sees them."""
        return market if self.normaliser is None else self.normaliser.apply(market, self.market_places)

    def normalised_account(self, account: Floats) -> Floats:
        """Account features (..., n_account) as the first layer sees them."""
        return account if self.normaliser is None else self.normaliser.apply(account, self.account_places)

    def with_weights(self, change: Callable[[Weights], Weights]) -> MlpPolicy:
        """The same with other weights in every layer; of a ladder's head those of its one output are changed."""
        *hidden, last = self.weights
        if self.ladder is None:
            return replace(self, weights=[change(weight) for weight in self.weights])
        changed = [change(weight) for weight in hidden]
        return replace(self, weights=[*changed, self.ladder.weights_of(change(self.ladder.row(last)))])

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
