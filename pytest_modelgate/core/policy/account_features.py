"""Account features of an observation: what they measure, how they are written down, where they stand in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from pytest_modelgate.core.policy.scalars import log10, tanh
from pytest_modelgate.core.typing import Floats

Measure = Literal[
    "pnl", "win_rate", "drawdown", "position", "position_sign", "available_capital", "account_change", "last_change"
]
Scale = Literal["linear", "tanh", "log10"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
SCALES: tuple[Scale, ...] = get_args(Scale)
_HALVINGS = 60  # of the way from 0 to 1
_LEAST = 2.0**-60  # of what a logarithm is taken


@dataclass(frozen=True)
class Encoding:
    """How a fraction is written into an observation.

    Attributes:
        scale: ``linear`` keeps it, ``tanh`` squashes it, ``log10`` is the logarithm of 1 plus it.
        factor: multiplies it first.
    """

    scale: Scale = "linear"
    factor: float = 1.0

    def encode(self, fraction: float) -> float:
        """A fraction as the policy sees it; the same bits on every machine."""
        scaled = self.factor * fraction + 0.0  # which turns -0.0 into 0.0
        if self.scale == "linear":
            return scaled
        return tanh(scaled) if self.scale == "tanh" else log10(max(1.0 + scaled, _LEAST))

    @lru_cache  # noqa: B019 - of the few encodings that policies have
    def decode(self, value: float) -> float:
        """The fraction from 0 to 1 that is written as this value; the nearest of these for any other."""
        if self.scale == "linear":
            return min(1.0, max(0.0, value / self.factor))
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.encode(middle) < value else (low, middle)
        return high


@dataclass(frozen=True)
class AccountFeature:
    """One account feature of a policy; the same in all rows of an observation.

    Attributes:
        name: what is measured, as a fraction. ``pnl`` and ``account_change``: equity over the starting capital, less 1;
            ``win_rate``: closed trades won, 0.5 before the first; ``drawdown``: from the peak, positive; ``position``:
            signed value over equity; ``position_sign``: -1, 0 or 1; ``available_capital``: cash over equity, without
            the trainer's reserve, 1 less what the neutral value says; ``last_change``: of equity over the last bar.
        neutral: what the live trader feeds instead of the true account, encoded.
        encoding: of the true value.
        place: column in a row of the observation; negative ones count from its end.
    """

    name: Measure
    neutral: float
    encoding: Encoding
    place: int


def market_places(n_features: int, account: Sequence[AccountFeature]) -> list[int]:
    """Columns of a row that hold no account feature."""
    taken = {feature.place % n_features for feature in account}
    return [column for column in range(n_features) if column not in taken]


def neutral_account(features: Sequence[AccountFeature]) -> Floats:
    """Values (n_account,) that the live trader feeds."""
    return np.array([feature.neutral for feature in features], dtype=np.float64)
