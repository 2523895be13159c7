"""The gate's actions beside those of torch, ONNX Runtime and the safetensors library, on 10,000 observations each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.onnx_exports_read import BARS, FEATURES, observations
from support.policy_files import read_file

from pytest_modelgate.core.policy.inference import choose_actions
from pytest_modelgate.core.policy.mlp import MlpPolicy

torch = pytest.importorskip("torch")
exports = pytest.importorskip("support.onnx_exports")
COUNT = 10_000
_NEAR = 1e-5  # between two logits, relative to their size: beyond it float32 has no say


def acts_alike(policy: object, *libraries: NDArray[Any]) -> None:
    """Whether actions are those of libraries' outputs, in float32, for the same observations."""
    assert isinstance(policy, MlpPolicy)
    flat = observations(COUNT).astype(np.float64)
    logits = policy.logits_of(flat)
    ranked = np.sort(logits, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > _NEAR * (1.0 + np.abs(ranked).max(axis=1))
    assert clear.mean() > 0.999
    certified = [choose_actions(policy, window, np.zeros(0))[0] for window in flat[:50].reshape(-1, BARS, FEATURES)]
    for outputs in libraries:
        told = outputs.argmax(axis=1)
        assert np.array_equal(logits.argmax(axis=1)[clear], told[clear])
        assert np.array_equal(np.array(certified)[clear[:50]], told[:50][clear[:50]])
        assert len(set(told.tolist())) == 3


@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", exports.MODULES)
def test_exports_act_as_torch_and_as_onnx_runtime(name: str, dynamo: bool, tmp_path: Path) -> None:
    if dynamo:
        pytest.importorskip("onnxscript")
    module = exports.made(name)
    path = tmp_path / "X.onnx"
    exports.export(module, path, dynamo=dynamo)
    policy = read_file(path, lookback=BARS).policy
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    run = session.run(None, {"bars": observations(COUNT).reshape(-1, BARS, FEATURES)})
    acts_alike(policy, exports.torch_outputs(module, observations(COUNT)), run[0])


@pytest.mark.parametrize("opset", [9, pytest.param(13, marks=pytest.mark.long), 17])
def test_older_operators_say_the_same(opset: int, tmp_path: Path) -> None:
    module = exports.made("gelu" if opset > 9 else "tanh")
    exports.export(module, tmp_path / "X.onnx", dynamo=False, opset=opset)
    acts_alike(read_file(tmp_path / "X.onnx", lookback=BARS).policy, exports.torch_outputs(module, observations(COUNT)))


@pytest.mark.parametrize("name", ["tanh", "silu"])
def test_safetensors_act_as_the_library_loads_them(name: str, tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.torch")
    module, path = exports.made(name), tmp_path / "X.safetensors"
    library.save_file(module.state_dict(), path)
    loaded = exports.MODULES[name]().eval()
    loaded.load_state_dict(library.load_file(path))
    policy = read_file(path, lookback=BARS, activation=name).policy
    acts_alike(policy, exports.torch_outputs(loaded, observations(COUNT)))


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_a_bare_state_dict_acts_as_torch_loads_it(suffix: str, tmp_path: Path) -> None:
    module, path = exports.made("silu"), tmp_path / f"X{suffix}"
    torch.save(module.state_dict(), path)
    policy = read_file(path, lookback=BARS, activation="silu", format="state_dict").policy
    acts_alike(policy, exports.torch_outputs(module, observations(COUNT)))
