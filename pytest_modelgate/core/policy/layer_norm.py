"""Layer normalisation between layers (Ba et al. 2016): less the mean, by the deviation, scaled and shifted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.typing import Floats


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """Normalisation of the values of one layer.

    Attributes:
        weight, bias: (width,).
        epsilon: added to the variance; torch's own, since a state dict does not tell.
        before_activation: it follows the linear layer, rather than its activation.
    """

    weight: Floats
    bias: Floats
    epsilon: float = 1e-5
    before_activation: bool = True

    def apply(self, values: Floats) -> tuple[Floats, Floats]:
        """Normalised values (n, width), and the deviations (n,) that they were divided by."""
        centred = values - values.mean(axis=1, keepdims=True)
        deviation = np.sqrt(np.einsum("ij,ij->i", centred, centred) / values.shape[1] + self.epsilon)
        return centred / deviation[:, None] * self.weight + self.bias, deviation

    @property
    def gain(self) -> float:
        """The largest weight, by its size."""
        return float(np.abs(self.weight).max())

    @property
    def offset(self) -> float:
        """Euclidean norm of the bias."""
        return float(np.linalg.norm(self.bias))

    @property
    def reach(self) -> float:
        """At least the Euclidean norm of what it gives: what a deviation divides is at most sqrt(width) long."""
        return 1.001 * (math.sqrt(len(self.weight)) * self.gain + self.offset)
