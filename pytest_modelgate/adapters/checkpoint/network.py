"""Layers of a policy: recovered from the shapes of its parameters, refused where they would be guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.checkpoint.critics import without_critics
from pytest_modelgate.adapters.checkpoint.layer_order import order_layers
from pytest_modelgate.adapters.checkpoint.norms import Place, place_norms
from pytest_modelgate.adapters.checkpoint.numbers import read_tensor
from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_WRAPPERS = ("_orig_mod.", "module.")  # torch.compile, DataParallel
_TRAIN = "Store the policy as linear layers with one activation between them, as PPO trainers do"


class Layers(NamedTuple):
    """Layers of an actor in the order in which they apply.

    Attributes:
        names: as the file has them, without what wraps the policy; of normalisations, too.
        weights: (out, in) each, float32 or float64.
        biases: (out,) each; zeros where a layer has none.
        norms: behind each hidden layer, None where there is none; empty without any.
    """

    names: tuple[str, ...]
    weights: list[NDArray[Any]]
    biases: list[NDArray[Any]]
    norms: tuple[LayerNorm | None, ...]


def actor_parameters(state: object, outputs: int, location: str) -> dict[str, object]:
    """A policy's parameters and buffers by name, without what wraps it and without its critic's.

    Raises:
        CheckpointError: it is no dict of names, names are wrapped in several ways, or a critic is all there is.
    """
    if not isinstance(state, dict) or not state or not all(isinstance(name, str) for name in state):
        raise CheckpointError(f"{location}, policy_state_dict", "is not a dict of named tensors", _TRAIN)
    shortened: dict[str, object] = {}
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
    actor = without_critics(shortened, outputs)
    if not actor:
        problem = f"holds a critic alone, such as {plain(next(iter(shortened)), 80)}, and no actor"
        raise CheckpointError(f"{location}, policy_state_dict", problem, _TRAIN)
    return actor


def recover_layers(
    actor: Mapping[str, object], inputs: int, outputs: int, container: Container | None, location: str
) -> Layers:
    """Layers of the actor, see ``order_layers`` on their order.

    All parameters must be weights of linear layers, with or without bias, or weight and bias of normalisations, that
    lead from the observation to the actions, one after the other.

    Args:
        actor: see ``actor_parameters``.
        inputs: length of an observation.
        outputs: number of actions.
        container: holds the tensors' numbers; only those of the actor are read. None where all are arrays.

    Raises:
        CheckpointError: a parameter is missing, left over, of another shape, or not finite, or the order is open.
    """
    linear, norms = _modules(actor, location)
    order = order_layers(linear, inputs, outputs, location)
    if order is None:
        _refuse_misfit(linear, inputs, outputs, location)
    widths = {name: shape[0] for name, shape in linear.items()}
    places = place_norms(order, norms, widths, location)
    weights, biases = [], []
    for name in order:
        weight = read_tensor(actor[f"{name}.weight"], f"{location}, {plain(name, 80)}.weight", container)
        weights.append(weight)
        if f"{name}.bias" in actor:
            biases.append(read_tensor(actor[f"{name}.bias"], f"{location}, {plain(name, 80)}.bias", container))
        else:
            biases.append(np.zeros(len(weight), weight.dtype))
    normed: list[LayerNorm | None] = [None] * (len(order) - 1)
    names = [[name] for name in order]
    for name, place in places.items():
        normed[place.layer] = _norm(actor, name, place, container, location)
        names[place.layer].append(name)
    flat = tuple(name for group in names for name in group)
    return Layers(flat, weights, biases, tuple(normed) if places else ())


def _norm(
    actor: Mapping[str, object], name: str, place: Place, container: Container | None, location: str
) -> LayerNorm:
    weight, bias = (
        read_tensor(actor[f"{name}.{part}"], f"{location}, {plain(name, 80)}.{part}", container).astype(np.float64)
        for part in ("weight", "bias")
    )
    return LayerNorm(weight, bias, before_activation=place.first)


def _modules(actor: Mapping[str, object], location: str) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """Shapes of the linear layers and lengths of the normalisations, by name."""
    linear: dict[str, tuple[int, int]] = {}
    norms: dict[str, int] = {}
    for full in actor:
        name, _, part = full.rpartition(".")
        if part not in ("weight", "bias") or not name or f"{name}.weight" not in actor:
            _refuse_odd(full, location)
        if name in linear or name in norms:
            continue
        weight = _shape_of(actor[f"{name}.weight"], f"{location}, {plain(name, 80)}.weight")
        bias = (
            _shape_of(actor[f"{name}.bias"], f"{location}, {plain(name, 80)}.bias") if f"{name}.bias" in actor else None
        )
        if len(weight) == 2 and bias in (None, (weight[0],)):
            linear[name] = (weight[0], weight[1])
        elif len(weight) == 1 and bias == weight:
            norms[name] = weight[0]
        elif len(weight) == 1 and bias is None:
            _refuse_odd(full, location)
        elif len(weight) == 2:
            problem = f"has weight {_shape(weight)} and bias {_shape(bias or ())}, expected as many biases as outputs"
            raise CheckpointError(f"{location}, layer {plain(name, 80)}", problem, _TRAIN)
        else:
            problem = f"has weight {_shape(weight)}, expected 2 dimensions, or 1 of a normalisation with its bias"
            raise CheckpointError(f"{location}, layer {plain(name, 80)}", problem, _TRAIN)
    return linear, norms


def _refuse_odd(name: str, location: str) -> NoReturn:
    problem = f"{name[:80]!a} has no counterpart, expected pairs of weight and bias"
    raise CheckpointError(f"{location}, policy_state_dict", problem, _TRAIN)


def _shape_of(tensor: object, location: str) -> tuple[int, ...]:
    if not isinstance(tensor, StoredTensor | np.ndarray):
        raise CheckpointError(location, "is not a dense tensor", _TRAIN)
    if 0 in tensor.shape:
        raise CheckpointError(location, f"has shape {list(tensor.shape)}, which holds no number", _TRAIN)
    return tensor.shape


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


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
