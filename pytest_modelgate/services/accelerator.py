"""Device that evaluates a policy: a GPU that was asked for or is worth it, else the CPU.

A torch that can use a GPU takes 4 s and 800 MB to load, in every process that does, so it is asked last: nothing is
loaded where no GPU is found, and what a CPU does in that time is left to it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from pytest_modelgate.adapters.gpu.nvidia_smi import list_devices, why_not_cuda
from pytest_modelgate.adapters.gpu.torch_device import TorchDevice, cuda_problem
from pytest_modelgate.core.config.settings import DeviceChoice
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import SettingsError

USE_ANOTHER = "Use auto or cpu: the results are the same, only slower"
_WORTH_IT = 5e11  # weights times bars: both take as long for them, CUDA's start included (docs/performance.md)


@dataclass
class Accelerator:
    """Gives policies the device that evaluates them.

    Attributes:
        choice: ``cpu``, ``cuda``, or ``auto``: a GPU where there is enough to do.
    """

    choice: DeviceChoice

    def device_for(self, policy: MlpPolicy, bars: float) -> TorchDevice | None:
        """The GPU, if it is to be used and works; None means the CPU.

        Args:
            bars: at which this policy, and others like it, will be evaluated in all.

        Raises:
            SettingsError: ``cuda`` was asked for, and the GPU that this process was given does not work.
        """
        if self.choice == "cpu":
            return None
        if self.choice == "auto" and bars * sum(weight.size for weight in policy.weights) < _WORTH_IT:
            return None
        return self._cuda

    @cached_property
    def _cuda(self) -> TorchDevice | None:
        if self.choice == "auto":
            return None if why_not_cuda(list_devices(os.environ), os.environ) or cuda_problem() else TorchDevice("cuda")
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            return None  # a worker for which no GPU has room
        if problem := cuda_problem():
            raise SettingsError("--gate-device cuda", problem, USE_ANOTHER)
        return TorchDevice("cuda")
