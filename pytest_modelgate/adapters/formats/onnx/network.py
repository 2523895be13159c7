"""A network of layers, found in an ONNX graph from its logits back to the observation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.checkpoint.network import Layers
from pytest_modelgate.adapters.formats.onnx.affine import LEFT_ALONE, Statistics, Step, last_step, observed
from pytest_modelgate.adapters.formats.onnx.flows import RESHAPE, UNKNOWN, Constant, Flow, Value
from pytest_modelgate.adapters.formats.onnx.patterns import activation_of, norm_of
from pytest_modelgate.adapters.formats.onnx.tensor import ModelError
from pytest_modelgate.core.policy.layer_norm import LayerNorm
from pytest_modelgate.text import plain

_MOST_LAYERS = 256
_AGAIN = "Train the model again"
_PROBABILITIES = {"Softmax": "probabilities", "LogSoftmax": "logarithms of probabilities", "ArgMax": "actions"}


class NotLayersError(Exception):
    """A graph is no network of layers that the gate can certify; its text ends a sentence that begins with it."""


@dataclass(frozen=True)
class Network:
    """Layers of a graph.

    Attributes:
        activation: between the layers; None with a single one.
        statistics: None where the first layer sees the observation itself.
        ends_in: what stands behind the logits and was taken off, in words; empty for nothing.
    """

    layers: Layers
    activation: str | None
    statistics: Statistics | None
    ends_in: str


class _Linear(NamedTuple):
    source: Flow
    weight: NDArray[Any]
    bias: NDArray[Any]
    name: str


def logits_of(value: Value) -> tuple[Value, str]:
    """An output without what changes no order of its numbers, and what that was, in words."""
    ends: list[str] = []
    while isinstance(value, Flow):
        if value.op in _PROBABILITIES or (value.op == RESHAPE and ends):
            ends.append(_PROBABILITIES.get(value.op, ""))
            value = value.args[0]
        elif value.op == "Sub" and isinstance(total := value.args[1], Flow) and total.op == "ReduceLogSumExp":
            if total.args[0] is not value.args[0]:
                break
            ends.append(_PROBABILITIES["LogSoftmax"])
            value = value.args[0]
        else:
            break
    return value, next(filter(None, ends), "")


def read_network(output: Value, size: int) -> Network:
    """Layers between an observation and an output.

    Args:
        size: bytes of the file, which are more than all its weights take.

    Raises:
        NotLayersError: there is something else between.
        ModelError: a weight is not finite.
    """
    value, ends_in = logits_of(output)
    if not isinstance(value, Flow):
        raise NotLayersError("its output does not depend on its input")
    linears: list[_Linear] = []
    norms: list[LayerNorm | None] = []
    activations: list[str] = []
    flow = value
    while True:
        linear = _linear(flow)
        if linear is None:
            _refuse(flow, "a linear layer")
        linears.append(_checked(linear))
        if len(linears) > _MOST_LAYERS or sum(4 * item.weight.size for item in linears) > size:
            raise NotLayersError(f"it has more than {_MOST_LAYERS} layers, or some that share their weights")
        statistics = observed(linear.source)
        if statistics is not None:
            break
        flow, name, norm = _between(linear.source)
        activations.append(name)
        norms.append(norm)
    if len(set(activations)) > 1:
        listed = " and ".join(sorted(set(activations)))
        raise NotLayersError(f"it has {listed} between its layers, of which the gate computes one throughout")
    return Network(
        Layers(
            tuple(linear.name for linear in reversed(linears)),
            [linear.weight for linear in reversed(linears)],
            [linear.bias for linear in reversed(linears)],
            tuple(reversed(norms)) if any(norms) else (),
        ),
        activations[0] if activations else None,
        None if statistics is LEFT_ALONE else statistics,
        ends_in,
    )


def _refuse(value: Value, expected: str) -> NoReturn:
    if isinstance(value, Flow) and value.op == UNKNOWN:
        raise NotLayersError(f"it has {value.facts['why']}")
    held = value.op if isinstance(value, Flow) else "a constant"
    raise NotLayersError(f"it has {held} where {expected} is expected")


def _between(flow: Flow) -> tuple[Flow, str, LayerNorm | None]:
    """What stands in front of an activation and a normalisation on either side of it, and these two."""
    after = norm_of(flow)
    activated = activation_of(after.source if after else flow)
    if activated is None:
        _refuse(after.source if after else flow, "one of the activations that the gate computes")
    source, name = activated
    before = norm_of(source)
    if before and after:
        raise NotLayersError("it normalises both before and after an activation")
    norm = before or after
    if norm is None:
        return source, name, None
    numbers = (norm.weight, norm.bias, np.array(norm.epsilon))
    if not all(np.isfinite(part).all() for part in numbers):
        raise ModelError("has a normalisation with a number that is not finite: training diverged", _AGAIN)
    if norm.epsilon <= 0.0:
        raise NotLayersError("it has a normalisation without a positive epsilon")
    return norm.source if before else source, name, LayerNorm(norm.weight, norm.bias, norm.epsilon, before is not None)


def _linear(flow: Flow) -> _Linear | None:
    """A linear layer with what is added to it or multiplies it behind; None where there is none."""
    behind: list[Step] = []
    while flow.op != "Linear":
        step = last_step(flow)
        if step is None or len(behind) == _MOST_LAYERS:
            return None
        behind.append(step)
        flow = step.flow
    source, weight, *bias = flow.args
    assert isinstance(source, Flow)
    assert isinstance(weight, Constant)
    matrix, alpha, beta = weight.numbers.T, flow.facts["alpha"], flow.facts["beta"]
    row = bias[0].numbers if bias and isinstance(bias[0], Constant) else np.zeros(len(matrix), matrix.dtype)
    with np.errstate(all="ignore"):
        row = row if beta == 1.0 else row * np.float64(beta)
        factor: NDArray[Any] = np.full(1, alpha)
        for step in reversed(behind):
            factor, row = _followed(factor, row, step)
        if not (factor == 1.0).all():
            matrix = matrix * factor.reshape(-1, 1)
    return _Linear(source, matrix, row, _layer_name(weight, bias))


def _followed(factor: NDArray[Any], row: NDArray[Any], step: Step) -> tuple[NDArray[Any], NDArray[Any]]:
    """What multiplies the weights of a layer, and its biases (out,), together with what follows it, in float64."""
    numbers = step.numbers.astype(np.float64)
    if step.op in ("Mul", "Div"):
        by = numbers if step.op == "Mul" else 1.0 / numbers
        return factor * by, row * by
    if step.turned:
        return -factor, numbers - row
    return factor, row + numbers if step.op == "Add" else row - numbers


def _layer_name(weight: Constant, bias: list[Value]) -> str:
    """Name of the module that a layer was: what its weight or bias is called."""
    named = [
        part.name for part in (*bias, weight) if isinstance(part, Constant) and part.name.endswith((".weight", ".bias"))
    ]
    return plain(named[0].rpartition(".")[0] if named else weight.name, 80) or "a layer"


def _checked(linear: _Linear) -> _Linear:
    """A layer of finite numbers, in memory of its own: those of the file begin at any byte, which kernels dislike."""
    for part, numbers in (("weight", linear.weight), ("bias", linear.bias)):
        if not math.isfinite(numbers.min(initial=0.0)) or not math.isfinite(numbers.max(initial=0.0)):
            raise ModelError(
                f"has a number that is not finite in the {part} of {linear.name}: training diverged", _AGAIN
            )
        if not numbers.size:
            raise ModelError(f"has no number in the {part} of {linear.name}")
    weight, bias = (np.require(part, requirements=["C", "A", "O"]) for part in (linear.weight, linear.bias))
    return linear._replace(weight=weight, bias=bias)
