"""Random markets, rules and actions to simulate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from support.policies import SPACES

from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate
from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe
from pytest_modelgate.core.policy.actions import Action, Target

CAPITAL = 10_000.0
RULES = TradingRules(
    fee=0.0025, slippage=0.001, position_size=0.1, cash_buffer=0.3, max_position=0.2, min_order_usd=10.0, can_short=True
)


def make_bars(opens: Sequence[float], closes: Sequence[float]) -> Bars:
    frame = pd.DataFrame({"open": opens, "close": closes}, dtype=np.float64)
    frame["high"], frame["low"], frame["volume"] = frame.max(axis=1), frame.min(axis=1), 1.0
    frame.index = pd.date_range("2024-01-01", periods=len(frame), freq="h", tz="UTC", unit="ns")
    return Bars(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, frame[["open", "high", "low", "close", "volume"]])


def with_extremes(bars: Bars, rng: random.Random) -> Bars:
    """The same with highs and lows of their own beyond opens and closes."""
    frame = bars.frame.copy()
    frame["high"] *= [1.0 + abs(rng.gauss(0, 0.03)) for _ in range(len(frame))]
    frame["low"] /= [1.0 + abs(rng.gauss(0, 0.03)) for _ in range(len(frame))]
    return Bars(bars.instrument, bars.timeframe, frame)


def run(
    bars: Bars, actions: Sequence[int], rules: TradingRules = RULES, n_actions: int = 3, capital: float = CAPITAL
) -> Trajectory:
    return simulate(bars, lambda row, _: actions[row], SPACES[n_actions], rules, capital)


class Case:
    """A random market, rule set and action sequence; values are generic, so that no comparison ties."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.n = rng.randint(1, 40)
        self.n_actions = rng.choice([3, 7])
        walk = np.cumprod([rng.lognormvariate(0, 0.08) for _ in range(2 * self.n)]) * rng.uniform(0.01, 5_000)
        self.bars = make_bars(walk[0::2].tolist(), walk[1::2].tolist())
        self.actions = [rng.randrange(self.n_actions) for _ in range(self.n)]
        self.rules = TradingRules(
            fee=rng.uniform(0, 0.01),
            slippage=rng.uniform(0, 0.01),
            position_size=rng.uniform(0, 1.5),
            cash_buffer=rng.uniform(0, 0.5),
            max_position=rng.uniform(0, 3),
            min_order_usd=rng.choice([0.0, rng.uniform(0, 2_000)]),
            can_short=rng.random() < 0.5,
        )

    def run(self) -> Trajectory:
        return run(self.bars, self.actions, self.rules, self.n_actions)


class WatchedCase(Case):
    """The same with orders and targets, a stop, a target for gains, or both; the market moves beyond open and close."""

    meanings: tuple[Action, ...] = (
        *SPACES[8],
        *map(Target, (0.05, 0.1, 0.1, 0.2, 0.5, 1.0, -0.1, -0.3)),
    )

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        rng = random.Random(seed + 1)
        self.bars = with_extremes(self.bars, rng)
        usual = rng.choices(range(len(self.meanings)), k=rng.choice([2, 3, 16]))  # few, so that targets are repeated
        self.actions = [rng.choice([0, *usual]) for _ in range(self.n)]
        stop, gain = (rng.choice([0.0, rng.uniform(0.0, 0.2), 0.001]) for _ in range(2))
        self.rules = replace(self.rules, stop_loss=stop, take_profit=gain)

    def run(self) -> Trajectory:
        return simulate(self.bars, lambda row, _: self.actions[row], self.meanings, self.rules, CAPITAL)


watched_cases = st.integers(0, 2**32).map(WatchedCase)
cases = st.integers(0, 2**32).map(Case)


def identical(one: Trajectory, other: Trajectory) -> bool:
    """To the last bit."""
    curves = ("equity", "cash", "position_value", "quantity", "actions")
    alike = all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in curves)
    return alike and (one.fills, one.trades, one.refused) == (other.fills, other.trades, other.refused)
