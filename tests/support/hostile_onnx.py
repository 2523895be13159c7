"""ONNX files that no trader should load, and what is said of each."""

from __future__ import annotations

import numpy as np
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

WEIGHTS = weights_of([6, 4, 3])
IN, OUT = value_info(OBSERVATION, ["b", 6]), value_info(LOGITS, ["b", 3])
GEMM = node("Gemm", [OBSERVATION, "W"], [LOGITS], transB=1)
W = np.ones((3, 6), np.float32)
HONEST = network(WEIGHTS)


def of(*nodes: bytes, weight: bytes | None = None, **how: object) -> bytes:
    tensors = [tensor("W", W) if weight is None else weight]
    return model(nodes or [GEMM], tensors, [IN], [OUT], **how)  # type: ignore[arg-type]


def outside(key: str) -> bytes:
    return field(13, field(1, "location") + field(2, key))


_NAN = W.copy()
_NAN[1, 2] = np.nan
_SUBGRAPH = field(1, "body") + field(6, field(2, "inner")) + field(20, 5)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing in it": (field(1, 8), "is an ONNX model without a graph"),
    "cut off": (HONEST[:-9], "is cut off"),
    "two graphs, which protobuf merges": (HONEST + field(7, field(2, "other")), "has its field graph twice"),
    "an unknown field": (HONEST + field(99, 1), "has a field of number 99"),
    "functions of its own": (HONEST + field(25, field(1, "Tanh")), "has functions of its own"),
    "no operators": (HONEST.replace(field(8, field(1, "") + field(2, 18)), b""), "of version none, known are 7 to 28"),
    "operators of tomorrow": (network(WEIGHTS, opset=99), "of version 99"),
    "operators of two versions": (network(WEIGHTS, domains=[("ai.onnx", 12)]), "of version 18 and 12"),
    "more outputs than a policy has": (
        model(
            [node("Identity", [OBSERVATION], [f"y{number}"]) for number in range(65)],
            [],
            [value_info(OBSERVATION, ["b", 6])],
            [value_info(f"y{number}", ["b", 6]) for number in range(65)],
        ),
        "has 65 outputs, expected at most 64",
    ),
    "a sparse constant, whose numbers may be in another file": (
        of(field(4, "Constant") + field(2, "c") + field(5, field(1, "sparse_value") + field(22, b"")), GEMM),
        "has an attribute sparse_value of the kind sparse_tensor",
    ),
    "numbers in another file": (
        of(weight=tensor("W", W, raw=b"", more=outside("../../etc/passwd") + field(14, 1))),
        "keeps the numbers of W in another file",
    ),
    "numbers that may be in another file": (of(weight=tensor("W", W, more=field(14, 1))), "in another file"),
    "numbers in segments": (of(weight=tensor("W", W, more=field(3, field(1, 1)))), "in segments"),
    "a circle": (
        of(node("Add", ["W", "a"], ["b"]), node("Add", ["W", "b"], ["a"]), GEMM),
        "reads 'a' in a node Add before anything makes it",
    ),
    "a node that reads itself": (of(node("Add", ["W", "a"], ["a"]), GEMM), "before anything makes it"),
    "a value made twice": (of(GEMM, GEMM), "makes 'logits' twice"),
    "a value that takes the place of the observation": (
        of(node("Abs", ["W"], [OBSERVATION]), GEMM),
        "makes 'obs' twice",
    ),
    "weights of one name": (model([GEMM], [tensor("W", W)] * 2, [IN], [OUT]), "two initializers of the name 'W'"),
    "inputs of one name": (model([GEMM], [tensor("W", W)], [IN, IN], [OUT]), "two inputs of the name 'obs'"),
    "an output from nowhere": (model([], [tensor("W", W)], [IN], [OUT]), "has an output 'logits' that nothing makes"),
    "no output": (model([GEMM], [tensor("W", W)], [IN], []), "has no output"),
    "no input": (model([], [tensor(LOGITS, W)], [], [OUT]), "has no input"),
    "two inputs": (
        model([GEMM], [tensor("W", W)], [IN, value_info("state", ["b", 9])], [OUT]),
        "has 2 inputs, obs, state, expected the observation alone",
    ),
    "sparse weights": (of(in_graph=field(15, field(3, 1))), "has sparse initializers"),
    "a shape of more numbers than there are": (
        of(weight=tensor("W", W, dims=(1 << 20, 1 << 19))),
        "has 18 numbers of W, expected the shape",
    ),
    "a shape beyond everything": (of(weight=tensor("W", W, dims=(1 << 62, 1 << 62))), "which none can have"),
    "a negative shape": (of(weight=tensor("W", W, dims=(-3, -6))), "which none can have"),
    "a shape of nothing but size": (of(weight=tensor("W", W, raw=b"", dims=(1 << 39, 0))), "which none can have"),
    "dimensions without end": (of(weight=tensor("W", W, dims=(1,) * 99)), "which none can have"),
    "numbers in two places": (
        of(weight=tensor("W", W, more=field(4, W.tobytes()))),
        "in the fields raw_data and float_data",
    ),
    "numbers in the place of others": (
        of(weight=tensor("W", W, raw=b"", more=field(10, W.astype(float).tobytes()))),
        "in the fields double_data",
    ),
    "half a number": (of(weight=tensor("W", W, raw=b"\0" * 73)), "no whole numbers of float32"),
    "NaN": (of(weight=tensor("W", _NAN)), "a number that is not finite in the weight of W: training diverged"),
    "infinite": (of(weight=tensor("W", np.full_like(W, np.inf))), "not finite"),
    "an attribute twice": (
        of(GEMM + field(5, attribute("transB", 0))),
        "has a node Gemm with two attributes transB",
    ),
    "an attribute of two meanings": (
        of(GEMM + field(5, attribute("alpha", 1.0) + field(3, 2))),
        "has an attribute alpha with more than one meaning",
    ),
    "an attribute of elsewhere": (
        of(GEMM + field(5, field(1, "alpha") + field(21, "theirs"))),
        "more than one meaning",
    ),
    "text that is none": (of(GEMM + field(3, b"\xff")), "not UTF-8"),
    "a number that does not end": (HONEST + varint(5 << 3) + b"\xff" * 12, "longer than 64 bits"),
    "nodes without end": (
        of(*(node("Abs", ["W"], [str(number)]) for number in range(10_001)), GEMM),
        "has 10002 nodes, expected at most 10000",
    ),
    "an input of whole numbers": (
        model([GEMM], [tensor("W", W)], [value_info(OBSERVATION, ["b", 6], 7)], [OUT]),
        "of the type int64",
    ),
    "an input of four dimensions": (
        model([GEMM], [tensor("W", W)], [value_info(OBSERVATION, ["b", 1, 2, 3])], [OUT]),
        "of the shape [?, 1, 2, 3]",
    ),
    "an input of any shape": (
        model([GEMM], [tensor("W", W)], [value_info(OBSERVATION, None)], [OUT]),
        "of the shape unknown",
    ),
    "constants that grow": (
        of(
            *(node("Add", ["W", "c"], [f"a{number}"]) for number in range(64)),
            GEMM,
            weight=tensor("W", np.ones((1, 1 << 17), np.float32)),
            in_graph=field(5, tensor("c", np.ones((1, 1), np.float32))),
        ),
        "computes more than 4194304 numbers from constants",
    ),
}
# What is no network of layers, and not run either: without ONNX Runtime it is refused with what would run it.
UNREAD: dict[str, tuple[bytes, str]] = {
    "an operator of its own": (of(node("Gemm", [OBSERVATION, "W"], [LOGITS], domain="evil")), "evil.Gemm"),
    "a loop": (of(node("Loop", [OBSERVATION, "W"], [LOGITS]) + field(5, _SUBGRAPH)), "the operator Loop"),
    "chance": (of(node("RandomNormalLike", [OBSERVATION], [LOGITS])), "the operator RandomNormalLike"),
    "training": (
        of(node("Dropout", [OBSERVATION, "", "W"], ["x"]), node("Gemm", ["x", "W"], [LOGITS], transB=1)),
        "Dropout as in training",
    ),
    "a constant of text": (
        of(node("Constant", [], ["c"], value_ints=""), node("Add", [OBSERVATION, "c"], [LOGITS])),
        "a constant that is no tensor of numbers",
    ),
    "an output that is a constant": (
        model([], [tensor(LOGITS, W.astype(np.float16))], [IN], [OUT]),
        "numbers of the type float16",
    ),
    "half precision": (of(weight=tensor("W", W.astype(np.float16))), "numbers of the type float16"),
    "quantised": (of(weight=tensor("W", W.astype(np.int8))), "numbers of the type int8"),
    "an outer product": (
        of(
            node("MatMul", ["u", "v"], ["w"]),
            node("Gemm", [OBSERVATION, "w"], [LOGITS]),
            in_graph=field(5, tensor("u", np.ones((99_999, 1), np.float32)))
            + field(5, tensor("v", np.ones((1, 99_999), np.float32))),
        ),
        "MatMul of a constant",
    ),
}
