"""What the market alone gives to somebody who is in it as much as a model is, all the time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.typing import Floats


@dataclass(frozen=True, eq=False)
class EqualExposure:
    """Holding the market at a constant weight.

    Attributes:
        weight: of the position in equity, signed.
        returns: (n,) per bar, without costs, the weight restored at every close.
    """

    weight: float
    returns: Floats

    @property
    def total_return(self) -> float:
        """Compounded, a fraction; nothing comes back from a ruin."""
        return float(np.prod(np.maximum(0.0, 1.0 + self.returns)) - 1.0)


def equal_exposure(weights: Floats, market: Floats) -> EqualExposure:
    """Hold the mean of a model's own positions throughout: what a model earns beyond that is its timing.

    Longs and shorts offset each other, as they do in a model that is in the market both ways.

    Args:
        weights: (n,) signed share of equity that the model holds during each bar.
        market: (n,) returns of the market from close to close.
    """
    weight = float(np.mean(weights)) if len(weights) else 0.0
    return EqualExposure(weight, weight * market)
