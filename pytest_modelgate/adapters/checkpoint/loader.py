"""Reading a checkpoint, step by step: container, pickle, contents, layers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_modelgate.adapters.checkpoint.container import REMEDY, Container, read_container
from pytest_modelgate.adapters.checkpoint.declared import check_hidden, read_function, text_or_none
from pytest_modelgate.adapters.checkpoint.network import recover_layers
from pytest_modelgate.adapters.checkpoint.pickled import trainer_classes
from pytest_modelgate.adapters.checkpoint.shape import Shape, read_shape
from pytest_modelgate.adapters.checkpoint.storages import check_storages
from pytest_modelgate.adapters.checkpoint.values import PickleError, read_values
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain


@dataclass(frozen=True)
class CheckpointFacts:
    """Facts that a checkpoint declares.

    Attributes:
        shape: generation, sizes, actions and account features.
        min_trader_version: shown to the reader, not compared with anything.
        layers: names in the order in which they apply.
        hidden: sizes of the hidden layers, from the weights.
    """

    shape: Shape
    min_trader_version: str | None
    layers: tuple[str, ...]
    hidden: tuple[int, ...]
    activation: str
    feature_set: str


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A policy that runs without torch, and what its file said."""

    policy: MlpPolicy
    facts: CheckpointFacts


def load_checkpoint(
    path: Path,
    *,
    location: str,
    activation: str | None,
    feature_set: str | None,
    declared: Declared,
    trainer_packages: tuple[str, ...],
    model_version: str | None = None,
) -> LoadedCheckpoint:
    """Read a checkpoint; of its tensors only the actor's.

    Args:
        path: a private copy that nobody else can change.
        location: the checkpoint, for messages.
        activation, feature_set: what the user says; None leaves it to checkpoint and summary.
        declared: what the training summary says.
        trainer_packages: whose classes get inert stand-ins; any other class is refused.
        model_version: what the user says of a checkpoint that bears none.

    Raises:
        CheckpointError: anything about it that could make the gate judge another function than was trained.
    """
    container, pickled = read_container(path, location)
    contents = _contents(pickled, container, trainer_packages)
    shape = read_shape(contents, declared, location, model_version)
    activation, feature_set = read_function(
        contents, declared, location, activation=activation, feature_set=feature_set
    )
    state, inputs = contents.get("policy_state_dict"), shape.n_features * shape.window
    layers = recover_layers(state, inputs, len(shape.actions), container, location)
    hidden = tuple(len(weight) for weight in layers.weights[:-1])
    check_hidden(contents, hidden, location)
    n_market = shape.n_features - len(shape.account)
    policy = MlpPolicy(layers.weights, layers.biases, activation, n_market, shape.account, shape.window, shape.actions)
    facts = CheckpointFacts(
        shape=shape,
        min_trader_version=text_or_none(contents.get("min_trader_version")),
        layers=tuple(plain(name, 80) for name in layers.names),
        hidden=hidden,
        activation=activation,
        feature_set=feature_set,
    )
    return LoadedCheckpoint(policy, facts)


def _contents(pickled: bytes, container: Container, trainer_packages: tuple[str, ...]) -> Mapping[str, object]:
    location = container.location
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the standard library, whose words are not for our users
            classes = trainer_classes(pickled, location, trainer_packages)
            described = read_values(pickled, classes)
    except PickleError:
        raise CheckpointError(location, "cannot be read as a checkpoint of tensors and plain values", REMEDY) from None
    if not isinstance(described.value, dict):
        problem = f"holds a {type(described.value).__name__}, expected a dict with policy_state_dict"
        raise CheckpointError(location, problem, REMEDY)
    check_storages(described, container)
    return described.value
