"""Actions that rest on the account, by speculation: guessed for some bars, asked at once, used where guesses held.

What a policy sees of the account hangs on what it did, so strictly one bar must follow another. Asking it about one bar
costs nearly as much as about twenty, though, and most of its actions can be guessed. Speculation trades some bars with
guessed actions, which gives the account at each; the policy then answers for all of them. An answer counts only if the
true account, when it gets there, shows the policy the same numbers to the last bit: guesses cost time, not results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.account import Account, account_features
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.policy.account_features import AccountFeature
from pytest_modelgate.core.policy.actions import NO_ACTION, Action
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

Answer = Callable[[NDArray[np.int64], NDArray[np.int64], Floats], list[int]]
Seen = tuple[float, ...]

_FIRST = 16  # bars of the first speculation


class Speculation:
    """Chooses the actions of several episodes, each with an account of its own; implements ``simulation.Chooser``.

    Args:
        answer: episodes (n,), rows (n,) and account features (n, n_account) to the policy's actions there (n).
        series: the bars of each episode.
        guesses: of each episode the probable action at each bar; answers replace them.
        meanings: of the actions.
        features: of the account that the policy reads.
        most: bars to speculate on; 0 asks bar by bar.
    """

    def __init__(
        self,
        answer: Answer,
        series: Sequence[Bars],
        guesses: Sequence[Sequence[int]],
        *,
        meanings: Sequence[Action],
        features: Sequence[AccountFeature],
        most: int,
    ) -> None:
        self._answer = answer
        self._series = series
        self._guesses = [[*actions] for actions in guesses]
        self._meanings = meanings
        self._features = features
        self._most = most
        self._known: list[dict[int, tuple[Seen, int]]] = [{} for _ in series]
        self._held = [_FIRST // 2 for _ in series]

    def recall(self, episode: int, row: int, account: Account) -> int | None:
        """The answer for this very bar and account, if it is known."""
        seen, action = self._known[episode].get(row, (None, None))
        if seen is None or seen != account_features(account, self._features):
            return None
        self._held[episode] += 1
        return action

    def choose_actions(self, episodes: Sequence[int], rows: Sequence[int], accounts: Sequence[Account]) -> list[int]:
        """Ask about these bars, and about some that follow.

        Raises:
            CheckpointError: there is no answer for one of these bars; what was guessed beyond them does not matter.
        """
        speculated = [self._speculate(*asked) for asked in zip(episodes, rows, accounts, strict=True)]
        counts = [len(seen) for seen in speculated]
        speculated_rows = np.concatenate([row + np.arange(count) for row, count in zip(rows, counts, strict=True)])
        features = np.array([one for seen in speculated for one in seen])
        try:
            answers = self._answer(np.repeat(episodes, counts), speculated_rows, features)
        except CheckpointError:  # perhaps about a guess that does not come true
            return self._answer(np.array(episodes), np.array(rows), np.array([seen[0] for seen in speculated]))
        first, chosen = 0, []
        for episode, row, seen in zip(episodes, rows, speculated, strict=True):
            actions = answers[first : first + len(seen)]
            self._known[episode] = {row + n: pair for n, pair in enumerate(zip(seen, actions, strict=True))}
            self._guesses[episode][row : row + len(seen)] = actions
            chosen.append(actions[0])
            first += len(seen)
        return chosen

    def _speculate(self, episode: int, row: int, account: Account) -> list[Seen]:
        """Account features from this bar on, by guessed actions; twice as many bars as guesses held last time."""
        opens, closes = self._series[episode].quotes
        guesses, trial, watching = self._guesses[episode], account.fork(), account.rules.exits_within_bars
        highs, lows = self._series[episode].extremes if watching else (opens, closes)
        seen = [account_features(account, self._features)]
        last = min(row + min(self._most, 2 * self._held[episode]), len(closes) - 2)
        for now in range(row, last):
            if guesses[now] != NO_ACTION:
                trial.fill(trial.order(self._meanings[guesses[now]], closes[now]), opens[now + 1], now + 1)
            if watching:
                trial.leave(opens[now + 1], highs[now + 1], lows[now + 1], now + 1)
            trial.mark(closes[now + 1])
            if trial.ruined:
                break
            seen.append(account_features(trial, self._features))
        self._held[episode] = 1
        return seen
