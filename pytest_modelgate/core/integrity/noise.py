"""A little noise on prices or weights: what the same folds show then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from pytest_modelgate.core.backtest.metrics import FoldResult, measure
from pytest_modelgate.core.config.profiles import RobustnessLimits
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.series import compute_features_of_all
from pytest_modelgate.core.integrity.check import NoiseDraw
from pytest_modelgate.core.integrity.perturbations import FoldReplayer, noisy, seeded
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.typing import Actions, Floats

_DRAWS = 2  # of either kind


def draw_noise(
    replayer: FoldReplayer, actions: Actions, feature_set: FeatureSet, limits: RobustnessLimits, sha256: str
) -> tuple[NoiseDraw, ...]:
    """Disturb what the model sees, and what it is; orders are filled at the true prices.

    Args:
        actions: undisturbed.
        sha256: of the checkpoint; seeds the noise.
    """
    policy, rng = replayer.candidate.policy, seeded(sha256, "noise")
    seen = [*_noisy_features(replayer, feature_set, limits.price_noise, rng)]
    draws = [_draw("prices", replayer, actions, changed) for changed in replayer.actions_on(seen)]
    if isinstance(policy, MlpPolicy):
        for _ in range(_DRAWS):
            relative = noisy(policy, rng, limits.weight_noise)
            draws.append(_draw("weights", replayer, actions, replayer.actions(relative)))
    return tuple(draws)


def _noisy_features(
    replayer: FoldReplayer, feature_set: FeatureSet, size: float, rng: np.random.Generator
) -> Iterator[Floats]:
    """Features of bars whose four prices move together by about ``size``; only what is needed is computed."""
    series = replayer.candidate.series
    first = max(0, replayer.rows.start - series.warmup - replayer.candidate.policy.lookback + 1)
    part = slice(first, replayer.rows.stop)
    frames = [series.bars.frame.iloc[part].copy() for _ in range(_DRAWS)]
    for frame in frames:
        frame.iloc[:, :4] *= np.exp(size * rng.standard_normal(len(frame)))[:, None]
    drawn = [type(series.bars)(series.bars.instrument, series.bars.timeframe, frame) for frame in frames]
    for seen in compute_features_of_all(drawn, feature_set):
        matrix = np.full_like(series.matrix, np.nan)
        matrix[part] = seen.matrix
        yield matrix


def _draw(kind: Literal["prices", "weights"], replayer: FoldReplayer, actions: Actions, changed: Actions) -> NoiseDraw:
    per_year = replayer.candidate.bars_per_year
    folds = tuple(FoldResult.of(measure(trajectory, per_year)) for trajectory in replayer.trade(changed))
    return NoiseDraw(kind, float(np.mean(changed != actions)), folds)
