"""Check that float32, the arithmetic in which traders run a policy, leads to the actions that were judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import usable_rows
from pytest_modelgate.core.config.profiles import IntegrityLimits
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.integrity.perturbations import seeded
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.account_features import neutral_account
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.policy.single_precision import float32_changes


def check_precision(candidate: Candidate, windows: Sequence[Window], limits: IntegrityLimits, sha256: str) -> Check:
    """Compare the actions at every bar of some windows with those in float32, with neutral account features.

    A policy that shows no weights is judged as it is run, in whatever precision that is.

    Args:
        windows: backtest and folds.
        sha256: of the checkpoint; seeds the random orders of summation.
    """
    policy = candidate.policy
    if not isinstance(policy, MlpPolicy):
        sentence = "The policy shows no weights: it is judged as it is run here, in whatever precision that is."
        return Check("precision", "warn", sentence, {})
    judged = np.zeros(len(candidate.series.bars), dtype=np.bool_)
    for window in windows:
        judged[usable_rows(candidate, window)] = True
    ends = np.flatnonzero(judged)
    rows = slice(int(ends[0]), int(ends[-1]) + 1)
    market = candidate.series.matrix[rows.start - policy.lookback + 1 : rows.stop]
    neutral = neutral_account(policy.account)
    choice, rng = candidate.neutral_choice(rows), seeded(sha256, "precision")
    changes = float32_changes(policy, market, neutral, choice, rng, least=candidate.rules.min_confidence)
    changed = int(np.count_nonzero(changes[judged[rows]]))
    share = changed / len(ends)
    figures = {"actions_that_differ": share, "bars_that_differ": float(changed), "bars": float(len(ends))}
    counted = f"{changed} of {len(ends)} actions ({share:.2%})"
    if share > limits.max_float32_changes:
        sentence = (
            f"In float32, as traders run it, {counted} are others, tolerated are {limits.max_float32_changes:.2%}: "
            "weights or biases are so large, or cancel so exactly, that float32 cannot hold what the policy does."
        )
        return Check("precision", "fail", sentence, figures)
    return Check("precision", "pass", f"In float32, as traders run it, {counted} are others.", figures)
