"""Features to actions against what a competent user writes: features once, windows unfolded, float32 batches.

    python benchmarks/table.py --only batches

Both sides compute the same features once, then an action at every bar; both have one thread. The opponents round as
float32 does and cannot say which actions that decides; how many of theirs are others is in the note.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from engine import HISTORY, LARGE, RULES, SMALL, folds_of, in_turns, market, network
from numpy.typing import NDArray
from rows import Row, make_row, not_measured

from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.policy.account_features import neutral_account
from pytest_modelgate.core.policy.mlp import MlpPolicy

Forward = Callable[[NDArray[np.float32]], NDArray[Any]]
WIDE = (2048, 1024, 512, 256)
_PAIRS = {253: 25}  # a tenth of a second each, of which three tell too little
_BATCH = 512  # windows; all of a long series at once take longer
_TARGETS: dict[tuple[tuple[int, ...], int], float] = {(LARGE, 253): 0.9, (LARGE, 4320): 1.5}


def rows() -> Iterator[Row]:
    """One by one, each opponent in turns with ours."""
    for hidden, count in (
        (LARGE, 253),
        (LARGE, 1265),
        (LARGE, 4320),
        (SMALL, 253),
        (SMALL, 4320),
        (WIDE, 253),
        (WIDE, 4320),
    ):
        for name, make in (("torch", with_torch), ("onnxruntime", with_onnxruntime)):
            title = f"{'a fold' if count == 253 else 'five folds'} of {count} bars, {hidden}, against {name}'s batches"
            try:
                yield against(title, hidden, count, make)
            except ImportError as error:
                yield not_measured(title, str(error))


def against(title: str, hidden: tuple[int, ...], count: int, make: Callable[[MlpPolicy], Forward]) -> Row:
    """Features to actions, ours and theirs."""
    bars, policy = market(HISTORY + count), network(hidden)
    rows, forward = slice(HISTORY, HISTORY + count), make(policy)
    judged = tuple(folds_of(bars, 1))

    def ours() -> NDArray[Any]:
        return Candidate(policy, compute_features(bars, REFERENCE), RULES, judged).neutral_actions(rows)

    def theirs() -> NDArray[Any]:
        return act(policy, bars, rows, forward)

    differ = int(np.count_nonzero(ours() != theirs()))
    taken = in_turns(_PAIRS.get(count, 3), ours, theirs)
    target = _TARGETS.get((hidden, count))
    note = f"one thread; {differ} of {count} of its actions are others" + (f"; target {target}x" if target else "")
    return make_row(title, "s CPU", taken[0], opponent=taken[1], note=note)


def act(policy: MlpPolicy, bars: Bars, rows: slice, forward: Forward) -> NDArray[Any]:
    """Actions at the end of every window, in batches."""
    seen = compute_features(bars, REFERENCE).matrix[rows.start - policy.lookback + 1 : rows.stop]
    account = np.tile(neutral_account(policy.account), (len(seen), 1))
    table = np.hstack([seen, account]).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(table, policy.lookback, axis=0).transpose(0, 2, 1)
    parts = [windows[first : first + _BATCH] for first in range(0, len(windows), _BATCH)]
    return np.concatenate(
        [np.argmax(forward(np.ascontiguousarray(part.reshape(len(part), -1))), axis=1) for part in parts]
    )


def with_torch(policy: MlpPolicy) -> Forward:
    """The network in torch."""
    import torch

    torch.set_num_threads(1)
    layers = [
        tuple(torch.from_numpy(np.asarray(part, dtype=np.float32)) for part in layer) for layer in _layers(policy)
    ]

    def forward(observations: NDArray[np.float32]) -> NDArray[Any]:
        values = torch.from_numpy(observations)
        with torch.no_grad():
            for number, (weight, bias) in enumerate(layers):
                values = torch.nn.functional.linear(torch.tanh(values) if number else values, weight, bias)
        found: NDArray[Any] = values.numpy()
        return found

    return forward


def with_onnxruntime(policy: MlpPolicy) -> Forward:
    """The network as an ONNX graph."""
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    nodes, constants, name = [], [], "observation"
    for number, (weight, bias) in enumerate(_layers(policy)):
        if number:
            nodes.append(helper.make_node("Tanh", [name], [f"h{number}"]))
            name = f"h{number}"
        for kind, part in (("w", weight), ("b", bias)):
            constants.append(numpy_helper.from_array(np.asarray(part, dtype=np.float32), f"{kind}{number}"))
        nodes.append(helper.make_node("Gemm", [name, f"w{number}", f"b{number}"], [f"z{number}"], transB=1))
        name = f"z{number}"
    ends = [
        helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, ["n", width])
        for end, width in (("observation", policy.obs_dim), (name, policy.n_actions))
    ]
    graph = helper.make_graph(nodes, "policy", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    written = io.BytesIO()
    onnx.save_model(model, written)
    session = onnxruntime.InferenceSession(written.getvalue(), options, providers=["CPUExecutionProvider"])

    def forward(observations: NDArray[np.float32]) -> NDArray[Any]:
        found: NDArray[Any] = session.run(None, {"observation": observations})[0]
        return found

    return forward


def _layers(policy: MlpPolicy) -> list[tuple[Any, Any]]:
    return list(zip(policy.weights, policy.biases, strict=True))
