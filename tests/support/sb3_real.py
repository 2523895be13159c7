"""Models of the real Stable-Baselines3, to be imported only where it is installed."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from support.sb3_cases import Case


class Noise(gym.Env[Any, Any]):
    """Observations of noise, and no reward."""

    def __init__(self, case: Case) -> None:
        self._rng = np.random.default_rng(1)
        shapes = case.shape if isinstance(case.shape, dict) else {"": case.shape}
        boxes: dict[str, gym.Space[Any]] = {
            key: gym.spaces.Box(-np.inf, np.inf, shape, np.float32) for key, shape in shapes.items()
        }
        self.observation_space = gym.spaces.Dict(boxes) if isinstance(case.shape, dict) else boxes[""]
        low, high = case.bounds or (0.0, 1.0)
        box = gym.spaces.Box(low, high, (1,), np.float32)
        self.action_space = box if case.bounds else gym.spaces.Discrete(3)
        self._shapes, self._steps = shapes, 0

    def _observed(self) -> Any:
        drawn = {key: self._rng.normal(0.3, 2.0, shape).astype(np.float32) for key, shape in self._shapes.items()}
        return drawn if isinstance(self.observation_space, gym.spaces.Dict) else drawn[""]

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        self._steps = 0
        return self._observed(), {}

    def step(self, _: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        return self._observed(), 0.0, self._steps > 20, False, {}


def make(case: Case, seed: int) -> tuple[Any, Any]:
    """A model with weights as large as training makes them, and its VecNormalize or None."""
    bare = DummyVecEnv([lambda: Noise(case)])
    env = VecNormalize(bare, clip_obs=4.0) if case.normalised else bare
    arguments: dict[str, Any] = {"net_arch": [8, 8]} | ({"activation_fn": torch.nn.ReLU} if case.relu else {})
    kind = getattr(stable_baselines3, case.algorithm)
    name = "MultiInputPolicy" if isinstance(case.shape, dict) else "MlpPolicy"
    model = kind(name, env, policy_kwargs=arguments, seed=seed, device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.policy.parameters():
            weight.normal_(0.0, 0.5, generator=generator)
    env.reset()
    for _ in range(30):
        env.step(np.array([model.action_space.sample()]))
    return model, env if case.normalised else None


def act(case: Case, model: Any, env: Any, asked: NDArray[np.float32]) -> NDArray[Any]:
    """What Stable-Baselines3 does on flat observations: indexes of actions (n,), or continuous actions (n,)."""
    shaped: Any = asked
    if isinstance(case.shape, dict):
        sizes = [int(np.prod(shape)) for shape in case.shape.values()]
        parts = np.split(asked, np.cumsum(sizes)[:-1], axis=1)
        shaped = {key: part.reshape(-1, *case.shape[key]) for key, part in zip(case.shape, parts, strict=True)}
    else:
        shaped = asked.reshape(-1, *case.shape)
    acted: NDArray[Any] = model.predict(env.normalize_obs(shaped) if env else shaped, deterministic=True)[0]
    return acted[:, 0] if case.bounds else acted.astype(np.int8)
