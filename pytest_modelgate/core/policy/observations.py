"""A policy asked as its trainer asks it: flat observations in, its own outputs out. Parity is compared on these."""

from __future__ import annotations

import numpy as np

from pytest_modelgate.core.policy.account_features import market_places
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError


def trained_shape(policy: Policy) -> tuple[int, int]:
    """Length of an observation as the trainer flattens it, and number of outputs."""
    size, outputs = policy.lookback * (policy.n_market + len(policy.account)), len(policy.actions)
    if not isinstance(policy, MlpPolicy):
        return size, outputs
    return policy.layout.size if policy.layout else size, 1 if policy.ladder else outputs


def trained_outputs(policy: Policy, observations: Floats) -> Floats:
    """Outputs (n, outputs) for observations (n, length) as the trainer flattens them; of one continuous action that.

    A policy of a project's own is asked for its ``logits_of`` where it has such a method, else for the logits of each
    window by itself.

    Raises:
        CheckpointError: an output is not finite; or account features differ within an observation, which such a policy
            cannot be asked about.
    """
    if isinstance(policy, MlpPolicy):
        logits = policy.logits_of(observations if policy.layout is None else policy.layout.to_rows(observations))
        return logits if policy.ladder is None else policy.ladder.actions_of(logits)
    ask = getattr(policy, "logits_of", None)
    if ask is not None:
        return np.asarray(ask(observations), dtype=np.float64)
    n_features = policy.n_market + len(policy.account)
    rows = observations.reshape(len(observations), policy.lookback, n_features)
    account = rows[:, :, [feature.place % n_features for feature in policy.account]]
    if (account != account[:, :1]).any():
        problem = "has account features that differ from row to row, about which this policy cannot be asked"
        raise CheckpointError("parity probe", problem, "Record observations as the trader builds them")
    market = rows[:, :, market_places(n_features, policy.account)]
    asked = [policy.logits(seen, told[0]) for seen, told in zip(market, account, strict=True)]
    return np.concatenate(asked).reshape(len(observations), len(policy.actions))
