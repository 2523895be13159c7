"""Spaces of a model of Stable-Baselines3: what its observations are made of, and what it may do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_modelgate.adapters.checkpoint.numbers import read_array
from pytest_modelgate.adapters.checkpoint.pickled import StandIn, described, odd_key
from pytest_modelgate.adapters.formats.sb3_zip import SAVE, read_entry
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_LARGEST = 1e6
_ONE_EACH = "Several assets at once are not judged: train one policy for each"
_FLAT = "Observe numbers as they are: a Box, or a Dict of Boxes"


@dataclass(frozen=True)
class Space:
    """Observations.

    Attributes:
        shape: of one that is no dict.
        keys: of a dict, with the size of each, in the order in which they are flattened; empty without.
    """

    shape: tuple[int, ...]
    keys: Mapping[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Numbers in one observation, flat."""
        return sum(self.keys.values()) if self.keys else math.prod(self.shape)


@dataclass(frozen=True)
class Continuous:
    """Bounds of the one action."""

    low: float
    high: float


def read_spaces(data: Mapping[str, Any], location: str) -> tuple[Space, int | Continuous]:
    """Observations, and the number of actions or the bounds of the one continuous action.

    Raises:
        CheckpointError: they are others than flat numbers and one decision.
    """
    where = f"{location}, observation_space"
    space = read_entry(data, "observation_space", location)
    if _kind(space) == "Dict":
        return Space((), _keys(space, where)), _actions(data, location)
    shape = _shape(space, where)
    if len(shape) > 2:
        raise CheckpointError(
            where, f"has shape {list(shape)[:8]}, as of pictures", "Observe numbers in one or two dimensions"
        )
    return Space(shape), _actions(data, location)


def _kind(space: object) -> str:
    return space.name.rpartition(".")[2] if isinstance(space, StandIn) and space.name.startswith("gym") else ""


def _fields(space: object, where: str) -> Mapping[object, object]:
    fields = space.fields if isinstance(space, StandIn) else {}
    nested = fields.get("spaces")
    for entries in (fields, nested if isinstance(nested, dict) else {}):
        if (key := odd_key(entries)) is not None:
            problem = f"has {described(key)} as a name, which may take the place of another where it is loaded"
            raise CheckpointError(where, problem, SAVE)
    return fields


def _shape(space: object, where: str) -> tuple[int, ...]:
    shape = _fields(space, where).get("_shape")
    if _kind(space) != "Box":
        problem = f"is {described(space)}, expected a Box or a Dict of Boxes, which are fed to the layers as they are"
        raise CheckpointError(where, problem, _FLAT)
    if (
        not isinstance(shape, tuple)
        or not shape
        or not all(type(size) is int and 0 < size < _LARGEST for size in shape)
    ):
        raise CheckpointError(where, "has no shape of whole numbers", SAVE)
    return shape


def _keys(space: object, where: str) -> dict[str, int]:
    spaces = _fields(space, where).get("spaces")
    if not isinstance(spaces, dict) or not spaces or not all(isinstance(key, str) for key in spaces):
        raise CheckpointError(where, "is a dict without names", SAVE)
    return {key: math.prod(_shape(part, f"{where}, {plain(key, 60)}")) for key, part in spaces.items()}


def _actions(data: Mapping[str, Any], location: str) -> int | Continuous:
    where = f"{location}, action_space"
    space = read_entry(data, "action_space", location)
    fields = _fields(space, where)
    if _kind(space) == "Discrete":
        count = fields.get("n")
        if type(count) is not int or not 0 < count < _LARGEST or fields.get("start", 0) != 0:
            raise CheckpointError(where, "is no count of actions from 0", SAVE)
        return count
    if _kind(space) == "Box":
        low, high = (read_array(fields.get(name)) for name in ("low", "high"))
        if low is None or high is None:
            raise CheckpointError(where, "has no finite bounds", "Give the action bounds, as in Box(-1, 1, (1,))")
        if low.size != 1 or high.size != 1:
            raise CheckpointError(where, f"has {low.size} continuous actions at once", _ONE_EACH)
        bounds = Continuous(float(low.ravel()[0]), float(high.ravel()[0]))
        if not -_LARGEST < bounds.low < bounds.high < _LARGEST:
            raise CheckpointError(
                where, f"reaches from {bounds.low} to {bounds.high}", "Give the action ordinary bounds"
            )
        return bounds
    problem = f"is {described(space)}, expected a Discrete, or a Box of one action"
    raise CheckpointError(where, problem, _ONE_EACH)
