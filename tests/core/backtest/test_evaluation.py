"""One window, against the slow and obvious way: at every bar, what was known at its close, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support.market_factory import hourly_bars, random_walk
from support.policies import ACCOUNTS, NEUTRAL_ACCOUNT, SPACES, mlp

from pytest_modelgate.core.backtest import candidate as candidates
from pytest_modelgate.core.backtest.account import Account, account_features
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import evaluate, evaluate_all
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.series import FeatureSeries, compute_features
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.core.policy.inference import Choice, Device, PolicySession, choose_of_all
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Actions, Floats
from pytest_modelgate.errors import CheckpointError, MarketDataError

RULES = TradingRules(0.0025, 0.001, 0.1, 0.05, 0.3, 1.0, can_short=False)
SURE = replace(RULES, min_confidence=0.6, stop_loss=0.004, take_profit=0.006)
FRAME = random_walk("2024-01-01", 120)
WINDOW = Window("fold1of1", pd.Timestamp("2024-01-02T00:00Z"), pd.Timestamp("2024-01-04T00:00Z"))
ROWS = slice(24, 72)


def _features(frame: pd.DataFrame) -> pd.DataFrame:
    change = np.log(frame["close"]).diff()
    return pd.DataFrame({"change": 100 * change, "day": 10 * change.rolling(5).sum()})


FEATURES = FeatureSet("two-1", ("change", "day"), 5, _features)


def policy(n_account: int, seed: int = 1) -> MlpPolicy:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(6, 4 * (2 + n_account)))
    return mlp([first, rng.normal(size=(3, 6))], [rng.normal(size=6), np.zeros(3)], "tanh", 2, n_account, 4)


def candidate(n_account: int, frame: pd.DataFrame = FRAME) -> Candidate:
    return Candidate(policy(n_account), compute_features(hourly_bars("BTCUSD", frame), FEATURES), RULES)


@pytest.mark.parametrize("rules", [RULES, SURE], ids=["plain", "rules of execution"])
@pytest.mark.parametrize("n_account", [0, 3, 6])
@pytest.mark.parametrize("account", ["neutral", "tracked"])
def test_every_action_rests_on_the_window_that_ends_with_its_bar(
    n_account: int, account: Literal["neutral", "tracked"], rules: TradingRules
) -> None:
    made = replace(candidate(n_account), rules=rules)
    values = made.series.matrix

    def decide(row: int, state: Account) -> int:
        seen: Floats = np.array(NEUTRAL_ACCOUNT if account == "neutral" else account_features(state, ACCOUNTS[6]))[
            :n_account
        ]
        last = ROWS.start + row
        observation = np.concatenate([np.concatenate([values[at], seen]) for at in range(last - 3, last + 1)])
        odds = np.exp(policy(n_account).logits_of(observation[None, :])[0])
        return int(np.argmax(odds)) if odds.max() / odds.sum() >= rules.min_confidence else NO_ACTION

    expected = simulate(made.series.bars.rows(ROWS), decide, SPACES[3], rules, 10_000.0)
    trajectory, metrics = evaluate(made, WINDOW, account, 10_000.0)

    assert trajectory.actions.tolist() == expected.actions.tolist()
    assert trajectory.equity.tolist() == expected.equity.tolist()
    assert metrics.bars == 48
    assert len(set(trajectory.actions.tolist())) > 1


FOLDS = [
    Window(f"fold{n}of3", pd.Timestamp(start), pd.Timestamp(end))
    for n, (start, end) in enumerate(
        [
            ("2024-01-02T00:00Z", "2024-01-03T12:00Z"),
            ("2024-01-03T00:00Z", "2024-01-05T00:00Z"),
            ("2024-01-01T12:00Z", "2024-01-01T15:00Z"),
        ],
        start=1,
    )
]


@pytest.mark.parametrize("n_account", [0, 6])
@pytest.mark.parametrize("account", ["neutral", "tracked"])
def test_windows_side_by_side_are_as_each_by_itself(n_account: int, account: Literal["neutral", "tracked"]) -> None:
    together = evaluate_all(candidate(n_account), FOLDS, account, 10_000.0)

    for fold, (trajectory, metrics) in zip(FOLDS, together, strict=True):
        alone, expected = evaluate(candidate(n_account), fold, account, 10_000.0)
        assert trajectory.actions.tolist() == alone.actions.tolist()
        assert trajectory.equity.tolist() == alone.equity.tolist()
        assert trajectory.fills == alone.fills
        assert repr(metrics) == repr(expected)  # some are NaN


def test_what_several_windows_share_is_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(
        policy: Policy, series: Sequence[Floats], account: Floats, device: Device | None, least: float
    ) -> list[Choice]:
        asked.extend(len(market) for market in series)
        return choose_of_all(policy, series, account, device, least)

    monkeypatch.setattr(candidates, "choose_of_all", counted)
    for rules in (RULES, SURE):  # an action that is withheld is known, too
        asked.clear()
        made = replace(candidate(3), judged=tuple(FOLDS), rules=rules)
        found = [evaluate(made, fold, "neutral", 10_000.0)[0].actions.tolist() for fold in FOLDS]

        assert asked == [96 - 12 + 3]  # from the first bar of any of them to the last of all, and the first window
        each = replace(candidate(3), rules=rules)
        assert found == [evaluate(each, fold, "neutral", 10_000.0)[0].actions.tolist() for fold in FOLDS]


def test_a_window_is_traded_once_by_the_same_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    made, count = candidate(3), 0
    simulate_known = vars(candidates)["simulate_known"]

    def counted(*arguments: Any) -> Trajectory:
        nonlocal count
        count += 1
        trajectory: Trajectory = simulate_known(*arguments)
        return trajectory

    monkeypatch.setattr(candidates, "simulate_known", counted)
    first, again, richer = (evaluate(made, WINDOW, "neutral", capital)[0] for capital in (1e4, 1e4, 2e4))

    assert count == 2
    assert first.equity.tolist() == again.equity.tolist() != richer.equity.tolist()
    other = replace(made, policy=policy(3, seed=2))
    assert evaluate(other, WINDOW, "neutral", 1e4)[0].actions.tolist() != first.actions.tolist()


@pytest.mark.parametrize("room", [candidates._SHARED, 0])
def test_windows_with_a_true_account_share_a_first_layer_that_has_room(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counted(policy: MlpPolicy, market: Floats, device: Device | None, least: float) -> PolicySession:
        seen.append(len(market))
        return PolicySession(policy, market, device, least)

    expected = [evaluate(candidate(3), fold, "tracked", 10_000.0)[0].actions.tolist() for fold in FOLDS]
    monkeypatch.setattr(candidates, "PolicySession", counted)
    monkeypatch.setattr(candidates, "_SHARED", room)
    made = replace(candidate(3), tracked=tuple(FOLDS))
    found = [evaluate(made, fold, "tracked", 10_000.0)[0].actions.tolist() for fold in FOLDS]

    assert seen == ([96 - 12 + 3] if room else [36 + 3, 48 + 3, 3 + 3])
    assert found == expected


def test_what_is_known_of_a_neutral_account_is_not_asked_for_as_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    choose_actions = PolicySession.choose_actions

    def counted(self: PolicySession, rows: NDArray[np.int64], accounts: Floats) -> Actions:
        asked.append(len(rows))
        return choose_actions(self, rows, accounts)

    monkeypatch.setattr(PolicySession, "choose_actions", counted)
    evaluate(candidate(3), WINDOW, "tracked", 10_000.0)
    unknown, known = sum(asked), candidate(3)
    evaluate(known, WINDOW, "neutral", 10_000.0)
    asked.clear()
    evaluate(known, WINDOW, "tracked", 10_000.0)

    assert unknown == sum(asked) + 48


def test_a_window_without_enough_history_spoils_no_other() -> None:
    early = replace(WINDOW, start=pd.Timestamp("2024-01-01T02:00Z"))
    made = replace(candidate(0), judged=(early, WINDOW))

    expected, _ = evaluate(candidate(0), WINDOW, "neutral", 10_000.0)
    assert evaluate(made, WINDOW, "neutral", 10_000.0)[0].actions.tolist() == expected.actions.tolist()
    with pytest.raises(MarketDataError, match="2 bars before it"):
        evaluate(made, early, "neutral", 10_000.0)


@pytest.mark.parametrize("last", [30, 47, 60])
def test_nothing_up_to_a_bar_depends_on_what_comes_after_it(last: int) -> None:
    changed = FRAME.copy()
    changed.iloc[last + 1 :] = random_walk("2024-01-01", 120, seed=9).iloc[last + 1 :]

    before, _ = evaluate(candidate(0), WINDOW, "neutral", 10_000.0)
    after, _ = evaluate(candidate(0, changed), WINDOW, "neutral", 10_000.0)

    decided = last - ROWS.start + 1
    assert before.actions[:decided].tolist() == after.actions[:decided].tolist()
    assert before.equity[: decided + 1].tolist() == after.equity[: decided + 1].tolist()
    assert before.equity.tolist() != after.equity.tolist()


def test_too_little_history_before_the_window_says_how_much_is_needed() -> None:
    early = replace(WINDOW, start=pd.Timestamp("2024-01-01T07:00Z"))

    with pytest.raises(MarketDataError, match="7 bars before it, the features and the first observation need 8"):
        evaluate(candidate(0), early, "neutral", 10_000.0)


def test_a_window_without_bars_is_refused() -> None:
    late = replace(WINDOW, start=pd.Timestamp("2024-02-01T00:00Z"), end=pd.Timestamp("2024-02-02T00:00Z"))

    with pytest.raises(MarketDataError, match="0 bars up to"):
        evaluate(candidate(0), late, "neutral", 10_000.0)


def test_a_policy_of_another_width_is_refused() -> None:
    series = FeatureSeries(hourly_bars("BTCUSD", FRAME), np.zeros((120, 3)), 5, ("a", "b", "c"))

    with pytest.raises(CheckpointError, match="reads 2 market features per bar, the feature set has 3"):
        Candidate(policy(0), series, RULES)


def _late_nan(frame: pd.DataFrame) -> pd.DataFrame:
    features = _features(frame)
    features.iloc[50, 1] = np.nan
    return features


@pytest.mark.parametrize(
    ("feature_set", "told"),
    [
        (replace(FEATURES, compute=_late_nan), "column 'day' is not finite at 2024-01-03 02:00"),
        (replace(FEATURES, columns=("change", "week")), "other columns or rows"),
        (replace(FEATURES, compute=lambda frame: _features(frame).iloc[1:]), "other columns or rows"),
    ],
    ids=["not finite", "other columns", "other rows"],
)
def test_a_feature_set_that_breaks_its_promise_is_refused(feature_set: FeatureSet, told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        compute_features(hourly_bars("BTCUSD", FRAME), feature_set)
