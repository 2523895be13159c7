"""An ONNX graph as expressions over one observation.

What leaves numbers as they are (Identity, Dropout at inference, a reshape that keeps the batch first) is taken out,
what is computed from constants alone is computed, and whatever else is not of a network of layers becomes ``UNKNOWN``,
which harms only those outputs that depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pytest_modelgate.adapters.formats.onnx import operators, shapes
from pytest_modelgate.adapters.formats.onnx.calls import Call, Unread
from pytest_modelgate.adapters.formats.onnx.flows import OBSERVATION, UNKNOWN, Constant, Flow, Value
from pytest_modelgate.adapters.formats.onnx.model import Model, Node
from pytest_modelgate.adapters.formats.onnx.tensor import DOUBLE, FLOAT, INT64, ModelError, Tensor
from pytest_modelgate.text import plain

_MOST_FOLDED = 1 << 22
_VIEWS = frozenset({"Constant", "Identity", "Dropout", "Reshape", "Transpose"})  # of numbers that the file holds
_LITERALS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}
_READERS: Mapping[str, Callable[[Call], Value]] = {
    "ArgMax": operators.argmax,
    "Cast": operators.cast,
    "Clip": operators.clip,
    "Concat": shapes.of_sizes,
    "Dropout": operators.dropout,
    "Flatten": shapes.flatten,
    "Gather": shapes.of_sizes,
    "Gemm": operators.gemm,
    "Identity": operators.identity,
    "LayerNormalization": operators.layer_norm,
    "MatMul": operators.matmul,
    "Max": operators.bounded,
    "Min": operators.bounded,
    "Reshape": shapes.reshape,
    "Shape": shapes.shape,
    "Transpose": operators.transpose,
    "Unsqueeze": shapes.of_sizes,
    **dict.fromkeys(operators.BY_ELEMENT | operators.OVER_FEATURES | operators.REDUCED, operators.plain_operator),
}


def outputs_of(model: Model) -> dict[str, Value]:
    """What each output of a model is; of one input, and that is its observation.

    Raises:
        ModelError: numbers of a constant are not what the file says of them.
    """
    return _Translation(model).outputs()


class _Translation:
    def __init__(self, model: Model) -> None:
        self._model = model
        (value,) = model.inputs
        tail = None if value.shape is None else value.shape[1:]
        self._batch = value.shape[0] if value.shape else None
        self._left = _MOST_FOLDED
        self._values: dict[str, Value] = {value.name: Flow(OBSERVATION, (), tail)}

    def outputs(self) -> dict[str, Value]:
        for node in self._model.nodes:
            first, *others = (*node.outputs, "")
            self._values[first] = self._translated(node)
            further = {"why": f"a further output of {plain(node.op, 40)}"}
            self._values.update({name: Flow(UNKNOWN, facts=further) for name in others})
        return {output.name: self._told(output.name) for output in self._model.outputs}

    def _told(self, name: str) -> Value:
        """An output, which may be an initializer of any type."""
        try:
            return self._value(name)
        except Unread as why:
            return Flow(UNKNOWN, facts={"why": str(why)})

    def _value(self, name: str) -> Value:
        """A value, which may be an initializer: most are read once."""
        return self._values[name] if name in self._values else _constant(self._model.initializers[name])

    def _translated(self, node: Node) -> Value:
        try:
            return self._count(node.op, self._read(node))
        except Unread as why:
            return Flow(UNKNOWN, facts={"why": str(why)})

    def _read(self, node: Node) -> Value:
        op, attributes = node.op, node.attributes
        if op == "Constant":
            return _written_out(attributes)
        if op not in _READERS:
            raise Unread(f"the operator {plain(op, 60)}")
        args = tuple(self._value(name) if name else None for name in node.inputs)
        for arg in args:
            if isinstance(arg, Flow) and arg.op == UNKNOWN:
                raise Unread(str(arg.facts["why"]))
        numbers = [arg.numbers for arg in args if isinstance(arg, Constant)]
        if op in operators.FOLDED and len(numbers) == len(args):
            return operators.folded(op, numbers)
        return _READERS[op](Call(op, args, attributes, self._model.opset, self._batch))

    def _count(self, op: str, value: Value) -> Value:
        """A value; so much may be computed from constants, which one graph can do without end."""
        if isinstance(value, Constant) and op not in _VIEWS:
            self._left -= value.numbers.size
            if self._left < 0:
                raise ModelError(f"computes more than {_MOST_FOLDED} numbers from constants")
        return value


def _constant(tensor: Tensor) -> Constant:
    if tensor.type not in (FLOAT, DOUBLE, INT64):
        raise Unread(f"numbers of the type {tensor.type_name}")
    return Constant(tensor.name, tensor.numbers())


def _written_out(attributes: Mapping[str, Any]) -> Constant:
    """A constant as a node of its own."""
    for name, code in _LITERALS.items():
        value = attributes.get(name)
        if isinstance(value, int | float | np.ndarray) and np.asarray(value).dtype.kind == np.dtype(code).kind:
            return Constant("", np.asarray(value, dtype=code))
    value = attributes.get("value")
    if not isinstance(value, Tensor):
        raise Unread("a constant that is no tensor of numbers")
    return _constant(value)
