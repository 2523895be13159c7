"""The layers of a policy on a GPU, through torch: the bulk of the arithmetic, in float64.

Float64 throughout, although GPUs are faster in float32: of many windows at once the transforms leave so little to
multiply that a year of hours takes milliseconds, next to none of the actions is uncertain then, and no setting for
reduced precision (TF32, BF16) applies to it. The one that does, cuBLAS's emulation of float64, rules the GPU out: see
``nvidia_smi.why_not_cuda``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_modelgate.adapters.gpu.nvidia_smi import NO_TORCH
from pytest_modelgate.core.policy.first_layer import Blocking, fourier_basis, in_order, inverse_basis, spectra
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Floats, Weights

if TYPE_CHECKING:
    import torch

_KNOWN = ("tanh", "relu", "elu")
_UNITS = 1024  # of the first layer at a time: some hundred MiB for a year of hours
_ROWS = 8192


@dataclass(frozen=True)
class TorchDevice:
    """Evaluates policies on a device of torch's; implements ``core.policy.inference.Device``.

    Attributes:
        name: ``cuda``, or ``cpu`` to do the same without a GPU.
    """

    name: str

    def first_layer(
        self, policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats
    ) -> Floats | None:
        """See ``Device.first_layer``."""
        import torch

        try:
            with torch.inference_mode():
                return _numpy(self._first_layer(policy, series, blocking, shift))
        except torch.OutOfMemoryError:
            return None

    def evaluate(
        self, policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats
    ) -> tuple[Floats, Floats] | None:
        """See ``Device.evaluate``."""
        import torch

        if policy.activation not in _KNOWN or any(policy.norms):
            return None  # the CPU has them all, and after the first layer little is left
        try:
            with torch.inference_mode():
                return self._finished(policy, self._first_layer(policy, series, blocking, shift))
        except torch.OutOfMemoryError:
            return None

    def _finished(self, policy: MlpPolicy, sums: torch.Tensor) -> tuple[Floats, Floats]:
        import torch

        pairs = zip(policy.weights[1:], policy.biases[1:], strict=True)
        layers = [(self._put(weight).T, self._put(bias)) for weight, bias in pairs]
        logits, sizes = [], []
        for first in range(0, len(sums), _ROWS):
            values = sums[first : first + _ROWS]
            norms = []
            for weight, bias in layers:
                values = _activate(policy.activation, values)
                norms.append(torch.linalg.vector_norm(values, dim=1))
                values = values @ weight + bias
            logits.append(values)
            sizes.append(torch.stack(norms, dim=1) if norms else values[:, :0])
        return _numpy(torch.cat(logits)), _numpy(torch.cat(sizes))

    def _first_layer(
        self, policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking, shift: Floats
    ) -> torch.Tensor:
        return (self._transformed if blocking.length else self._added_up)(policy, series, blocking) + self._put(shift)

    def _added_up(self, policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking) -> torch.Tensor:
        import torch

        weights = self._put(policy.market_weights)
        hidden = torch.zeros((sum(blocking.counts), len(weights)), dtype=torch.float64, device=self.name)
        first = 0
        for market, count in zip(series, blocking.counts, strict=True):
            seen = self._put(market)
            for lag in range(policy.lookback):
                hidden[first : first + count].addmm_(seen[lag : lag + count], weights[:, lag].T)
            first += count
        return hidden

    def _transformed(self, policy: MlpPolicy, series: Sequence[Floats], blocking: Blocking) -> torch.Tensor:
        import torch

        seen = self._put(spectra(series, blocking))
        forth = [
            self._put(wave)
            for wave in fourier_basis(blocking, -blocking.centre, blocking.lookback - 1 - blocking.centre)
        ]
        back = [
            self._put(wave)
            for wave in inverse_basis(blocking, -blocking.middle, blocking.outputs - 1 - blocking.middle)
        ]
        kept = torch.from_numpy(in_order(np.arange(blocking.blocks * blocking.outputs), blocking)).to(self.name)
        parts = []
        for first in range(0, len(policy.market_weights), _UNITS):
            weights = self._put(policy.market_weights[first : first + _UNITS])
            spectrum = torch.cat([torch.matmul(wave, weights) for wave in forth], dim=2)
            product = torch.matmul(seen, spectrum.permute(1, 2, 0))
            halves = product[:, : blocking.blocks], product[:, blocking.blocks :]
            real, imaginary = (half.reshape(blocking.frequencies, -1) for half in halves)
            in_time = back[0] @ real - back[1] @ imaginary
            sums = in_time.reshape(blocking.outputs, blocking.blocks, -1).transpose(0, 1).reshape(-1, len(weights))
            parts.append(sums[kept])
        return torch.cat(parts, dim=1)

    def _put(self, values: Weights) -> torch.Tensor:
        import torch

        plain = np.ascontiguousarray(values)
        return torch.from_numpy(plain if plain.flags.writeable else plain.copy()).to(self.name).to(torch.float64)


def cuda_problem(*, compute: bool = True) -> str | None:
    """Why torch cannot compute on a GPU here; None when it can.

    Args:
        compute: try it, which takes some hundred MiB of the GPU for as long as this process lives.
    """
    try:
        import torch
    except ImportError:
        return NO_TORCH
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    try:
        if not torch.cuda.is_available():
            return "torch finds no usable GPU"
        if compute:
            torch.zeros(1, dtype=torch.float64, device="cuda").add_(1.0).item()
    except Exception as error:  # noqa: BLE001 - whatever a driver that does not fit raises
        return f"the GPU cannot be used ({type(error).__name__})"
    return None


def _activate(name: str, values: torch.Tensor) -> torch.Tensor:
    import torch

    if name == "tanh":
        return torch.tanh(values)
    if name == "relu":
        return torch.relu(values)
    return torch.where(values > 0, values, torch.expm1(values.clamp(max=0.0)))


def _numpy(values: torch.Tensor) -> Floats:
    array: Any = values.cpu().numpy()
    return np.ascontiguousarray(array, dtype=np.float64)
