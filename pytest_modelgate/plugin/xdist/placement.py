"""Placement of workers: a GPU for each as long as there is room, and one thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

from pytest_modelgate.adapters.gpu.nvidia_smi import Device, count_workers, list_devices, place, why_not_cuda
from pytest_modelgate.plugin.options import device_choice, placement_limits
from pytest_modelgate.plugin.state import DEVICES
from pytest_modelgate.text import terminal_safe

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_THREADS = (
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_RESTARTS = 4  # of each worker, as with xdist's -n
_BROKEN = {
    "each": "would evaluate every window once per worker",
    "loadfile": "hangs when a worker crashes",
    "loadgroup": "loses tests with current versions of pytest",
    "loadscope": "hangs when a worker crashes",
}


def is_distributed(config: pytest.Config) -> bool:
    """Whether xdist is about to start workers."""
    return config.getoption("dist", "no") != "no" and bool(config.getoption("tx", None))


def count_specs(config: pytest.Config) -> int:
    """How many workers xdist is about to start."""
    from xdist.workermanage import parse_tx_spec_config

    return len(parse_tx_spec_config(config))


def check_distribution(config: pytest.Config) -> None:
    """Refuse ways to distribute tests that can lose some of them.

    Raises:
        SettingsError: one of them was asked for.
    """
    from pytest_modelgate.errors import SettingsError

    mode = config.getoption("dist", "no")
    if is_distributed(config) and mode in _BROKEN:
        raise SettingsError(f"--dist {mode}", _BROKEN[mode], "Leave it out, or use --dist load or --dist worksteal")


def limit_restarts(config: pytest.Config) -> None:
    """Let no worker that cannot start be replaced without end: xdist sets a limit where it is given ``-n`` alone."""
    if is_distributed(config) and config.getoption("maxworkerrestart", None) is None:
        config.option.maxworkerrestart = str(_RESTARTS * count_specs(config))


def check_device(config: pytest.Config) -> None:
    """Refuse to compute on a GPU where there is none, or none that torch can use.

    Raises:
        SettingsError: it was asked for.
    """
    if device_choice(config) != "cuda":
        return
    from pytest_modelgate.adapters.gpu.torch_device import cuda_problem
    from pytest_modelgate.errors import SettingsError
    from pytest_modelgate.services.accelerator import USE_ANOTHER

    if problem := why_not_cuda(found_devices(config), os.environ) or cuda_problem(compute=False):
        raise SettingsError("--gate-device cuda", problem, USE_ANOTHER)


def describe_device(config: pytest.Config) -> str:
    """Device that evaluates policies, and why not on a GPU, for the header."""
    choice = device_choice(config)
    if choice == "cpu":
        return "device cpu"
    if problem := why_not_cuda(found_devices(config), os.environ):
        return f"device cpu, since {problem}"
    names = ", ".join(sorted({terminal_safe(device.name) for device in found_devices(config)}))
    return (
        f"device cuda ({names})" if choice == "cuda" else f"device cuda ({names}) where there is enough to do, or cpu"
    )


def found_devices(config: pytest.Config) -> tuple[Device, ...]:
    """GPUs that workers may use; looked for once."""
    if DEVICES not in config.stash:
        config.stash[DEVICES] = list_devices(os.environ) if device_choice(config) != "cpu" else ()
    return config.stash[DEVICES]


def auto_workers(config: pytest.Config) -> int | None:
    """Number of workers for ``-n auto``; None leaves it to xdist: without GPUs, or where the environment says."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    return count_workers(found_devices(config), *placement_limits(config)) or None


def equip(config: pytest.Config, specs: Sequence[Any]) -> None:
    """Set the environment of each worker: in force before it imports anything, and kept by whoever replaces it.

    What the user set is left alone, and GPUs of this machine mean nothing to workers elsewhere.
    """
    devices = found_devices(config)
    for spec, device in zip(specs, _seats(config, [bool(spec.popen) for spec in specs]), strict=True):
        if devices and spec.popen:
            spec.env.setdefault(_VISIBLE, device.uuid if device else "")
        for name in _THREADS:
            if name not in os.environ:
                spec.env.setdefault(name, "1")


def describe(config: pytest.Config) -> str:
    """Devices by worker, for the header."""
    from xdist.workermanage import parse_tx_spec_config

    local = ["popen" in spec.split("//") for spec in parse_tx_spec_config(config)]
    seats: dict[str, list[str]] = {}
    for number, (here, device) in enumerate(zip(local, _seats(config, local), strict=True)):
        seat = f"GPU {device.index} ({terminal_safe(device.name)}, {device.uuid})" if device else "CPU only"
        seats.setdefault(seat if here else "elsewhere", []).append(f"gw{number}")
    listed = "; ".join(f"{' '.join(workers)}: {seat}" for seat, workers in seats.items())
    return f"workers with one thread each: {listed}"


def _seats(config: pytest.Config, local: Sequence[bool]) -> list[Device | None]:
    """A device or None for each worker, in the order in which they are started."""
    placed = iter(place(found_devices(config), sum(local), *placement_limits(config)))
    return [next(placed) if here else None for here in local]
