"""The demo's network as ONNX is judged as the checkpoint that it was exported from."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onnx_files import LOGITS, OBSERVATION, model, node, tensor, value_info

from pytest_modelgate.adapters.checkpoint import load_checkpoint
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.policy_format import PolicyFile, read_policy
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.training.run import Declared

ROOT = Path(__file__).parents[2]
DEMO, CASSETTES, EXPORT = ROOT / "examples/demo_archive.zip", ROOT / "cassettes", ROOT / "examples/exported"
MODEL = "UNIUSD_1Hour"


def alone(target: Path, files: Mapping[str, bytes]) -> Path:
    """The demo archive with this one model alone, in such files."""
    with zipfile.ZipFile(DEMO) as demo, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        name = next(member for member in demo.namelist() if member.endswith(".json"))
        summary = json.loads(demo.read(name))
        summary["models"] = {MODEL: summary["models"][MODEL]}
        archive.writestr(name, json.dumps(summary))
        for file, content in files.items():
            archive.writestr(f"models/rl_symbols/{file}", content)
    return target


def judged(folder: Path, files: Mapping[str, bytes], run: Callable[..., object]) -> dict[str, Any]:
    """The model's part of the verdict, after it was all that was judged."""
    archive = alone(folder / "Alpaca_trading_trained_20241227_211819.zip", files)
    run(f"--model-archive={archive}", f"--gate-cassettes={CASSETTES}", "-q")
    verdict = json.loads((folder / "gate-report/verdict.json").read_text(encoding="utf-8"))
    assert verdict["promotable"] == [MODEL]
    (found,) = verdict["models"]
    assert found["checkpoint"]["member"] == f"models/rl_symbols/{MODEL}.onnx"
    assert found["checkpoint"]["parity"] == "proven"
    return dict(found)


def test_the_export_is_judged(pytester: pytest.Pytester) -> None:
    files = {file.name: file.read_bytes() for file in sorted(EXPORT.iterdir())}
    found = judged(pytester.path, files, pytester.runpytest_subprocess)
    assert found["checkpoint"]["layers"] == ["trunk.0", "policy_head"]
    assert found["decision"] == "LIVE"


@pytest.mark.long
def test_the_same_function_in_no_layers_is_run_and_capped_at_paper(pytester: pytest.Pytester) -> None:
    pytest.importorskip("onnxruntime")
    name = f"{MODEL}.onnx"
    facts = Declared(lookback=4, model_version="2.7.0", feature_set="reference-v1", activation="tanh")
    policy = read_policy(builtin_formats(), PolicyFile(EXPORT / name, name, "X", facts)).policy
    assert isinstance(policy, MlpPolicy)
    (first, last), (one, two) = policy.weights, policy.biases
    nodes = [
        node("Gemm", [OBSERVATION, "first", "one"], ["z"], transB=1),
        node("Tanh", ["z"], ["h"]),
        node("Mul", ["z", "nothing"], ["n"]),
        node("Add", ["h", "n"], ["k"]),  # a residual, which adds nothing
        node("Gemm", ["k", "last", "two"], [LOGITS], transB=1),
    ]
    held = {"first": first, "one": one, "last": last, "two": two, "nothing": np.float32(0.0)}
    tensors = [tensor(name, values) for name, values in held.items()]
    inputs, outputs = [value_info(OBSERVATION, ["b", first.shape[1]])], [value_info(LOGITS, ["b", len(last)])]
    declared = (EXPORT / f"{MODEL}.json").read_bytes()
    files = {name: model(nodes, tensors, inputs, outputs), f"{MODEL}.json": declared}
    found = judged(pytester.path, files, pytester.runpytest_subprocess)
    assert (found["decision"], found["checkpoint"]["hidden"]) == ("PAPER", [])
    assert any("not certified" in warning for warning in found["warnings"])


def test_the_export_is_the_checkpoints_function(tmp_path: Path) -> None:
    with zipfile.ZipFile(DEMO) as demo:
        (tmp_path / "copy").write_bytes(demo.read(f"models/rl_symbols/{MODEL}.pt"))
    facts = Declared(lookback=4, model_version="2.7.0", feature_set="reference-v1", activation="tanh")
    packages = ("alpaca_trading",)
    told = {"location": "X", "activation": None, "feature_set": None, "declared": facts, "trainer_packages": packages}
    checkpoint = load_checkpoint(tmp_path / "copy", **told).policy  # type: ignore[arg-type]
    name = f"{MODEL}.onnx"
    export = read_policy(builtin_formats(), PolicyFile(EXPORT / name, name, "X", facts)).policy
    assert isinstance(export, MlpPolicy)
    assert all(map(np.array_equal, export.weights, checkpoint.weights))
    assert all(map(np.array_equal, export.biases, checkpoint.biases))
    assert (export.account, export.actions) == (checkpoint.account, checkpoint.actions)


@pytest.mark.long
def test_the_script_writes_the_export_that_is_here(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    subprocess.run([sys.executable, ROOT / "examples/export_onnx.py", "--out", tmp_path], check=True)
    names = {file.name for file in EXPORT.iterdir()}
    assert {file.name for file in tmp_path.iterdir()} == names
    assert (tmp_path / f"{MODEL}.json").read_bytes() == (EXPORT / f"{MODEL}.json").read_bytes()
    facts = Declared(lookback=4, model_version="2.7.0", feature_set="reference-v1", activation="tanh")
    name = f"{MODEL}.onnx"
    again, here = (
        read_policy(builtin_formats(), PolicyFile(folder / name, name, "X", facts)).policy
        for folder in (tmp_path, EXPORT)
    )
    assert isinstance(again, MlpPolicy)
    assert isinstance(here, MlpPolicy)
    assert all(map(np.array_equal, again.weights, here.weights))
