"""GPUs as nvidia-smi lists them, without loading anything that would claim one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

DEFAULT_BUDGET = 2048  # MiB: the context of one CUDA process, a large policy and its working memory
NO_TORCH = "torch is not installed (pip install pytest-modelgate[torch])"
_TIMEOUT_S = 20.0  # a driver that has to wake up takes seconds; one that hangs must not hold up the gate
_EMULATE = "CUBLAS_EMULATE_DOUBLE_PRECISION"  # a switch of cuBLAS, since CUDA 13.0
_GPU = re.compile(r"GPU\s+(?P<index>\d+):\s*(?P<name>.+?)\s*\(UUID:\s*(?P<uuid>GPU-[0-9a-fA-F-]+)\)")
_MIG = re.compile(r"MIG\s+(?P<name>\S+)\s+Device\s+\d+:\s*\(UUID:\s*(?P<uuid>MIG-[0-9a-zA-Z/-]+)\)")
_MIG_MEMORY = re.compile(r"\.(\d+)gb")


@dataclass(frozen=True)
class Device:
    """A GPU, or one MIG instance of it.

    Attributes:
        uuid: what CUDA_VISIBLE_DEVICES takes.
        name: as the vendor calls it; of an instance, its profile.
        index: number of the GPU, as nvidia-smi counts.
        gpu: UUID of the whole GPU.
        free: MiB of memory that nobody uses; None when nothing tells.
    """

    uuid: str
    name: str
    index: int
    gpu: str
    free: int | None = None

    def room(self, most: int | None, budget: int | None) -> int | None:
        """Workers that it holds; None when nothing limits them.

        Args:
            most: workers; None sets no limit.
            budget: MiB that each of them takes; None means 2048.
        """
        fitting = None if self.free is None else self.free // (budget or DEFAULT_BUDGET)
        limits = [limit for limit in (most, fitting) if limit is not None]
        return min(limits) if limits else None


def list_devices(environ: Mapping[str, str]) -> tuple[Device, ...]:
    """The GPUs that this process may use, in the order of the caller's CUDA_VISIBLE_DEVICES.

    Empty without nvidia-smi, without a working driver, and where the caller hides all of them.
    """
    if environ.get("CUDA_VISIBLE_DEVICES") == "":
        return ()
    listing = _ask("-L")
    if not listing:
        return ()
    memory = _ask("--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits")
    return visible(parse_listing(listing, parse_memory(memory)), environ.get("CUDA_VISIBLE_DEVICES"))


def why_not_cuda(devices: Sequence[Device], environ: Mapping[str, str]) -> str:
    """Why no GPU can be used, as far as is known without loading torch; empty when nothing speaks against it."""
    if not devices:
        return "no GPU was found"
    if environ.get(_EMULATE, "0") not in ("", "0"):
        return f"{_EMULATE} is set, and what emulated float64 rounds is not known"
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return NO_TORCH
    return f"torch {version} is built without CUDA" if version.endswith("+cpu") else ""


def parse_listing(listing: str, free: Mapping[str, int]) -> tuple[Device, ...]:
    """Read ``nvidia-smi -L``. A GPU that is split into MIG instances is replaced by these.

    Args:
        free: MiB of free memory by UUID of a whole GPU; an instance has what its profile says.
    """
    devices: list[Device] = []
    for line in listing.splitlines():
        if gpu := _GPU.search(line):
            uuid = gpu["uuid"]
            devices.append(Device(uuid, gpu["name"], int(gpu["index"]), uuid, free.get(uuid)))
        elif (mig := _MIG.search(line)) and devices:
            size = _MIG_MEMORY.search(mig["name"])
            memory = int(size[1]) * 1024 if size else None
            whole = devices[-1]
            if whole.uuid == whole.gpu:
                devices.pop()
            devices.append(Device(mig["uuid"], f"MIG {mig['name']}", whole.index, whole.gpu, memory))
    return tuple(devices)


def parse_memory(text: str) -> dict[str, int]:
    """Read free MiB by UUID; lines that say something else are left out."""
    free = {}
    for line in text.splitlines():
        uuid, _, memory = (part.strip() for part in line.partition(","))
        if uuid.startswith("GPU-") and memory.isascii() and memory.isdigit():
            free[uuid] = int(memory)
    return free


def visible(devices: Sequence[Device], wanted: str | None) -> tuple[Device, ...]:
    """Devices that CUDA_VISIBLE_DEVICES leaves, in its order.

    As CUDA reads it: numbers, UUIDs or their beginnings; the first entry that names nothing ends the list, and the
    number of a GPU that is split means its first instance.
    """
    if wanted is None:
        return tuple(devices)
    chosen: list[Device] = []
    for entry in (part.strip() for part in wanted.split(",")):
        matches = [device for device in devices if _names(entry, device)]
        if not matches or matches[0] in chosen:
            break
        chosen.append(matches[0])
    return tuple(chosen)


def place(devices: Sequence[Device], workers: int, most: int | None, budget: int | None) -> tuple[Device | None, ...]:
    """A device for each worker, in turn, as long as there is room; None for those that compute on the CPU."""
    used = dict.fromkeys(devices, 0)
    placed: list[Device | None] = []
    for _ in range(workers):
        free = [device for device in devices if (room := device.room(most, budget)) is None or used[device] < room]
        chosen = min(free, key=lambda device: used[device], default=None)
        if chosen is not None:
            used[chosen] += 1
        placed.append(chosen)
    return tuple(placed)


def count_workers(devices: Sequence[Device], most: int | None, budget: int | None) -> int:
    """Workers that the devices hold; one each where neither argument says more."""
    if most is None and budget is None:
        most = 1
    rooms = [device.room(most, budget) for device in devices]
    return sum(1 if room is None else room for room in rooms)


def _names(entry: str, device: Device) -> bool:
    if entry.isascii() and entry.isdigit():
        return int(entry) == device.index
    return bool(entry) and (device.uuid.startswith(entry) or device.gpu.startswith(entry)) and len(entry) > len("GPU-")


def _ask(*arguments: str) -> str:
    """Output of nvidia-smi; empty when it is missing, fails or hangs."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        run = subprocess.run(  # noqa: S603 - the vendor's program, found as a shell would find it
            [program, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return run.stdout if run.returncode == 0 else ""
