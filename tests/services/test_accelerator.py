"""When a GPU is used, and when torch is not even loaded."""

import numpy as np
import pytest
from support.policy_oracle import network

from pytest_modelgate.adapters.gpu.nvidia_smi import Device
from pytest_modelgate.adapters.gpu.torch_device import TorchDevice
from pytest_modelgate.core.config.settings import DeviceChoice
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.services import accelerator
from pytest_modelgate.services.accelerator import Accelerator

POLICY = network(np.random.default_rng(1), [100, 100])
GPU = Device("GPU-1", "NVIDIA H100", 0, "GPU-1", 80_000)
MUCH, LITTLE = 1e8, 1e3  # bars


@pytest.mark.parametrize(
    ("choice", "bars", "found", "expected"),
    [
        ("auto", MUCH, (GPU,), TorchDevice("cuda")),
        ("auto", LITTLE, (GPU,), None),
        ("cuda", LITTLE, (GPU,), TorchDevice("cuda")),
        ("cpu", MUCH, (GPU,), None),
        ("auto", MUCH, (), None),
    ],
)
def test_a_gpu_is_used_where_it_is_worth_it(
    choice: DeviceChoice,
    bars: float,
    found: tuple[Device, ...],
    expected: TorchDevice | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(accelerator, "list_devices", lambda _: found)
    monkeypatch.setattr(accelerator, "why_not_cuda", lambda devices, _: "" if devices else "no GPU was found")
    monkeypatch.setattr(accelerator, "cuda_problem", lambda: None if found else pytest.fail("torch was loaded"))

    assert Accelerator(choice).device_for(POLICY, bars) == expected


def test_a_gpu_that_torch_cannot_use_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(accelerator, "list_devices", lambda _: (GPU,))
    monkeypatch.setattr(accelerator, "why_not_cuda", lambda *_: "")
    monkeypatch.setattr(accelerator, "cuda_problem", lambda: "torch finds no usable GPU")

    assert Accelerator("auto").device_for(POLICY, MUCH) is None
    with pytest.raises(SettingsError, match="--gate-device cuda: torch finds no usable GPU"):
        Accelerator("cuda").device_for(POLICY, MUCH)


def test_a_worker_that_was_given_no_gpu_computes_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(accelerator, "cuda_problem", lambda: pytest.fail("torch was loaded"))

    assert Accelerator("cuda").device_for(POLICY, MUCH) is None
