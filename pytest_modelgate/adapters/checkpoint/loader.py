"""Reading a checkpoint, step by step: container, pickle, contents, layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pytest_modelgate.adapters.checkpoint.container import REMEDY, Container, read_container
from pytest_modelgate.adapters.checkpoint.declared import check_hidden, config_fields, read_function, text_or_none
from pytest_modelgate.adapters.checkpoint.instructions import PickleError
from pytest_modelgate.adapters.checkpoint.machine import NameRefusedError
from pytest_modelgate.adapters.checkpoint.network import actor_parameters, recover_layers
from pytest_modelgate.adapters.checkpoint.pickled import StandIn, described, odd_key
from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor
from pytest_modelgate.adapters.checkpoint.shape import Shape, read_shape
from pytest_modelgate.adapters.checkpoint.statistics import Row, read_statistics, split_statistics
from pytest_modelgate.adapters.checkpoint.storages import check_storages
from pytest_modelgate.adapters.checkpoint.values import read_values
from pytest_modelgate.adapters.files.file_kinds import PACK, PACK_STATE
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
    contents = read_contents(pickled, container, trainer_packages)
    _refuse_other_forms(contents, location)
    shape = read_shape(contents, declared, location, model_version)
    activation, feature_set = read_function(
        contents, declared, location, activation=activation, feature_set=feature_set
    )
    outputs, inputs, n_market = len(shape.actions), shape.n_features * shape.window, len(shape.market_places)
    actor = actor_parameters(contents.get("policy_state_dict"), outputs, location)
    parameters, buffers = split_statistics(actor, location)
    sizes = Row(n_market, shape.n_features, inputs)
    statistics = read_statistics(contents, buffers, sizes, shape.market_places, container)
    layers = recover_layers(parameters, inputs, outputs, container, location)
    hidden = tuple(len(weight) for weight in layers.weights[:-1])
    check_hidden(contents, hidden, location)
    policy = MlpPolicy(
        layers.weights,
        layers.biases,
        activation,
        n_market,
        shape.account,
        shape.window,
        shape.actions,
        layers.norms,
        statistics[1] if statistics else None,
    )
    names = (*((statistics[0],) if statistics else ()), *layers.names)
    facts = CheckpointFacts(
        shape=shape,
        min_trader_version=text_or_none(contents.get("min_trader_version")),
        layers=tuple(plain(name, 80) for name in names),
        hidden=hidden,
        activation=activation,
        feature_set=feature_set,
    )
    return LoadedCheckpoint(policy, facts)


def read_contents(pickled: bytes, container: Container, trainer_packages: tuple[str, ...]) -> Mapping[str, object]:
    """Entries of a checkpoint's dict, as what its pickle describes, every tensor's storage checked.

    Raises:
        CheckpointError: it is no dict, or says what no checkpoint needs.
    """
    location = container.location
    try:
        read = read_values(pickled, trainer_packages)
    except NameRefusedError as refused:
        _refuse_name(refused, trainer_packages, location)
    except PickleError as error:
        why = str(error)
        problem = f"cannot be read as a checkpoint of tensors and plain values: {why}"
        raise CheckpointError(location, why if why.startswith("its pickle") else problem, REMEDY) from None
    if isinstance(read.value, StandIn):
        _refuse_whole(read.value.name, location)
    if not isinstance(read.value, dict):
        problem = f"holds {described(read.value)}, expected a dict with policy_state_dict"
        raise CheckpointError(location, problem, REMEDY)
    for where, entries in (("", read.value), (", config", config_fields(read.value.get("config")))):
        if (key := odd_key(entries)) is not None:
            problem = f"has {described(key)} as a key, which where it is loaded may take the place of another entry"
            raise CheckpointError(f"{location}{where}", problem, "Use plain text for keys, as in str(name)")
    check_storages(read, container)
    return read.value


def _refuse_name(refused: NameRefusedError, packages: tuple[str, ...], location: str) -> NoReturn:
    if refused.whole and refused.name.rpartition(".")[2][:1].isupper():
        _refuse_whole(refused.name, location)
    problem = f"its pickle asks for {refused.name[:80]!a}, which a trader's torch.load would import and could run"
    expected = f", expected tensors, values of Python, numpy and torch, and classes of {' or '.join(packages)}"
    remedy = "Store plain values only; for classes of your own trainer pass --gate-trainer-package=PACKAGE"
    raise CheckpointError(location, problem + expected, remedy)


def _refuse_whole(name: str, location: str) -> NoReturn:
    problem = f"holds a whole object of the class {name[:80]!a}, expected a dict with policy_state_dict"
    remedy = f"Where it was trained, and its class is known, write the module itself with {PACK}"
    raise CheckpointError(location, problem, remedy)


def _refuse_other_forms(contents: Mapping[str, object], location: str) -> None:
    """Tell a bare state dict, and one under another name, as what they are.

    Raises:
        CheckpointError: it is one.
    """
    if "policy_state_dict" in contents:
        return
    if contents and all(isinstance(value, StoredTensor) for value in contents.values()):
        problem = "is a bare state dict, which does not say what its numbers mean"
        raise CheckpointError(location, problem, f'state = torch.load("model.pt"), then {PACK_STATE}')
    for name, value in contents.items():
        if isinstance(value, dict) and value and all(isinstance(one, StoredTensor) for one in value.values()):
            problem = f"holds a state dict as {plain(str(name), 60)!a}, expected policy_state_dict"
            remedy = f'state = torch.load("model.pt")[{plain(str(name), 60)!a}], then {PACK_STATE}'
            raise CheckpointError(location, problem, remedy)
