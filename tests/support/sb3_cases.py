"""Kinds of models of Stable-Baselines3, as the gate is told of them; nothing here needs it installed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile, read_policy
from pytest_modelgate.core.policy.actions import HOLD, Action, Target
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.policy.observations import trained_outputs
from pytest_modelgate.core.training.run import Declared, DeclaredFeature

RECORDED = Path(__file__).parents[1] / "adapters/formats/recorded"
COUNT = 10_000
_THREE: tuple[Action, ...] = (HOLD, Target(1.0), Target(0.0))
_ENDS: tuple[Action, ...] = (Target(-1.0), Target(1.0))


@dataclass(frozen=True)
class Case:
    """One kind of model.

    Attributes:
        algorithm: its class in ``stable_baselines3``.
        shape: of an observation, or of the parts of a dict by key.
        bounds: of a continuous action; None for three discrete ones.
        normalised: whether a VecNormalize belongs to it.
    """

    name: str
    algorithm: str
    shape: tuple[int, ...] | dict[str, tuple[int, ...]]
    declared: Declared
    bounds: tuple[float, float] | None = None
    normalised: bool = True
    relu: bool = False

    @property
    def size(self) -> int:
        """Numbers in a flat observation."""
        shapes = self.shape.values() if isinstance(self.shape, dict) else [self.shape]
        return sum(int(np.prod(shape)) for shape in shapes)


def _said(lookback: int = 1, actions: tuple[Action, ...] = _THREE, **facts: Any) -> Declared:
    return Declared(actions=actions, lookback=lookback, feature_set="mine", **facts)


_POSITION = (DeclaredFeature("position_sign", -2, 0.0), DeclaredFeature("drawdown", -1, 0.0))
_DICT = _said(2, account=_POSITION, observation=("position_sign", "drawdown", "market"))
CASES = (
    Case("ppo", "PPO", (8,), _said()),
    Case("ppo_window", "PPO", (4, 6), _said(4), normalised=False, relu=True),
    Case("ppo_account", "PPO", (8,), _said(account=(DeclaredFeature("position_sign", 0, 0.0),))),
    Case("ppo_dict", "PPO", {"account": (2,), "market": (2, 4)}, _DICT, normalised=False),
    Case("a2c", "A2C", (8,), _said()),
    Case("dqn", "DQN", (8,), _said()),
    Case("ppo_continuous", "PPO", (8,), _said(actions=_ENDS), bounds=(-2.0, 1.0)),
    Case("sac", "SAC", (8,), _said(actions=_ENDS), bounds=(0.0, 1.0)),
    Case("td3", "TD3", (8,), _said(actions=_ENDS), bounds=(-1.0, 1.0), normalised=False),
)
BY_NAME = {case.name: case for case in CASES}


def observations(case: Case) -> NDArray[np.float32]:
    """Observations (COUNT, size) around 0, some of them far beyond the clip of a VecNormalize."""
    rng = np.random.default_rng(case.size)
    scale = np.array([1.0, 3.0, 20.0])[np.arange(COUNT) % 3]
    return np.asarray(rng.standard_normal((COUNT, case.size)) * scale[:, None], dtype=np.float32)


def read(case: Case, folder: Path = RECORDED, **said: Any) -> LoadedPolicy:
    """A case's model as the gate reads it.

    Args:
        folder: where its files lie.
        said: of ``Declared``, in place of what the case declares.
    """
    beside = f"{case.name}.vecnormalize.pkl"
    declared = replace(case.declared, **({"normaliser": beside} if case.normalised else {}) | said)
    siblings = {declared.normaliser: folder / declared.normaliser} if declared.normaliser else {}
    name = f"{case.name}.zip"
    return read_policy(builtin_formats(), PolicyFile(folder / name, name, f"checkpoint {name}", declared, siblings))


def answers(case: Case, loaded: LoadedPolicy, asked: NDArray[np.float32]) -> NDArray[Any]:
    """What the gate makes of observations: indexes of actions (n,), or continuous actions (n,)."""
    assert isinstance(loaded.policy, MlpPolicy)
    outputs = trained_outputs(loaded.policy, asked.astype(np.float64))
    return outputs[:, 0] if case.bounds else outputs.argmax(axis=1)
