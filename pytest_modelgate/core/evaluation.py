"""From a policy and its bars to what one window shows: the whole flow, in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.account import Account, TradingRules, account_features
from pytest_modelgate.core.bars import Bars
from pytest_modelgate.core.features import FeatureSet
from pytest_modelgate.core.metrics import Metrics, bars_per_year, measure
from pytest_modelgate.core.policy import HOLD, NEUTRAL_ACCOUNT, Floats, MlpPolicy, Policy, greedy
from pytest_modelgate.core.settings import AccountMode
from pytest_modelgate.core.simulation import Decide, Trajectory, simulate
from pytest_modelgate.core.track import Track, track_of
from pytest_modelgate.core.windows import Window
from pytest_modelgate.errors import CheckpointError, MarketDataError


@dataclass(frozen=True, eq=False)
class FeatureSeries:
    """Market features of a whole series of bars, computed once and shared by every window and model that needs them.

    Attributes:
        bars: the series.
        matrix: (bars, features) float64; rows before ``warmup`` are not defined.
        warmup: first usable row.
    """

    bars: Bars
    matrix: Floats
    warmup: int
    columns: tuple[str, ...]


def compute_features(bars: Bars, feature_set: FeatureSet) -> FeatureSeries:
    """Compute a feature set over a series.

    Raises:
        CheckpointError: the feature set broke its promise: other columns or rows, or a value that is not finite.
    """
    where = f"feature set {feature_set.name!r} on {bars.instrument.symbol} {bars.timeframe}"
    remedy = "Correct the feature set's code, or name another with --gate-feature-set"
    frame = feature_set.compute(bars.frame)
    if tuple(frame.columns) != feature_set.columns or not frame.index.equals(bars.index):
        raise CheckpointError(where, "returned other columns or rows than it declares", remedy)
    values = np.ascontiguousarray(frame.to_numpy(dtype=np.float64))
    if not np.isfinite(values[feature_set.warmup :]).all():
        row, column = (int(part) for part in np.argwhere(~np.isfinite(values[feature_set.warmup :]))[0])
        stamp = bars.index[feature_set.warmup + row]
        raise CheckpointError(where, f"column {feature_set.columns[column]!r} is not finite at {stamp}", remedy)
    return FeatureSeries(bars, values, feature_set.warmup, feature_set.columns)


@dataclass(frozen=True, eq=False)
class Subject:
    """A model made ready to be judged: its policy, the features it sees, the rules it trades under."""

    policy: Policy
    series: FeatureSeries
    rules: TradingRules

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


def evaluate(subject: Subject, window: Window, account: AccountMode, capital: float) -> tuple[Trajectory, Metrics]:
    """Trade one window from flat, by the policy's greedy actions.

    Args:
        account: ``neutral`` feeds the constants the live trader feeds; ``tracked`` replays the account truthfully.
        capital: USD.

    Raises:
        MarketDataError: too few bars in the window, or before it for the first observation.
    """
    series, policy = subject.series, subject.policy
    rows = usable_rows(subject, window)
    observed = series.matrix[rows.start - policy.window + 1 : rows.stop]
    decide = _decide_neutral(policy, observed) if account == "neutral" else _decide_tracked(policy, observed)
    trajectory = simulate(series.bars.rows(rows), decide, policy.n_actions, subject.rules, capital)
    return trajectory, measure(trajectory, subject.bars_per_year)


def usable_rows(subject: Subject, window: Window) -> slice:
    """The bars of a window.

    Raises:
        MarketDataError: fewer than two, or too few before them for the first observation.
    """
    series, policy = subject.series, subject.policy
    rows = series.bars.positions(window.start, window.end)
    where = f"{series.bars.instrument.symbol} {series.bars.timeframe}, {window.name} from {window.start}"
    needed = series.warmup + policy.window - 1
    if rows.stop - rows.start < 2:
        problem = f"{rows.stop - rows.start} bars up to {window.end}, expected at least 2"
        raise MarketDataError(where, problem, "Ask for longer windows, or record the market data again")
    if rows.start < needed:
        problem = f"{rows.start} bars before it, the features and the first observation need {needed}"
        raise MarketDataError(where, problem, "Ask for fewer --gate-walk-forward-days, or record a longer history")
    return rows


def replay(subject: Subject, window: Window, actions: Sequence[int], capital: float) -> Trajectory:
    """Trade one window by actions already decided, one per bar; HOLD where there are none."""
    bars = subject.series.bars
    inside = bars.rows(bars.positions(window.start, window.end))
    known = [*actions, *[HOLD] * len(inside)]
    return simulate(inside, lambda row, _: known[row], subject.policy.n_actions, subject.rules, capital)


def track_window(subject: Subject, window: Window, trajectory: Trajectory) -> Track:
    """What was held and earned at every bar of a window just traded."""
    bars = subject.series.bars
    rows = bars.positions(window.start, window.end)
    before = bars.frame["close"].iloc[rows.start - 1] if rows.start else bars.frame["open"].iloc[0]
    return track_of(trajectory, bars.rows(rows), float(before), subject.rules)


def _decide_neutral(policy: Policy, observed: Floats) -> Decide:
    """All actions at once, since no observation depends on the account."""
    neutral = np.array(NEUTRAL_ACCOUNT[: policy.n_account])
    actions: list[int] = greedy(policy.logits(observed, neutral)).tolist()
    return lambda row, _: actions[row]


def _decide_tracked(policy: Policy, observed: Floats) -> Decide:
    seen = policy.first_layer(observed) if isinstance(policy, MlpPolicy) else None  # all bars at once

    def decide(row: int, account: Account) -> int:
        tracked = np.array(account_features(account)[: policy.n_account])
        if seen is not None and isinstance(policy, MlpPolicy):
            return int(greedy(policy.finish(seen[row : row + 1], tracked))[0])
        return int(greedy(policy.logits(observed[row : row + policy.window], tracked))[0])

    return decide
