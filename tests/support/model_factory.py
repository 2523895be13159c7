"""Small made-up models for tests: policies whose behaviour is known because their weights were written by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.policies import SPACES

from pytest_modelgate.adapters.checkpoint_writer import save_checkpoint
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.policy.actions import action_name
from pytest_modelgate.core.training.run import ParityProbe
from pytest_modelgate.services.probes import make_probe

WINDOW = 2
APPROVED = {
    "fitness_score": [0.5, 0.8],
    "profit_factor": [1.5, 2.5],
    "consistency": [0.8, 0.9],
    "max_drawdown": [0.2, 0.08],
}
REVIEW = APPROVED | {"fitness_score": [0.5, 0.6]}
DROP = APPROVED | {"profit_factor": [1.5, 0.9]}


Weights = dict[str, NDArray[np.float32]]


def constant_policy(action: str, n_actions: int = 3) -> Weights:
    """Always the same action."""
    bias = np.zeros(n_actions, np.float32)
    bias[[action_name(item) for item in SPACES[n_actions]].index(action)] = 1.0
    inputs = WINDOW * len(REFERENCE.columns)
    return _network(np.zeros((1, inputs), np.float32), np.zeros((n_actions, 1), np.float32), bias)


def follow(feature: str, n_actions: int = 3) -> Weights:
    """BUY where a feature of the last bar is clearly above zero, SELL where it is clearly below, else HOLD."""
    first = np.zeros((WINDOW, len(REFERENCE.columns)), np.float32)
    first[-1, REFERENCE.columns.index(feature)] = 50.0
    head = np.zeros((n_actions, 1), np.float32)
    head[1], head[2] = 1.0, -1.0
    bias = np.zeros(n_actions, np.float32)
    bias[0] = 0.5
    return _network(first.reshape(1, -1), head, bias)


def _network(first: NDArray[np.float32], head: NDArray[np.float32], bias: NDArray[np.float32]) -> Weights:
    return {
        "trunk.0.weight": first,
        "trunk.0.bias": np.zeros(len(first), np.float32),
        "policy_head.weight": head,
        "policy_head.bias": bias,
        "value_head.weight": np.zeros((1, len(first)), np.float32),
        "value_head.bias": np.zeros(1, np.float32),
    }


def probe(policy: Weights) -> ParityProbe:
    """What the trainer of a policy of this module, whose activation is tanh, computes in float32."""

    def logits(observations: NDArray[np.float32]) -> NDArray[np.float32]:
        first, head = ((policy[f"{name}.weight"], policy[f"{name}.bias"]) for name in ("trunk.0", "policy_head"))
        computed: NDArray[np.float32] = np.tanh(observations @ first[0].T + first[1]) @ head[0].T + head[1]
        return computed

    return make_probe(logits, WINDOW * len(REFERENCE.columns), len(policy["policy_head.bias"]), "a model of the tests")


def checkpoint(policy: Mapping[str, Any], **changes: Any) -> bytes:
    """The bytes of a .pt file of generation 2.3.0; ``changes`` replace its entries."""
    features = len(REFERENCE.columns)
    contents = {
        "optimizer_state_dict": {},
        "global_step": 1,
        "config": None,
        "model_version": "2.3.0",
        "n_features": features,
        "n_actions": 3,
        "obs_dim": features * WINDOW,
        "action_meanings": dict(enumerate(map(action_name, SPACES[3]))),
        "min_trader_version": "2.3.0",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        save_checkpoint(policy, contents | changes, path, "a model of the tests", lambda _: None)
        return path.read_bytes()


def waves(hours: int, slope: float = 0.003) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Log returns that rise and fall in turn, for 24 to 96 hours each: shifted, an even wave would look alike."""
    lengths = np.random.default_rng(4).integers(24, 97, hours // 24 + 1)
    phase = np.repeat(np.arange(len(lengths)) % 2, lengths)[:hours]
    return np.where(phase == 0, slope, -slope)


def history(values: Mapping[str, Sequence[float]], **changes: Sequence[float]) -> dict[str, list[float]]:
    """A validation history with some metrics replaced."""
    return {metric: list(series) for metric, series in {**values, **changes}.items()}
