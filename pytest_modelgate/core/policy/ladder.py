"""Continuous actions as a ladder of targets: a single output decides among evenly spaced rungs.

Rung ``k`` of ``n + 1`` stands for the share ``k / n`` of the way from the lowest action to the highest, and the output
``x`` takes the nearest. The bounds ``b_0 < b_1 < ...`` between neighbours, seen through what squashes the output, are
numbers, so the nearest rung is the largest of ``(k - c) x - (b_0 + ... + b_{k-1})`` for any ``c``: lines of growing
slope, of which neighbours cross at their bound. A ladder is a last layer like any other, and certified like any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_modelgate.core.policy.actions import Action, Target
from pytest_modelgate.core.typing import Floats, Weights

STEPS = 100  # of a position from one end to the other
_MIDDLE = STEPS // 2


@dataclass(frozen=True)
class Ladder:
    """Rungs of one continuous action.

    Attributes:
        low, high: bounds of the action, as the trainer's environment has them.
        squashed: the output goes through tanh, and from [-1, 1] to the bounds; else it is clipped to the bounds.
    """

    low: float
    high: float
    squashed: bool

    @cached_property
    def bounds(self) -> Floats:
        """Outputs (STEPS,) at which one rung gives way to the next."""
        shares = (np.arange(STEPS) + 0.5) / STEPS
        if self.squashed:
            return np.array([math.atanh(2.0 * share - 1.0) for share in shares.tolist()])
        return self.low + shares * (self.high - self.low)

    def head(self, weight: Weights, bias: Weights) -> tuple[Floats, Floats]:
        """The last layer (STEPS + 1, width) and its biases, of that of one output (1, width)."""
        slopes = _slopes()
        offsets = np.concatenate([[0.0], np.cumsum(self.bounds)])
        row, shift = weight[0].astype(np.float64), float(bias[0])
        return slopes[:, None] * row, slopes * shift - offsets

    def row(self, weight: Weights) -> Floats:
        """The way back: weights (1, width) of the one output."""
        single: Floats = weight[_MIDDLE + 1 : _MIDDLE + 2].astype(np.float64)
        return single

    def weights_of(self, row: Weights) -> Floats:
        """Weights (STEPS + 1, width) of the last layer, of those of the one output (1, width)."""
        weights: Floats = np.outer(_slopes(), row).astype(np.float64)
        return weights

    def actions_of(self, logits: Floats) -> Floats:
        """Actions (n, 1) within the bounds, as the trainer's environment gets them, of logits (n, STEPS + 1)."""
        output = logits[:, _MIDDLE + 1] - logits[:, _MIDDLE] + self.bounds[_MIDDLE]
        if self.squashed:
            share = 0.5 * (np.tanh(output) + 1.0)
            return np.asarray(self.low + share * (self.high - self.low))[:, None]
        return np.asarray(np.clip(output, self.low, self.high))[:, None]


def _slopes() -> Floats:
    return np.arange(STEPS + 1, dtype=np.float64) - _MIDDLE


def rungs(first: float, last: float) -> tuple[Action, ...]:
    """Targets from the exposure that the lowest action stands for to that of the highest."""
    return tuple(Target(round(first + (last - first) * (step / STEPS), 12)) for step in range(STEPS + 1))
