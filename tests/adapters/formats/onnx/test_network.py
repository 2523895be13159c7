"""Networks of layers in ONNX graphs: what is read is the function that the graph is, and nothing else is read."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.onnx_files import LOGITS, OBSERVATION, field, model, network, node, tensor, value_info, weights_of

from pytest_modelgate.adapters.formats.onnx.graph import outputs_of
from pytest_modelgate.adapters.formats.onnx.model import read_model
from pytest_modelgate.adapters.formats.onnx.network import Network, NotLayersError, read_network
from pytest_modelgate.core.policy.actions import HOLD
from pytest_modelgate.core.policy.activations import activate
from pytest_modelgate.core.policy.mlp import MlpPolicy

GATES = {"Tanh": "tanh", "Relu": "relu", "Elu": "elu"}
_RNG = np.random.default_rng(7)


def read(content: bytes, output: str = LOGITS) -> Network:
    return read_network(outputs_of(read_model(memoryview(content)))[output], len(content))


def logits(found: Network, observations: NDArray[Any]) -> NDArray[Any]:
    layers = found.layers
    inputs, outputs = layers.weights[0].shape[1], len(layers.weights[-1])
    activation = found.activation or "tanh"
    policy = MlpPolicy(layers.weights, layers.biases, activation, inputs, (), 1, (HOLD,) * outputs, layers.norms)
    return policy.logits_of(observations)


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5),
    st.sampled_from(sorted(GATES)),
    st.sampled_from([None, ["b", 1, -1], [1, -1, 1], ["b", "n"]]),
)
def test_a_network_of_gemms_is_that_network(widths: list[int], op: str, shape: list[int | str] | None) -> None:
    weights = weights_of(widths)
    sizes = None if shape is None else [widths[0] if size == -1 else size for size in shape]
    found = read(network(weights, op, shape=sizes))
    assert [list(weight.shape) for weight in found.layers.weights] == [[b, a] for a, b in pairwise(widths)]
    assert found.activation == (GATES[op] if len(widths) > 2 else None)
    observations = _RNG.normal(size=(5, widths[0]))
    values = observations
    for number in range(len(widths) - 1):
        values = activate(GATES[op], values) if number else values
        values = values @ weights[f"net.{2 * number}.weight"].T + weights[f"net.{2 * number}.bias"]
    assert np.array_equal(logits(found, observations), values)


def graph(nodes: list[bytes], constants: dict[str, Any], shape: tuple[int | str, ...] = ("b", 4), **how: Any) -> bytes:
    """A graph from the observation to the logits; numbers are float32 unless they are whole."""
    tensors = [
        tensor(name, np.asarray(value, None if np.asarray(value).dtype.kind == "i" else np.float32))
        for name, value in constants.items()
    ]
    return model(nodes, tensors, [value_info(OBSERVATION, shape)], [value_info(LOGITS, None)], **how)


FIRST, SECOND = _RNG.normal(size=(4, 8)), _RNG.normal(size=(8, 3))
HEAD = {"W": FIRST, "V": SECOND}


def hidden(nodes: list[bytes], constants: dict[str, Any], **how: Any) -> Network:
    """A layer, something between ``z`` and ``h``, and another layer."""
    ends = [node("MatMul", [OBSERVATION, "W"], ["z"])], [node("MatMul", ["h", "V"], [LOGITS])]
    return read(graph([*ends[0], *nodes, *ends[1]], {**HEAD, **constants}, **how))


SILU = [node("Sigmoid", ["z"], ["s"]), node("Mul", ["s", "z"], ["h"])]
ERF = [
    node("Div", ["z", "root"], ["a"]),
    node("Erf", ["a"], ["e"]),
    node("Add", ["one", "e"], ["g"]),
    node("Mul", ["z", "half"], ["x"]),
    node("Mul", ["x", "g"], ["h"]),
]
CUBIC = [
    node("Pow", ["z", "three"], ["c"]),
    node("Mul", ["c", "cubic"], ["d"]),
    node("Add", ["z", "d"], ["i"]),
    node("Mul", ["i", "scale"], ["j"]),
    node("Tanh", ["j"], ["t"]),
    node("Add", ["t", "one"], ["g"]),
    node("Mul", ["g", "z"], ["x"]),
    node("Mul", ["half", "x"], ["h"]),
]
NUMBERS = {
    "one": 1.0,
    "half": 0.5,
    "three": 3.0,
    "root": math.sqrt(2.0),
    "cubic": 0.044715,
    "scale": math.sqrt(2.0 / math.pi),
}


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        ([node("LeakyRelu", ["z"], ["h"])], "leaky_relu"),
        ([node("LeakyRelu", ["z"], ["h"], alpha=0.2)], "leaky_relu(0.2)"),
        ([node("Gelu", ["z"], ["h"])], "gelu"),
        ([node("Gelu", ["z"], ["h"], approximate="tanh")], "gelu_tanh"),
        ([node("Swish", ["z"], ["h"])], "silu"),
        ([node("Max", ["z", "zero"], ["h"])], "relu"),
        (SILU, "silu"),
        (ERF, "gelu"),
        (CUBIC, "gelu_tanh"),
    ],
)
def test_activations_are_known_by_what_they_compute(nodes: list[bytes], name: str) -> None:
    assert hidden(nodes, {**NUMBERS, "zero": 0.0}).activation == name


@pytest.mark.parametrize(
    ("nodes", "changed"),
    [
        (ERF, {"root": 1.5}),
        (ERF, {"half": 1.0}),
        (ERF, {"one": 1.1}),
        (CUBIC, {"cubic": 0.05}),
        (CUBIC, {"three": 2.0}),
        (CUBIC, {"scale": 0.8}),
        ([node("Elu", ["z"], ["h"], alpha=0.5)], {}),
        ([node("LeakyRelu", ["z"], ["h"], alpha=1.5)], {}),
        ([node("Sigmoid", ["z"], ["h"])], {}),
        ([node("Max", ["z", "one"], ["h"])], {}),
        ([node("Sigmoid", ["z"], ["s"]), node("Mul", ["s", "s"], ["h"])], {}),
        ([node("Tanh", ["z"], ["t"]), node("Add", ["t", "z"], ["h"])], {}),  # a residual
        ([node("Tanh", ["z"], ["t"]), node("Mul", ["t", "half"], ["h"])], {}),
        ([node("Softmax", ["z"], ["h"])], {}),
    ],
)
def test_what_is_nearly_an_activation_is_none(nodes: list[bytes], changed: dict[str, float]) -> None:
    with pytest.raises(NotLayersError):
        hidden(nodes, NUMBERS | changed)


WIDE = {"gain": _RNG.normal(size=8), "shift": _RNG.normal(size=8)}
NORM = [node("LayerNormalization", ["z", "gain", "shift"], ["n"], axis=-1, epsilon=1e-3)]
ARITHMETIC = [
    node("ReduceMean", ["z"], ["m"], axes=[-1]),
    node("Sub", ["z", "m"], ["c"]),
    node("Pow", ["c", "two"], ["q"]),
    node("ReduceMean", ["q"], ["v"], axes=[-1]),
    node("Add", ["v", "epsilon"], ["w"]),
    node("Sqrt", ["w"], ["r"]),
    node("Div", ["c", "r"], ["u"]),
    node("Mul", ["u", "gain"], ["k"]),
    node("Add", ["k", "shift"], ["n"]),
]


@pytest.mark.parametrize("nodes", [NORM, ARITHMETIC])
def test_a_normalisation_before_the_activation(nodes: list[bytes]) -> None:
    found = hidden([*nodes, node("Tanh", ["n"], ["h"])], {**WIDE, "two": 2.0, "epsilon": 1e-3}, opset=17)
    (norm,) = found.layers.norms
    assert norm
    assert (norm.before_activation, norm.epsilon) == (True, 0.001)
    observations = _RNG.normal(size=(5, 4)).astype(np.float32).astype(float)
    values = observations @ FIRST.astype(np.float32)
    values = (values - values.mean(1, keepdims=True)) / np.sqrt(values.var(1, keepdims=True) + 1e-3)
    values = np.tanh(values * WIDE["gain"] + WIDE["shift"]) @ SECOND.astype(np.float32)
    assert np.abs(logits(found, observations) - values).max() < 1e-6


def test_a_normalisation_after_the_activation() -> None:
    after = node("LayerNormalization", ["t", "gain", "shift"], ["h"])
    (norm,) = hidden([node("Tanh", ["z"], ["t"]), after], WIDE).layers.norms
    assert norm
    assert not norm.before_activation


@pytest.mark.parametrize(
    ("nodes", "changed", "why"),
    [
        ([*NORM, node("Tanh", ["n"], ["t"]), node("LayerNormalization", ["t", "gain"], ["h"])], {}, "before and after"),
        ([*NORM, node("Identity", ["n"], ["h"])], {}, "LayerNormalization where|activations"),
        ([*ARITHMETIC, node("Tanh", ["n"], ["h"])], {"two": 3.0}, "it has"),
        ([*NORM, node("Tanh", ["n"], ["h"])], {"gain": np.ones(3)}, "another number of weights"),
    ],
)
def test_other_normalisations_are_refused(nodes: list[bytes], changed: dict[str, Any], why: str) -> None:
    with pytest.raises(NotLayersError, match=why):
        hidden(nodes, {**WIDE, "two": 2.0, "epsilon": 1e-3, **changed}, opset=17)


def test_arithmetic_behind_a_layer_is_part_of_it() -> None:
    nodes = [
        node("MatMul", [OBSERVATION, "W"], ["a"]),
        node("Add", ["a", "b"], ["c"]),
        node("Div", ["c", "two"], ["d"]),
        node("Sub", ["b", "d"], ["e"]),
        node("Neg", ["e"], [LOGITS]),
    ]
    bias = _RNG.normal(size=(1, 8))
    found = read(graph(nodes, {"W": FIRST, "b": bias, "two": 2.0}))
    observations = _RNG.normal(size=(5, 4))
    wide = bias.astype(np.float32).astype(float)
    assert np.allclose(logits(found, observations), (observations @ FIRST.astype(np.float32) + wide) / 2 - wide)


def test_gemm_with_alpha_and_beta() -> None:
    nodes = [node("Gemm", [OBSERVATION, "W", "b"], [LOGITS], alpha=0.5, beta=-2.0)]
    found = read(graph(nodes, {"W": FIRST, "b": np.arange(8)[None] + 0.5}))
    assert np.array_equal(found.layers.biases[0], -2.0 * (np.arange(8) + 0.5))
    assert np.array_equal(found.layers.weights[0], 0.5 * FIRST.T.astype(np.float32))


@pytest.mark.parametrize(
    ("nodes", "ends_in"),
    [
        ([node("Softmax", ["y"], [LOGITS])], "probabilities"),
        ([node("LogSoftmax", ["y"], [LOGITS], axis=-1)], "logarithms of probabilities"),
        ([node("ArgMax", ["y"], [LOGITS], axis=1)], "actions"),
        (
            [node("ReduceLogSumExp", ["y", "last"], ["l"]), node("Sub", ["y", "l"], [LOGITS])],
            "logarithms of probabilities",
        ),
        (
            [node("Softmax", ["y"], ["p"]), node("ArgMax", ["p"], ["a"], axis=-1), node("Cast", ["a"], [LOGITS], to=7)],
            "actions",
        ),
    ],
)
def test_what_keeps_the_order_of_logits_is_taken_off(nodes: list[bytes], ends_in: str) -> None:
    found = read(graph([node("MatMul", [OBSERVATION, "W"], ["y"]), *nodes], {"W": FIRST, "last": np.array([-1])}))
    assert found.ends_in == ends_in
    assert len(found.layers.weights) == 1


@pytest.mark.parametrize(
    ("nodes", "limit"),
    [
        ([node("Sub", [OBSERVATION, "mean"], ["a"]), node("Div", ["a", "deviation"], ["x"])], math.inf),
        ([node("Sub", [OBSERVATION, "mean"], ["a"]), node("Mul", ["a", "inverse"], ["x"])], math.inf),
        (
            [
                node("Sub", [OBSERVATION, "mean"], ["a"]),
                node("Div", ["a", "deviation"], ["c"]),
                node("Clip", ["c", "low", "high"], ["x"]),
            ],
            5.0,
        ),
        (
            [
                node("Add", [OBSERVATION, "minus"], ["a"]),
                node("Div", ["a", "deviation"], ["c"]),
                node("Min", ["c", "high"], ["d"]),
                node("Max", ["low", "d"], ["x"]),
            ],
            5.0,
        ),
    ],
)
def test_statistics_in_front_of_the_first_layer_are_read(nodes: list[bytes], limit: float) -> None:
    mean, deviation = np.array([0.5, -2.0, 0.0, 1.0]), np.array([2.0, 0.5, 1.0, 4.0])
    constants = {
        "mean": mean,
        "minus": -mean,
        "deviation": deviation,
        "inverse": 1 / deviation,
        "low": -5.0,
        "high": 5.0,
    }
    found = read(graph([*nodes, node("MatMul", ["x", "W"], [LOGITS])], {**constants, "W": FIRST}))
    assert found.statistics
    assert np.array_equal(found.statistics.mean, mean)
    assert np.array_equal(found.statistics.deviation, deviation)
    assert found.statistics.limit == limit


@pytest.mark.parametrize("bound", ["min", "max"])
def test_a_bound_without_a_value_is_none_that_is_missing(bound: str) -> None:
    """Protocol Buffers leave out zeros: ONNX Runtime clips at 0, where a missing bound would clip nothing."""
    valueless = field(5, field(1, bound) + field(20, 1))
    clip = field(1, OBSERVATION) + field(2, "x") + field(4, "Clip") + valueless
    content = graph([clip, node("MatMul", ["x", "W"], [LOGITS])], {"W": FIRST}, opset=9)

    with pytest.raises(NotLayersError, match=f"Clip with an odd {bound}"):
        read(content)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Clip", [OBSERVATION, "one", "ten"], ["x"])],  # not about 0
        [node("Clip", [OBSERVATION, "", "ten"], ["x"])],
        [node("Clip", [OBSERVATION, "minus", "ten"], ["a"]), node("Div", ["a", "ten"], ["x"])],  # clipped first
        [node("Sub", ["one", OBSERVATION], ["x"])],
        [node("Mul", [OBSERVATION, OBSERVATION], ["x"])],
        [node("Abs", [OBSERVATION], ["x"])],
        [node("Transpose", [OBSERVATION], ["x"], perm=[1, 0])],
        [node("Sub", [OBSERVATION, "rows"], ["x"])],  # other numbers for each of a batch
        [node("Softmax", [OBSERVATION], ["x"], axis=0)],
    ],
)
def test_anything_else_in_front_of_the_first_layer_is_no_network(nodes: list[bytes]) -> None:
    constants = {"one": 1.0, "ten": 10.0, "minus": -10.0, "rows": np.ones((2, 4)), "W": FIRST}
    with pytest.raises(NotLayersError):
        read(graph([*nodes, node("MatMul", ["x", "W"], [LOGITS])], constants))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Flatten", [OBSERVATION], ["x"], axis=1)],
        [node("Reshape", [OBSERVATION, "flat"], ["x"])],
        [node("Reshape", [OBSERVATION, "sized"], ["x"], allowzero=1)],
        [  # x.view(x.size(0), -1)
            node("Shape", [OBSERVATION], ["s"]),
            node("Gather", ["s", "first"], ["b"], axis=0),
            node("Unsqueeze", ["b", "axis"], ["c"]),
            node("Concat", ["c", "rest"], ["t"], axis=0),
            node("Reshape", [OBSERVATION, "t"], ["x"], allowzero=1),
        ],
    ],
)
def test_bars_are_flattened_in_their_order(nodes: list[bytes]) -> None:
    whole = {
        "flat": np.array([0, -1]),
        "sized": np.array([-1, 4]),
        "first": np.array(0),
        "axis": np.array([0]),
        "rest": np.array([-1]),
    }
    found = read(graph([*nodes, node("MatMul", ["x", "W"], [LOGITS])], {**whole, "W": FIRST}, ("b", 2, 2)))
    assert np.array_equal(found.layers.weights[0], FIRST.T.astype(np.float32))


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Reshape", [OBSERVATION, "s"], ["x"])], {"s": np.array([-1, 8])}),  # two observations in a row
        ([node("Reshape", [OBSERVATION, "s"], ["x"])], {"s": np.array([4, -1])}),
        ([node("Transpose", [OBSERVATION], ["t"], perm=[0, 2, 1]), node("Flatten", ["t"], ["x"])], {}),
        ([node("Flatten", [OBSERVATION], ["x"], axis=2)], {}),
        ([node("Identity", [OBSERVATION], ["x"])], {}),  # a layer for each bar
    ],
)
def test_other_shapes_are_no_network(nodes: list[bytes], constants: dict[str, Any]) -> None:
    with pytest.raises(NotLayersError):
        read(graph([*nodes, node("MatMul", ["x", "W"], [LOGITS])], {**constants, "W": FIRST}, ("b", 2, 2)))


def test_one_odd_output_spoils_no_other() -> None:
    nodes = [node("MatMul", [OBSERVATION, "W"], [LOGITS]), node("Odd", [OBSERVATION], ["value"], domain="mine")]
    assert read(graph(nodes, {"W": FIRST})).layers.names == ("W",)


def test_numbers_are_aligned_wherever_the_file_has_them() -> None:
    for shift in range(4):
        found = read(field(6, "x" * shift) + network(weights_of([4, 8, 3])))
        numbers = (*found.layers.weights, *found.layers.biases)
        assert all(part.flags.aligned and part.flags.c_contiguous for part in numbers)


def test_layers_are_named_by_their_modules() -> None:
    assert read(network(weights_of([4, 8, 3]))).layers.names == ("net.0", "net.2")
