"""Prints what the engine decides, as a digest, and what its arithmetic looked like, as another; run as a script.

The first line must be the same under every BLAS kernel and number of threads; the second shows that these differ.
"""

import hashlib
import sys
from dataclasses import replace

import numpy as np
from support.market_factory import hourly_bars, random_walk
from support.policy_oracle import network

from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import evaluate_all
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.config.settings import AccountMode
from pytest_modelgate.core.features.series import FeatureSeries
from pytest_modelgate.core.market.windows import Window

ACCOUNT_MODES: tuple[AccountMode, ...] = ("neutral", "tracked")
RULES = TradingRules(0.0025, 0.001, 0.1, 0.05, 0.3, 1.0, can_short=False)


def digests(*, backwards: bool = False) -> tuple[str, str]:
    """Trade three networks - an ordinary one, and two in which rounding would decide - in both account modes.

    Args:
        backwards: the last fold first; the digest is the same.
    """
    rng = np.random.default_rng(1)
    bars = hourly_bars("BTCUSD", random_walk("2024-01-01", 300))
    series = FeatureSeries(bars, np.tanh(rng.normal(size=(300, 11))), 20, tuple(f"f{n}" for n in range(11)))
    edges = [bars.index[60 + 79 * n] for n in range(4)]
    folds = [Window(f"fold{n + 1}of3", edges[n], edges[n + 1]) for n in range(3)]
    decided, raw = hashlib.sha256(), hashlib.sha256()
    for margin, activation in ((None, "tanh"), (1e-8, "elu"), (1e-15, "tanh")):
        policy = ordinary = network(
            rng, [120, 60], window=30, n_market=11, n_account=6, n_actions=7, activation=activation
        )
        if margin is not None:
            head = ordinary.weights[-1][:1].astype(np.float64)
            near = head * (1.0 + margin * rng.standard_normal((7, head.shape[1])))
            policy = replace(
                ordinary, weights=[*ordinary.weights[:-1], near], biases=[*ordinary.biases[:-1], np.zeros(7)]
            )
        raw.update(policy.logits(series.matrix, np.zeros(6)).tobytes())
        for account in ACCOUNT_MODES:
            candidate = Candidate(policy, series, RULES, tuple(folds))
            evaluated = evaluate_all(candidate, folds[::-1] if backwards else folds, account, 1e5)
            for trajectory, metrics in evaluated[::-1] if backwards else evaluated:
                decided.update(trajectory.actions.tobytes() + trajectory.equity.tobytes() + repr(metrics).encode())
    return decided.hexdigest(), raw.hexdigest()


if __name__ == "__main__":
    sys.stdout.write("\n".join(digests()) + "\n")
