"""The layers of a policy on a GPU, through torch: the bulk of the arithmetic, in float64.

Float64 throughout, although GPUs are faster in float32: of many windows at once the transforms leave so little to
multiply that a year of hours takes milliseconds, next to none of the actions is uncertain then, and no setting for
reduced precision (TF32, BF16) applies to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_modelgate.core.convolution import Plan, blocks_of, returns, rotations, spectra
from pytest_modelgate.core.policy import Floats, MlpPolicy, Weights, check_activation

if TYPE_CHECKING:
    import torch

_UNITS = 1024  # of the first layer at a time: some hundred MiB for a year of hours
_ROWS = 8192


@dataclass(frozen=True)
class TorchDevice:
    """Evaluates policies on a device of torch's; implements ``core.inference.Device``.

    Attributes:
        name: ``cuda``, or ``cpu`` to do the same without a GPU.
    """

    name: str

    def first_layer(self, policy: MlpPolicy, market: Floats, cut: Plan) -> Floats | None:
        """See ``Device.first_layer``."""
        import torch

        try:
            with torch.inference_mode():
                return _numpy(self._first_layer(policy, market, cut))
        except torch.OutOfMemoryError:
            return None

    def evaluate(self, policy: MlpPolicy, market: Floats, shift: Floats, cut: Plan) -> tuple[Floats, Floats] | None:
        """See ``Device.evaluate``."""
        import torch

        try:
            with torch.inference_mode():
                return self._finished(policy, self._first_layer(policy, market, cut) + self._put(shift))
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

    def _first_layer(self, policy: MlpPolicy, market: Floats, cut: Plan) -> torch.Tensor:
        count = len(market) - policy.window + 1
        return self._transformed(policy, market, cut)[:count] if cut.length else self._direct(policy, market, count)

    def _direct(self, policy: MlpPolicy, market: Floats, count: int) -> torch.Tensor:
        import torch

        weights, seen = self._put(policy.rows)[:, :, : policy.n_market], self._put(market)
        hidden = torch.zeros((count, len(policy.rows)), dtype=torch.float64, device=self.name)
        for lag in range(policy.window):
            hidden.addmm_(seen[lag : lag + count], weights[:, lag].T)
        return hidden

    def _transformed(self, policy: MlpPolicy, market: Floats, cut: Plan) -> torch.Tensor:
        import torch

        seen = self._put(spectra(blocks_of(market, cut, policy.window), cut))
        forth, back = self._put(rotations(cut, policy.window)), self._put(returns(cut))
        parts = []
        for first in range(0, len(policy.rows), _UNITS):
            weights = self._put(policy.rows[first : first + _UNITS])[:, :, : policy.n_market]
            spectrum = torch.matmul(forth, weights).reshape(len(weights), cut.frequencies, -1)
            product = torch.matmul(seen, spectrum.permute(1, 2, 0))
            found = back @ product.reshape(2 * cut.frequencies, -1)
            parts.append(found.reshape(cut.outputs, cut.blocks, -1).transpose(0, 1).reshape(-1, len(weights)))
        return torch.cat(parts, dim=1)

    def _put(self, values: Weights) -> torch.Tensor:
        import torch

        plain = np.ascontiguousarray(values)
        return torch.from_numpy(plain if plain.flags.writeable else plain.copy()).to(self.name).to(torch.float64)


def cuda_problem() -> str | None:
    """Why torch cannot compute on a GPU here; None when it can."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    try:
        if not torch.cuda.is_available():
            return "torch finds no usable GPU"
        torch.zeros(1, dtype=torch.float64, device="cuda").add_(1.0).item()
    except Exception as error:  # noqa: BLE001 - whatever a driver that does not fit raises
        return f"the GPU cannot be used ({type(error).__name__})"
    return None


def _activate(name: str, values: torch.Tensor) -> torch.Tensor:
    import torch

    check_activation(name)
    if name == "tanh":
        return torch.tanh(values)
    if name == "relu":
        return torch.relu(values)
    return torch.where(values > 0, values, torch.expm1(values.clamp(max=0.0)))


def _numpy(values: torch.Tensor) -> Floats:
    found: Any = values.cpu().numpy()
    return np.ascontiguousarray(found, dtype=np.float64)
