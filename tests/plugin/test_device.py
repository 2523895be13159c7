"""Where policies run, as the header tells it; nothing of it needs a GPU or loads torch."""

from importlib import metadata

import pytest

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
