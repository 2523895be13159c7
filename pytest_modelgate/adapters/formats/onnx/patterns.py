"""Activations and normalisations as exporters write them: as one operator, or as the arithmetic that they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pytest_modelgate.adapters.formats.onnx.flows import Constant, Flow, Value
from pytest_modelgate.core.policy.activations import is_known
from pytest_modelgate.core.typing import Floats

_SAME = 1e-6  # relative: numbers of float32 that mean the same
_MOST_FACTORS = 16
_CUBIC = 0.044715


class Normalised(NamedTuple):
    """Layer normalisation of a flow."""

    source: Flow
    weight: Floats
    bias: Floats
    epsilon: float


def activation_of(flow: Flow) -> tuple[Flow, str] | None:
    """What an activation is applied to, and its name; None where there is none of those that the gate can compute."""
    if flow.op in ("Tanh", "Relu", "Elu", "LeakyRelu", "Gelu", "Swish"):
        name = _named(flow)
        return (_only(flow), name) if name else None
    if flow.op == "Clip" and (flow.facts["low"], flow.facts["high"]) == (0.0, math.inf):
        return _only(flow), "relu"
    for source, gate, coefficient in _gated(flow):
        if gate.op == "Sigmoid" and gate.args[0] is source and coefficient == 1.0:
            return source, "silu"
        if gate.op == "Add" and _same(coefficient, 0.5) and (name := _gelu(source, gate)):
            return source, name
    return None


def norm_of(flow: Flow) -> Normalised | None:
    """The normalisation that a flow is; None where it is none."""
    if flow.op == "LayerNormalization":
        weight, *bias = (
            part.numbers.reshape(-1).astype(np.float64) for part in flow.args if isinstance(part, Constant)
        )
        shift = bias[0] if bias else np.zeros_like(weight)
        return Normalised(_only(flow), weight, shift, shortest(flow.facts["epsilon"]))
    quotient, bias_of = _with_row(flow, "Add")
    quotient, weight_of = _with_row(quotient, "Mul")
    if quotient.op != "Div" or flow.tail is None or len(flow.tail) != 1:
        return None
    source, epsilon = _standardised(quotient)
    (width,) = flow.tail
    if source is None or width is None:
        return None
    weight, bias_row = (
        np.broadcast_to(default if row is None else row, (width,)).astype(np.float64)
        for row, default in ((weight_of, np.ones(1)), (bias_of, np.zeros(1)))
    )
    return Normalised(source, weight, bias_row, shortest(epsilon))


def _named(flow: Flow) -> str | None:
    """Name of an activation that is one operator."""
    facts = flow.facts
    if flow.op == "Elu":
        return "elu" if facts["alpha"] == 1.0 else None
    if flow.op == "Swish":
        return "silu" if facts["alpha"] == 1.0 else None
    if flow.op == "Gelu":
        said = facts["approximate"]
        return {b"none": "gelu", b"tanh": "gelu_tanh"}.get(said) if isinstance(said, bytes) else None
    if flow.op == "LeakyRelu":
        slope = shortest(facts["alpha"])
        name = "leaky_relu" if slope == 0.01 else f"leaky_relu({slope!r})"
        return name if is_known(name) else None
    return flow.op.lower()


def _gated(flow: Flow) -> Iterator[tuple[Flow, Flow, float]]:
    """Products of two flows and a number: each as what the other one gates."""
    coefficient, factors = _factors(flow)
    if len(factors) == 2:
        yield factors[0], factors[1], coefficient
        yield factors[1], factors[0], coefficient


def _gelu(source: Flow, gate: Flow) -> str | None:
    """Which gelu a gate of ``1 + ...`` makes of its source."""
    inner, one = _with_number(gate)
    if inner is None or one != 1.0 or inner.op not in ("Erf", "Tanh") or not isinstance(inner.args[0], Flow):
        return None
    coefficient, factors = _factors(inner.args[0])
    if inner.op == "Erf":
        return "gelu" if factors == [source] and _same(coefficient, math.sqrt(0.5)) else None
    if not _same(coefficient, math.sqrt(2.0 / math.pi)):
        return None
    if len(factors) == 2 and source in factors:  # x * (1 + c x^2)
        factors.remove(source)
        inner, one = _with_number(factors[0])
        square = _factors(inner) if inner is not None and one == 1.0 else (0.0, [])
        return "gelu_tanh" if square[1] == [source] * 2 and _same(square[0], _CUBIC) else None
    if len(factors) != 1 or factors[0].op != "Add":
        return None
    parts = [_factors(arg) for arg in factors[0].args if isinstance(arg, Flow)]
    linear = (1.0, [source]) in parts
    cubic = any(flows == [source] * 3 and _same(number, _CUBIC) for number, flows in parts)
    return "gelu_tanh" if len(parts) == 2 and linear and cubic else None


def _factors(flow: Flow) -> tuple[float, list[Flow]]:
    """A product as a number and what depends on the observation, powers written out."""
    coefficient, factors = 1.0, list[Flow]()
    pending: list[Value] = [flow]
    while pending:
        part = pending.pop()
        number = _number(part)
        if number is not None:
            coefficient *= number
        elif not isinstance(part, Flow) or len(pending) + len(factors) > _MOST_FACTORS:
            return 1.0, [flow]
        elif part.op == "Mul":
            pending += part.args
        elif part.op == "Div" and (divisor := _number(part.args[1])):
            coefficient /= divisor
            pending.append(part.args[0])
        elif part.op == "Pow" and (power := _number(part.args[1])) in (2.0, 3.0):
            pending += [part.args[0]] * int(power)
        else:
            factors.append(part)
    return coefficient, factors


def _standardised(quotient: Flow) -> tuple[Flow | None, float]:
    """What is divided, less its mean, by the root of its variance and a number: that, and the number."""
    centred, deviation = quotient.args
    nothing = None, 0.0
    if not isinstance(centred, Flow) or not isinstance(deviation, Flow) or deviation.op != "Sqrt":
        return nothing
    source = _centred(centred)
    total = deviation.args[0]
    variance, epsilon = _with_number(total) if isinstance(total, Flow) else (None, 0.0)
    if source is None or variance is None or variance.op != "ReduceMean" or not isinstance(variance.args[0], Flow):
        return nothing
    coefficient, factors = _factors(variance.args[0])
    squares = len(factors) == 2 and all(_centred(factor) is source for factor in factors)
    return (source, epsilon) if squares and coefficient == 1.0 else nothing


def _centred(flow: Flow) -> Flow | None:
    """What a flow is less the mean of."""
    if flow.op != "Sub":
        return None
    source, mean = flow.args
    centred = isinstance(source, Flow) and isinstance(mean, Flow) and mean.op == "ReduceMean" and mean.args[0] is source
    return source if centred and isinstance(source, Flow) else None


def _with_row(flow: Flow, op: str) -> tuple[Flow, Floats | None]:
    """Without what one operator does by numbers, and these; the flow itself and None where it does nothing so."""
    if flow.op == op:
        for inner, row in (flow.args, flow.args[::-1]):
            if isinstance(inner, Flow) and isinstance(row, Constant):
                return inner, row.numbers.reshape(-1)
    return flow, None


def _with_number(flow: Flow) -> tuple[Flow | None, float]:
    """What a number is added to, and that."""
    if flow.op == "Add":
        for inner, value in (flow.args, flow.args[::-1]):
            number = _number(value)
            if isinstance(inner, Flow) and number is not None:
                return inner, number
    return None, 0.0


def _number(value: Value) -> float | None:
    if isinstance(value, Constant) and value.numbers.size == 1:
        return float(value.numbers.reshape(-1)[0])
    return None


def _only(flow: Flow) -> Flow:
    (source,) = (arg for arg in flow.args if isinstance(arg, Flow))
    return source


def shortest(number: float) -> float:
    """The number of float64 that is written as a float32 is: 0.2, which no float32 is."""
    return float(str(np.float32(number)))


def _same(number: float, other: float) -> bool:
    return abs(number - other) <= _SAME * abs(other)
