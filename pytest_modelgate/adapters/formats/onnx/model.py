"""What an ONNX file says, checked as far as that needs no knowledge of its operators: https://onnx.ai/onnx/repo-docs/IR.html."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_modelgate.adapters.formats.onnx import messages
from pytest_modelgate.adapters.formats.onnx.tensor import MOST_DIMENSIONS, ModelError, Tensor, read_tensor
from pytest_modelgate.adapters.formats.onnx.wire import Reader, WireError, all_of, text_of
from pytest_modelgate.text import plain

_OPSETS = range(7, 29)  # versions of the operators whose meaning is known
_MOST_NODES, _MOST_OUTPUTS, _LONGEST = 10_000, 64, 100
_NOT_READ = ("tensors", "sparse_tensor", "sparse_tensors")
_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Attributes:
        op: of the standard's operators, or ``DOMAIN.NAME`` of another domain.
        inputs, outputs: names of values, empty where one is left out.
        attributes: by name: a float, an int, text as bytes, a ``Tensor``, an array of numbers; None of any other kind.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class ValueInfo:
    """An input or output of a graph.

    Attributes:
        type: of ``TensorProto.DataType``.
        shape: a number, or None where one is open; None where nothing is said.
    """

    name: str
    type: int
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, eq=False)
class Model:
    """A graph and the version of the operators it speaks of.

    Attributes:
        inputs: without those that are initializers, too.
        nodes: each behind those whose outputs it reads.
    """

    opset: int
    producer: str
    nodes: Sequence[Node]
    initializers: Mapping[str, Tensor]
    inputs: Sequence[ValueInfo]
    outputs: Sequence[ValueInfo]


def read_model(content: memoryview) -> Model:
    """Read a file.

    Raises:
        ModelError: it is damaged, contradicts itself, has parts in other files, or says what its reader must not do.
    """
    try:
        return _Parts(Reader()).model(content)
    except WireError as error:
        raise ModelError(f"is no ONNX model that can be read: {error}") from None


class _Parts:
    """Reads the messages in a file."""

    def __init__(self, reader: Reader) -> None:
        self._read = reader.read

    def model(self, content: memoryview) -> Model:
        found = self._read(content, messages.MODEL, "the model")
        if "graph" not in found:
            raise ModelError("is an ONNX model without a graph")
        if found.get("functions"):
            remedy = "Export it with torch 2.6 or newer, or with torch.onnx.export(..., dynamo=False)"
            raise ModelError("has functions of its own, which may take the place of the standard's operators", remedy)
        graph = self._read(found["graph"], messages.GRAPH, "the graph")
        if graph.get("sparse_initializer"):
            raise ModelError("has sparse initializers, expected dense ones")
        if len(all_of(graph, "node")) > _MOST_NODES:
            raise ModelError(f"has {len(graph['node'])} nodes, expected at most {_MOST_NODES}")
        if len(all_of(graph, "output")) > _MOST_OUTPUTS:  # each may be a network, whose weights are looked at
            problem = f"has {len(graph['output'])} outputs, expected at most {_MOST_OUTPUTS}"
            raise ModelError(problem, "Export its logits alone")
        tensors = [self._tensor(raw) for raw in all_of(graph, "initializer")]
        initializers = {tensor.name: tensor for tensor in tensors}
        if len(initializers) < len(tensors) or "" in initializers:
            raise ModelError(f"has two initializers of the name {_twice(tensor.name for tensor in tensors)}")
        nodes = [self._node(raw) for raw in all_of(graph, "node")]
        inputs, outputs = ([self._value(raw) for raw in all_of(graph, name)] for name in ("input", "output"))
        inputs = [value for value in inputs if value.name not in initializers]
        _check_names(nodes, initializers, inputs, outputs)
        return Model(self._opset(found), text_of(found, "producer_name"), nodes, initializers, inputs, outputs)

    def _opset(self, found: Mapping[str, Any]) -> int:
        sets = [self._read(raw, messages.OPSET, "an operator set") for raw in all_of(found, "opset_import")]
        versions = [item.get("version", 0) for item in sets if text_of(item, "domain") in _STANDARD]
        if len(versions) != 1 or versions[0] not in _OPSETS:
            told = " and ".join(map(str, versions)) or "none"
            problem = f"speaks of the operators of version {told}, known are {_OPSETS[0]} to {_OPSETS[-1]}"
            raise ModelError(problem, "Export it again with opset_version=18")
        return int(versions[0])

    def _node(self, content: memoryview) -> Node:
        found = self._read(content, messages.NODE, "a node")
        domain, op = text_of(found, "domain"), text_of(found, "op_type")
        attributes: dict[str, Any] = {}
        for raw in all_of(found, "attribute"):
            name, value = self._attribute(raw)
            if name in attributes:
                raise ModelError(f"has a node {plain(op, 40)} with two attributes {plain(name, 40)}")
            attributes[name] = value
        return Node(
            text_of(found, "name"),
            op if domain in _STANDARD else f"{domain}.{op}",
            tuple(all_of(found, "input")),
            tuple(all_of(found, "output")),
            attributes,
        )

    def _attribute(self, content: memoryview) -> tuple[str, Any]:
        found = self._read(content, messages.ATTRIBUTE, "an attribute")
        name = text_of(found, "name")
        kinds = [kind for kind in ("f", "i", "s", "t", "g", "floats", "ints", "graphs") if kind in found]
        if other := next((kind for kind in _NOT_READ if kind in found), None):  # each may name a file to be read
            raise ModelError(f"has an attribute {plain(name, 40)} of the kind {other}, expected one dense tensor")
        if found.get("ref_attr_name") or len(kinds) > 1:
            raise ModelError(f"has an attribute {plain(name, 40)} with more than one meaning")
        if not kinds or kinds[0] in ("g", "graphs"):
            return name, None
        if kinds[0] == "s":
            return name, bytes(found["s"][:_LONGEST])
        return name, self._tensor(found["t"]) if kinds[0] == "t" else found[kinds[0]]

    def _tensor(self, content: memoryview) -> Tensor:
        return read_tensor(self._read(content, messages.TENSOR, "a tensor"))

    def _value(self, content: memoryview) -> ValueInfo:
        found = self._read(content, messages.VALUE, "an input or output")
        kind = self._read(found.get("type", memoryview(b"")), messages.TYPE, "a type")
        if "tensor_type" not in kind:
            return ValueInfo(text_of(found, "name"), 0, None)
        tensor = self._read(kind["tensor_type"], messages.TENSOR_TYPE, "a tensor's type")
        shape = None
        if "shape" in tensor:
            sizes = all_of(self._read(tensor["shape"], messages.SHAPE, "a shape"), "dim")
            if len(sizes) > MOST_DIMENSIONS:
                raise ModelError(f"has {plain(text_of(found, 'name'), 60)} of {len(sizes)} dimensions")
            shape = tuple(self._read(raw, messages.DIMENSION, "a size").get("value") for raw in sizes)
        return ValueInfo(text_of(found, "name"), int(tensor.get("elem_type", 0)), shape)


def _check_names(
    nodes: Sequence[Node], initializers: Mapping[str, Tensor], inputs: Sequence[ValueInfo], outputs: Sequence[ValueInfo]
) -> None:
    """Refuse values that are made twice, or read before they are made, as in a cycle."""
    made = {*initializers, *(value.name for value in inputs)}
    if len(made) < len(initializers) + len(inputs):
        raise ModelError(f"has two inputs of the name {_twice(value.name for value in inputs)}")
    for node in nodes:
        for name in node.inputs:
            if name and name not in made:
                problem = f"reads {plain(name, 60)!a} in a node {plain(node.op, 40)} before anything makes it"
                raise ModelError(f"{problem}: its nodes go round in a circle, or are not in order")
        for name in filter(None, node.outputs):
            if name in made:
                raise ModelError(f"makes {plain(name, 60)!a} twice")
            made.add(name)
    for value in outputs:
        if value.name not in made:
            raise ModelError(f"has an output {plain(value.name, 60)!a} that nothing makes")
    if not outputs or not inputs:
        raise ModelError("has no output" if inputs else "has no input")


def _twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return repr(plain(name, 60))
        seen.add(name)
    return "''"
