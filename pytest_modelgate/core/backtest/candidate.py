"""Who is judged: a policy in front of the features of its market, and what of its answers is found but once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.metrics import bars_per_year
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.config.settings import AccountMode
from pytest_modelgate.core.features.series import FeatureSeries
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.inference import Device, PolicySession, choose_actions_of_all
from pytest_modelgate.core.policy.mlp import NEUTRAL_ACCOUNT, MlpPolicy, Policy, greedy
from pytest_modelgate.core.typing import Actions, Floats
from pytest_modelgate.errors import CheckpointError

_SHARED = 1 << 24  # sums of the first layer that are kept for several windows: 128 MiB


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model made ready to be judged: its policy, the features it sees, the rules it trades under.

    Attributes:
        judged: windows of which what can be is found together, as soon as one of them is asked for.
        device: evaluates the policy for many bars at once; None means this processor.
        account: what the judged windows are traded with.
    """

    policy: Policy
    series: FeatureSeries
    rules: TradingRules
    judged: tuple[Window, ...] = ()
    device: Device | None = None
    account: AccountMode = "neutral"

    def __post_init__(self) -> None:
        """Refuse a policy that was trained on another number of features.

        Raises:
            CheckpointError: the feature set has another width than the policy's input.
        """
        width = self.series.matrix.shape[1]
        if width != self.policy.n_market:
            problem = f"the policy reads {self.policy.n_market} market features per bar, the feature set has {width}"
            raise CheckpointError("feature set", problem, "Name the one it was trained on with --gate-feature-set")

    @property
    def bars_per_year(self) -> float:
        """For annualising."""
        bars = self.series.bars
        return bars_per_year(bars.index, bars.timeframe, bars.instrument.asset_class)

    @property
    def history(self) -> int:
        """Bars that the features and the first observation need."""
        return self.series.warmup + self.policy.lookback - 1

    @cached_property
    def decided(self) -> Actions:
        """What was decided at every bar so far, with neutral account features; -1 where nobody asked."""
        return np.full(len(self.series.bars), -1, dtype=np.int64)

    def neutral_actions(self, rows: slice) -> Actions:
        """What the policy decides at the bars of a range, with neutral account features; each is found once.

        Args:
            rows: of the series, none before ``history``.

        Raises:
            CheckpointError: a feature, weight, layer or logit is not finite.
        """
        if (self.decided[rows] < 0).any():
            whole = self._with_judged(rows)
            self.decided[whole] = self.choose_actions(self.policy, [self.series.matrix], whole)[0]
        return self.decided[rows]

    def _with_judged(self, rows: slice) -> slice:
        """From the first to the last bar of a range and all judged windows."""
        bars = self.series.bars
        ranges = [rows, *(bars.positions(window.start, window.end) for window in self.judged)]
        return slice(max(self.history, min(part.start for part in ranges)), max(part.stop for part in ranges))

    def ask(self, rows: slice) -> Callable[[NDArray[np.int64], Floats], list[int]]:
        """The policy in front of a range of bars, to be asked bar by bar.

        Returns:
            Takes rows of the series (n,) and the account features at each (n, n_account), gives n actions.
        """
        policy, matrix, window = self.policy, self.series.matrix, self.policy.lookback
        if not isinstance(policy, MlpPolicy):
            return lambda asked, accounts: [
                int(greedy(policy.logits(matrix[row - window + 1 : row + 1], account))[0])
                for row, account in zip(asked.tolist(), accounts, strict=True)
            ]
        whole = self._with_judged(rows) if self.account == "tracked" else rows
        if (whole.stop - whole.start) * len(policy.first_layer_weights) > _SHARED:
            whole = rows
        key = (whole.start, whole.stop)
        if key not in self._session:
            self._session.clear()  # one at a time: it is large
            self._session[key] = PolicySession(policy, matrix[whole.start - window + 1 : whole.stop], self.device)
        observed = self._session[key]
        return lambda asked, accounts: observed.choose_actions(asked - whole.start, accounts).tolist()

    @cached_property
    def _session(self) -> dict[tuple[int, int], PolicySession]:
        return {}

    def choose_actions(self, policy: Policy, matrices: Sequence[Floats], rows: slice) -> list[Actions]:
        """What some policy decides at the bars of a range, with neutral account features.

        Args:
            matrices: features of the whole series (bars, features), and of what else it is shown.
        """
        neutral = np.array(NEUTRAL_ACCOUNT[: policy.n_account])
        observed = [matrix[rows.start - policy.lookback + 1 : rows.stop] for matrix in matrices]
        return choose_actions_of_all(policy, observed, neutral, self.device)
