"""The model now deployed against the one that wants its place, on identical bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution, concatenate
from pytest_modelgate.core.statistics.bootstrap import resampled_sums
from pytest_modelgate.core.typing import Floats

Outcome = Literal["better", "equal", "worse"]
_WORDS: dict[Outcome, str] = {"better": "better than", "equal": "not told apart from", "worse": "worse than"}
_CONFIDENCE = 0.90
_RUIN = -1.0 + 1e-12  # nothing comes back from a ruin, and a logarithm has to be finite


@dataclass(frozen=True)
class Comparison:
    """Result of a challenger against the champion.

    Attributes:
        outcome: ``better`` or ``worse`` where the interval excludes zero, else ``equal``.
        champion: sha256 of the deployed checkpoint.
        difference: of the mean logarithmic return per bar, challenger less champion.
        low, high: its 90 % interval.
        champion_return, challenger_return: compounded over the same folds, fractions.
    """

    outcome: Outcome
    champion: str
    difference: float
    low: float
    high: float
    champion_return: float
    challenger_return: float

    @property
    def sentence(self) -> str:
        """The finding, half a sentence."""
        points = [10_000 * figure for figure in (self.difference, self.low, self.high)]
        return (
            f"{_WORDS[self.outcome]} the deployed {self.champion[:12]} on the same bars, "
            f"{self.challenger_return:+.2%} against {self.champion_return:+.2%}; per bar {points[0]:+.2f} basis points "
            f"({points[1]:+.2f} to {points[2]:+.2f} at {_CONFIDENCE:.0%})"
        )


def compare(champion: Sequence[BarAttribution], challenger: Sequence[BarAttribution], sha256: str) -> Comparison:
    """Compare two models by the paired difference of their returns, resampled in blocks.

    Pairing bar by bar takes out what the market did to both. The draws are seeded by the differences themselves.

    Args:
        champion, challenger: fold by fold, on identical bars.
        sha256: of the champion's checkpoint.

    Raises:
        ValueError: the folds are not of the same bars.
    """
    if [len(attribution) for attribution in champion] != [len(attribution) for attribution in challenger]:
        raise ValueError("champion and challenger traded other bars")
    for mine, theirs in zip(champion, challenger, strict=True):
        if not (
            np.array_equal(mine.overnight_return, theirs.overnight_return)
            and np.array_equal(mine.intraday_return, theirs.intraday_return)
        ):
            raise ValueError("champion and challenger traded other bars")
    deployed, fresh = concatenate(champion), concatenate(challenger)
    paired = _logs(fresh.returns) - _logs(deployed.returns)
    low, high = _interval(paired)
    outcome: Outcome = "better" if low > 0.0 else "worse" if high < 0.0 else "equal"
    difference = math.fsum(paired.tolist()) / len(paired)
    return Comparison(outcome, sha256, difference, low, high, deployed.total_return(), fresh.total_return())


def _logs(returns: Floats) -> Floats:
    return np.log1p(np.maximum(returns, _RUIN))


def _interval(paired: Floats) -> tuple[float, float]:
    """Percentile interval of the mean."""
    if not paired.any():
        return 0.0, 0.0
    means = resampled_sums(paired, paired) / len(paired)
    low, high = np.quantile(means, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(low), float(high)
