"""Confidence in an action: its softmax probability, which traders ask to reach a threshold before they act.

By definition the confidence in the action with the largest logit is ``1 / (e_0 + e_1 + ...)``, added in that order,
where ``e_j`` is ``elementary.exp(l_j - l_max)`` and ``l`` are the logits by ``definition``. The action counts when that
is at least the threshold. A fast evaluation, whose logits are off by known bounds, is sure of it where even the least
favourable logits lead to the same answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.core.policy.elementary import exp
from pytest_modelgate.core.policy.mlp import greedy
from pytest_modelgate.core.typing import Actions, Floats

_SLACK = 1e-11  # relative: what two exponentials of down to -700, and sums of them, differ by from exact ones


def sure_action(logits: Floats, least: float) -> int:
    """The action of finite logits (n_actions,), by definition; ``NO_ACTION`` where its confidence is short.

    Args:
        least: confidence that an action needs to count; 0 takes every action.
    """
    action = int(np.argmax(logits))
    if least <= 0.0:
        return action
    total = 0.0
    for share in exp(logits - logits[action]).tolist():
        total += share
    return action if 1.0 / total >= least else NO_ACTION


def sure_actions(logits: Floats, least: float) -> Actions:
    """``sure_action`` of every row (n, n_actions).

    Raises:
        CheckpointError: a logit is not finite.
    """
    actions = greedy(logits)
    if least <= 0.0:
        return actions
    return np.array([sure_action(row, least) for row in logits], dtype=np.int64)


def certify_confidence(
    logits: Floats, errors: Floats, actions: Actions, least: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the confidence in actions reaches a threshold, and whether that is certain.

    Args:
        logits: (n, n_actions) of a fast evaluation.
        errors: (n, n_actions) bounds on their difference from those of the definition; not finite without a bound.
        actions: (n,) with the largest logits by definition.
        least: the threshold, above 0.

    Returns:
        (n,) and (n,).
    """
    rows = np.arange(len(logits))
    with np.errstate(all="ignore"):
        behind = logits - logits[rows, actions, None]
        apart = errors + errors[rows, actions, None]
        apart[rows, actions] = 0.0
        most, fewest = (np.exp(behind + side * apart).sum(axis=1) for side in (1.0, -1.0))
        reached = 1.0 / most >= least * (1.0 + _SLACK)
        short = 1.0 / fewest < least * (1.0 - _SLACK)
    return reached, (reached | short) & np.isfinite(apart).all(axis=1)


def same_beyond_doubt(logits: Floats, errors: Floats, judged: Actions, least: float) -> NDArray[np.bool_]:
    """Whether logits (n, n_actions), off by no more than ``errors``, lead to what was judged (n,), for certain."""
    rows, acts = np.arange(len(judged)), judged != NO_ACTION
    chosen = np.where(acts, judged, np.argmax(logits, axis=1))
    with np.errstate(all="ignore"):
        ahead = logits[rows, chosen, None] - logits > errors[rows, chosen, None] + errors  # false for what is no number
    ahead[rows, chosen] = True
    reached, certain = acts, np.all(ahead, axis=1)
    if least > 0.0:
        reached, confident = certify_confidence(logits, errors, chosen, least)
        certain &= confident
    return np.array(certain & (reached == acts), dtype=np.bool_)
