"""Actions of a policy over a series: in float64 where that is certain, else by definition.

Actions are the same whatever the device, kernels, threads, batches and episodes: see ``definition`` for what they are
and ``error_bounds`` for when a fast evaluation is sure of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.core.policy.activations import activate, check_activation, errs_with_argument
from pytest_modelgate.core.policy.confidence import certify_confidence, sure_action, sure_actions
from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.error_bounds import Norms, certify, logit_errors, norms_of
from pytest_modelgate.core.policy.first_layer import Blocking, block_norms, choose_blocking, convolve
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Actions, Floats
from pytest_modelgate.errors import CheckpointError

_ROWS = 512  # whose hidden layers stay in the cache


class Device(Protocol):
    """Evaluates the layers of a policy for many bars at once, in float64 and in any order of summation.

    Either method returns None when the device has no room; the CPU then does the same.
    """

    def first_layer(
        self, policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats
    ) -> Floats | None:
        """As ``first_layer.convolve``."""
        ...

    def evaluate(
        self, policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats
    ) -> tuple[Floats, Floats] | None:
        """All layers.

        Args:
            shift: (width,) what bias and account add to the first layer.

        Returns:
            As ``RemainingLayers.evaluate``, of all windows.
        """
        ...


class Choice(NamedTuple):
    """Actions at the ends of windows, and by how much they were chosen.

    Attributes:
        actions: (windows,)
        leads: (windows,) of the largest logit over every other, at least; 0 where the action was found by definition,
            and where a policy shows no logits.
        sizes: (windows, figures) what ``RemainingLayers.evaluate`` tells of hidden layers.
    """

    actions: Actions
    leads: Floats
    sizes: Floats

    def cut(self, first: int, last: int) -> Choice:
        """A part of the windows."""
        return Choice(self.actions[first:last], self.leads[first:last], self.sizes[first:last])


class RemainingLayers:
    """Layers of a policy after the first, converted to float64 once."""

    def __init__(self, policy: MlpPolicy) -> None:
        self._policy = policy
        pairs = zip(policy.weights[1:], policy.biases[1:], strict=True)
        self._layers = [(weight.astype(np.float64, copy=False), bias) for weight, bias in pairs]

    def evaluate(self, sums: Floats) -> tuple[Floats, Floats]:
        """Logits of windows, given the first layer's sums (windows, width).

        Returns:
            Logits (windows, n_actions), and what error bounds need of each window (windows, figures): of every
            activation the Euclidean norm of its values, or of its arguments (see ``errs_with_argument``); of every
            normalisation that of its arguments, and their deviation. In the order in which these apply.
        """
        figures: list[Floats] = []
        values, activation = sums, self._policy.activation
        with np.errstate(all="ignore"):
            for number, (weight, bias) in enumerate(self._layers):
                norm = self._policy.norm_behind(number)
                if norm is not None and norm.before_activation:
                    values = _normalise(norm, values, figures)
                activated = activate(activation, values)
                figures.append(_norms_of_rows(values if errs_with_argument(activation) else activated))
                values = activated
                if norm is not None and not norm.before_activation:
                    values = _normalise(norm, values, figures)
                values = values @ weight.T
                values += bias
        return values, np.stack(figures, axis=1) if figures else np.empty((len(sums), 0))


def _normalise(norm: LayerNorm, values: Floats, figures: list[Floats]) -> Floats:
    normalised, deviation = norm.apply(values)
    figures += [_norms_of_rows(values), deviation]
    return normalised


def _leads(logits: Floats, errors: Floats, actions: Actions) -> Floats:
    """By how much the logits (n, n_actions) of actions (n,) exceed every other at least, off by these errors."""
    rows = np.arange(len(actions))
    with np.errstate(invalid="ignore"):
        others = logits + errors
        others[rows, actions] = -np.inf
        leads: Floats = logits[rows, actions] - errors[rows, actions] - others.max(axis=1)
    return leads


def _norms_of_rows(values: Floats) -> Floats:
    norms: Floats = np.sqrt(np.einsum("ij,ij->i", values, values))
    return norms


def choose_actions(
    policy: Policy, market: Floats, account: Floats, device: Device | None = None, least: float = 0.0
) -> Actions:
    """The action at the end of every window of a feature series.

    Args:
        market: (bars, n_market), oldest first.
        account: (n_account,) for all windows alike.
        device: does the bulk of the work; None means the CPU.
        least: confidence that an action needs to count (see ``confidence``); 0 takes every action.

    Returns:
        (bars - lookback + 1,); ``NO_ACTION`` where the confidence is short.

    Raises:
        CheckpointError: a feature, weight, layer or logit is not finite.
    """
    return choose_actions_of_all(policy, [market], account, device, least)[0]


def choose_actions_of_all(
    policy: Policy, series: Sequence[Floats], account: Floats, device: Device | None = None, least: float = 0.0
) -> list[Actions]:
    """``choose_actions`` for several series; of an MLP at once, since preparing its weights is much of the work."""
    return [choice.actions for choice in choose_of_all(policy, series, account, device, least)]


def choose_of_all(
    policy: Policy, series: Sequence[Floats], account: Floats, device: Device | None = None, least: float = 0.0
) -> list[Choice]:
    """``choose_actions_of_all``, and by how much they were chosen."""
    if not isinstance(policy, MlpPolicy):
        found = (sure_actions(policy.logits(market, account), least) for market in series)
        return [Choice(actions, np.zeros(len(actions)), np.empty((len(actions), 0))) for actions in found]
    evaluator = _BatchEvaluator(policy, [policy.normalised_market(market) for market in series], device, least)
    counts = evaluator.blocking.counts
    choice = evaluator.choose(policy.normalised_account(account))
    return [choice.cut(first, last) for first, last in pairwise(accumulate(counts, initial=0))]


class PolicySession:
    """A policy in front of a series, to be asked bar by bar, for as many accounts as there are episodes.

    Args:
        market: (bars, n_market); the first observation ends with bar ``lookback - 1``.
        least: as of ``choose_actions``.
    """

    def __init__(self, policy: MlpPolicy, market: Floats, device: Device | None = None, least: float = 0.0) -> None:
        self._evaluator = _BatchEvaluator(policy, [policy.normalised_market(market)], device, least)
        self._market_sums = self._evaluator.market_sums()

    def choose_actions(self, windows: NDArray[np.int64], accounts: Floats) -> Actions:
        """Actions (n,) at the end of windows (n,), counted from 0, with account features (n, n_account)."""
        evaluator = self._evaluator
        accounts = evaluator.policy.normalised_account(accounts)
        with np.errstate(all="ignore"):
            sums = self._market_sums[windows] + accounts @ evaluator.policy.account_weights.T
        return evaluator.settle(windows, accounts, *evaluator.remaining_layers.evaluate(sums)).actions


@dataclass(frozen=True, eq=False)
class _BatchEvaluator:
    """A policy in front of several series, whose windows are numbered throughout; all features are normalised."""

    policy: MlpPolicy
    series: Sequence[Floats]
    device: Device | None
    least: float

    def __post_init__(self) -> None:
        check_activation(self.policy.activation)
        for market in self.series:
            if not np.isfinite(market).all():
                row, column = (int(part) for part in np.argwhere(~np.isfinite(market))[0])
                problem = f"column {column} is not finite at row {row} of what the policy sees"
                raise CheckpointError("market features", problem, "Correct the feature set")

    @cached_property
    def blocking(self) -> Blocking:
        lookback = self.policy.lookback
        counts = [max(0, len(market) - lookback + 1) for market in self.series]
        return choose_blocking(counts, lookback, self.policy.n_market)

    @cached_property
    def norms(self) -> Norms:
        return norms_of(self.policy, self.blocking.length)

    @cached_property
    def market_norms(self) -> Floats:
        """(windows,) norm of the market features that the first layer's sums can have suffered from."""
        return block_norms(self.series, self.blocking)

    @cached_property
    def remaining_layers(self) -> RemainingLayers:
        return RemainingLayers(self.policy)

    def market_sums(self) -> Floats:
        """(windows, width) what market features and bias add up to in the first layer."""
        task = (self.policy, self.series, self.blocking, self.policy.biases[0].astype(np.float64))
        with np.errstate(all="ignore"):
            sums = self.device.first_layer(*task) if self.device else None
            return convolve(*task) if sums is None else sums

    def choose(self, account: Floats) -> Choice:
        """Of all windows, with one account: evaluated by the device or in parts, then settled."""
        count = sum(self.blocking.counts)
        if not count:
            return Choice(np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, 0)))
        windows, accounts = np.arange(count), np.broadcast_to(account, (count, self.policy.n_account))
        with np.errstate(all="ignore"):
            shift = self.policy.biases[0] + self.policy.account_weights @ account
            task = (self.policy, self.series, self.blocking, shift)
            evaluated = self.device.evaluate(*task) if self.device else None
            if evaluated is not None:
                return self.settle(windows, accounts, *evaluated)
            sums = convolve(*task)
        parts = [slice(first, first + _ROWS) for first in range(0, count, _ROWS)]
        evaluate = self.remaining_layers.evaluate
        settled = [self.settle(windows[part], accounts[part], *evaluate(sums[part])) for part in parts]
        actions, leads, sizes = zip(*settled, strict=True)
        return Choice(np.concatenate(actions), np.concatenate(leads), np.concatenate(sizes))

    def settle(self, windows: NDArray[np.int64], accounts: Floats, logits: Floats, hidden_norms: Floats) -> Choice:
        """Of windows (n,): by their logits (n, n_actions) where these are certain, by definition elsewhere."""
        account_norms = np.sqrt(self.policy.lookback * np.einsum("ij,ij->i", accounts, accounts))
        errors = logit_errors(self.norms, self.market_norms[windows] + account_norms, hidden_norms)
        actions, certain = certify(logits, errors, self.norms.rivals)
        leads = np.where(certain, _leads(logits, errors, actions), 0.0)
        if self.least > 0.0:
            reached, sure = certify_confidence(logits, errors, actions, self.least)
            actions, certain = np.where(reached, actions, NO_ACTION), certain & sure
        for index in np.flatnonzero(~certain).tolist():
            observation = self._observation(windows[index], accounts[index])
            actions[index] = sure_action(reference_logits(self.policy, observation), self.least)
        return Choice(actions, leads, hidden_norms)

    def _observation(self, window: np.int64, account: Floats) -> Floats:
        """The flat observation (obs_dim,) of a window; an account that is not finite is refused."""
        if not np.isfinite(account).all():
            name = self.policy.account[int(np.argmin(np.isfinite(account)))].name
            raise CheckpointError("account features", f"{name} is not finite", "Set a smaller --gate-capital")
        lookback, ends = self.policy.lookback, np.cumsum(self.blocking.counts)
        number = int(np.searchsorted(ends, window, side="right"))
        first = window - ends[number] + self.blocking.counts[number]
        market = self.series[number][first : first + lookback]
        return self.policy.observe(market, account)
