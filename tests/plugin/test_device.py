"""Where policies run, as the header tells it; nothing of it needs a GPU or loads torch."""

import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from uuid import UUID

import pytest
from support.plugin_helpers import GOOD, RunGate, pack

from pytest_modelgate.adapters.gpu import torch_device
from pytest_modelgate.adapters.gpu.nvidia_smi import Device
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.plugin.state import DEVICES
from pytest_modelgate.plugin.xdist.placement import check_device, describe_device

GPU = (Device("GPU-1", "NVIDIA H100", 0, "GPU-1", 80_000),)
ENOUGH = "device cuda (NVIDIA H100) where there is enough to do, or cpu"


def _config(pytester: pytest.Pytester, choice: str, devices: tuple[Device, ...]) -> pytest.Config:
    config = pytester.parseconfig(f"--gate-device={choice}")
    config.stash[DEVICES] = devices
    return config


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("cpu", GPU, "2.13.0"), "device cpu"),
        (("auto", (), "2.13.0"), "device cpu, since no GPU was found"),
        (("auto", GPU, "2.13.0+cpu"), "device cpu, since torch 2.13.0+cpu is built without CUDA"),
        (("auto", GPU, "2.13.0"), ENOUGH),
        (("auto", GPU, "2.13.0+cu130"), ENOUGH),
        (("cuda", GPU, "2.13.0"), "device cuda (NVIDIA H100)"),
    ],
)
def test_the_header_says_where_and_why_not(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, tuple[Device, ...], str],
    told: str,
) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: given[2])
    monkeypatch.setattr(torch_device, "cuda_problem", lambda **_: None)
    config = _config(pytester, *given[:2])

    check_device(config)
    assert describe_device(config) == told


def test_float64_that_is_emulated_is_not_used(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_EMULATE_DOUBLE_PRECISION", "1")
    monkeypatch.setattr(metadata, "version", lambda _: "2.13.0")

    told = describe_device(_config(pytester, "auto", GPU))
    assert told.startswith("device cpu, since CUBLAS_EMULATE_DOUBLE_PRECISION is set")


@pytest.mark.parametrize("version", ["2.13.0+cpu", "2.13.0"])  # the second looks as if it were built with CUDA
def test_a_gpu_that_cannot_be_used_is_refused_when_asked_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: version)
    monkeypatch.setattr(torch_device, "cuda_problem", lambda **_: "torch finds no usable GPU")

    with pytest.raises(SettingsError, match="built without CUDA" if "+cpu" in version else "no usable GPU"):
        check_device(_config(pytester, "cuda", GPU))


@pytest.mark.skipif(sys.platform == "win32", reason="a program is a script here")
@pytest.mark.parametrize("choice", ["auto", "cuda"])
def test_a_gpu_without_torch_is_told_in_one_sentence(
    run_gate: RunGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-{UUID('1' * 32)})'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(metadata, "version", _without_torch(metadata.version))
    monkeypatch.setitem(sys.modules, "torch", None)

    result = run_gate(pack(tmp_path, GOOD), f"--gate-device={choice}", "-m", "gating")

    told = "torch is not installed (pip install pytest-modelgate[torch])"
    assert "INTERNALERROR" not in result.text
    assert result.text.count(told) == 1
    assert (f"device cpu, since {told}" in result.text) == (choice == "auto")
    assert result.run.ret == (0 if choice == "auto" else 4)


def _without_torch(version: Callable[[str], str]) -> Callable[[str], str]:
    def ask(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    return ask
