"""Actions of a policy over a series: float32 where that is certain, float64 where that is, else by definition.

Actions are the same whatever the precision, device, kernels, threads, batches and lanes: see ``reference`` for what
they are and ``rounding`` for when a fast evaluation is sure of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.error_bounds import Norms, certify, first_layer_error, logit_errors, norms_of, split
from pytest_modelgate.core.policy.first_layer import Plan, convolve, plan, reach
from pytest_modelgate.core.policy.mlp import ACCOUNT_FEATURES, MlpPolicy, Policy, activate, check_activation, greedy
from pytest_modelgate.core.typing import Actions, Floats, Weights
from pytest_modelgate.errors import CheckpointError

_ROWS = 512  # whose hidden layers stay in the cache
_MANY = 1 << 20  # sums of the first layer that are worth keeping in half the memory
_FEW = 8  # rows below which a matrix product is slower than one with each row
_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)


class Device(Protocol):
    """Where the layers of a policy can be evaluated for many bars at once, in float64 and in any order of summation.

    Either method returns None when the device has no room; this processor then does the same.
    """

    def first_layer(self, policy: MlpPolicy, series: Sequence[Floats], cut: Plan, shift: Floats) -> Floats | None:
        """As ``convolution.convolve``, in float64."""
        ...

    def evaluate(
        self, policy: MlpPolicy, series: Sequence[Floats], cut: Plan, shift: Floats
    ) -> tuple[Floats, Floats] | None:
        """All layers.

        Args:
            shift: (width,) what bias and account add to the first layer.

        Returns:
            Logits (windows, n_actions), and norms of the values after each activation (windows, hidden layers).
        """
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """A policy made ready for fast evaluation; lives as long as it is used."""

    policy: MlpPolicy

    @cached_property
    def norms(self) -> Norms:
        """Raises CheckpointError when a weight or bias is not finite."""
        check_activation(self.policy.activation)
        return norms_of(self.policy)

    @cached_property
    def narrow(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Layers after the first in float32: weights in blocks, see ``_blocks``, and biases."""
        with np.errstate(over="ignore"):
            return self._layers(_F32)

    @cached_property
    def wide(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Layers after the first in float64."""
        return self._layers(_F64)

    def _layers(self, kind: np.dtype[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        pairs = zip(self.policy.weights[1:], self.policy.biases[1:], strict=True)
        return [(_blocks(weight, kind), np.asarray(bias, kind)) for weight, bias in pairs]

    def finish(self, hidden: NDArray[Any], kind: np.dtype[Any]) -> tuple[Floats, Floats]:
        """Logits (rows, n_actions) of the first layer's sums (rows, width), and norms of the hidden values."""
        layers = self.narrow if kind == _F32 else self.wide
        sizes = np.empty((len(hidden), len(layers)))
        with np.errstate(all="ignore"):
            values: NDArray[Any] = hidden
            for number, (blocks, bias) in enumerate(layers):
                values = activate(self.policy.activation, values.astype(kind, copy=False))
                sizes[:, number] = np.sqrt(np.einsum("ij,ij->i", values, values))
                values = _product(values, blocks)
                values += bias
        return values.astype(np.float64), sizes


def _blocks(weight: Weights, kind: np.dtype[Any]) -> NDArray[Any]:
    """(count, out, terms): a layer's weights, cut across its inputs as ``rounding.split`` says; zeros at the end."""
    count, terms = split(weight.shape[1], kind)
    missing = count * terms - weight.shape[1]
    whole = np.pad(weight, ((0, 0), (0, missing))) if missing else weight
    return whole.astype(kind, copy=False).reshape(len(weight), count, terms).transpose(1, 0, 2)


def _product(values: NDArray[Any], blocks: NDArray[Any]) -> NDArray[Any]:
    """(rows, out): the products with all blocks, added up."""
    count, _, terms = blocks.shape
    if values.shape[1] != count * terms:
        values = np.pad(values, ((0, 0), (0, count * terms - values.shape[1])))
    parts = values.reshape(len(values), count, terms)
    if len(values) < _FEW:
        few: NDArray[Any] = (blocks @ parts[..., None]).sum(axis=1)[..., 0]
        return few
    total: NDArray[Any] = parts[:, 0] @ blocks[0].T
    for number in range(1, count):
        total += parts[:, number] @ blocks[number].T
    return total


def decide(policy: Policy, market: Floats, account: Floats, device: Device | None = None) -> Actions:
    """The action at the end of every window of a feature series.

    Args:
        market: (bars, n_market), oldest first.
        account: (n_account,) for all windows alike.
        device: does the bulk of the work; None means this processor.

    Returns:
        (bars - window + 1,)

    Raises:
        CheckpointError: a feature, weight, layer or logit is not finite.
    """
    return decide_all(policy, [market], account, device)[0]


def decide_all(
    policy: Policy, series: Sequence[Floats], account: Floats, device: Device | None = None
) -> list[Actions]:
    """``decide`` for several series; of a perceptron at once, since preparing its weights is much of the work."""
    if not isinstance(policy, MlpPolicy):
        return [greedy(policy.logits(market, account)) for market in series]
    bulk = _BatchEvaluator(Network(policy), series, device)
    ends = accumulate(bulk.cut.counts, initial=0)
    actions = bulk.decide(account) if any(bulk.cut.counts) else np.empty(0, dtype=np.int64)
    return [actions[first:last] for first, last in pairwise(ends)]


class PolicySession:
    """A policy in front of a series, to be asked bar by bar, for as many accounts as there are lanes.

    Args:
        market: (bars, n_market); the first observation ends with bar ``window - 1``.
    """

    def __init__(self, policy: MlpPolicy, market: Floats, device: Device | None = None) -> None:
        self._bulk = _BatchEvaluator(Network(policy), [market], device)
        self._hidden = self._bulk.first_layer()

    def decide(self, rows: NDArray[np.int64], accounts: Floats) -> Actions:
        """Actions of lanes (n,): of windows ``rows`` (n,) with account features (n, n_account)."""
        policy = self._bulk.network.policy
        with np.errstate(all="ignore"):
            sums = self._hidden[rows] + accounts @ policy.account_weights.T
        return self._bulk.settle(rows, sums, accounts)


@dataclass(frozen=True, eq=False)
class _BatchEvaluator:
    """A network in front of several series, whose windows are numbered throughout."""

    network: Network
    series: Sequence[Floats]
    device: Device | None

    def __post_init__(self) -> None:
        for market in self.series:
            if not np.isfinite(market).all():
                row, column = (int(part) for part in np.argwhere(~np.isfinite(market))[0])
                problem = f"column {column} is not finite at row {row} of what the policy sees"
                raise CheckpointError("market features", problem, "Correct the feature set")

    @cached_property
    def cut(self) -> Plan:
        policy = self.network.policy
        counts = [max(0, len(market) - policy.lookback + 1) for market in self.series]
        return plan(counts, policy.lookback, policy.n_market)

    @cached_property
    def seen(self) -> Floats:
        """(windows,) norm of the market features that the first layer's sums can have suffered from."""
        return reach(self.series, self.cut)

    @cached_property
    def relative(self) -> float:
        """How far the first layer's sums can be off, relative to what they were formed of."""
        return first_layer_error(self.network.policy, self.cut.length)

    def first_layer(self) -> Floats:
        """What market features and bias add up to, in float64."""
        policy, shift = self.network.policy, self.network.policy.biases[0].astype(np.float64)
        with np.errstate(all="ignore"):
            found = self.device.first_layer(policy, self.series, self.cut, shift) if self.device else None
            return convolve(policy, self.series, self.cut, shift, _F64) if found is None else found

    def decide(self, account: Floats) -> Actions:
        """Actions of all windows, with one account."""
        policy = self.network.policy
        count = len(self.seen)
        accounts = np.broadcast_to(account, (count, policy.n_account))
        rows = np.arange(count)
        with np.errstate(all="ignore"):
            shift = policy.biases[0] + policy.account_weights @ account
            found = self.device.evaluate(policy, self.series, self.cut, shift) if self.device else None
            if found is not None:
                actions, certain = self._certify(rows, accounts, *found, kind=_F64, kept=_F64)
                return self._by_definition(rows, accounts, actions, certain)
            # Half the memory, and next to no action depends on more; without hidden layers the sums are the logits.
            kept = _F32 if len(policy.weights) > 1 and count * len(policy.first_layer_weights) > _MANY else _F64
            sums = convolve(policy, self.series, self.cut, shift, kept)
        parts = [slice(first, first + _ROWS) for first in range(0, count, _ROWS)]
        return np.concatenate([self.settle(rows[part], sums[part], accounts[part]) for part in parts])

    def settle(self, rows: NDArray[np.int64], sums: NDArray[Any], accounts: Floats) -> Actions:
        """Actions of windows of which the first layer's sums are known, as far as their precision goes."""
        actions = np.zeros(len(rows), dtype=np.int64)
        certain = np.zeros(len(rows), dtype=np.bool_)
        for kind in (_F32, _F64):
            left = np.flatnonzero(~certain)
            if not len(left):
                break
            logits, sizes = self.network.finish(sums[left], kind)
            known = self._certify(rows[left], accounts[left], logits, sizes, kind=kind, kept=sums.dtype)
            actions[left], certain[left] = known
        return self._by_definition(rows, accounts, actions, certain)

    def _certify(
        self,
        rows: NDArray[np.int64],
        accounts: Floats,
        logits: Floats,
        sizes: Floats,
        *,
        kind: np.dtype[Any],
        kept: np.dtype[Any],
    ) -> tuple[Actions, NDArray[np.bool_]]:
        policy, norms = self.network.policy, self.network.norms
        known = np.sqrt(policy.lookback * np.einsum("ij,ij->i", accounts, accounts))
        errors = logit_errors(norms, self.relative, self.seen[rows] + known, sizes, kind=kind, kept=kept)
        return certify(logits, errors, norms.rivals)

    def _by_definition(
        self, rows: NDArray[np.int64], accounts: Floats, actions: Actions, certain: NDArray[np.bool_]
    ) -> Actions:
        window, ends = self.network.policy.lookback, np.cumsum(self.cut.counts)
        for at in np.flatnonzero(~certain).tolist():
            if not np.isfinite(accounts[at]).all():  # never certain, hence found here
                name = ACCOUNT_FEATURES[int(np.argmin(np.isfinite(accounts[at])))]
                raise CheckpointError("account features", f"{name} is not finite", "Set a smaller --gate-capital")
            number = int(np.searchsorted(ends, rows[at], side="right"))
            first = rows[at] - ends[number] + self.cut.counts[number]
            market = self.series[number][first : first + window]
            observation = np.hstack([market, np.broadcast_to(accounts[at], (window, accounts.shape[1]))]).ravel()
            actions[at] = np.argmax(reference_logits(self.network.policy, observation))
        return actions
