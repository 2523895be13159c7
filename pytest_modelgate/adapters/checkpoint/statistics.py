"""Statistics of observations that a checkpoint keeps beside its weights: applied where their form is known.

A policy that was trained on normalised observations is another function without them. So what looks like such
statistics is never passed over: it is applied, or the model is refused by its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

import numpy as np

from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.checkpoint.numbers import length_of, read_numbers
from pytest_modelgate.adapters.checkpoint.pickled import StandIn
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_SEEN = r"(obs|observation|observations|state|states|input|inputs|feature|features)"
_KEPT = (
    r"(rms|mean|means|var|variance|std|stds|sigma|stat|stats|statistics|norm|normer|normalization|normalisation|"
    r"normalizer|normaliser|scaler|scaling|scale|filter|running_mean_std|mean_std)"
)
_OBSERVED = re.compile(rf"(.*_)?{_SEEN}_(.*_)?{_KEPT}(_.*)?|(.*_)?vec_?norm(ali[sz]er?)?(_.*)?|(.*_)?obsrms(_.*)?")
_GENERAL = re.compile(  # of observations only if it holds as many numbers as one of these
    rf"(.*_)?(running_mean|running_var|running_mean_std|running_std|{_KEPT})(_.*)?"
)
_RETURNS = frozenset({"ret", "return", "returns", "reward", "rewards", "value", "values"})
_OTHERS = _RETURNS | {
    "grad",
    "gradient",
    "gradients",
    "loss",
    "losses",
    "adv",
    "advantage",
    "advantages",
    "action",
    "actions",
    "log",
}
_DEEPER = re.compile(r"(.*_)?(running_(mean|var|std|mean_std)|norm(ali[sz])er|scaler)(_.*)?")
_SKIPPED = re.compile(r".*optim.*|policy_state_dict|.*scheduler.*|.*grad_?scaler.*|amp.*")
_MEAN, _VARIANCE = ("mean", "running_mean", "mean_"), ("var", "running_var", "variance", "var_")
_EPSILON, _CLIP = ("epsilon", "eps"), ("clip_obs", "clip")
_KNOWN = {*_MEAN, *_VARIANCE, *_EPSILON, *_CLIP, "count", "num_batches_tracked"}
_FLAT = {*_MEAN, *_VARIANCE, "means", "std", "stds", "sigma", "running_std"}
_DEPTH, _MOST, _FEW, _LARGEST = 4, 2000, 8, 1e30
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
    contents: Mapping[str, object], state: Mapping[str, object], row: Row, container: Container
) -> tuple[str, Normaliser] | None:
    """What is done to an observation before the policy sees it, with the name of what says so; None for nothing.

    Args:
        contents: of the checkpoint.
        state: those buffers of the policy that ``split_statistics`` took for statistics.

    Raises:
        CheckpointError: something looks like statistics of observations, and its form is not known; or several do.
    """
    location = container.location
    found = [*_beside(contents, row), *_within(state)]
    if not found:
        return None
    if len(found) > 1:
        names = " and ".join(f"`{plain(one.name, 60)}`" for one in found[:3])
        problem = f"holds observation statistics in several places, {names}, and the gate cannot tell how they apply"
        raise CheckpointError(location, problem, _REMEDY)
    return plain(found[0].name, 60), _normaliser(found[0], row, container)


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
    kept = {name: value for name, value in buffers.items() if _RETURNS.isdisjoint(re.split("[._]", name.lower()))}
    return {name: value for name, value in state.items() if name not in buffers}, kept


def _is_buffer(name: str) -> bool:
    parts = name.lower().split(".")
    if parts[-1] in ("weight", "bias") or "log" in parts[-1].split("_"):
        return False
    return bool(_GENERAL.fullmatch(parts[-1])) or any(map(_OBSERVED.fullmatch, parts)) or parts[-1] in _KNOWN


def _beside(contents: Mapping[str, object], row: Row) -> list[_Found]:
    """Entries that look like statistics: at the top by any name for such, deeper by one that says observations."""
    found, flat = [], {}
    for name, value in contents.items():
        if not isinstance(name, str) or _SKIPPED.fullmatch(name.lower()):
            continue
        general = _looks_general(name)
        if _looks_observed(name):
            if not _is_empty(value):
                found.append(_Found("the checkpoint", name, value))
        elif general and name in _FLAT:
            flat[name] = value
        elif general and _holds_observation(value, row):
            found.append(_Found("the checkpoint", name, value))
        else:
            found += _nested(name, value, row)
    if any(_holds_observation(value, row) for value in flat.values()):
        found.append(_Found("the checkpoint", next(iter(flat)), flat))
    return found


def _nested(name: str, value: object, row: Row) -> list[_Found]:
    """What lies deeper in an entry, under a name that says observations."""
    found, pending, left = [], [(name, value, 1)], _MOST
    while pending and left:
        left -= 1
        where, part, depth = pending.pop()
        for key, inner in _entries(part):
            if isinstance(key, str) and _looks_deeper(key) and _holds_observation(inner, row):
                found.append(_Found(where, f"{where}.{key}", inner))
            elif depth < _DEPTH and isinstance(inner, dict | StandIn):
                pending.append((f"{where}.{key}" if isinstance(key, str) else where, inner, depth + 1))
    return found


def _entries(value: object) -> Iterator[tuple[object, object]]:
    fields = value.fields if isinstance(value, StandIn) else value if isinstance(value, dict) else {}
    for number, entry in enumerate(fields.items()):
        if number == _MOST:
            return
        yield entry


def _within(state: Mapping[str, object]) -> list[_Found]:
    """Buffers of the policy, those of one module together."""
    modules: dict[str, dict[str, object]] = {}
    for name, value in state.items():
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = value
    return [_Found("policy_state_dict", module or next(iter(parts)), parts) for module, parts in modules.items()]


def _looks_observed(name: str) -> bool:
    return _OBSERVED.fullmatch(name.lower()) is not None and not _says_others(name)


def _looks_deeper(name: str) -> bool:
    return _looks_observed(name) or (_DEEPER.fullmatch(name.lower()) is not None and not _says_others(name))


def _looks_general(name: str) -> bool:
    return _GENERAL.fullmatch(name.lower()) is not None and not _says_others(name)


def _says_others(name: str) -> bool:
    return not _OTHERS.isdisjoint(name.lower().split("_"))


def _is_empty(value: object) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float | str)
        or (isinstance(value, dict | list | tuple) and not value)
    )


def _holds_observation(value: object, row: Row) -> bool:
    """Whether something holds as many numbers as an observation has, in one place, or cannot be looked into."""
    pending, left = [value], _MOST
    while pending and left:
        left -= 1
        part = pending.pop()
        if length_of(part) in row:
            return True
        if isinstance(part, StandIn):
            pending += [inner for _, inner in _entries(part)]
            pending += part.arguments[:_FEW]
        elif isinstance(part, dict):
            pending += [inner for _, inner in _entries(part)]
        elif isinstance(part, list | tuple):
            pending += part[:_FEW]
    return bool(pending)


def _normaliser(found: _Found, row: Row, container: Container) -> Normaliser:
    """What statistics of a known form do to a row.

    Raises:
        CheckpointError: their form is not known.
    """
    parts = {str(key): value for key, value in _entries(found.value)}
    mean, variance = (_one(parts, names) for names in (_MEAN, _VARIANCE))
    if mean is None or variance is None or not set(parts) <= _KNOWN:
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
    return Normaliser.of(means, np.sqrt(variances + epsilon), clip, row.row)


def _one(parts: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((parts[name] for name in names if name in parts), None)


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value is not True and 0.0 < value < _LARGEST else None


def _refuse(found: _Found, problem: str, container: Container) -> NoReturn:
    where = "" if found.where == "the checkpoint" else f" in {plain(found.where, 60)}"
    sentence = f"holds observation statistics `{plain(found.name, 60)}`{where} {problem}"
    raise CheckpointError(container.location, sentence, _REMEDY)
