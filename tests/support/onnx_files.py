"""ONNX files written field by field, so that they can say what no library would write, and tests need none."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7, "float16": 10, "float64": 11}
OBSERVATION, LOGITS = "obs", "logits"


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*written, value))


def field(number: int, value: float | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, values: Any, **odd: Any) -> bytes:
    """A TensorProto; ``odd`` says fields otherwise: ``dims``, ``type``, ``raw``, ``more`` for further ones."""
    array = np.asarray(values)
    dims = odd.get("dims", array.shape)
    raw = odd.get("raw", array.tobytes())
    kind = odd.get("type", TYPES[array.dtype.name])
    shape = b"".join(field(1, int(size)) for size in dims)
    return shape + field(2, kind) + field(8, name) + field(9, raw) + bytes(odd.get("more", b""))


def attribute(name: str, value: Any) -> bytes:
    if isinstance(value, float):
        return field(1, name) + field(2, value) + field(20, 1)
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    if isinstance(value, bytes):  # a TensorProto
        return field(1, name) + field(5, value) + field(20, 4)
    return field(1, name) + b"".join(field(8, int(part)) for part in value) + field(20, 7)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any) -> bytes:
    parts = [*(field(1, name) for name in inputs), *(field(2, name) for name in outputs), field(4, op)]
    parts += [field(5, attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts) + (field(7, domain) if domain else b"")


def value_info(name: str, shape: Sequence[int | str] | None, kind: int = 1) -> bytes:
    if shape is None:
        return field(1, name) + field(2, field(1, field(1, kind)))
    sizes = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sizes)))


def model(
    nodes: Sequence[bytes],
    initializers: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    *,
    opset: int = 18,
    domains: Sequence[tuple[str, int]] = (),
    more: bytes = b"",
    in_graph: bytes = b"",
) -> bytes:
    parts = [(1, nodes), (5, initializers), (11, inputs), (12, outputs)]
    graph = b"".join(field(number, part) for number, listed in parts for part in listed) + field(2, "g") + in_graph
    sets = [field(8, field(1, name) + field(2, version)) for name, version in (("", opset), *domains)]
    return field(1, 8) + field(2, "tests") + field(7, graph) + b"".join(sets) + more


def network(
    weights: Mapping[str, NDArray[Any]],
    activation: str = "Tanh",
    *,
    shape: Sequence[int | str] | None = None,
    **how: Any,
) -> bytes:
    """A network of Gemms, of weights and biases by module name."""
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in weights))
    nodes, behind = [], OBSERVATION
    inputs = int(weights[f"{names[0]}.weight"].shape[1])
    if shape is not None and len(shape) > 2:
        nodes.append(node("Flatten", [behind], ["flat"], axis=1))
        behind = "flat"
    for number, name in enumerate(names):
        last = number == len(names) - 1
        made = LOGITS if last else f"z{number}"
        nodes.append(node("Gemm", [behind, f"{name}.weight", f"{name}.bias"], [made], transB=1))
        if not last:
            behind = f"h{number}"
            nodes.append(node(activation, [made], [behind]))
    outputs = int(weights[f"{names[-1]}.weight"].shape[0])
    return model(
        nodes,
        [tensor(name, values) for name, values in weights.items()],
        [value_info(OBSERVATION, shape or ["b", inputs])],
        [value_info(LOGITS, ["b", outputs])],
        **how,
    )


def weights_of(widths: Sequence[int], seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Weights and biases of layers between such widths."""
    rng = np.random.default_rng(seed)
    made: dict[str, NDArray[np.float32]] = {}
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        made[f"net.{2 * number}.weight"] = (rng.normal(size=(outputs, inputs)) / np.sqrt(inputs)).astype(np.float32)
        made[f"net.{2 * number}.bias"] = rng.normal(size=outputs).astype(np.float32)
    return made
