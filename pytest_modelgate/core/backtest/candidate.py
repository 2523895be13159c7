"""A model ready to be judged: a policy in front of the features of its market, with what it decided so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.known_actions import simulate_known
from pytest_modelgate.core.backtest.metrics import bars_per_year
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.features.series import FeatureSeries
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.account_features import neutral_account
from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.core.policy.confidence import sure_actions
from pytest_modelgate.core.policy.inference import Choice, Device, PolicySession, choose_of_all
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Actions, Floats
from pytest_modelgate.errors import CheckpointError

_SHARED = 1 << 24  # sums of the first layer that are kept for several windows: 128 MiB
_UNKNOWN = NO_ACTION - 1  # an action that nobody asked for


class _Session(NamedTuple):
    """The policy in front of a range of bars."""

    rows: slice
    session: PolicySession


def check_width(policy: Policy, width: int) -> None:
    """Refuse a feature set of another width than the policy's input.

    Raises:
        CheckpointError: it has another number of features than the policy reads.
    """
    if width != policy.n_market:
        problem = f"the policy reads {policy.n_market} market features per bar, the feature set has {width}"
        raise CheckpointError("feature set", problem, "Name the one it was trained on with --gate-feature-set")


@dataclass(eq=False)
class Candidate:
    """A model with its policy, the features it sees and the rules it trades under; remembers what it decided.

    Whoever asks for its actions gets ``NO_ACTION`` where the confidence in one is below what the rules ask for.

    Attributes:
        judged: windows of which all neutral actions are found together, as soon as one of them is asked for.
        device: evaluates the policy for many bars at once; None means the CPU.
        tracked: windows that are traded with the true account: sums of the first layer are found together for them.
    """

    policy: Policy
    series: FeatureSeries
    rules: TradingRules
    judged: tuple[Window, ...] = ()
    device: Device | None = None
    tracked: tuple[Window, ...] = ()
    _actions: Actions = field(init=False, repr=False)
    _chosen: tuple[slice, Choice] | None = field(default=None, init=False, repr=False)
    _traded: dict[tuple[int, int, float], Trajectory] = field(default_factory=dict, init=False, repr=False)
    _session: _Session | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a policy that was trained on another number of features.

        Raises:
            CheckpointError: the feature set has another width than the policy's input.
        """
        check_width(self.policy, self.series.matrix.shape[1])
        self._actions = np.full(len(self.series.bars), _UNKNOWN, dtype=np.int64)

    @property
    def bars_per_year(self) -> float:
        """Bars in a year, for annualising."""
        bars = self.series.bars
        return bars_per_year(bars.index, bars.timeframe, bars.instrument.asset_class)

    @property
    def history(self) -> int:
        """Bars that the features and the first observation need."""
        return self.series.warmup + self.policy.lookback - 1

    def neutral_actions(self, rows: slice) -> Actions:
        """Actions (n,) at the bars of a range, with neutral account features; each is found once.

        Args:
            rows: of the series, none before ``history``.

        Raises:
            CheckpointError: a feature, weight, layer or logit is not finite.
        """
        if self.known_actions(rows) is None:
            whole = self._spanning(rows, self.judged)
            (choice,) = self._choose(self.policy, [self.series.matrix], whole)
            self._actions[whole], self._chosen = choice.actions, (whole, choice)
        return self._actions[rows]

    def neutral_choice(self, rows: slice) -> Choice:
        """``neutral_actions`` of a range and by how much they were chosen, without leads where that was forgotten."""
        actions = self.neutral_actions(rows)
        if self._chosen and self._chosen[0].start <= rows.start and rows.stop <= self._chosen[0].stop:
            whole, choice = self._chosen
            return choice.cut(rows.start - whole.start, rows.stop - whole.start)
        return Choice(actions, np.zeros(len(actions)), np.empty((len(actions), 0)))

    def trade_neutral(self, rows: slice, capital: float) -> Trajectory:
        """Trade a range from flat by its neutral actions; each is traded once.

        Args:
            rows: as of ``neutral_actions``.
            capital: USD.

        Raises:
            MarketDataError, CheckpointError: as ``neutral_actions`` and ``simulate_known``.
        """
        key = rows.start, rows.stop, capital
        if key not in self._traded:
            actions: list[int] = self.neutral_actions(rows).tolist()
            bars = self.series.bars.rows(rows)
            self._traded[key] = simulate_known(bars, actions, self.policy.actions, self.rules, capital)
        return self._traded[key]

    def known_actions(self, rows: slice) -> Actions | None:
        """Neutral actions (n,) of a range as far as they were asked for before; None where one is missing."""
        actions = self._actions[rows]
        return None if (actions == _UNKNOWN).any() else actions

    def ask(self, rows: slice) -> Callable[[NDArray[np.int64], Floats], list[int]]:
        """The policy in front of a range of bars, to be asked bar by bar.

        Returns:
            Takes rows of the series (n,) and the account features at each (n, n_account), gives n actions.
        """
        policy, matrix, lookback = self.policy, self.series.matrix, self.policy.lookback
        least = self.rules.min_confidence
        if not isinstance(policy, MlpPolicy):
            return lambda asked, accounts: [
                int(sure_actions(policy.logits(matrix[row - lookback + 1 : row + 1], account), least)[0])
                for row, account in zip(asked.tolist(), accounts, strict=True)
            ]
        whole = self._spanning(rows, self.tracked)
        if (whole.stop - whole.start) * len(policy.weights[0]) > _SHARED:
            whole = rows
        if self._session is None or self._session.rows != whole:
            self._session = None  # one at a time: it is large
            observed = matrix[whole.start - lookback + 1 : whole.stop]
            self._session = _Session(whole, PolicySession(policy, observed, self.device, least))
        session = self._session.session
        return lambda asked, accounts: session.choose_actions(asked - whole.start, accounts).tolist()

    def _spanning(self, rows: slice, windows: Sequence[Window]) -> slice:
        """From the first to the last bar of a range and of some windows."""
        bars = self.series.bars
        if not windows:
            return rows
        ranges = [rows, *(bars.positions(window.start, window.end) for window in windows)]
        return slice(max(self.history, min(part.start for part in ranges)), max(part.stop for part in ranges))

    def choose_actions(self, policy: Policy, matrices: Sequence[Floats], rows: slice) -> list[Actions]:
        """Actions of any policy at the bars of a range, with neutral account features, one array (n,) per matrix.

        Args:
            matrices: features of the whole series (bars, features), and of what else it is shown.
        """
        return [choice.actions for choice in self._choose(policy, matrices, rows)]

    def _choose(self, policy: Policy, matrices: Sequence[Floats], rows: slice) -> list[Choice]:
        observed = [matrix[rows.start - policy.lookback + 1 : rows.stop] for matrix in matrices]
        neutral = neutral_account(policy.account)
        return choose_of_all(policy, observed, neutral, self.device, self.rules.min_confidence)
