"""Layers of a policy: recovered from the shapes of its parameters, refused where they would be guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.checkpoint.layer_order import order_layers
from pytest_modelgate.adapters.checkpoint.values import StoredTensor
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_WRAPPERS = ("_orig_mod.", "module.")  # torch.compile, DataParallel
_FLOATS = {"bfloat16": "<u2", "float16": "<f2", "float32": "<f4", "float64": "<f8"}
_TRAIN = "Store the policy as linear layers with one activation between them, as PPO trainers do"


class Layers(NamedTuple):
    """Layers of an actor in the order in which they apply.

    Attributes:
        names: as the file has them, without what wraps the policy.
        weights: (out, in) each, float32 or float64.
        biases: (out,) each.
    """

    names: tuple[str, ...]
    weights: list[NDArray[Any]]
    biases: list[NDArray[Any]]


def recover_layers(state: object, inputs: int, outputs: int, container: Container, location: str) -> Layers:
    """Layers of the actor, see ``order_layers`` on their order.

    The critic's parameters (``value`` or ``critic`` in a part of their name) are left out. All others must be pairs of
    weight and bias that lead from the observation to the actions, one after the other.

    Args:
        state: the policy's state dict.
        inputs: length of an observation.
        outputs: number of actions.
        container: holds the tensors' numbers; only those of the actor are read.

    Raises:
        CheckpointError: a parameter is missing, left over, of another shape, or not finite, or the order is open.
    """
    actor = _actor(state, location)
    names = [name.removesuffix(".weight") for name in actor if name.endswith(".weight")]
    expected = [f"{name}.{part}" for name in names for part in ("weight", "bias")]
    if not names or sorted(expected) != sorted(actor):
        odd = sorted(set(expected) ^ set(actor))
        flaw = f"{odd[0][:80]!a} has no counterpart" if odd else "no layer was found"
        raise CheckpointError(f"{location}, policy_state_dict", f"{flaw}, expected pairs of weight and bias", _TRAIN)
    layers = {name: _layer(actor, name, container, location) for name in names}
    shapes = {name: (weight.shape[0], weight.shape[1]) for name, (weight, _) in layers.items()}
    order = order_layers(shapes, inputs, outputs, location)
    if order is None:
        _refuse_misfit(shapes, inputs, outputs, location)
    weights, biases = ([layers[name][part] for name in order] for part in (0, 1))
    return Layers(tuple(order), weights, biases)


def _layer(
    actor: Mapping[str, Any], name: str, container: Container, location: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weight and bias of a layer."""
    weight = _array(actor[f"{name}.weight"], f"{location}, {plain(name, 80)}.weight", 2, container)
    bias = _array(actor[f"{name}.bias"], f"{location}, {plain(name, 80)}.bias", 1, container)
    if bias.shape[0] != weight.shape[0]:
        problem = f"has weight {_shape(weight.shape)} and bias {len(bias)}, expected as many biases as outputs"
        raise CheckpointError(f"{location}, layer {plain(name, 80)}", problem, _TRAIN)
    return weight, bias


def _refuse_misfit(shapes: Mapping[str, tuple[int, int]], inputs: int, outputs: int, location: str) -> NoReturn:
    """Name the first layer of the file that does not fit behind the one before it."""
    width = inputs
    for name, shape in shapes.items():
        if shape[1] != width:
            problem = f"has weight {_shape(shape)}, expected {width} inputs, and no other order of the layers fits"
            raise CheckpointError(f"{location}, layer {plain(name, 80)}", problem, _TRAIN)
        width = shape[0]
    problem = f"the last layer has {width} outputs, expected {outputs}, one per action"
    raise CheckpointError(f"{location}, policy_state_dict", problem, _TRAIN)


def _actor(state: object, location: str) -> Mapping[str, Any]:
    if not isinstance(state, dict) or not state or not all(isinstance(name, str) for name in state):
        raise CheckpointError(f"{location}, policy_state_dict", "is not a dict of named tensors", _TRAIN)
    shortened: dict[str, Any] = {}
    wrappers = set()
    for name, tensor in state.items():
        short = name
        while short.startswith(_WRAPPERS):
            short = short.partition(".")[2]
        wrappers.add(name.removesuffix(short))
        shortened[short] = tensor
    if len(wrappers) > 1:
        listed = " and ".join(repr(wrapper) for wrapper in sorted(wrappers)[:3])
        problem = f"its names begin with {listed}, expected one of these throughout"
        raise CheckpointError(f"{location}, policy_state_dict", problem, _TRAIN)
    return {name: tensor for name, tensor in shortened.items() if not _is_critics(name)}


def _is_critics(name: str) -> bool:
    return any("value" in part or "critic" in part or part == "vf" for part in name.lower().split("."))


def _array(tensor: object, location: str, dimensions: int, container: Container) -> NDArray[Any]:
    """A tensor's numbers, mapped from the file; what is narrower than float32 is copied and widened."""
    if not isinstance(tensor, StoredTensor):
        raise CheckpointError(location, "is not a dense tensor", _TRAIN)
    if len(tensor.shape) != dimensions or 0 in tensor.shape:
        raise CheckpointError(location, f"has shape {list(tensor.shape)}, expected {dimensions} dimensions", _TRAIN)
    storage, count = tensor.storage, math.prod(tensor.shape)
    dense = tuple(math.prod(tensor.shape[axis + 1 :]) for axis in range(dimensions))
    strides = zip(tensor.shape, tensor.strides, dense, strict=True)
    contiguous = all(size == 1 or own == step for size, own, step in strides)
    if not contiguous:
        raise CheckpointError(location, "is not stored row by row", _TRAIN)
    if storage.kind not in _FLOATS:
        raise CheckpointError(location, f"holds {storage.kind}, expected floating-point numbers", _TRAIN)
    record = container.map_record(f"data/{storage.key}")
    stored: NDArray[Any] = np.frombuffer(record, _FLOATS[storage.kind], count, tensor.offset * storage.itemsize)
    if storage.kind == "bfloat16":  # the upper half of a float32
        stored = (stored.astype("<u4") << 16).view("<f4")
    elif storage.kind == "float16":
        stored = stored.astype("<f4")
    if not math.isfinite(stored.min()) or not math.isfinite(stored.max()):
        raise CheckpointError(location, "holds a number that is not finite: training diverged", "Train the model again")
    return stored.reshape(tensor.shape)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
