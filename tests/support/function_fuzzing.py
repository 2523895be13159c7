"""A random policy judged by the gate and run by torch: do they act alike, or does the gate say that they do not?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from support.checkpoints import load
from support.torch_functions import Network, market, torch_logits

from pytest_modelgate.core.policy.inference import choose_of_all
from pytest_modelgate.core.policy.single_precision import float32_changes
from pytest_modelgate.errors import CheckpointError

LIMIT = 0.001  # as the profiles have it
BARS = 1000
Outcome = Literal["refused", "told", "alike"]


def judge(made: Network, folder: Path) -> tuple[Outcome, str]:
    """How a policy ended, and in which way the gate and torch differ without being told; empty where they do not.

    At the limit, torch's order of summation is one more draw: the count may exceed it by three standard deviations.
    """
    path = made.save(folder)
    try:
        policy = load(path).policy
        features = market(np.random.default_rng(made.seed), BARS + policy.lookback - 1)
        (choice,) = choose_of_all(policy, [features], np.zeros(0))
    except CheckpointError:
        return "refused", ""
    told = float32_changes(policy, features, np.zeros(0), choice, np.random.default_rng(made.seed + 1)).mean()
    if told > LIMIT:
        return "told", ""
    windows = sliding_window_view(features, policy.lookback, axis=0).transpose(0, 2, 1).reshape(BARS, -1)
    observations = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
    trader = made.module(path, torch.float32)
    batched = torch_logits(trader, observations)
    single = np.concatenate([torch_logits(trader, observations[row : row + 1]) for row in range(0, BARS, 10)])
    for logits, judged in ((batched, choice.actions), (single, choice.actions[::10])):
        differ = int((~np.isfinite(logits).all(axis=1) | (np.argmax(logits, axis=1) != judged)).sum())
        if differ > LIMIT * BARS + 3.0 * math.sqrt(LIMIT * BARS):
            return "alike", f"torch differs at {differ} of {len(judged)} bars, the gate says {told:.2%}"
    return "alike", ""
