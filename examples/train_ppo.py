"""Train small PPO policies on recorded bars and write an archive that the gate accepts.

    python examples/train_ppo.py --cassettes cassettes --out examples/demo_archive.zip

Bars come through the same adapters as the gate's. The last 180 days before ``--as-of`` are held out, and before them an
embargo of one observation window: neither training nor validation sees them, so that every walk-forward fold of the
gate is out-of-sample, and the archive declares both. Everything is seeded: the same cassettes and the same versions of
torch and numpy give the same models.

PPO is that of Schulman et al. 2017 (https://arxiv.org/abs/1707.06347), with generalised advantage estimation (2016).
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pytest_modelgate import (
    REFERENCE,
    AccountFeature,
    Bars,
    ModelArtifact,
    ParityProbe,
    TradingRules,
    TrainingWindow,
    generation_of,
    load_profile,
    recorded_bars,
    rules_for,
    walk_forward_windows,
    write_archive,
)

Floats = NDArray[np.float32]

AS_OF = "2024-12-27T21:18:19Z"
HELD_OUT_DAYS = 180
VALIDATION_SHARE = 0.3  # of the training window, its last part
VALIDATION_BLOCKS = 10
REWARD_SCALE = 0.001
MEANINGS = {
    3: ["HOLD", "BUY", "SELL"],
    7: ["HOLD", "BUY_25", "BUY_50", "BUY_75", "SELL_25", "SELL_50", "SELL_75"],
}


@dataclass(frozen=True)
class Recipe:
    """How one model is trained.

    Attributes:
        candidates: how many are trained, with seeds from 1 on; the one with the best last fitness is kept. Where there
            is nothing to learn, that is how luck gets past training metrics.
    """

    symbol: str
    generation: str = "2.3.0"
    updates: int = 150
    candidates: int = 1


DEMO = (
    Recipe("BTCUSD", candidates=4),
    Recipe("ETHUSD", generation="2.4.0"),
    Recipe("UNIUSD", generation="2.7.0"),
    Recipe("SOLUSD"),
    Recipe("LTCUSD"),
    Recipe("LINKUSD"),
    Recipe("AAPL", generation="2.7.0"),
    Recipe("GOOGL"),
)


@dataclass(frozen=True)
class Hyperparameters:
    """Small on purpose: the demo archive has to stay under 5 MB."""

    window: int = 4
    hidden: tuple[int, ...] = (16,)
    episodes: int = 64
    steps: int = 96
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 5e-4
    weight_decay: float = 0.1
    gamma: float = 0.95
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.005
    validation_interval: int = 10


class Network(torch.nn.Module):
    """A shared trunk with a policy head and a value head.

    The value head knows the position, which the policy does not see: the worth of a state is that of being flat plus,
    per share of equity held, that of the position.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], actions: int) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for size in hidden:
            layers += [torch.nn.Linear(inputs, size), torch.nn.Tanh()]
            inputs = size
        self.trunk = torch.nn.Sequential(*layers)
        self.policy_head = torch.nn.Linear(inputs, actions)
        self.value_head = torch.nn.Linear(inputs, 2)
        torch.nn.init.zeros_(self.policy_head.bias)
        torch.nn.init.orthogonal_(self.policy_head.weight, 0.01)

    def forward(self, observations: torch.Tensor, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n, actions) and values (n,) of flat observations and positions, the latter as a share of equity."""
        hidden = self.trunk(observations)
        flat, per_share = self.value_head(hidden).unbind(dim=1)
        return self.policy_head(hidden), flat + per_share * position * 10.0

    def logits(self, observations: torch.Tensor) -> torch.Tensor:
        """What the gate will compute."""
        result: torch.Tensor = self.policy_head(self.trunk(observations))
        return result


def _meaning(version: str) -> tuple[tuple[AccountFeature, ...], int]:
    """Account features and number of actions of a trainer's version."""
    major, minor, _ = version.split(".")
    generation = generation_of(int(major), int(minor))
    assert generation is not None
    assert generation.account is not None
    return generation.account, len(generation.actions)


class Market:
    """Many accounts trading one series side by side, by the gate's rules in simplified form.

    A position is a share of equity. An order decided on bar t is filled at the open of bar t + 1, with fees and
    slippage; the reward is what the position earns until the next open, less costs.
    """

    def __init__(
        self, bars: Bars, rules: TradingRules, window: int, account: Sequence[AccountFeature], actions: int
    ) -> None:
        market = REFERENCE.compute(bars.frame).to_numpy(dtype=np.float32)
        neutral = np.tile(np.array([item.neutral for item in account], dtype=np.float32), (len(market), 1))
        rows = np.lib.stride_tricks.sliding_window_view(np.hstack([market, neutral]), window, axis=0)
        self._rows = rows.transpose(0, 2, 1)  # (bars - window + 1, window, features), a view
        self._window = window
        opens = bars.frame["open"].to_numpy(dtype=np.float64)
        self._returns = opens[1:] / opens[:-1] - 1.0
        unit = rules.position_size * (1.0 - rules.cash_buffer)
        sizes = (0.5,) if actions == 3 else (0.25, 0.5, 0.75)
        self._orders = np.array([0.0, *(size * unit for size in sizes), *(-size * unit for size in sizes)])
        self._cap, self._can_short = rules.max_position, rules.can_short
        self._cost = rules.fee + rules.slippage
        self.first = REFERENCE.warmup + window - 1
        self.last = len(bars) - 3  # the last bar on which an order can be decided, filled and rewarded
        self.border = self.first + int((self.last - self.first) * (1.0 - VALIDATION_SHARE))  # validation begins there

    def observe(self, at: NDArray[np.int64]) -> torch.Tensor:
        """Observations (n, obs_dim) that end with the given bars."""
        return torch.from_numpy(self._rows[at - self._window + 1].reshape(len(at), -1))

    def step(
        self, at: NDArray[np.int64], position: NDArray[np.float64], action: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position after the order, and what it earns as a fraction of equity."""
        wanted = position + self._orders[action]
        floor = -self._cap if self._can_short else 0.0
        wanted = np.where((position > 0) & (wanted < 0) | (position < 0) & (wanted > 0), 0.0, wanted)  # no flip
        wanted = np.where((wanted > self._cap) | (wanted < floor), position, wanted)  # refused
        earned = wanted * self._returns[at + 1] - np.abs(wanted - position) * self._cost
        return wanted, earned

    def replay(self, network: Network, first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Greedy trading from flat: earned fraction and position of each bar."""
        with torch.no_grad():
            actions = network.logits(self.observe(np.arange(first, last))).argmax(dim=1).numpy()
        position, earned, held = np.zeros(1), [], []
        for row, action in enumerate(actions):
            position, reward = self.step(np.array([first + row]), position, np.array([action]))
            earned.append(reward[0])
            held.append(position[0])
        return np.array(earned), np.array(held)


def train_best(recipe: Recipe, market: Market, hyper: Hyperparameters) -> tuple[Network, dict[str, list[float]]]:
    """Train the candidates of a recipe and keep the one whose last validation is the fittest, the first of equals."""
    candidates = [train(recipe, market, hyper, seed) for seed in range(1, recipe.candidates + 1)]
    return max(candidates, key=lambda candidate: candidate[1]["fitness_score"][-1])


def train(recipe: Recipe, market: Market, hyper: Hyperparameters, seed: int) -> tuple[Network, dict[str, list[float]]]:
    """Train one model and validate it as it goes.

    Returns:
        The network after the last update, and the validation history of the four training metrics.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    account, actions = _meaning(recipe.generation)
    network = Network(hyper.window * (len(REFERENCE.columns) + len(account)), hyper.hidden, actions)
    optimizer = torch.optim.AdamW(network.parameters(), lr=hyper.learning_rate, weight_decay=hyper.weight_decay)
    history: dict[str, list[float]] = {}
    for update in range(1, recipe.updates + 1):
        _improve(network, optimizer, _collect(network, market, rng, hyper), rng, hyper)
        if update % hyper.validation_interval == 0:
            for metric, value in _validate(network, market).items():
                history.setdefault(metric, []).append(value)
    return network, history


def _collect(
    network: Network, market: Market, rng: np.random.Generator, hyper: Hyperparameters
) -> dict[str, torch.Tensor]:
    at = rng.integers(market.first, market.border - hyper.steps, size=hyper.episodes)
    position = np.zeros(hyper.episodes)
    shape = (hyper.steps, hyper.episodes)
    rewards, values = np.zeros(shape, np.float32), np.zeros((hyper.steps + 1, hyper.episodes), np.float32)
    actions, chances, held = np.zeros(shape, np.int64), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    observations = []
    for step in range(hyper.steps):
        seen = market.observe(at)
        with torch.no_grad():
            logits, value = network(seen, torch.from_numpy(position.astype(np.float32)))
        choice = torch.distributions.Categorical(logits=logits)
        action = choice.sample()
        observations.append(seen)
        actions[step], chances[step], values[step], held[step] = action, choice.log_prob(action), value, position
        position, earned = market.step(at, position, actions[step])
        rewards[step] = earned / REWARD_SCALE
        at = at + 1
    with torch.no_grad():
        values[-1] = network(market.observe(at), torch.from_numpy(position.astype(np.float32)))[1]
    advantages, carried = np.zeros(shape, np.float32), np.zeros(hyper.episodes, np.float32)
    for step in reversed(range(hyper.steps)):
        surprise = rewards[step] + hyper.gamma * values[step + 1] - values[step]
        carried = surprise + hyper.gamma * hyper.gae_lambda * carried
        advantages[step] = carried
    return {
        "observations": torch.cat(observations),
        "positions": torch.from_numpy(held.ravel()),
        "actions": torch.from_numpy(actions.ravel()),
        "chances": torch.from_numpy(chances.ravel()),
        "advantages": torch.from_numpy(advantages.ravel()),
        "returns": torch.from_numpy((advantages + values[:-1]).ravel()),
    }


def _improve(
    network: Network,
    optimizer: torch.optim.Optimizer,
    batch: dict[str, torch.Tensor],
    rng: np.random.Generator,
    hyper: Hyperparameters,
) -> None:
    advantages = batch["advantages"]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    for _ in range(hyper.epochs):
        for part in np.array_split(rng.permutation(len(advantages)), hyper.minibatches):
            rows = torch.from_numpy(part)
            logits, values = network(batch["observations"][rows], batch["positions"][rows])
            choice = torch.distributions.Categorical(logits=logits)
            ratio = (choice.log_prob(batch["actions"][rows]) - batch["chances"][rows]).exp()
            gain = advantages[rows]
            surrogate = torch.min(ratio * gain, ratio.clamp(1 - hyper.clip, 1 + hyper.clip) * gain).mean()
            value_loss = torch.nn.functional.smooth_l1_loss(values, batch["returns"][rows])
            loss = -surrogate + 0.5 * value_loss - hyper.entropy * choice.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            optimizer.step()


def _validate(network: Network, market: Market) -> dict[str, float]:
    """The four training metrics on the last part of the training window."""
    return training_metrics(*market.replay(network, market.border, market.last))


def training_metrics(earned: NDArray[np.float64], held: NDArray[np.float64]) -> dict[str, float]:
    """The four training metrics of what was earned and held at each bar, as fractions of equity.

    fitness_score is the share of validation blocks that earned money, scaled by how far their mean lies above zero in
    standard errors; profit_factor is gross gain over gross loss of round trips; consistency is the share of blocks that
    did not lose; max_drawdown is twice that of the account, a margin for what the validation has not seen.
    """
    blocks = np.array([block.sum() for block in np.array_split(earned, VALIDATION_BLOCKS)])
    spread = blocks.std(ddof=1)
    strength = blocks.mean() / spread * np.sqrt(len(blocks)) if spread > 0 else 0.0
    trips = _round_trips(earned, held)
    gain, loss = trips[trips > 0].sum(), -trips[trips < 0].sum()
    equity = np.cumprod(1.0 + earned)
    peak = np.maximum.accumulate(np.maximum(equity, 1.0))
    return {
        "fitness_score": float(np.tanh(strength / 2.0)),
        "profit_factor": float(min(gain / loss, 10.0)) if loss > 0 else (10.0 if gain > 0 else 0.0),
        "consistency": float((blocks >= 0).mean()) if np.any(held) else 0.0,
        "max_drawdown": float(min(1.0, 2.0 * ((peak - equity) / peak).max())),
    }


def _round_trips(earned: NDArray[np.float64], held: NDArray[np.float64]) -> NDArray[np.float64]:
    """What was earned from flat to flat."""
    ends = np.flatnonzero(held == 0.0) + 1
    return np.array([part.sum() for part in np.split(earned, ends) if part.any()])


def make_artifact(
    recipe: Recipe, bars: Bars, rules: TradingRules, hyper: Hyperparameters, as_of: pd.Timestamp
) -> ModelArtifact:
    """Train one model on the part of the bars that the gate will not judge it on, and pack it."""
    held_out = walk_forward_windows(as_of, bars.timeframe, HELD_OUT_DAYS, 5)[0].start
    stop = bars.index.searchsorted(held_out) - hyper.window
    seen = bars.rows(slice(0, int(stop)))
    account, actions = _meaning(recipe.generation)
    market = Market(seen, rules, hyper.window, account, actions)
    network, history = train_best(recipe, market, hyper)
    features = len(REFERENCE.columns) + len(account)
    contents: dict[str, Any] = {
        "policy_state_dict": network.state_dict(),
        "optimizer_state_dict": {},  # left out to keep the demo small; the gate never reads it
        "global_step": recipe.updates * hyper.episodes * hyper.steps,
        "config": {"activation": "tanh", "feature_set": REFERENCE.name, "hidden": list(hyper.hidden)},
        "model_version": recipe.generation,
        "n_features": features,
        "n_actions": actions,
        "obs_dim": features * hyper.window,
        "action_meanings": dict(enumerate(MEANINGS[actions])),
        "min_trader_version": recipe.generation,
    }
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    return ModelArtifact(
        symbol=recipe.symbol,
        timeframe=bars.timeframe.value,
        checkpoint=buffer.getvalue(),
        history=history,
        training_window=TrainingWindow(seen.index[0], seen.index[market.border - 1]),
        declared={"selection_window": TrainingWindow(seen.index[market.border], seen.index[-1])},
        parity_probe=_features_of(seen),
        policy=lambda observations: network.logits(torch.from_numpy(observations)),
    )


def _features_of(bars: Bars) -> ParityProbe:
    """The last bars of training and features that were computed of them; the policy gives the rest of the probe."""
    shown = bars.frame.iloc[-(REFERENCE.warmup + 3) :]
    index = pd.DatetimeIndex(shown.index)
    return ParityProbe(
        bars=tuple((float(at), *row) for at, row in zip(index.asi8 // 10**9, shown.to_numpy().tolist(), strict=True)),
        features=tuple(map(tuple, REFERENCE.compute(shown).to_numpy()[-3:].tolist())),
    )


def main() -> None:
    """Train the models named on the command line, by default those of the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cassettes", type=Path, default=Path("cassettes"))
    parser.add_argument("--out", type=Path, default=Path("examples/demo_archive.zip"))
    parser.add_argument("--as-of", default=AS_OF)
    parser.add_argument("--symbols", nargs="*", help="(default: all of the demo)")
    parser.add_argument("--updates", type=int, help="training updates per model (default: the recipe's)")
    options = parser.parse_args()
    torch.set_num_threads(1)  # small networks: threads cost more than they give, and may change the last bits
    as_of, hyper, profile = pd.Timestamp(options.as_of), Hyperparameters(), load_profile("2.4.5")
    recipes = {recipe.symbol: recipe for recipe in DEMO}
    artifacts = []
    for symbol in options.symbols or recipes:
        recipe = recipes.get(symbol, Recipe(symbol))
        if options.updates:
            recipe = replace(recipe, updates=options.updates)
        bars = recorded_bars(symbol, "1Hour", as_of=as_of, cassettes=options.cassettes, days=HELD_OUT_DAYS)
        rules = rules_for(profile, bars.instrument.asset_class)
        artifact = make_artifact(recipe, bars, rules, hyper, as_of)
        final = ", ".join(f"{metric} {values[-1]:.2f}" for metric, values in artifact.history.items())
        print(f"{symbol}: {final}", flush=True)
        artifacts.append(artifact)
    path = write_archive(
        options.out,
        artifacts,
        trained_at=as_of.to_pydatetime(),
        reward_scale=REWARD_SCALE,
        validation_interval=hyper.validation_interval,
        feature_set=REFERENCE.name,
        account_mode="neutral",
        activation="tanh",
        trainer_version="example",
    )
    print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
