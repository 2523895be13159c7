"""Speculation changes when a policy is asked, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.policies import ACCOUNTS, SPACES
from support.simulation_cases import CAPITAL, RULES, Case, identical, make_bars

from pytest_modelgate.core.backtest.account import Account, account_features
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate, simulate_episodes
from pytest_modelgate.core.backtest.speculation import Speculation
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError


class Moody:
    """Acts by episode, bar and, the moodier the more, by every digit of what it sees of the account."""

    def __init__(self, seed: int, n_actions: int, mood: float) -> None:
        self.seed, self.n_actions, self.mood = seed, n_actions, mood
        self.batches: list[int] = []

    def one(self, episode: int, row: int, seen: Sequence[float]) -> int:
        usual = random.Random(f"{self.seed} {episode} {row}")
        moved = random.Random(f"{self.seed} {episode} {row} {seen!r}")
        return (moved if usual.random() < self.mood else usual).randrange(self.n_actions)

    def answer(self, episodes: NDArray[np.int64], rows: NDArray[np.int64], accounts: Floats) -> list[int]:
        self.batches.append(len(rows))
        asked = zip(episodes.tolist(), rows.tolist(), accounts.tolist(), strict=True)
        return [self.one(episode, row, tuple(seen)) for episode, row, seen in asked]

    def alone(self, case: Case, episode: int, bars: Bars, n_account: int) -> Trajectory:
        def choose_action(row: int, account: Account) -> int:
            return self.one(episode, row, account_features(account, ACCOUNTS[n_account]))

        return simulate(bars, choose_action, SPACES[self.n_actions], case.rules, CAPITAL)


def market(rng: np.random.Generator, bars: int, volatility: float = 0.01) -> Bars:
    walk = 100.0 * np.exp(np.cumsum(rng.normal(0.0, volatility, 2 * bars)))
    return make_bars(walk[::2].tolist(), walk[1::2].tolist())


@settings(deadline=None, max_examples=60)
@given(
    case=st.integers(0, 2**32).map(Case),
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    mood=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    n_account=st.sampled_from([3, 6]),
    most=st.sampled_from([0, 1, 5, 64]),
)
def test_every_episode_trades_as_if_asked_bar_by_bar(
    *, case: Case, lengths: list[int], mood: float, n_account: int, most: int
) -> None:
    policy, rng = Moody(case.n, case.n_actions, mood), np.random.default_rng(case.n)
    series = [market(rng, length, 0.2) for length in lengths]
    guesses = [rng.integers(0, case.n_actions, length).tolist() for length in lengths]
    speculation = Speculation(
        policy.answer, series, guesses, meanings=SPACES[case.n_actions], features=ACCOUNTS[n_account], most=most
    )

    trajectories = simulate_episodes(series, speculation, SPACES[case.n_actions], case.rules, CAPITAL)
    for episode, (trajectory, bars) in enumerate(zip(trajectories, series, strict=True)):
        assert identical(trajectory, policy.alone(case, episode, bars, n_account))


@pytest.mark.parametrize(("most", "expected"), [(0, 399), (64, 10)])
def test_right_guesses_are_what_saves_asking(most: int, expected: int) -> None:
    case, policy = Case(1), Moody(5, 3, 0.0)
    bars = market(np.random.default_rng(1), 400)
    guesses = [policy.one(0, row, ()) for row in range(400)]
    speculation = Speculation(policy.answer, [bars], [guesses], meanings=SPACES[3], features=ACCOUNTS[6], most=most)

    simulate_episodes([bars], speculation, SPACES[3], case.rules, CAPITAL)
    assert len(policy.batches) <= expected
    assert sum(policy.batches) == 399


def test_wrong_guesses_are_soon_made_in_small_numbers_only() -> None:
    case, policy = Case(1), Moody(5, 3, 1.0)
    bars = market(np.random.default_rng(1), 400)
    speculation = Speculation(policy.answer, [bars], [[0] * 400], meanings=SPACES[3], features=ACCOUNTS[6], most=64)

    simulate_episodes([bars], speculation, SPACES[3], case.rules, CAPITAL)
    assert sum(policy.batches) < 4 * 399


def test_a_guess_that_cannot_be_answered_is_dropped() -> None:
    hold, buy = 0, 1

    def never_invested(_: NDArray[np.int64], rows: NDArray[np.int64], accounts: Floats) -> list[int]:
        if accounts[:, 3].any():
            raise CheckpointError("policy", "layer 1 is not finite", "Train it again")
        return [hold] * len(rows)

    bars = make_bars([100.0] * 9, [100.0] * 9)
    speculation = Speculation(never_invested, [bars], [[buy] * 9], meanings=SPACES[3], features=ACCOUNTS[6], most=64)

    (trajectory,) = simulate_episodes([bars], speculation, SPACES[3], RULES, CAPITAL)
    assert trajectory.actions.tolist() == [hold] * 8


def test_a_guess_that_would_ruin_the_account_is_dropped() -> None:
    all_in = TradingRules(0.0, 0.0, 2.0, 0.0, 1.0, 0.0, can_short=True)  # SELL acts with 50 %
    bars = make_bars([100.0] * 5, [100.0, 200.0, 200.0, 200.0, 200.0])  # short 100 units, and nothing is left
    hold, sell = 0, 2
    speculation = Speculation(
        lambda _, rows, __: [hold] * len(rows),
        [bars],
        [[sell, hold, hold, hold, hold]],
        meanings=SPACES[3],
        features=ACCOUNTS[6],
        most=64,
    )

    (trajectory,) = simulate_episodes([bars], speculation, SPACES[3], all_in, CAPITAL)
    assert trajectory.actions.tolist() == [hold] * 4
