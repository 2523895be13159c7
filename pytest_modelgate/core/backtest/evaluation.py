"""Evaluation of a candidate over windows: trajectory and metrics, in reading order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution, attribute
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.known_actions import simulate_known
from pytest_modelgate.core.backtest.metrics import Metrics, measure
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate_episodes
from pytest_modelgate.core.backtest.speculation import Speculation
from pytest_modelgate.core.config.settings import AccountMode
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.account_features import neutral_account
from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import MarketDataError

_AHEAD = 64  # bars for which a tracked account is guessed at most


def evaluate(candidate: Candidate, window: Window, account: AccountMode, capital: float) -> tuple[Trajectory, Metrics]:
    """Trade one window from flat, by the policy's greedy actions.

    Args:
        account: ``neutral`` feeds the constants the live trader feeds; ``tracked`` replays the account truthfully.
        capital: USD.

    Raises:
        MarketDataError: too few bars in the window, or before it for the first observation.
        CheckpointError: a feature, weight, layer or logit is not finite.
    """
    return evaluate_all(candidate, [window], account, capital)[0]


def evaluate_all(
    candidate: Candidate, windows: Sequence[Window], account: AccountMode, capital: float
) -> list[tuple[Trajectory, Metrics]]:
    """Trade several windows, each from flat; with a tracked account side by side, as episodes of one batch.

    Raises:
        MarketDataError, CheckpointError: as ``evaluate``, of any of them.
    """
    ranges = [usable_rows(candidate, window) for window in windows]
    if account == "neutral" or not candidate.policy.account:
        traded = [candidate.trade_neutral(rows, capital) for rows in ranges]  # no observation depends on the account
    else:
        traded = _tracked(candidate, ranges, capital)
    return [(trajectory, measure(trajectory, candidate.bars_per_year)) for trajectory in traded]


def usable_rows(candidate: Candidate, window: Window) -> slice:
    """The bars of a window.

    Raises:
        MarketDataError: fewer than two, or too few before them for the first observation.
    """
    series = candidate.series
    rows = series.bars.positions(window.start, window.end)
    where = f"{series.bars.instrument.symbol} {series.bars.timeframe}, {window.name} from {window.start}"
    if rows.stop - rows.start < 2:
        problem = f"{rows.stop - rows.start} bars up to {window.end}, expected at least 2"
        raise MarketDataError(where, problem, "Ask for longer windows, or record the market data again")
    if rows.start < candidate.history:
        problem = f"{rows.start} bars before it, the features and the first observation need {candidate.history}"
        raise MarketDataError(where, problem, "Ask for fewer --gate-walk-forward-days, or record a longer history")
    return rows


def replay(candidate: Candidate, window: Window, actions: Sequence[int], capital: float) -> Trajectory:
    """Trade one window by actions already decided, one per bar; none where there are none."""
    bars = candidate.series.bars
    inside = bars.rows(bars.positions(window.start, window.end))
    known = [*actions, *[NO_ACTION] * len(inside)]
    return simulate_known(inside, known, candidate.policy.actions, candidate.rules, capital)


def attribute_window(candidate: Candidate, window: Window, trajectory: Trajectory) -> BarAttribution:
    """Weights held and returns earned at every bar of a window just traded."""
    bars = candidate.series.bars
    rows = bars.positions(window.start, window.end)
    opens, closes = bars.quotes
    before = closes[rows.start - 1] if rows.start else opens[0]
    return attribute(trajectory, bars.rows(rows), before, candidate.rules)


def waited_orders(trajectory: Trajectory, bars: Bars) -> int:
    """Orders of a closed session that were filled at its open, and not at the price at which their bar begins."""
    orders = [fill.row for fill in trajectory.fills if fill.cause == "order"]
    if len(bars) and trajectory.quantity[-1] != 0.0 and trajectory.fills[-1].cause == "order":
        orders.pop()  # the liquidation at the end
    return int(np.count_nonzero(bars.waits[orders]))


def _tracked(candidate: Candidate, ranges: Sequence[slice], capital: float) -> list[Trajectory]:
    """All ranges as one batch; what a policy sees of the account depends on what it did."""
    policy = candidate.policy
    ask = candidate.ask(slice(min(rows.start for rows in ranges), max(rows.stop for rows in ranges)))
    starts = np.array([rows.start for rows in ranges])
    most = _AHEAD if isinstance(policy, MlpPolicy) else 0  # others answer one bar at a time
    neutral = neutral_account(policy.account)[None]

    def guess(rows: slice) -> list[int]:
        if not most:
            return [NO_ACTION] * (rows.stop - rows.start)
        known = candidate.known_actions(rows)
        asked = np.arange(rows.start, rows.stop)
        return ask(asked, neutral.repeat(len(asked), axis=0)) if known is None else known.tolist()

    bars = [candidate.series.bars.rows(rows) for rows in ranges]
    speculation = Speculation(
        lambda episodes, rows, accounts: ask(starts[episodes] + rows, accounts),
        bars,
        [guess(rows) for rows in ranges],
        meanings=policy.actions,
        features=policy.account,
        most=most,
    )
    return simulate_episodes(bars, speculation, policy.actions, candidate.rules, capital)
