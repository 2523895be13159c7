"""Statistics of observations as ``VecNormalize.save`` pickles them: read without unpickling, applied with their clip.

``VecNormalize`` gives ``clip((observation - mean) / sqrt(var + epsilon), -clip_obs, clip_obs)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np

from pytest_modelgate.adapters.checkpoint.instructions import PickleError
from pytest_modelgate.adapters.checkpoint.machine import NameRefusedError
from pytest_modelgate.adapters.checkpoint.numbers import read_array
from pytest_modelgate.adapters.checkpoint.pickled import StandIn, described, odd_key
from pytest_modelgate.adapters.checkpoint.values import read_values
from pytest_modelgate.adapters.files.statistic_names import may_keep_observations
from pytest_modelgate.adapters.formats.foreign import Meaning, lines_for
from pytest_modelgate.adapters.formats.sb3_zip import PACKAGES
from pytest_modelgate.adapters.policy_format import PolicyFile
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_MOST, _LARGEST = 16 << 20, 1e30
_CLASS = "stable_baselines3.common.vec_env.vec_normalize.VecNormalize"
_MEANS = "stable_baselines3.common.running_mean_std.RunningMeanStd"
_SAVE = 'Save it again where it was trained, with env.save("SYMBOL_TIMEFRAME.vecnormalize.pkl")'


def declared_normaliser(
    file: PolicyFile, meaning: Meaning, keys: Mapping[str, int], tells: Callable[[str], bool] = may_keep_observations
) -> tuple[str, Normaliser] | None:
    """What is done to observations, with the name of what says so.

    Args:
        tells: whether a file beside the model has to be declared, by its name.

    Raises:
        CheckpointError: it cannot be read; or a file beside the model may say it, and nobody declares whether it does.
    """
    name = file.declared.normaliser
    if name is None:
        if beside := [*filter(tells, file.beside)]:
            problem = (
                f"{plain(beside[0], 90)} lies beside it, and nobody declares whether it normalises its observations"
            )
            lines = lines_for(file, normaliser=beside[0])
            raise CheckpointError(f"{file.location}, normaliser", problem, f"Write {lines}, or take it away")
        return None
    if name not in file.siblings:
        raise CheckpointError(
            f"{file.location}, normaliser", f"is {plain(name, 90)}, which is not there", "Pack it, too"
        )
    found = read_normaliser(file.siblings[name], meaning, keys, f"{file.location}, normaliser {plain(name, 90)}")
    return None if found is None else (f"normaliser {plain(name, 60)}", found)


def refuse_two(file: PolicyFile, first: str, second: str) -> NoReturn:
    """Refuse observations that two would normalise.

    Raises:
        CheckpointError: naming both.
    """
    problem = f"observations are normalised by {first}, and by the declared {second}"
    raise CheckpointError(file.location, problem, "Find out which one applies, and take the other one out")


def read_normaliser(path: Path, meaning: Meaning, keys: Mapping[str, int], location: str) -> Normaliser | None:
    """What is done to observations before the policy sees them; None where only rewards are normalised.

    Args:
        keys: of a dict of observations with the size of each, in the order in which they are flattened; empty for a
            flat observation.
        location: the file, for messages.

    Raises:
        CheckpointError: it is none, or its numbers are not those of such observations.
    """
    fields = _fields(path, location)
    if fields.get("norm_obs") is False:
        return None
    if fields.get("norm_obs") is not True:
        _refuse(location, f"says {described(fields.get('norm_obs'))} for norm_obs, expected true or false")
    unclipped = fields.get("clip_obs") == math.inf
    epsilon = _positive(fields.get("epsilon"), "epsilon", location)
    clip = math.inf if unclipped else _positive(fields.get("clip_obs"), "clip_obs", location)
    held = fields.get("obs_rms")
    if isinstance(held, dict):
        parts = _of_keys(held, fields.get("norm_obs_keys"), keys, (epsilon, clip), location)
    elif keys:
        _refuse(location, "has statistics of a flat observation, and the policy's observations are a dict")
    else:
        mean, variance = _moments(held, location)
        parts = mean, np.sqrt(variance + epsilon), np.full(len(mean), clip)
    return Normaliser(*(_by_row(part, meaning, location) for part in parts))


def _fields(path: Path, location: str) -> Mapping[object, object]:
    size = path.stat().st_size
    if size > _MOST:
        _refuse(location, f"holds {size} bytes, expected at most {_MOST}")
    try:
        value = read_values(path.read_bytes(), PACKAGES).value
    except NameRefusedError as refused:
        _refuse(location, f"speaks of {plain(refused.name, 80)}, which statistics of observations do not need")
    except PickleError as error:
        _refuse(location, f"cannot be read as a pickle of VecNormalize: {plain(str(error), 120)}")
    if not isinstance(value, StandIn) or value.name != _CLASS:
        _refuse(location, f"holds {described(value)}, expected a VecNormalize of Stable-Baselines3")
    return _plain_keys(value.fields, location)


def _plain_keys(fields: Mapping[object, object], location: str) -> Mapping[object, object]:
    if (key := odd_key(fields)) is not None:
        _refuse(location, f"has {described(key)} as a name, which may take the place of another where it is loaded")
    return fields


def _of_keys(
    held: Mapping[object, object], named: object, keys: Mapping[str, int], terms: tuple[float, float], location: str
) -> tuple[Floats, Floats, Floats]:
    """Mean, deviation and limit of each number of a dict of observations; what is not named is left alone.

    Args:
        terms: epsilon and clip.
    """
    epsilon, clip = terms
    _plain_keys(held, location)
    if not keys:
        _refuse(location, f"has statistics by key, and the policy's observations have {_listed(keys)}")
    chosen = list(held) if named is None else named
    if not isinstance(chosen, list) or not all(key in held for key in chosen if isinstance(key, str)):
        _refuse(location, "names observations to normalise of which it keeps no statistics")
    if not all(isinstance(key, str) and key in keys for key in chosen):
        _refuse(location, f"has statistics by key, and the policy's observations have {_listed(keys)}")
    parts = []
    for key, size in keys.items():
        mean, deviation, limit = np.zeros(size), np.ones(size), np.full(size, math.inf)
        if key in chosen:
            mean, variance = _moments(held[key], f"{location}, {plain(key, 60)}")
            deviation, limit = np.sqrt(variance + epsilon), np.full(len(mean), clip)
        if len(mean) != size:
            _refuse(location, f"has statistics of {len(mean)} numbers for {plain(key, 60)}, expected {size}")
        parts.append((mean, deviation, limit))
    means, deviations, limits = (np.concatenate(part) for part in zip(*parts, strict=True))
    return means, deviations, limits


def _listed(keys: Mapping[str, int]) -> str:
    return ", ".join(plain(key, 60) for key in [*keys][:5]) or "none, since they are flat"


def _moments(value: object, location: str) -> tuple[Floats, Floats]:
    """Mean and variance of a running statistic."""
    if not isinstance(value, StandIn) or value.name != _MEANS:
        _refuse(location, f"holds {described(value)}, expected a RunningMeanStd of Stable-Baselines3")
    fields = _plain_keys(value.fields, location)
    mean, variance = (read_array(fields.get(name)) for name in ("mean", "var"))
    if mean is None or variance is None or mean.shape != variance.shape or not (variance >= 0.0).all():
        _refuse(location, "holds a mean and variance that are no finite numbers of equal count, from 0 on")
    if max(np.abs(mean).max(), variance.max()) > _LARGEST:
        _refuse(location, f"holds a number beyond {_LARGEST:.0e}")
    return mean.ravel(), variance.ravel()


def _positive(value: object, name: str, location: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < _LARGEST:
        _refuse(location, f"says {described(value)} for {name}, expected a positive number")
    return float(value)


def _by_row(values: Floats, meaning: Meaning, location: str) -> Floats:
    """Numbers of an observation as they are for a row of the gate's form, which must be alike for all rows."""
    n_features, lookback, layout = meaning.n_features, meaning.lookback, meaning.layout
    if layout is None and len(values) == n_features:
        return values  # kept of single bars, before these were stacked
    size = layout.size if layout else lookback * n_features
    if len(values) != size:
        _refuse(location, f"has statistics of {len(values)} numbers, the policy's observations have {size}")
    rows: Floats = (layout.to_row(values) if layout else values).reshape(lookback, n_features)
    if (rows != rows[0]).any():
        remedy = (
            "Normalise bars before they are stacked, as VecFrameStack(VecNormalize(env), n_stack=...) does, or leave "
            "normalisation to the feature set"
        )
        problem = f"has statistics of its own for each of the {lookback} bars of an observation"
        raise CheckpointError(location, problem, remedy)
    row: Floats = rows[0]
    return row


def _refuse(location: str, problem: str) -> NoReturn:
    raise CheckpointError(location, problem, _SAVE)
