"""Models that are no network of layers, run by ONNX Runtime: the one place that imports it, where it is installed.

Such a model is not certified: its kernels add in an order of their own, which another machine may not share. What it
may do is bounded all the same. Only operators run that compute numbers from numbers, the same ones every time; memory
comes from an arena that has an end; nothing is read from other files; nothing is computed when it is loaded.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.formats.onnx.model import Model, ValueInfo
from pytest_modelgate.adapters.formats.onnx.tensor import DOUBLE, ModelError
from pytest_modelgate.core.policy.account_features import AccountFeature, market_places
from pytest_modelgate.core.policy.actions import Action
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

INSTALL = "pip install 'pytest-modelgate[onnx]'"
_MOST_MEMORY = 1 << 30
_LONGEST_S = 30.0  # for one observation, on a clock on the wall: what takes longer is no policy
_OPERATORS = frozenset({
    "Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Celu", "Clip", "Concat", "Constant",
    "ConstantOfShape", "Conv", "CumSum", "Div", "Dropout", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand",
    "Flatten", "GRU", "Gather", "GatherElements", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater",
    "GreaterOrEqual", "GroupNormalization", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LSTM",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "MaxPool",
    "Mean", "Min", "Mish", "Mul", "Neg", "Not", "PRelu", "Pad", "Pow", "RMSNormalization", "RNN", "Reciprocal",
    "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Relu",
    "Reshape", "Selu", "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus", "Softsign", "Split", "Sqrt",
    "Squeeze", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip


class NotInstalledError(Exception):
    """There is no ONNX Runtime here."""


@dataclass(frozen=True, eq=False)
class RuntimePolicy:
    """A policy of an ONNX Runtime session.

    Attributes:
        probabilities: its output is probabilities, whose logarithms are logits.
    """

    n_market: int
    account: tuple[AccountFeature, ...]
    lookback: int
    actions: tuple[Action, ...]
    location: str
    session: Any
    source: ValueInfo
    output: str
    probabilities: bool

    def logits(self, market: Floats, account: Floats) -> Floats:
        """See ``Policy.logits``.

        Raises:
            CheckpointError: ONNX Runtime fails, or gives something else than numbers, one per action.
        """
        count, n_features = max(0, len(market) - self.lookback + 1), self.n_market + len(self.account)
        rows = np.empty((len(market), n_features))
        rows[:, market_places(n_features, self.account)] = market
        rows[:, [feature.place % n_features for feature in self.account]] = account
        windows = np.arange(count)[:, None] + np.arange(self.lookback)
        return self.logits_of(rows[windows].reshape(count, self.lookback * n_features))

    def logits_of(self, observations: Floats) -> Floats:
        """Logits (n, n_actions) of flat observations (n, obs_dim); errors as of ``logits``.

        One is asked about at a time: of a batch a graph can see the others, and kernels add in another order.
        """
        shape = (1, self.lookback, -1) if len(self.source.shape or ()) == 3 else (1, -1)
        code = np.float64 if self.source.type == DOUBLE else np.float32
        found = np.empty((len(observations), len(self.actions)))
        for number, observation in enumerate(observations.astype(code)):
            found[number] = self._run(observation.reshape(shape))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(found) if self.probabilities else found

    def try_out(self) -> None:
        """Ask about nothing in particular, to see whether it answers in time; errors as of ``logits``."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        timer = threading.Timer(_LONGEST_S, setattr, (options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            shape = (1, self.lookback, -1) if len(self.source.shape or ()) == 3 else (1, -1)
            code = np.float64 if self.source.type == DOUBLE else np.float32
            width = self.lookback * (self.n_market + len(self.account))
            self._run(np.zeros(width, code).reshape(shape), options)
        finally:
            timer.cancel()

    def _run(self, observation: NDArray[Any], options: Any = None) -> Floats:  # noqa: ANN401 - of the library
        try:
            (given,) = self.session.run([self.output], {self.source.name: observation}, options)
        except Exception as error:  # noqa: BLE001 - whatever a foreign library raises, in its words
            problem = f"cannot be run by ONNX Runtime: {plain(' '.join(str(error).split()), 160)}"
            raise CheckpointError(self.location, problem, "Export it again, and run it there first") from None
        array = np.asarray(given)
        if array.shape != (1, len(self.actions)) or array.dtype.kind != "f":
            problem = f"gives {array.dtype} of the shape {list(array.shape)[:8]}, expected a number per action"
            raise CheckpointError(self.location, f"its output {plain(self.output, 60)} {problem}", _LOGITS)
        row: Floats = array[0].astype(np.float64)
        return row


_LOGITS = "Export the policy's logits alone"


def check_operators(model: Model) -> None:
    """Refuse what ONNX Runtime must not be asked to do.

    Raises:
        ModelError: it has loops, branches, chance, or operators that are not the standard's.
    """
    for node in model.nodes:
        if node.op not in _OPERATORS:
            problem = f"has the operator {plain(node.op, 60)}, and only such run that compute numbers from numbers, "
            raise ModelError(f"{problem}without loops, branches, chance or code of others", _LOGITS)
        training = node.attributes.get("training_mode", 0)
        if (node.op == "Dropout" and len(node.inputs) > 2) or type(training) is not int or training:
            raise ModelError(f"has {node.op} as in training", "Call eval() on the module before it is exported")


def open_session(content: bytes) -> Any:  # noqa: ANN401 - of a library without types
    """A session of a model.

    Raises:
        NotInstalledError: ONNX Runtime is not installed.
        ModelError: it refuses the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise NotInstalledError from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    if _limit_memory():
        options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - whatever a foreign library raises, in its words
        problem = f"is refused by ONNX Runtime: {plain(' '.join(str(error).split()), 160)}"
        raise ModelError(problem) from None


@lru_cache
def _limit_memory() -> bool:
    """Give all sessions of this process one arena that has an end; False where somebody else has given them another."""
    import onnxruntime

    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    try:
        onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": _MOST_MEMORY}))
    except Exception:  # noqa: BLE001 - one is registered already
        return False
    return True
