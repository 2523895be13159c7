"""Operators of networks of layers: what they make of an observation, or why they are not read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.formats.onnx.calls import Call, Unread
from pytest_modelgate.adapters.formats.onnx.flows import Constant, Flow, Value, row_of
from pytest_modelgate.adapters.formats.onnx.tensor import DOUBLE, FLOAT, INT64

_LARGEST_FOLDED = 1 << 20  # numbers of what is computed from constants
_SLOPES = {"Elu": 1.0, "LeakyRelu": 0.01, "Swish": 1.0}  # what ``alpha`` is where it is not said
FOLDED: Mapping[str, np.ufunc] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Sqrt": np.sqrt,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Max": np.maximum,
    "Min": np.minimum,
}
BY_ELEMENT = frozenset({
    "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Neg", "Reciprocal", "Tanh", "Relu", "Elu", "LeakyRelu", "Gelu",
    "Sigmoid", "Swish", "Erf",
})  # fmt: skip
OVER_FEATURES = frozenset({"Softmax", "LogSoftmax"})
REDUCED = frozenset({"ReduceMean", "ReduceLogSumExp"})


def folded(op: str, numbers: Sequence[NDArray[Any]]) -> Constant:
    """What an operator makes of constants alone."""
    try:
        size = math.prod(np.broadcast_shapes(*(part.shape for part in numbers)))
    except ValueError:
        raise Unread(f"{op} of constants that do not fit together") from None
    if size > _LARGEST_FOLDED or len(numbers) != FOLDED[op].nin or any(part.dtype.kind != "f" for part in numbers):
        raise Unread(f"{op} of constants")
    with np.errstate(all="ignore"):
        return Constant("", np.asarray(FOLDED[op](*numbers)))


def plain_operator(call: Call) -> Flow:
    """An operator that works element by element, or over the features alone."""
    args = [arg for arg in call.args if arg is not None]
    tails = [arg.tail for arg in args if isinstance(arg, Flow) and arg.tail is not None]
    expected = FOLDED[call.op].nin if call.op in FOLDED else len(args) if call.op in REDUCED else 1
    if len(args) != expected or len(args) < len(call.args) or not tails:
        raise Unread(f"{call.op} of too few or too many values, or of values of unknown shape")
    tail = max(tails, key=lambda sizes: (len(sizes), math.prod(size or 1 for size in sizes)))
    for arg in args[:1] if call.op in REDUCED else args:
        if not _fits(arg, tail):
            raise Unread(f"{call.op} of shapes that do not fit together")
    if call.op in OVER_FEATURES:
        _check_axis(call, tail, -1 if call.opset >= 13 else 1)
    if call.op in REDUCED:
        _check_axis(call, tail, None)
        return Flow(call.op, (call.flow,), (*tail[:-1], 1))
    facts: dict[str, Any] = {}
    if call.op in _SLOPES:
        facts["alpha"] = call.said("alpha", _SLOPES[call.op])
    elif call.op == "Gelu":
        facts["approximate"] = call.attributes.get("approximate", b"none")
    return Flow(call.op, tuple(args), tail, facts)


def _fits(arg: Value, tail: tuple[int | None, ...]) -> bool:
    """Whether an argument is a number, one per feature, or one per value of an observation, for a whole batch alike."""
    if isinstance(arg, Flow):
        return arg.tail == tail or (arg.tail is not None and arg.tail == (*tail[:-1], 1))
    shape = row_of(arg.numbers).shape
    return arg.numbers.ndim <= len(tail) + 1 and (not shape or shape in (tail[-1:], tail))


def _check_axis(call: Call, tail: tuple[int | None, ...], default: int | None) -> None:
    """Refuse an operation over anything but the last axis of all."""
    axes = call.numbers(1, "axes") if call.op in REDUCED else np.atleast_1d(call.attributes.get("axis", default))
    keeps = call.op not in REDUCED or call.said("keepdims", 1) == 1
    if axes is None or axes.shape != (1,) or axes[0] not in (-1, len(tail)) or not keeps:
        raise Unread(f"{call.op} over another axis than the last")


def identity(call: Call) -> Value:
    """What leaves its argument as it is."""
    first = call.arg(0)
    if first is None:
        raise Unread(f"{call.op} of nothing")
    return first


def dropout(call: Call) -> Value:
    """Nothing, at inference."""
    training = call.numbers(2)
    if training is not None and training.any():
        raise Unread("Dropout as in training")
    return identity(call)


def cast(call: Call) -> Value:
    """Another type of floating-point numbers, of what is computed; the engine has its own precision."""
    value, to = identity(call), call.said("to", 0)
    if isinstance(value, Constant):
        if to not in (FLOAT, DOUBLE, INT64) or value.numbers.size > _LARGEST_FOLDED:
            raise Unread("Cast of constants")
        code = {FLOAT: np.float32, DOUBLE: np.float64, INT64: np.int64}[int(to)]
        with np.errstate(all="ignore"):
            return Constant(value.name, value.numbers.astype(code))
    if to not in (FLOAT, DOUBLE) and value.op != "ArgMax":
        raise Unread("Cast to another type than float32 or float64")
    return value


def transpose(call: Call) -> Value:
    """Weights, the other way round."""
    value = identity(call)
    order = call.numbers(1, "perm")
    if not isinstance(value, Constant):
        raise Unread("Transpose of what depends on the observation")
    axes = tuple(range(value.numbers.ndim))[::-1] if order is None else tuple(order.tolist())
    if (order is not None and order.dtype.kind != "i") or sorted(axes) != list(range(value.numbers.ndim)):
        raise Unread("Transpose by axes that are none")
    return Constant(value.name, value.numbers.transpose(axes))


def matmul(call: Call) -> Flow:
    """A linear layer without a bias."""
    return _linear(call.flow, call.arg(1), None, {"alpha": 1.0, "beta": 1.0})


def gemm(call: Call) -> Flow:
    """A linear layer."""
    if call.said("transA", 0):
        raise Unread("Gemm of transposed observations")
    weight, facts = call.arg(1), {name: float(call.said(name, 1.0)) for name in ("alpha", "beta")}
    if call.said("transB", 0) and isinstance(weight, Constant):
        weight = Constant(weight.name, weight.numbers.T)
    return _linear(call.flow, weight, call.arg(2), facts)


def _linear(flow: Flow, weight: Value | None, bias: Value | None, facts: Mapping[str, float]) -> Flow:
    """A linear layer; its weights (in, out) and, where it has one, its bias (out,)."""
    if not isinstance(weight, Constant) or isinstance(bias, Flow) or weight.numbers.ndim != 2:
        raise Unread("a product of two values that depend on the observation, or of no matrix")
    if flow.tail is None or len(flow.tail) != 1:
        raise Unread("a layer that applies to each bar by itself, or to an input of unknown shape")
    inputs, outputs = weight.numbers.shape
    if not inputs or not outputs:
        raise Unread("a layer without numbers")
    if flow.tail[0] not in (None, inputs):
        raise Unread(f"a layer of {inputs} inputs behind {flow.tail[0]} values")
    args: tuple[Value, ...] = (flow, weight)
    if bias is not None:
        row = row_of(bias.numbers)
        if row.shape not in ((), (outputs,)):
            raise Unread("a bias that is none of a layer")
        args = (*args, Constant(bias.name, np.broadcast_to(row, (outputs,))))
    return Flow("Linear", args, (outputs,), facts)


def layer_norm(call: Call) -> Flow:
    """Normalisation over the features of a layer."""
    flow, weight, bias = call.flow, call.numbers(1), call.numbers(2)
    if flow.tail is None or len(flow.tail) != 1 or call.said("axis", -1) not in (-1, 1) or weight is None:
        raise Unread("LayerNormalization over other axes than the features")
    if any(part is not None and part.shape != flow.tail for part in (weight, bias)):
        raise Unread("LayerNormalization by another number of weights than features")
    args = [Constant("", part) for part in (weight, bias) if part is not None]
    facts = {"epsilon": float(call.said("epsilon", 1e-5))}
    return Flow("LayerNormalization", (flow, *args), flow.tail, facts)


def clip(call: Call) -> Flow:
    """Bounds of two numbers, either of which may be missing."""
    limits = [call.numbers(1, "min"), call.numbers(2, "max")]
    if any(limit is not None and limit.size != 1 for limit in limits):
        raise Unread("Clip by more than two numbers")
    low, high = (limit if limit is None else float(limit.reshape(-1)[0]) for limit in limits)
    facts = {"low": -math.inf if low is None else low, "high": math.inf if high is None else high}
    return Flow("Clip", (call.flow,), call.flow.tail, facts)


def bounded(call: Call) -> Flow:
    """``Max`` or ``Min`` of what depends on the observation and a number, either first."""
    flows = [arg for arg in call.args if isinstance(arg, Flow)]
    limits = [arg.numbers for arg in call.args if isinstance(arg, Constant)]
    if len(flows) != 1 or len(limits) != 1 or limits[0].size != 1:
        raise Unread(f"{call.op} of several values")
    limit = float(limits[0].reshape(-1)[0])
    facts = {"low": limit, "high": math.inf} if call.op == "Max" else {"low": -math.inf, "high": limit}
    return Flow("Clip", (flows[0],), flows[0].tail, facts)


def argmax(call: Call) -> Flow:
    """The greedy action."""
    flow = call.flow
    if (
        flow.tail is None
        or len(flow.tail) != 1
        or call.said("axis", 0) not in (-1, 1)
        or call.said("select_last_index", 0)
    ):
        raise Unread("ArgMax over another axis than the last")
    return Flow("ArgMax", (flow,), None)
