"""ONNX files as a format of model files: read into layers where that is what they are, else run by ONNX Runtime."""

from __future__ import annotations

import math
import mmap
import re
from dataclasses import replace

import numpy as np

from pytest_modelgate.adapters.checkpoint.declared import read_function
from pytest_modelgate.adapters.files.file_kinds import why_other
from pytest_modelgate.adapters.formats.foreign import Meaning, loaded_layers, read_meaning
from pytest_modelgate.adapters.formats.onnx.affine import Statistics
from pytest_modelgate.adapters.formats.onnx.graph import outputs_of
from pytest_modelgate.adapters.formats.onnx.model import Model, ValueInfo, read_model
from pytest_modelgate.adapters.formats.onnx.network import Network, NotLayersError, read_network
from pytest_modelgate.adapters.formats.onnx.runtime import (
    INSTALL,
    NotInstalledError,
    RuntimePolicy,
    check_operators,
    open_session,
)
from pytest_modelgate.adapters.formats.onnx.tensor import DOUBLE, FLOAT, ModelError, type_name
from pytest_modelgate.adapters.formats.vec_normalize import declared_normaliser, refuse_two
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.core.policy.normaliser import Normaliser
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_EXPORT = "Export the policy again with torch.onnx.export, see docs/onnx.md"
_CONTINUOUS = "Train with discrete actions; one continuous action is judged from a zip of Stable-Baselines3"
_CRITICS = re.compile(r"(?<![a-z])(values?|critic|vf|v|q)(?![a-z])", re.IGNORECASE)


class OnnxFormat:
    """See ``PolicyFormat``."""

    name = "onnx"
    version = "1"
    suffixes: tuple[str, ...] = (".onnx",)

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """See ``PolicyFormat.read``."""
        with file.path.open("rb") as opened:
            if (why := why_other(opened.read(512), "ONNX")) is not None:
                raise CheckpointError(file.location, *why)
            content = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
        try:
            return _read(file, content)
        except ModelError as error:
            raise CheckpointError(file.location, str(error), error.remedy or _EXPORT) from None


def _read(file: PolicyFile, content: memoryview) -> LoadedPolicy:
    model = read_model(content)
    source = _observation(model)
    try:
        return _layers(file, source, _chosen(model, file, len(content)))
    except NotLayersError as why:
        return _run(file, model, content, str(why))


def _layers(file: PolicyFile, source: ValueInfo, network: Network) -> LoadedPolicy:
    layers = network.layers
    inputs = layers.weights[0].shape[1]
    meaning = read_meaning(file, inputs, len(layers.weights[-1]))
    _check_shape(source, inputs, meaning)
    notes = [f"Its graph ends in {network.ends_in}; what is judged are the logits before."] if network.ends_in else []
    own, declared = _normaliser(network.statistics, inputs, meaning), declared_normaliser(file, meaning, {})
    if own and declared:
        refuse_two(file, "its graph", declared[0])
    return loaded_layers(file, layers, network.activation, meaning, normaliser=own or declared, notes=notes)


def _observation(model: Model) -> ValueInfo:
    """The one input of a model.

    Raises:
        ModelError: it has several, or one that is no observation.
    """
    if len(model.inputs) != 1:
        names = ", ".join(plain(value.name, 40) for value in model.inputs[:4])
        problem = f"has {len(model.inputs)} inputs, {names}, expected the observation alone"
        raise ModelError(problem, "Policies that are told more, as recurrent ones are, cannot be judged")
    (value,) = model.inputs
    if value.type not in (FLOAT, DOUBLE):
        problem = f"has an input {plain(value.name, 40)} of the type {type_name(value.type)}"
        raise ModelError(f"{problem}, expected float32 or float64", _EXPORT)
    if value.shape is None or len(value.shape) not in (2, 3):
        problem = f"has an input {plain(value.name, 40)} of the shape {_shown(value.shape)}"
        raise ModelError(f"{problem}, expected [batch, observation] or [batch, bars, features]", _EXPORT)
    return value


def _chosen(model: Model, file: PolicyFile, size: int) -> Network:
    """The network of the one output that gives logits.

    Raises:
        NotLayersError: no output is that of a network of layers.
        ModelError: several are.
    """
    outputs = outputs_of(model)
    actors = {name: value for name, value in outputs.items() if not _CRITICS.search(name)} or outputs
    found: dict[str, Network] = {}
    reasons: list[NotLayersError] = []
    for name, value in actors.items():
        try:
            network = read_network(value, size)
        except NotLayersError as why:
            reasons.append(why)
            continue
        if not any(_same(network, other) for other in found.values()):
            found[name] = network
    widths = {name: len(network.layers.weights[-1]) for name, network in found.items()}
    wanted = len(file.declared.actions or ())
    fitting = [name for name, width in widths.items() if width == wanted or (not wanted and width > 1)] or list(found)
    if not fitting:
        raise reasons[0]
    if len(fitting) > 1:
        listed = " and ".join(plain(name, 40) for name in fitting[:4])
        raise ModelError(f"has several outputs that could be the policy's, {listed}", "Export its logits alone")
    return found[fitting[0]]


def _same(network: Network, other: Network) -> bool:
    """Whether two outputs are the same logits, as those that are given beside their probabilities."""
    pairs = zip(network.layers.weights, other.layers.weights, strict=False)
    return network.layers.names == other.layers.names and all(
        one is two or np.array_equal(one, two) for one, two in pairs
    )


def _check_shape(source: ValueInfo, inputs: int, meaning: Meaning) -> None:
    """Refuse an input that is no observation of so many bars and features."""
    _, *tail = source.shape or ()
    expected = [inputs] if len(tail) == 1 else [meaning.lookback, meaning.n_features]
    if (len(tail) == 2 and meaning.layout is not None) or any(
        size not in (None, right) for size, right in zip(tail, expected, strict=True)
    ):
        problem = f"has an input {plain(source.name, 40)} of the shape {_shown(source.shape)}"
        bars = f"[batch, {inputs}] or [batch, {meaning.lookback}, {meaning.n_features}]"
        raise ModelError(f"{problem}, expected {bars}, as it is declared", "Correct the declaration, or export it so")


def _normaliser(statistics: Statistics | None, inputs: int, meaning: Meaning) -> tuple[str, Normaliser] | None:
    """What a graph does to observations, with a name for it.

    Raises:
        NotLayersError: it is not the same in all rows of an observation.
    """
    if statistics is None:
        return None
    rows = [_row(part, inputs, meaning) for part in (statistics.mean, statistics.deviation)]
    columns = range(meaning.n_features)
    return "observations", Normaliser.of(rows[0], rows[1], statistics.limit, columns, meaning.n_features)


def _row(numbers: Floats, inputs: int, meaning: Meaning) -> Floats:
    """Numbers of a row, out of one for all, one per feature, or one per number of an observation."""
    if numbers.size == inputs and meaning.layout is not None:
        numbers = meaning.layout.to_rows(numbers[None])[0]
    elif numbers.size not in (1, meaning.n_features, inputs):
        raise NotLayersError(f"it normalises {inputs} numbers of an observation by {numbers.size}")
    rows = np.broadcast_to(numbers, (meaning.n_features,)) if numbers.size == 1 else numbers
    rows = rows.reshape(-1, meaning.n_features)
    if (rows != rows[0]).any():
        raise NotLayersError("it normalises each bar of an observation by other numbers")
    row: Floats = rows[0]
    return row


def _run(file: PolicyFile, model: Model, content: memoryview, why: str) -> LoadedPolicy:
    """The policy as ONNX Runtime runs it.

    Raises:
        CheckpointError: that is not installed, or fails.
        ModelError: the model is none that may be run.
    """
    source, output = _observation(model), _output(model, len(file.declared.actions or ()), why)
    _, *tail = source.shape or ()
    inputs = math.prod(size or 0 for size in tail)
    width = (output.shape or (None,))[-1]
    if not inputs or width is None:
        raise ModelError(f"is no network of layers that the gate reads ({why}), and its sizes are open", _EXPORT)
    meaning = read_meaning(file, inputs, width)
    _check_shape(source, inputs, meaning)
    if source.shape and source.shape[0] not in (None, 1):
        raise ModelError(
            f"is for batches of {source.shape[0]} observations, expected of one, or of any number", _EXPORT
        )
    check_operators(model)
    last = next((node.op for node in model.nodes if output.name in node.outputs), "")
    if last == "ArgMax" or meaning.layout is not None or declared_normaliser(file, meaning, {}):
        held = "gives actions alone" if last == "ArgMax" else "has a declared normaliser, or order of the observation"
        raise ModelError(f"is no network of layers that the gate reads ({why}), and {held}", _EXPORT)
    try:
        session = open_session(bytes(content))
    except NotInstalledError:
        problem = f"is no network of layers that the gate reads: {why}"
        remedy = f"{INSTALL} has ONNX Runtime run it, not certified, so that PAPER is its most; or train such a network"
        raise CheckpointError(file.location, problem, remedy) from None
    policy = RuntimePolicy(
        meaning.n_market,
        meaning.account,
        meaning.lookback,
        meaning.actions,
        file.location,
        session,
        source,
        output.name,
        last == "Softmax",
    )
    policy.try_out()
    said = replace(file.declared, activation="relu")  # of which a graph has its own
    _, feature_set = read_function({}, said, file.location, activation=None, feature_set=file.feature_set)
    notes = (f"It is run by ONNX Runtime and not certified, so that PAPER is its most: {why}.",)
    return LoadedPolicy(policy, feature_set, None, meaning.model_version, notes=notes, certified=False)


def _output(model: Model, actions: int, why: str) -> ValueInfo:
    """The output that gives a number per action.

    Raises:
        ModelError: none does, or several.
    """
    fitting = [
        value
        for value in model.outputs
        if value.type in (FLOAT, DOUBLE)
        and value.shape is not None
        and len(value.shape) == 2
        and value.shape[1] is not None
        and value.shape[1] == (actions or value.shape[1]) > 1
        and not _CRITICS.search(value.name)
    ]
    if len(fitting) != 1:
        told = ", ".join(f"{plain(value.name, 40)} {_shown(value.shape)}" for value in model.outputs[:4])
        problem = f"is no network of layers that the gate reads ({why}), and has the outputs {told}"
        expected = f"expected one of the shape [batch, {actions or 'actions'}] of float32"
        continuous = [value.shape[1:] for value in model.outputs if value.shape] == [(1,)]
        remedy = _CONTINUOUS if continuous else "Export its logits alone"
        raise ModelError(f"{problem}, {expected}", remedy)
    return fitting[0]


def _shown(shape: tuple[int | None, ...] | None) -> str:
    return "unknown" if shape is None else str(["?" if size is None else size for size in shape]).replace("'", "")
