"""Causality of features and actions: change every bar after some bar, and nothing up to it may move."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE, compute_all
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.policy.account_features import neutral_account
from pytest_modelgate.core.policy.inference import choose_actions_of_all
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Floats

_MOMENTS = 3
_STRETCH = 400  # bars among which the moments are drawn
_AFTER = 150  # bars after the last moment
_RECENT = 8  # bars before and after a moment


def check_causality(bars: Bars, feature_set: FeatureSet, policy: Policy, rows: slice, least: float = 0.0) -> Check:
    """Change the future in several ways at several random bars.

    What follows a bar is cut off, and replaced: by another market, or by absurd prices and volumes. Features and
    actions up to the bar must stay the same to the last bit. A random excerpt of the series is compared with itself, so
    a feature that needs a long history may differ from what the models saw, but not between the two.

    Args:
        bars: the series; rows before ``rows`` are history.
        rows: those on which the model is judged.
        least: confidence that an action needs to count.
    """
    rng = np.random.default_rng(int(hashlib.sha256(f"{bars.sha256} {feature_set.name}".encode()).hexdigest(), 16))
    needed = feature_set.warmup + policy.lookback
    stretch = min(_STRETCH, rows.stop - rows.start - 1)
    start = int(rng.integers(rows.start, rows.stop - stretch))
    excerpt = bars.frame.iloc[max(0, start - needed) : start + stretch + _AFTER]
    first, last = min(start, needed), min(start, needed) + stretch - 1
    moments = sorted({int(row) for row in rng.integers(first, min(last, len(excerpt) - 2), _MOMENTS, endpoint=True)})
    futures = [
        (now, changed, how)
        for number, now in enumerate(moments)
        for changed, how in _futures(excerpt, now, rng, absurd=bool(number % 2))
    ]
    base, *others = _features(feature_set, [excerpt, *(changed for _, changed, _ in futures)])
    comparison = _Comparison(policy, base, feature_set.warmup, least)
    for (now, _, how), features in zip(futures, others, strict=True):
        if peeking := _first_difference(base, features, feature_set.warmup, now):
            row, column = peeking
            name, stamp, bar = feature_set.columns[column], excerpt.index[row], excerpt.index[now]
            sentence = (
                f"Feature {name!r} knows the future: at {stamp} it changes with bars after {bar} ({how}). "
                "Compute it from bars up to its own only."
            )
            return Check("causality", "fail", sentence, {"moments": len(moments)})
        comparison.add(features, now)
    moved = comparison.first_moved()
    if moved is not None:
        sentence = f"The policy knows the future: actions up to {excerpt.index[moved]} change with later bars."
        return Check("causality", "fail", sentence, {"moments": len(moments)})
    replaced = f"The future was cut off and replaced after {len(moments)} random bars"
    sentence = f"{replaced}; no feature and no action up to them moved."
    return Check("causality", "pass", sentence, {"moments": len(moments)})


def _features(feature_set: FeatureSet, frames: Sequence[pd.DataFrame]) -> list[Floats]:
    """Features of each frame; of the gate's own set all together, in little more time than those of one take."""
    if feature_set is REFERENCE:
        return compute_all(frames)
    return [feature_set.compute(frame.copy()).to_numpy(dtype=np.float64) for frame in frames]


class _Comparison:
    """Actions up to some bars, in one future and another; features that are not finite in a made-up one are 0.

    Of a policy that nobody knows all actions are compared. An MLP sees its window alone, so there the last few
    before the change tell whether its evaluation, which takes many bars at once, keeps the future out of them.
    """

    def __init__(self, policy: Policy, base: Floats, warmup: int, least: float) -> None:
        self._policy, self._base, self._warmup, self._least = policy, base, warmup, least
        self._pieces: list[tuple[int, int, Floats, Floats]] = []

    def add(self, features: Floats, now: int) -> None:
        """Compare with other features, which are the same up to a bar."""
        first, last = self._warmup, len(self._base)
        if isinstance(self._policy, MlpPolicy):
            first = max(first, now - self._policy.lookback + 1 - _RECENT)
            last = now + 1 + _RECENT
        count = now + 2 - first - self._policy.lookback
        self._pieces.append((now, count, self._base[first:last], features[first:last]))

    def first_moved(self) -> int | None:
        """The earliest added bar up to which an action is another one; None when none is."""
        parts = [np.nan_to_num(part, posinf=0.0, neginf=0.0) for piece in self._pieces for part in piece[2:]]
        acted = choose_actions_of_all(self._policy, parts, neutral_account(self._policy.account), least=self._least)
        moved = [
            now
            for number, (now, count, *_) in enumerate(self._pieces)
            if acted[2 * number][:count].tolist() != acted[2 * number + 1][:count].tolist()
        ]
        return min(moved, default=None)


def _futures(
    excerpt: pd.DataFrame, now: int, rng: np.random.Generator, *, absurd: bool
) -> Iterator[tuple[pd.DataFrame, str]]:
    yield excerpt.iloc[: now + 1], "cut off"
    other = excerpt.copy()
    if absurd:
        other.iloc[now + 1 :] *= 1000.0
        yield other, "everything a thousandfold"
        return
    later = len(excerpt) - now - 1
    walk = np.exp(np.cumsum(rng.normal(0.0, 0.02, later)))
    other.iloc[now + 1 :, :4] = excerpt["close"].iloc[now] * walk[:, None] * np.array([1.0, 1.02, 0.98, 1.01])
    other.iloc[now + 1 :, 4] = rng.permutation(excerpt["volume"].to_numpy()[now + 1 :]) + 1.0
    yield other, "another market"


def _first_difference(base: Floats, features: Floats, warmup: int, now: int) -> tuple[int, int] | None:
    """Row and column of the earliest value up to now that is not the same to the last bit."""
    before, after = base[warmup : now + 1], features[warmup : now + 1]
    differs = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    if not differs.any():
        return None
    row, column = (int(part) for part in np.argwhere(differs)[0])
    return warmup + row, column
