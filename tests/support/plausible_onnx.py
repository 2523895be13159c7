"""Hypothesis strategy for ONNX graphs that are sound, and nearly networks of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from support.onnx_files import LOGITS, OBSERVATION, model, node, tensor, value_info

ACTIONS = 3


class _Graph:
    """A chain of operators over one value, whose width is known."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw, self.nodes, self.tensors = draw, list[bytes](), list[bytes]()
        self.name, self.rows, self.width = OBSERVATION, 2, 3
        self.rank3 = draw(st.booleans())
        self.shape: list[int | str] = ["b", 2, 3] if self.rank3 else ["b", 6]
        if not self.rank3:
            self.rows, self.width = 1, 6
        self.earlier = [(self.name, self.rows, self.width)]

    def constant(self, *shape: int, low: float = -2.0, high: float = 2.0) -> str:
        seed = self._draw(st.integers(0, 99))
        name = f"c{len(self.tensors)}"
        values = np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)
        self.tensors.append(tensor(name, values))
        return name

    def number(self, value: float) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(tensor(name, np.float32(value)))
        return name

    def whole(self, values: list[int]) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(tensor(name, np.array(values, np.int64)))
        return name

    def put(self, op: str, *inputs: str, **attributes: Any) -> str:
        made = f"v{len(self.nodes)}"
        self.nodes.append(node(op, list(inputs), [made], **attributes))
        return made

    def step(self, op: str, *more: str, **attributes: Any) -> None:
        self.name = self.put(op, self.name, *more, **attributes)
        self.earlier.append((self.name, self.rows, self.width))


def _linear(graph: _Graph, width: int) -> None:
    if graph.rows > 1:
        _flat(graph)
    graph.width, inputs = width, graph.width
    scale = inputs**-0.5
    if graph._draw(st.booleans()):
        weight = graph.constant(width, inputs, low=-scale, high=scale)
        graph.step("Gemm", weight, graph.constant(width), transB=1)
    else:
        graph.step("MatMul", graph.constant(inputs, width, low=-scale, high=scale))
    if graph._draw(st.booleans()):
        graph.step("Add", graph.constant(width))


def _flat(graph: _Graph) -> None:
    graph.width, graph.rows = graph.width * graph.rows, 1
    graph.step("Flatten", axis=1)


def _silu(graph: _Graph) -> None:
    source = graph.name
    graph.step("Mul", graph.put("Sigmoid", source))


def _gelu(graph: _Graph) -> None:
    source = graph.name
    erf = graph.put("Erf", graph.put("Div", source, graph.number(2.0**0.5)))
    one = graph.number(1.0 if graph._draw(st.integers(0, 3)) else 1.25)
    half = graph.put("Mul", graph.number(0.5), source)
    graph.name = graph.put("Mul", half, graph.put("Add", erf, one))
    graph.earlier.append((graph.name, graph.rows, graph.width))


def _norm(graph: _Graph) -> None:
    graph.step("LayerNormalization", graph.constant(graph.width), graph.constant(graph.width), epsilon=1e-3)


def _residual(graph: _Graph) -> None:
    fitting = [name for name, rows, width in graph.earlier if (rows, width) == (graph.rows, graph.width)]
    graph.step("Add", graph._draw(st.sampled_from(fitting)))


def _number(graph: _Graph) -> None:
    op = graph._draw(st.sampled_from(["Mul", "Div", "Add", "Sub"]))
    value = graph.number(graph._draw(st.sampled_from([0.5, -1.0, 2.0, 1.0])))
    if graph._draw(st.booleans()):
        graph.step(op, value)
    elif op != "Div":
        graph.name = graph.put(op, value, graph.name)
        graph.earlier.append((graph.name, graph.rows, graph.width))


def _row(graph: _Graph) -> None:
    graph.step(graph._draw(st.sampled_from(["Mul", "Div", "Add", "Sub"])), graph.constant(graph.width, low=0.5))


def _clip(graph: _Graph) -> None:
    low, high = graph._draw(st.sampled_from([(-1.0, 1.0), (0.0, 6.0), (-2.0, 1.0), (0.0, 1e30)]))
    graph.step("Clip", graph.number(low), graph.number(high))


_BETWEEN: tuple[Callable[[_Graph], None], ...] = (
    *(lambda graph, op=op: graph.step(op) for op in ("Tanh", "Tanh", "Relu", "Elu", "Sigmoid", "Neg", "Identity")),
    lambda graph: graph.step("LeakyRelu", alpha=graph._draw(st.sampled_from([0.01, 0.2]))),
    lambda graph: graph.step("Softmax", axis=-1),
    lambda graph: graph.step("Cast", to=1),
    lambda graph: graph.step("Gelu", approximate=graph._draw(st.sampled_from(["tanh", "none"]))),
    _silu,
    _gelu,
    _norm,
    _residual,
    _number,
    _row,
    _clip,
    _flat,
)
_ENDS: tuple[Callable[[_Graph], None], ...] = (
    lambda _: None,
    lambda _: None,
    lambda graph: graph.step("Softmax", axis=-1),
    lambda graph: graph.step("LogSoftmax", axis=1),
    lambda graph: graph.step("ArgMax", axis=1, keepdims=0),
    _number,
    _row,
)


@st.composite
def plausible_graphs(draw: st.DrawFn) -> bytes:
    """Sound graphs; a third of them is a network of layers."""
    graph = _Graph(draw)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        draw(st.sampled_from([_row, _number, _clip]))(graph)
    activation = draw(st.sampled_from((*_BETWEEN[:2], _silu, _gelu)))
    for _ in range(draw(st.integers(0, 2))):
        _linear(graph, draw(st.sampled_from([4, 6])))
        for step in draw(st.sampled_from([(), (_norm,), (draw(st.sampled_from(_BETWEEN)),)])):
            step(graph)
        activation(graph)
        for step in draw(st.sampled_from([(), (), (_norm,), (draw(st.sampled_from(_BETWEEN)),)])):
            step(graph)
    _linear(graph, ACTIONS)
    draw(st.sampled_from(_ENDS))(graph)
    graph.nodes.append(node("Identity", [graph.name], [LOGITS]))
    greedy = b"ArgMax" in graph.nodes[-2]
    outputs = [value_info(LOGITS, ["b"] if greedy else ["b", ACTIONS], 7 if greedy else 1)]
    return model(graph.nodes, graph.tensors, [value_info(OBSERVATION, graph.shape)], outputs, opset=20)
