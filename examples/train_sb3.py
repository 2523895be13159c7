"""Train a PPO of Stable-Baselines3 on recorded bars and write an archive that the gate accepts.

    pip install stable-baselines3
    python examples/train_sb3.py --cassettes cassettes --out examples/sb3_archive.zip

The environment is an ordinary one of gymnasium: a row of market features and the sign of the position, three actions
(hold, a quarter of the equity in, out), the earned return as reward. ``VecNormalize`` normalises what the policy sees,
and its statistics go into the archive. The last 180 days before ``--as-of`` and an embargo of one bar before them are
held out. Everything is seeded: the same cassettes and the same versions of Stable-Baselines3, torch and numpy give the
same policy.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from train_ppo import AS_OF, HELD_OUT_DAYS, REWARD_SCALE, VALIDATION_SHARE, training_metrics

from pytest_modelgate import (
    CLOSE,
    HOLD,
    REFERENCE,
    Bars,
    ModelArtifact,
    Target,
    TradingRules,
    TrainingWindow,
    load_profile,
    recorded_bars,
    rules_for,
    walk_forward_windows,
    write_archive,
)

SYMBOL = "UNIUSD"
IN = 0.25  # of equity
EPISODES, STEPS, UPDATES = 16, 96, 120
VALIDATION_INTERVAL = 10  # updates
SEED = 1
ACTIONS = [HOLD, Target(IN), CLOSE]


class Series:
    """Features of bars, and what a position earns from the open of the next bar to that of the one after it."""

    def __init__(self, bars: Bars, rules: TradingRules) -> None:
        self.features = REFERENCE.compute(bars.frame).to_numpy(dtype=np.float32)
        opens = bars.frame["open"].to_numpy(dtype=np.float64)
        self.returns = opens[1:] / opens[:-1] - 1.0
        self.cost = rules.fee + rules.slippage
        self.first = REFERENCE.warmup
        self.last = len(bars) - 3  # the last bar on which an order can be decided, filled and rewarded
        self.border = self.first + int((self.last - self.first) * (1.0 - VALIDATION_SHARE))  # validation begins there

    def observe(self, bar: int, position: float) -> NDArray[np.float32]:
        """Market features, and the sign of the position behind them."""
        return np.append(self.features[bar], np.float32(position > 0.0))

    def earn(self, bar: int, before: float, after: float) -> float:
        """Fraction of equity that a position earns, less the cost of its change."""
        return float(after * self.returns[bar + 1] - abs(after - before) * self.cost)


def after(action: int, position: float) -> float:
    """Position behind an action, as a fraction of equity."""
    return (position, IN, 0.0)[action]


class Trading(gym.Env[NDArray[np.float32], np.int64]):
    """Episodes of four days somewhere in the training data, each from flat."""

    def __init__(self, series: Series, seed: int) -> None:
        size = series.features.shape[1] + 1
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = gym.spaces.Discrete(len(ACTIONS))
        self._series, self._rng = series, np.random.default_rng(seed)
        self._bar, self._step, self._position = 0, 0, 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin anywhere before the validation data."""
        super().reset(seed=seed, options=options)
        self._bar = int(self._rng.integers(self._series.first, self._series.border - STEPS))
        self._step, self._position = 0, 0.0
        return self._series.observe(self._bar, self._position), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Trade at the next open, and see what it earns until the one after it."""
        held = after(int(action), self._position)
        reward = self._series.earn(self._bar, self._position, held) / REWARD_SCALE
        self._position, self._bar, self._step = held, self._bar + 1, self._step + 1
        return self._series.observe(self._bar, held), reward, False, self._step == STEPS, {}


def replay(model: PPO, env: VecNormalize, series: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Greedy trading of the validation data from flat: earned fraction and position of each bar."""
    bars = range(series.border, series.last)
    decided = [
        model.predict(env.normalize_obs(np.stack([series.observe(bar, held) for bar in bars])), deterministic=True)[0]
        for held in (0.0, IN)
    ]
    position, earned, held = 0.0, [], []
    for place, bar in enumerate(bars):
        wanted = after(int(decided[int(position > 0.0)][place]), position)
        earned.append(series.earn(bar, position, wanted))
        position = wanted
        held.append(position)
    return np.array(earned), np.array(held)


class Validation(BaseCallback):
    """Notes the training metrics as training goes on."""

    def __init__(self, env: VecNormalize, series: Series) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self._env, self._series, self._updates = env, series, 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self._updates and self._updates % VALIDATION_INTERVAL == 0:
            self.note()
        self._updates += 1

    def note(self) -> None:
        """Validate the policy as it is now."""
        assert isinstance(self.model, PPO)
        for metric, value in training_metrics(*replay(self.model, self._env, self._series)).items():
            self.history.setdefault(metric, []).append(value)


def train(series: Series) -> tuple[PPO, VecNormalize, dict[str, list[float]]]:
    """Train the policy; it, its normaliser and its validation history."""
    makers: list[Callable[[], gym.Env[Any, Any]]] = [partial(Trading, series, seed) for seed in range(EPISODES)]
    env = VecNormalize(DummyVecEnv(makers), norm_reward=False)
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate=5e-4,
        n_steps=STEPS,
        batch_size=EPISODES * STEPS // 4,
        n_epochs=4,
        gamma=0.95,
        ent_coef=0.005,
        policy_kwargs={
            "net_arch": {"pi": [16], "vf": [32]},
            "optimizer_class": torch.optim.AdamW,
            "optimizer_kwargs": {"weight_decay": 0.1},
        },
        seed=SEED,
        device="cpu",
    )
    validation = Validation(env, series)
    model.learn(EPISODES * STEPS * UPDATES, callback=validation)
    validation.note()
    env.training = False
    return model, env, validation.history


def make_artifact(bars: Bars, rules: TradingRules, as_of: pd.Timestamp, folder: Path) -> ModelArtifact:
    """Train on the part of the bars that the gate will not judge, and say what the policy's numbers mean."""
    held_out = walk_forward_windows(as_of, bars.timeframe, HELD_OUT_DAYS, 5)[0].start
    seen = bars.rows(slice(0, int(bars.index.searchsorted(held_out)) - 1))
    series = Series(seen, rules)
    model, env, history = train(series)
    model.save(folder / f"{SYMBOL}_1Hour.zip", exclude=["rollout_buffer", "ep_info_buffer", "ep_success_buffer"])
    env.save(str(folder / "vecnormalize.pkl"))

    def logits(observations: NDArray[np.float32]) -> torch.Tensor:
        """What the policy makes of observations as the environment gives them."""
        seen: Any = model.policy.get_distribution(torch.as_tensor(env.normalize_obs(observations))).distribution
        raw: torch.Tensor = seen.logits
        return raw

    return ModelArtifact(
        symbol=SYMBOL,
        timeframe=bars.timeframe.value,
        checkpoint=folder / f"{SYMBOL}_1Hour.zip",
        normaliser=folder / "vecnormalize.pkl",
        history=history,
        training_window=TrainingWindow(seen.index[0], seen.index[series.border - 1]),
        declared={
            "selection_window": TrainingWindow(seen.index[series.border], seen.index[-1]),
            "lookback": 1,
            "actions": ACTIONS,
            "account": [{"name": "position_sign", "neutral": 0.0}],  # behind the market features of a row
        },
        policy=logits,
    )


def main() -> None:
    """Train the model and write its archive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cassettes", type=Path, default=Path("cassettes"))
    parser.add_argument("--out", type=Path, default=Path("examples/sb3_archive.zip"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # small networks: threads cost more than they give, and may change the last bits
    as_of = pd.Timestamp(AS_OF)
    bars = recorded_bars(SYMBOL, "1Hour", as_of=as_of, cassettes=options.cassettes, days=HELD_OUT_DAYS)
    with tempfile.TemporaryDirectory() as folder:
        rules = rules_for(load_profile("2.4.5"), bars.instrument.asset_class)
        artifact = make_artifact(bars, rules, as_of, Path(folder))
        print(", ".join(f"{metric} {values[-1]:.2f}" for metric, values in artifact.history.items()), flush=True)
        path = write_archive(
            options.out,
            [artifact],
            trained_at=as_of.to_pydatetime(),
            reward_scale=REWARD_SCALE,
            validation_interval=VALIDATION_INTERVAL,
            feature_set=REFERENCE.name,
            account_mode="tracked",
            trainer_version="example",
            format="sb3",
        )
    print(f"wrote {path}, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
