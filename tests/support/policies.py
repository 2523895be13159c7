"""Policies as the trainer's generations have them, by counts of actions and account features."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_modelgate.core.policy.account_features import AccountFeature, neutral_account
from pytest_modelgate.core.policy.actions import HALF_ORDERS, QUARTER_ORDERS, QUARTER_ORDERS_AND_CLOSE, Action, Order
from pytest_modelgate.core.policy.generations import GENERATIONS
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Weights

SPACES: dict[int, tuple[Action, ...]] = {3: HALF_ORDERS, 7: QUARTER_ORDERS, 8: QUARTER_ORDERS_AND_CLOSE}
ACCOUNTS: dict[int, tuple[AccountFeature, ...]] = {len(item.account or ()): item.account or () for item in GENERATIONS}
NEUTRAL_ACCOUNT = neutral_account(ACCOUNTS[6])


def mlp(  # noqa: PLR0917 - a network in the order in which data takes it
    weights: Sequence[Weights], biases: Sequence[Weights], activation: str, n_market: int, n_account: int, lookback: int
) -> MlpPolicy:
    """A policy with the account features and actions of the generation that has as many."""
    outputs = len(weights[-1])
    actions = SPACES.get(outputs, tuple(map(Order, range(outputs))))
    return MlpPolicy(weights, biases, activation, n_market, ACCOUNTS[n_account], lookback, actions)
