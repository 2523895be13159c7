"""Operators that give the numbers of an observation another shape, and those that compute such a shape."""

from __future__ import annotations

import math

import numpy as np

from pytest_modelgate.adapters.formats.onnx.calls import Call, Unread
from pytest_modelgate.adapters.formats.onnx.flows import RESHAPE, Constant, Flow, Value
from pytest_modelgate.adapters.formats.onnx.operators import identity

_SAME = 0  # as ``Reshape`` says that a size stays as it is
_MOST_SIZES = 64
_BATCH = -(1 << 62)  # the size of a batch, whatever it is
_SIZES = "sizes"  # name of constants that were shapes


def flatten(call: Call) -> Flow:
    """All of an observation in one row."""
    if call.said("axis", 1) != 1:
        raise Unread("Flatten of a batch")
    return _reshaped(call.flow, (_BATCH, -1), call.batch)


def reshape(call: Call) -> Value:
    """Another shape of constants, or of an observation in the same order."""
    target, value = call.numbers(1, "shape"), identity(call)
    if (
        target is None
        or target.ndim != 1
        or target.dtype.kind != "i"
        or (call.said("allowzero", 0) and _SAME in target)
    ):
        raise Unread("Reshape to an odd shape")
    sizes = tuple(int(size) for size in target)
    if isinstance(value, Flow):
        return value if value.op == "ArgMax" else _reshaped(value, sizes, call.batch)
    try:
        if value.numbers.flags.c_contiguous:  # else it would be copied
            return Constant(value.name, value.numbers.reshape(sizes))
    except ValueError:
        pass
    raise Unread("Reshape of constants")


def _reshaped(flow: Flow, target: tuple[int, ...], batch: int | None) -> Flow:
    """A flow whose numbers keep their order and their batch."""
    if flow.tail is None or None in flow.tail:
        if target == (_BATCH, -1) and flow.tail is not None and len(flow.tail) == 1:
            return flow
        raise Unread("a reshape of values of unknown shape")
    count = math.prod(size or 0 for size in flow.tail)
    first, rest = target[0] if target else 1, list(target[1:])
    if first not in (_SAME, _BATCH, -1, batch) or (first == -1 and -1 in rest) or 0 in rest or rest.count(-1) > 1:
        raise Unread("a reshape that takes the batch apart")
    if -1 in rest:
        known = math.prod(size for size in rest if size != -1)
        rest[rest.index(-1)] = count // known if known > 0 else 0
    if math.prod(rest) != count or min(rest, default=0) < 1:
        raise Unread("a reshape that takes the batch apart")
    return flow if tuple(rest) == flow.tail else Flow(RESHAPE, (flow,), tuple(rest))


def shape(call: Call) -> Constant:
    """Sizes of a value; of its batch what leaves it as it is where ``Reshape`` reads it."""
    tail = call.flow.tail
    if tail is None or None in tail or call.attributes.get("start") or "end" in call.attributes:
        raise Unread("Shape of values of unknown shape")
    return Constant(_SIZES, np.array([_BATCH, *(size or 0 for size in tail)], dtype=np.int64))


def of_sizes(call: Call) -> Constant:
    """Parts of the sizes of a value, put together as exporters do it for ``x.view(x.size(0), -1)``."""
    parts = [arg for arg in call.args if isinstance(arg, Constant)]
    if not 0 < len(parts) == len(call.args) <= _MOST_SIZES or any(map(_is_large, parts)):
        raise Unread(f"the operator {call.op}")
    first, axis = parts[0].numbers, call.said("axis", 0)
    if axis == 0:
        try:
            if call.op == "Concat":
                return Constant(_SIZES, np.concatenate([part.numbers for part in parts]))
            if call.op == "Gather":
                return Constant(_SIZES, np.asarray(first[parts[1].numbers]))
            axes = call.numbers(1, "axes")
            if call.op == "Unsqueeze" and first.ndim == 0 and axes is not None and axes.tolist() == [0]:
                return Constant(_SIZES, first.reshape(1))
        except (ValueError, IndexError):
            pass
    raise Unread(f"the operator {call.op}")


def _is_large(part: Constant) -> bool:
    return part.numbers.dtype.kind != "i" or part.numbers.size > _MOST_SIZES
