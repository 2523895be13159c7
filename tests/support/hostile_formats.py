"""Hypothesis strategies for model files of formats that hold layers alone: ONNX, safetensors, bare state dicts."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from support.hostile_onnx import HOSTILE, UNREAD
from support.onnx_files import (
    LOGITS,
    OBSERVATION,
    attribute,
    field,
    model,
    network,
    node,
    tensor,
    value_info,
    varint,
    weights_of,
)
from support.plausible_onnx import plausible_graphs

WEIGHTS = weights_of([6, 4, 3])
HONEST = network(WEIGHTS)
_OPERATORS = (
    "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Neg", "Tanh", "Relu", "Elu", "LeakyRelu", "Gelu",
    "Erf", "Sigmoid", "LayerNormalization", "ReduceMean", "ReduceLogSumExp", "Softmax", "LogSoftmax", "ArgMax",
    "Clip", "Max", "Min", "Cast", "Identity", "Dropout", "Transpose", "Flatten", "Reshape", "Shape", "Gather",
    "Unsqueeze", "Concat", "Constant", "Loop", "Conv", "Swish",
)  # fmt: skip
_ATTRIBUTES = (
    "axis", "axes", "alpha", "beta", "transA", "transB", "perm", "to", "epsilon", "approximate", "keepdims", "min",
    "max", "allowzero", "value", "value_float", "value_ints", "shape", "select_last_index", "start", "training_mode",
)  # fmt: skip
_NUMBERS = st.one_of(
    st.floats(width=32), st.sampled_from([0.0, 1.0, 0.5, -1.0, 3.0, 2.0**0.5, 0.044715]), st.floats(-2.0, 2.0, width=32)
)
_SIZES = st.one_of(st.integers(0, 7), st.sampled_from([-1, 1 << 20, 1 << 40, (1 << 63) - 1]))


@st.composite
def tensors(draw: st.DrawFn, name: str) -> bytes:
    """Mostly sound ones; sometimes of an odd shape, type or place."""
    shape = draw(st.sampled_from([(), (1,), (4,), (6,), (4, 6), (6, 4), (3, 4), (1, 6), (2, 3), (1, 1)]))
    kind = draw(st.sampled_from(["<f4", "<f4", "<f4", "<f8", "<i8", "<f2", "<i1"]))
    values = np.full(shape, draw(_NUMBERS if kind[1] == "f" else st.integers(-7, 7)))
    with np.errstate(all="ignore"):
        array = values.astype(kind)
    odd: dict[str, Any] = {}
    if draw(st.integers(0, 9)) == 0:
        odd["dims"] = draw(st.lists(_SIZES, max_size=10))
    if draw(st.integers(0, 9)) == 0:
        odd["raw"] = draw(st.binary(max_size=99))
    if draw(st.integers(0, 9)) == 0:
        odd["type"] = draw(st.integers(0, 40))
    if draw(st.integers(0, 19)) == 0:
        odd["more"] = field(draw(st.integers(1, 17)), draw(st.one_of(st.binary(max_size=9), _SIZES)))
    return tensor(name, array, **odd)


@st.composite
def attributes(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(_ATTRIBUTES))
    kinds = st.one_of(
        _NUMBERS, st.integers(-3, 12), st.text(max_size=5), st.lists(st.integers(-3, 3), max_size=4), tensors("")
    )
    value = draw(kinds)
    return attribute(name, float(value) if isinstance(value, float) else value)


@st.composite
def graphs(draw: st.DrawFn) -> bytes:
    """Graphs of a few known operators, whose arguments exist, more or less."""
    names = [OBSERVATION, "a", "b", "c", "d"]
    held = [draw(tensors(name)) for name in names[1:]]
    nodes: list[bytes] = []
    for number in range(draw(st.integers(1, 9))):
        inputs = draw(st.lists(st.sampled_from([*names, ""]), min_size=0, max_size=4))
        made = draw(st.sampled_from([f"n{number}"] * 9 + [names[-1]]))
        written = node(draw(st.sampled_from(_OPERATORS)), inputs, [made])
        nodes.append(written + b"".join(field(5, one) for one in draw(st.lists(attributes(), max_size=3))))
        names.append(made)
    shapes: list[list[int | str] | None] = [["b", 6], ["b", 2, 3], [1, 6], ["b", "n"], None, [6], ["b", 1, 2, 3]]
    shape = draw(st.sampled_from(shapes))
    kind = draw(st.sampled_from([1, 1, 1, 11, 7, 0]))
    outputs = [value_info(name, ["b", 3]) for name in {names[-1], *draw(st.lists(st.sampled_from(names), max_size=2))}]
    return model(
        nodes, held, [value_info(OBSERVATION, shape, kind)], outputs, opset=draw(st.sampled_from([18, 13, 9, 28]))
    )


@st.composite
def networks(draw: st.DrawFn) -> bytes:
    """Networks whose layers have something odd between them."""
    odd = draw(st.sampled_from(_OPERATORS))
    more = draw(st.lists(st.sampled_from(["a", "b", "h", "z", OBSERVATION]), max_size=3))
    nodes = [
        node("Gemm", [OBSERVATION, "net.0.weight", "net.0.bias"], ["z"], transB=1),
        node("Tanh", ["z"], ["h"]),
        node(odd, draw(st.permutations(["h", *more])), ["k"])
        + b"".join(field(5, one) for one in draw(st.lists(attributes(), max_size=2))),
        node("Gemm", ["k", "net.2.weight", "net.2.bias"], [LOGITS], transB=1),
    ]
    held = [*(tensor(name, values) for name, values in WEIGHTS.items()), draw(tensors("a")), draw(tensors("b"))]
    return model(nodes, held, [value_info(OBSERVATION, ["b", 6])], [value_info(LOGITS, ["b", 3])])


@st.composite
def broken(draw: st.DrawFn, honest: Sequence[bytes]) -> bytes:
    """A sound file with a few bytes changed, taken out or put in."""
    content = bytearray(draw(st.sampled_from(honest)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        end = place + draw(st.sampled_from([0, 1, 1, 1, 4, 50]))
        content[place:end] = draw(st.one_of(st.binary(max_size=9), st.integers(0, (1 << 64) - 1).map(varint)))
    return bytes(content)


def onnx_files() -> st.SearchStrategy[bytes]:
    """ONNX models that are hardly one."""
    kept = [HONEST, *(content for content, _ in (*HOSTILE.values(), *UNREAD.values()) if len(content) < 10_000)]
    return st.one_of(graphs(), networks(), plausible_graphs(), plausible_graphs(), broken(kept), st.sampled_from(kept))


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 1 << 65), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


def _honest_header() -> tuple[dict[str, Any], bytes]:
    """Header and numbers of a sound safetensors file."""
    header: dict[str, Any] = {}
    numbers = b""
    for name, values in WEIGHTS.items():
        place = [len(numbers), len(numbers) + values.nbytes]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": place}
        numbers += values.tobytes()
    return header, numbers


def _packed(header: dict[str, Any], numbers: bytes, size: int | None = None) -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if size is None else size) + raw + numbers


@st.composite
def _lying(draw: st.DrawFn) -> bytes:
    """Headers that lie about the numbers behind them."""
    header, numbers = _honest_header()
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([*WEIGHTS, "more", "__metadata__", "obs_rms.mean"]))
        part = draw(st.sampled_from(["dtype", "shape", "data_offsets", "odd"]))
        if draw(st.booleans()) or not isinstance(header.get(name), dict):
            header[name] = draw(_JSON)
        else:
            types = st.sampled_from(["F64", "I64", "BF16", "F16", "U8"])
            header[name][part] = draw(st.one_of(_JSON, types, st.lists(_SIZES)))
    size = draw(st.sampled_from([None] * 9 + [0, 1 << 20, 1 << 63]))
    return _packed(header, numbers[: draw(st.sampled_from([len(numbers)] * 9 + [5]))], size)


def safetensors_files() -> st.SearchStrategy[bytes]:
    """Safetensors files that are hardly one."""
    return st.one_of(_lying(), broken([_packed(*_honest_header())]))


_LAYERS = ("net.0", "net.2", "net.4", "actor.0", "critic.0", "head", "a", "b", "module.net.0", "norm.1", "obs_rms")
_PARTS = ("weight", "bias", "mean", "var", "running_mean", "log_std", "state_avg", "state_std")


@st.composite
def _named(draw: st.DrawFn) -> bytes:
    """State dicts whose names and shapes may fit together."""
    state: dict[str, Any] = {name: torch.tensor(values) for name, values in WEIGHTS.items()}
    for _ in range(draw(st.integers(0, 4))):
        name = f"{draw(st.sampled_from(_LAYERS))}.{draw(st.sampled_from(_PARTS))}"
        shape = draw(st.sampled_from([(), (3,), (4,), (6,), (4, 4), (4, 6), (3, 4), (6, 6), (1, 3), (2, 2, 2), (0,)]))
        kind = draw(st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64]))
        state[name] = torch.full(shape, draw(st.sampled_from([0.0, 1.0, 2.5])), dtype=kind)
        if draw(st.integers(0, 4)) == 0:
            del state[draw(st.sampled_from(sorted(state)))]
    names = draw(st.permutations(sorted(state)))
    held = io.BytesIO()
    torch.save({name: state[name] for name in names}, held)
    return held.getvalue()


def state_dict_files() -> st.SearchStrategy[bytes]:
    """Bare state dicts, more or less."""
    return _named()
