"""What a proof is, and the facts of a fold that proofs are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.market.sessions import DayPlaces

PROOFS = ("out_of_sample", "timing", "single_fold", "money", "trades")
TITLES = {
    "out_of_sample": "data it never saw",
    "timing": "better than its own exposure",
    "single_fold": "no single fold carries it",
    "money": "money, at higher costs too",
    "trades": "enough trades",
    "sharpe": "probabilistic Sharpe ratio",
    "delay": "one bar later",
    "noise": "a little noise",
}


@dataclass(frozen=True)
class FoldAttribution:
    """Facts of one fold that the proofs need.

    Attributes:
        start: orders the folds (ISO 8601, UTC).
        sample: in-sample, gap, out-of-sample or unknown.
        closed_trades: round trips.
        delayed_return: total return had every order come one bar later, a fraction.
        attribution: bar by bar.
        places: day and slot of every bar, days numbered since 1970.
    """

    start: str
    sample: str
    closed_trades: int
    delayed_return: float
    attribution: BarAttribution
    places: DayPlaces


@dataclass(frozen=True)
class Proof:
    """One proof.

    Attributes:
        name: one of ``PROOFS``, or ``sharpe``, ``delay`` or ``noise`` where the profile asks for them.
        passed: whether the figure meets the limit; an undefined figure never does.
        figure: what was measured; NaN when undefined.
        limit: what LIVE asks for.
        at_most: whether the figure must not exceed the limit; otherwise it must reach it.
        sentence: the finding.
        details: further figures, by name.
    """

    name: str
    passed: bool
    figure: float
    limit: float
    at_most: bool
    sentence: str
    details: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def title(self) -> str:
        """A few words."""
        return TITLES[self.name]


def compound(returns: Sequence[float]) -> float:
    """One window after the other, a fraction; nothing comes back from a ruin."""
    return math.prod(max(0.0, 1.0 + value) for value in sorted(returns)) - 1.0
