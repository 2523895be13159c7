"""ONNX files as model files: read, run by ONNX Runtime, or refused in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from support.hostile_onnx import HOSTILE, UNREAD
from support.hostile_reading import read_model_file
from support.onnx_exports_read import BARS, EXPORTS, FEATURES, observations
from support.onnx_files import LOGITS, OBSERVATION, model, network, node, tensor, value_info, weights_of
from support.plausible_onnx import plausible_graphs
from support.policy_files import read_bytes, read_file

from pytest_modelgate.core.policy.actions import CLOSE, HOLD, Target
from pytest_modelgate.core.policy.inference import choose_actions
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import CheckpointError

WEIGHTS = weights_of([6, 4, 3])


def refusal(folder: Path, content: bytes, **declared: Any) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        read_bytes(folder, "X.onnx", content, **declared)
    return caught.value


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    content, why = HOSTILE[name]
    error = refusal(tmp_path, content)
    assert why in error.problem
    assert error.where == "checkpoint X.onnx"
    assert str(error).isascii()
    assert len(str(error)) < 500


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_no_network_needs_onnx_runtime(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, why = UNREAD[name]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    error = refusal(tmp_path, content)
    runs = name in (
        "a constant of text",
        "half precision",
        "quantised",
        "an outer product",
        "an output that is a constant",
    )
    assert why in error.problem or not runs
    assert ("pytest-modelgate[onnx]" in error.remedy) == runs


def test_a_continuous_action_is_told_where_it_is_judged(tmp_path: Path) -> None:
    content = model(
        [node("MatMul", [OBSERVATION, "W"], ["a"]), node("Tanh", ["a"], [LOGITS])],
        [tensor("W", np.ones((6, 1), np.float32))],
        [value_info(OBSERVATION, ["b", 6])],
        [value_info(LOGITS, ["b", 1])],
    )

    assert "one continuous action is judged from a zip" in refusal(tmp_path, content).remedy


@pytest.mark.parametrize("name", UNREAD)
def test_onnx_runtime_runs_none_of_these_either(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    error = refusal(tmp_path, UNREAD[name][0])
    assert len(str(error)) < 700


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"PK\x03\x04" + b"\0" * 99, "is a zip, expected ONNX"),
        (b"<!doctype html>", "is a web page"),
        (b"\x80\x02}q\0.", "is a pickle"),
        (b"", "is empty"),
    ],
)
def test_a_file_of_another_kind_is_called_by_it(content: bytes, kind: str, tmp_path: Path) -> None:
    assert kind in refusal(tmp_path, content).problem


@pytest.mark.parametrize("path", sorted(EXPORTS.glob("*.onnx")), ids=lambda path: path.stem)
def test_an_export_acts_as_torch_did_when_it_was_exported(path: Path) -> None:
    loaded = read_file(path, lookback=BARS)
    policy = loaded.policy
    assert isinstance(policy, MlpPolicy)
    assert loaded.certified
    expected = np.frombuffer(path.with_suffix(".actions").read_bytes(), np.uint8)
    flat = observations(10_000).astype(np.float64)
    logits = policy.logits_of(flat)
    clear = np.sort(logits, axis=1)[:, -1] - np.sort(logits, axis=1)[:, -2] > 1e-5
    assert clear.mean() > 0.999
    assert np.array_equal(logits.argmax(axis=1)[clear], expected[clear])
    certified = choose_actions(policy, flat[:200].reshape(-1, FEATURES), np.zeros(0))[::BARS]
    assert np.array_equal(certified[clear[:200]], expected[:200][clear[:200]])


def test_what_stands_behind_the_logits_is_told() -> None:
    (note,) = read_file(EXPORTS / "normalised.onnx", lookback=BARS).notes
    assert note == "Its graph ends in probabilities; what is judged are the logits before."


def test_statistics_of_observations_are_a_layer_of_their_own() -> None:
    loaded = read_file(EXPORTS / "normalised.onnx", lookback=BARS)
    assert loaded.layers == ("observations", "net.0", "net.2", "net.4")
    assert isinstance(loaded.policy, MlpPolicy)
    assert loaded.policy.normaliser
    assert loaded.policy.normaliser.limit.tolist() == [2.0] * FEATURES


def test_the_meaning_of_outputs_is_never_guessed(tmp_path: Path) -> None:
    error = refusal(tmp_path, network(WEIGHTS), actions=None)
    assert "3 outputs whose meaning nobody declares" in error.problem


def test_a_declaration_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    bars = network(WEIGHTS, shape=["b", 2, 3])
    assert "expected [batch, 6] or [batch, 3, 2]" in refusal(tmp_path, bars, lookback=3).problem
    assert read_bytes(tmp_path, "X.onnx", bars, lookback=2).policy.n_market == 3


@pytest.mark.parametrize("shape", [["b", "n"], [1, 6], ["b", 2, 3], [7, 6]])
def test_sizes_of_batches_and_open_ones_do_not_matter(shape: list[int | str], tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "X.onnx", network(WEIGHTS, shape=shape), lookback=2).certified


def two_heads(second: str, width: int) -> bytes:
    """A trunk with two heads, of the actions and of something else."""
    head = np.ones((width, 4), np.float32)
    nodes = [
        node("Gemm", [OBSERVATION, "net.0.weight"], ["z"], transB=1),
        node("Tanh", ["z"], ["h"]),
        node("Gemm", ["h", "net.2.weight"], [LOGITS], transB=1),
        node("Gemm", ["h", "head"], [second], transB=1),
    ]
    tensors = [tensor(name, values) for name, values in {**WEIGHTS, "head": head}.items()]
    outputs = [value_info(second, ["b", width]), value_info(LOGITS, ["b", 3])]
    return model(nodes, tensors, [value_info(OBSERVATION, ["b", 6])], outputs)


@pytest.mark.parametrize(("second", "width"), [("value", 1), ("17", 1), ("q_values", 3), ("17", 5)])
def test_the_policys_output_is_found_beside_the_critics(second: str, width: int, tmp_path: Path) -> None:
    policy = read_bytes(tmp_path, "X.onnx", two_heads(second, width)).policy
    assert isinstance(policy, MlpPolicy)
    assert np.array_equal(policy.weights[-1], WEIGHTS["net.2.weight"])


def test_two_outputs_that_could_be_the_policys_are_refused(tmp_path: Path) -> None:
    assert (
        "several outputs that could be the policy's, other and logits"
        in refusal(tmp_path, two_heads("other", 3)).problem
    )


def test_float64_is_read_as_what_it_is(tmp_path: Path) -> None:
    wide = {name: values.astype(np.float64) / 3.0 for name, values in WEIGHTS.items()}
    policy = read_bytes(tmp_path, "X.onnx", network(wide)).policy
    assert isinstance(policy, MlpPolicy)
    assert np.array_equal(policy.weights[0], wide["net.0.weight"])


RESIDUAL = [
    node("Gemm", [OBSERVATION, "net.0.weight"], ["z"], transB=1),
    node("Add", ["z", OBSERVATION], ["h"]),
    node("Gemm", ["h", "net.2.weight"], ["y"], transB=1),
    node("Softmax", ["y"], [LOGITS]),
]


def residual(batch: int | str = "b", more: tuple[bytes, ...] = ()) -> bytes:
    weights = weights_of([6, 6, 3])
    tensors = [tensor(name, values) for name, values in weights.items()]
    inputs, outputs = [value_info(OBSERVATION, [batch, 6])], [value_info(LOGITS, [batch, 3])]
    return model([*RESIDUAL, *more], tensors, inputs, outputs)


def test_onnx_runtime_runs_what_is_no_network_and_it_is_not_certified(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    loaded = read_bytes(tmp_path, "X.onnx", residual(), lookback=2, actions=(HOLD, Target(1.0), CLOSE))
    assert not loaded.certified
    assert "not certified" in loaded.notes[0]
    market = np.random.default_rng(1).normal(size=(5, 3))
    weights = weights_of([6, 6, 3])
    flat = np.stack([market[first : first + 2].ravel() for first in range(4)])
    expected = (flat + flat @ weights["net.0.weight"].T) @ weights["net.2.weight"].T
    found = loaded.policy.logits(market, np.zeros(0))
    less = expected - np.log(np.exp(expected).sum(axis=1, keepdims=True))
    assert np.abs(found - less).max() < 1e-5
    assert loaded.policy.logits(market[:1], np.zeros(0)).shape == (0, 3)


def test_without_onnx_runtime_its_install_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    error = refusal(tmp_path, residual())
    assert "it has Add where one of the activations that the gate computes is expected" in error.problem
    assert "pip install 'pytest-modelgate[onnx]' has ONNX Runtime run it, not certified" in error.remedy


def test_a_model_that_looks_at_a_whole_batch_sees_one_observation(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    mean = node("ReduceMean", [OBSERVATION, "first"], ["m"], keepdims=1)
    nodes = [mean, node("Sub", [OBSERVATION, "m"], ["h"]), node("Gemm", ["h", "V"], [LOGITS], transB=1)]
    tensors = [tensor("V", weights_of([6, 3])["net.0.weight"]), tensor("first", np.array([0]))]
    inputs, outputs = [value_info(OBSERVATION, ["b", 6])], [value_info(LOGITS, ["b", 3])]
    policy = read_bytes(tmp_path, "X.onnx", model(nodes, tensors, inputs, outputs)).policy
    assert not policy.logits(np.random.default_rng(1).normal(size=(9, 6)), np.zeros(0)).any()


def test_a_fixed_batch_of_several_is_not_run(tmp_path: Path) -> None:
    assert "is for batches of 8 observations" in refusal(tmp_path, residual(8)).problem


def test_padding_is_no_field(tmp_path: Path) -> None:
    assert "has a field of number 0" in refusal(tmp_path, network(WEIGHTS) + b"\0" * 64).problem


@settings(max_examples=60)
@given(plausible_graphs())
def test_what_is_read_acts_as_onnx_runtime_runs_it(content: bytes) -> None:
    pytest.importorskip("onnxruntime")
    read_model_file(".onnx", content)
