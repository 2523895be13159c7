"""Checkpoints as a trainer writes them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.policies import SPACES

from pytest_modelgate.adapters.checkpoint import LoadedCheckpoint, load_checkpoint
from pytest_modelgate.core.policy.actions import action_name
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError

MODULES = ("alpaca_trading", "alpaca_trading.gpu", "alpaca_trading.gpu.ppo_trainer_native")
GENERATIONS = {"2.3.0": (53, 3), "2.4.0": (56, 3), "2.5.1": (56, 3), "2.6.0": (56, 3), "2.7.0": (59, 7)}


class Actor(torch.nn.Module):
    """A shared trunk with two heads, as PPO trainers build it."""

    def __init__(self, inputs: int, hidden: Sequence[int], actions: int) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for size in hidden:
            layers += [torch.nn.Linear(inputs, size), torch.nn.Tanh()]
            inputs = size
        self.trunk = torch.nn.Sequential(*layers)
        self.policy_head = torch.nn.Linear(inputs, actions)
        self.value_head = torch.nn.Linear(inputs, 1)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.policy_head(self.trunk(observations))
        return logits


def contents(version: str = "2.3.0", hidden: Sequence[int] = (8, 4), window: int = 3, **changes: Any) -> dict[str, Any]:
    """What a checkpoint of a generation holds; ``changes`` replace entries, None takes one out."""
    features, actions = GENERATIONS[version]
    torch.manual_seed(1)
    actor = Actor(features * window, hidden, actions)
    optimizer = torch.optim.Adam(actor.parameters())
    actor(torch.zeros(1, features * window)).sum().backward()
    optimizer.step()
    made = {
        "policy_state_dict": actor.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "global_step": 3_000_000_000,
        "config": {"activation": "tanh", "feature_set": "reference-v1"},
        "model_version": version,
        "n_features": features,
        "n_actions": actions,
        "obs_dim": features * window,
        "action_meanings": dict(enumerate(map(action_name, SPACES[actions]))),
        "min_trader_version": version,
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def saved(folder: Path, made: object) -> Path:
    path = folder / "model.pt"
    torch.save(made, path)
    return path


@contextlib.contextmanager
def trainers_config(**how: Any) -> Iterator[Any]:
    """A config of a dataclass from the trainer's package, which is gone once the block ends."""
    for name in MODULES:
        sys.modules[name] = types.ModuleType(name)
    fields = [("activation", str), ("feature_set", str), ("hidden", tuple), ("learning_rate", float)]
    made = dataclasses.make_dataclass("NativePPOConfig", fields, **how)
    made.__module__ = MODULES[-1]
    sys.modules[MODULES[-1]].NativePPOConfig = made  # type: ignore[attr-defined]  # a module made here
    try:
        yield made("tanh", "reference-v1", (8, 4), 3e-4)
    finally:
        for name in MODULES:
            del sys.modules[name]


def pickled(made: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(made, buffer)
    return buffer.getvalue()


def load(path: Path, *, declared: Declared | None = None, **options: Any) -> LoadedCheckpoint:
    chosen = {"activation": None, "feature_set": None, "trainer_packages": ("alpaca_trading",), **options}
    return load_checkpoint(path, location="checkpoint X.pt", declared=declared or Declared(), **chosen)


def refused(path: Path, sentence: str, **options: Any) -> None:
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load(path, **options)
    assert "weights_only" not in str(caught.value)
