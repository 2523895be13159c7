"""From actions over bars to a trajectory: equity curve, fills, trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.backtest.fills import LOW_CONFIDENCE, Fill, Trade
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.policy.actions import NO_ACTION, Action
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError, MarketDataError

ChooseAction = Callable[[int, Account], int]
_Curve = Sequence[float] | Floats


class Chooser(Protocol):
    """Chooses the actions of several accounts side by side."""

    def recall(self, episode: int, row: int, account: Account) -> int | None:
        """The action at a bar that just closed, if it is known already."""
        ...

    def choose_actions(
        self, episodes: Sequence[int], rows: Sequence[int], accounts: Sequence[Account]
    ) -> Sequence[int]:
        """The action of each of some episodes, none of which is known."""
        ...


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Course of an account over one window of n bars.

    Attributes:
        index: (n,) bar starts, UTC.
        equity: (n + 1,) USD: the starting capital, then each bar close; the last one after liquidation.
        cash: (n,) USD at each bar close.
        position_value: (n,) signed USD at each bar close; ``equity[1:] == cash + position_value``.
        quantity: (n,) signed units held during each bar: after the fill at its open, before a stop or a target within
            it and before the final liquidation.
        actions: (n - 1,) what was decided at the close of each bar but the last; ``NO_ACTION`` where nothing was.
        fills: oldest first.
        trades: oldest first; their P&L adds up to ``equity[-1] - equity[0]``.
        refused: reason to number of orders, sorted by reason; among them bars where no action was sure enough.
    """

    index: pd.DatetimeIndex
    equity: Floats
    cash: Floats
    position_value: Floats
    quantity: Floats
    actions: NDArray[np.int64]
    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    refused: Mapping[str, int]

    @property
    def exits(self) -> dict[str, int]:
        """How often the rules closed a position within a bar, by cause; empty where they never did."""
        counts = Counter(fill.cause for fill in self.fills)
        return {cause: counts[cause] for cause in ("stop_loss", "take_profit") if counts[cause]}


def simulate(
    bars: Bars, choose_action: ChooseAction, meanings: Sequence[Action], rules: TradingRules, capital: float
) -> Trajectory:
    """Trade one window: decide at a bar's close, fill at the next bar's open, leave by the rules within it, end flat.

    Args:
        bars: the bars of the window only, n >= 1.
        choose_action: row of the bar that just closed (0 to n - 2) and the account to the index of an action, or
            ``NO_ACTION``. It is no longer asked once equity was 0 or less: the broker closes the position at the next
            open.
        meanings: of the actions.
        rules: costs and limits.
        capital: starting cash, USD.

    Raises:
        MarketDataError: the window has no bars.
        CheckpointError: an action is unknown.
        SettingsError: the capital is not a positive number.
    """
    run = _trade(bars, meanings, rules, capital)
    try:
        row, account = next(run)
        while True:
            row, account = run.send(choose_action(row, account))
    except StopIteration as end:
        trajectory: Trajectory = end.value
        return trajectory


def simulate_episodes(
    series: Sequence[Bars], chooser: Chooser, meanings: Sequence[Action], rules: TradingRules, capital: float
) -> list[Trajectory]:
    """Trade several windows side by side, each as ``simulate`` would.

    Each goes on for as long as its next action is known; those of all that wait are then chosen together.

    Args:
        series: the bars of each window.

    Raises:
        MarketDataError, CheckpointError, SettingsError: as ``simulate``.
    """
    runs = [_trade(bars, meanings, rules, capital) for bars in series]
    ended: dict[int, Trajectory] = {}
    actions: dict[int, int | None] = dict.fromkeys(range(len(runs)))
    while len(ended) < len(runs):
        waiting: dict[int, tuple[int, Account]] = {}
        for episode, action in actions.items():
            try:
                state = next(runs[episode]) if action is None else runs[episode].send(action)
                while (known := chooser.recall(episode, *state)) is not None:
                    state = runs[episode].send(known)
                waiting[episode] = state
            except StopIteration as end:
                ended[episode] = end.value
        rows, accounts = [row for row, _ in waiting.values()], [account for _, account in waiting.values()]
        actions = dict(zip(waiting, chooser.choose_actions([*waiting], rows, accounts), strict=True)) if waiting else {}
    return [ended[episode] for episode in range(len(runs))]


def _trade(
    bars: Bars, meanings: Sequence[Action], rules: TradingRules, capital: float
) -> Generator[tuple[int, Account], int, Trajectory]:
    """One window: gives row and account, takes the action, returns the trajectory."""
    if len(bars) == 0:
        raise MarketDataError(
            f"bars of {bars.instrument.symbol} {bars.timeframe}",
            "the window to simulate holds no bars, expected at least one",
            "Record a longer cassette with `modelgate record`",
        )
    opens, closes = bars.quotes
    last = len(closes) - 1
    account = Account(rules, float(capital))
    equity, cash, values, quantity, actions = [account.capital], [], [], [], []
    highs, lows = bars.extremes if rules.exits_within_bars else (opens, closes)
    order = 0.0
    for row, close in enumerate(closes):
        if order != 0.0:
            account.fill(order, opens[row], row)
        quantity.append(account.quantity)
        if rules.exits_within_bars:
            account.leave(opens[row], highs[row], lows[row], row)
        if row == last and account.quantity != 0.0:
            account.fill(-account.quantity, close, row)
        account.mark(close)
        equity.append(account.equity)
        cash.append(account.cash)
        values.append(account.position_value)
        if row == last:
            break
        action = NO_ACTION if account.ruined else (yield row, account)
        if not NO_ACTION <= action < len(meanings):
            problem = f"chose action {action}, expected 0 to {len(meanings) - 1}"
            raise CheckpointError("policy", problem, "Correct its loader")
        actions.append(action)
        if account.ruined:
            order = -account.quantity
        else:
            order = 0.0 if action == NO_ACTION else account.order(meanings[action], close)
    return trajectory_of(bars, account, equity, (cash, values, quantity), actions)


def trajectory_of(
    bars: Bars, account: Account, equity: _Curve, curves: tuple[_Curve, _Curve, _Curve], actions: Sequence[int]
) -> Trajectory:
    """Trajectory of an account at the end; ``curves`` are cash, position value and quantity, as of ``Trajectory``."""
    cash, values, quantity = (np.array(curve) for curve in curves)
    if account.rules.min_confidence > 0.0:
        solvent = np.minimum.accumulate(equity[1:-1]) > 0.0  # a ruined account is not asked
        if unsure := int(np.count_nonzero(np.array(actions, dtype=np.int64)[solvent] == NO_ACTION)):
            account.refused[LOW_CONFIDENCE] = unsure
    return Trajectory(
        bars.index,
        np.array(equity),
        cash,
        values,
        quantity,
        np.array(actions, dtype=np.int64),
        tuple(account.fills),
        tuple(account.trades),
        dict(sorted(account.refused.items())),
    )
