"""Statistics of observations that a checkpoint keeps beside its weights: applied where their form is known.

A policy that was trained on normalised observations is another function without them. So what looks like such
statistics is never passed over: it is applied, or the model is refused by its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

import numpy as np

from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.checkpoint.numbers import length_of, read_numbers
from pytest_modelgate.adapters.checkpoint.pickled import StandIn
from pytest_modelgate.adapters.files.statistic_names import (
    is_bare,
    is_skipped,
    says_normaliser,
    says_observations,
    says_returns,
    says_statistics,
)
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_MEAN, _VARIANCE = ("mean", "running_mean", "mean_"), ("var", "running_var", "variance", "var_")
_EPSILON, _CLIP = ("epsilon", "eps"), ("clip_obs", "clip")
_KNOWN = {*_MEAN, *_VARIANCE, *_EPSILON, *_CLIP, "count", "num_batches_tracked"}
_MOST, _FEW, _LARGEST = 1_000_000, 8, 1e30
_REMEDY = (
    'Store them as {"mean": ..., "var": ..., "epsilon": 1e-8, "clip_obs": 10.0} with one number per feature of a row '
    '("clip_obs": None where nothing is clipped), and docs/checkpoints.md says which function that is; or train on '
    "observations that the feature set has normalised"
)


class Row(NamedTuple):
    """Sizes of an observation: of market features, of a row with account features, and of all rows."""

    market: int
    row: int
    whole: int


class _Found(NamedTuple):
    where: str
    name: str
    value: object


def read_statistics(
    contents: Mapping[str, object], state: Mapping[str, object], row: Row, market: Sequence[int], container: Container
) -> tuple[str, Normaliser] | None:
    """What is done to an observation before the policy sees it, with the name of what says so; None for nothing.

    Args:
        contents: of the checkpoint.
        market: columns of the market features in a row.
        state: those buffers of the policy that ``split_statistics`` took for statistics.

    Raises:
        CheckpointError: something looks like statistics of observations, and its form is not known; or several do.
    """
    location = container.location
    found = [*_Search(row).find(contents), *_within(state)]
    if not found:
        return None
    if len(found) > 1:
        names = " and ".join(f"`{plain(one.name, 60)}`" for one in found[:3])
        problem = f"holds observation statistics in several places, {names}, and the gate cannot tell how they apply"
        raise CheckpointError(location, problem, _REMEDY)
    return plain(found[0].name, 60), _normaliser(found[0], row, market, container)


def split_statistics(state: Mapping[str, object], location: str) -> tuple[dict[str, object], dict[str, object]]:
    """Parameters of a policy's layers, and its buffers that keep statistics; those of returns are neither.

    Raises:
        CheckpointError: they are a batch normalisation's.
    """
    for name in state:
        module, _, part = name.rpartition(".")
        if part == "running_mean" and f"{module}.weight" in state:
            remedy = "Fold it into the layer before it (torch.nn.utils.fusion.fuse_linear_bn_eval), or use LayerNorm"
            raise CheckpointError(f"{location}, layer {plain(module, 80)}", "is a batch normalisation", remedy)
    buffers = {name: value for name, value in state.items() if _is_buffer(name)}
    kept = {name: value for name, value in buffers.items() if not says_returns(name)}
    return {name: value for name, value in state.items() if name not in buffers}, kept


def _is_buffer(name: str) -> bool:
    *modules, last = name.split(".")
    if last in ("weight", "bias") or "log" in last.split("_"):
        return False
    return says_statistics(last) or last in _KNOWN or any(map(says_observations, modules))


class _Search:
    """Looks through what a checkpoint holds beside its policy, whatever refers to whatever in it, once."""

    def __init__(self, row: Row) -> None:
        self._row, self._left = row, _MOST
        self._walked: set[int] = set()
        self._known: dict[int, bool] = {}

    def find(self, contents: Mapping[str, object]) -> list[_Found]:
        """Entries that look like statistics: at the top by any name for such, deeper by one that leaves no doubt."""
        found, bare = [], {}
        for name, value in contents.items():
            if not isinstance(name, str) or is_skipped(name):
                continue
            if says_observations(name) and not _is_empty(value):
                found.append(_Found("the checkpoint", name, value))
            elif says_statistics(name) and is_bare(name):
                bare[name] = value
            elif says_statistics(name) and self._holds_observation(value):
                found.append(_Found("the checkpoint", name, value))
            else:
                found += self._nested(name, value)
            if len(found) > 1:
                return found
        if any(map(self._holds_observation, bare.values())):
            found.append(_Found("the checkpoint", next(iter(bare)), bare))
        return found

    def _nested(self, name: str, value: object) -> list[_Found]:
        pending = [(name, value)]
        while pending:
            where, part = pending.pop()
            if not isinstance(part, dict | StandIn) or id(part) in self._walked:
                continue
            self._walked.add(id(part))
            for key, inner in _entries(part).items():
                full = f"{where[:80]}.{key[:80]}" if isinstance(key, str) else where
                named = isinstance(key, str) and (says_observations(key) or says_normaliser(key))
                if named and self._holds_observation(inner):
                    return [_Found(where, full, inner)]
                pending.append((full, inner))
        return []

    def _holds_observation(self, value: object) -> bool:
        """Whether something holds as many numbers in one place as an observation has, or is too much to look at."""
        pending = [value]
        while pending:
            part = pending.pop()
            self._left -= 1
            if self._left < 0 or self._is_observation(part):
                return True
            if isinstance(part, StandIn | dict):
                self._left -= len(_entries(part))
                pending += _entries(part).values() if self._left > 0 else []
            if isinstance(part, StandIn | list | tuple):
                pending += (part.arguments if isinstance(part, StandIn) else part)[:_FEW]
        return False

    def _is_observation(self, value: object) -> bool:
        if isinstance(value, list | tuple) and len(value) > 1 and len(value) not in self._row:
            return False
        if id(value) not in self._known:
            self._known[id(value)] = length_of(value) in self._row
        return self._known[id(value)]


def _entries(value: object) -> Mapping[object, object]:
    return value.fields if isinstance(value, StandIn) else value if isinstance(value, dict) else {}


def _within(state: Mapping[str, object]) -> list[_Found]:
    """Buffers of the policy, those of one module together."""
    modules: dict[str, dict[str, object]] = {}
    for name, value in state.items():
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = value
    return [_Found("policy_state_dict", module or next(iter(parts)), parts) for module, parts in modules.items()]


def _is_empty(value: object) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float | str)
        or (isinstance(value, dict | list | tuple) and not value)
    )


def _normaliser(found: _Found, row: Row, market: Sequence[int], container: Container) -> Normaliser:
    """What statistics of a known form do to a row.

    Raises:
        CheckpointError: their form is not known.
    """
    parts = {str(key): value for key, value in [*_entries(found.value).items()][: len(_KNOWN) + 1]}
    mean, variance = (_one(parts, names) for names in (_MEAN, _VARIANCE))
    twice = any(len(set(names) & set(parts)) > 1 for names in (_MEAN, _VARIANCE, _EPSILON, _CLIP))
    if mean is None or variance is None or twice or not set(parts) <= _KNOWN:
        _refuse(found, "that the gate does not know how to apply", container)
    where = f"{container.location}, {plain(found.name, 60)}"
    means, variances = (read_numbers(part, where, container) for part in (mean, variance))
    if means is None or variances is None or len(means) != len(variances) or not (variances >= 0.0).all():
        _refuse(found, "whose mean and variance are no numbers of equal count, from 0 on", container)
    if len(means) not in (row.market, row.row):
        expected = " or ".join(map(str, dict.fromkeys((row.market, row.row))))
        _refuse(found, f"of {len(means)} numbers, expected {expected}, one per feature of a row", container)
    epsilon, clip = _positive(_one(parts, _EPSILON)), _positive(_one(parts, _CLIP))
    if clip is None and any(name in parts and parts[name] is None for name in _CLIP):
        clip = math.inf
    if epsilon is None or clip is None:
        problem = "without a positive epsilon and clip_obs, and guessing these would judge another function"
        _refuse(found, problem, container)
    columns = range(row.row) if len(means) == row.row else market
    return Normaliser.of(means, np.sqrt(variances + epsilon), clip, columns, row.row)


def _one(parts: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((parts[name] for name in names if name in parts), None)


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value is not True and 0.0 < value < _LARGEST else None


def _refuse(found: _Found, problem: str, container: Container) -> NoReturn:
    where = "" if found.where == "the checkpoint" else f" in {plain(found.where, 60)}"
    sentence = f"holds observation statistics `{plain(found.name, 60)}`{where} {problem}"
    raise CheckpointError(container.location, sentence, _REMEDY)
