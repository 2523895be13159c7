"""Each integrity check on a model that passes it, and on one made to fail it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.market_factory import hourly_bars, random_walk
from support.policies import SPACES, mlp

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate
from pytest_modelgate.core.config.profiles import RobustnessLimits
from pytest_modelgate.core.config.settings import AccountMode
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.integrity.behaviour import check_account, check_accounting, check_activity, check_feasibility
from pytest_modelgate.core.integrity.causality import check_causality
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.integrity.examination import examine
from pytest_modelgate.core.integrity.learned_edge import check_weights
from pytest_modelgate.core.integrity.noise import draw_noise
from pytest_modelgate.core.integrity.perturbations import FoldReplayer
from pytest_modelgate.core.market.bars import AssetClass, Bars
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.account_features import AccountFeature
from pytest_modelgate.core.policy.actions import CLOSE, HOLD, NO_ACTION, Action, Target
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Floats

MISSION = load_profile("2.4.5")
RULES = TradingRules(0.0001, 0.0, 0.1, 0.05, 0.3, 1.0, can_short=True)
SHA = "ab" * 32


# Causality.

FRAME = random_walk("2024-01-01", 900, seed=5)
BARS = hourly_bars("BTCUSD", FRAME)
ROWS = slice(200, 900)


def _causal(frame: pd.DataFrame) -> pd.DataFrame:
    change = np.log(frame["close"]).diff()
    return pd.DataFrame({"change": 100 * change, "other": 10 * change.rolling(5).sum()})


def feature_set(other: Callable[[pd.DataFrame], pd.Series[Any]] | None = None) -> FeatureSet:
    def compute(frame: pd.DataFrame) -> pd.DataFrame:
        found = _causal(frame)
        return found if other is None else found.assign(other=other(frame))

    return FeatureSet("two-1", ("change", "other"), 5, compute)


def random_policy(seed: int = 1, n_account: int = 0) -> MlpPolicy:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(6, 4 * (2 + n_account)))
    return mlp([first, rng.normal(size=(3, 6))], [rng.normal(size=6), np.zeros(3)], "tanh", 2, n_account, 4)


def test_features_of_the_past_alone_are_causal() -> None:
    check = check_causality(BARS, feature_set(), random_policy(), ROWS)
    assert (check.name, check.status) == ("causality", "pass")


PEEKING: Mapping[str, Callable[[pd.DataFrame], pd.Series[Any]]] = {
    "the next bar": lambda frame: frame["close"].shift(-1).ffill(),
    "a hundred bars later": lambda frame: frame["close"].shift(-100).ffill(),
    "a centred mean": lambda frame: frame["close"].rolling(9, center=True, min_periods=1).mean(),
    "scaled by the whole series": lambda frame: frame["close"] / frame["close"].max(),
    "the mean of the whole series": lambda frame: frame["volume"] - frame["volume"].mean(),
    "the number of bars": lambda frame: frame["close"] * 0 + len(frame),
    "filled from behind": lambda frame: frame["close"].where(np.arange(len(frame)) % 7 == 0).bfill().ffill(),
    "a trace, far behind the comma": lambda frame: frame["close"] * (1 + 1e-15 * (frame["close"].shift(-1) > 0)),
}


@pytest.mark.parametrize("how", PEEKING)
def test_a_feature_that_knows_the_future_is_named(how: str) -> None:
    check = check_causality(BARS, feature_set(PEEKING[how]), random_policy(), ROWS)
    assert check.status == "fail"
    assert check.sentence.startswith("Feature 'other' knows the future: at 2024-")


def test_the_first_bar_that_peeks_is_named() -> None:
    # Only the last bar known so far looks at the next one.
    check = check_causality(
        BARS, feature_set(lambda frame: frame["close"].shift(-1).fillna(0.0)), random_policy(), ROWS
    )
    peeks, after = (pd.Timestamp(part) for part in _stamps(check.sentence))
    assert peeks == after


def _stamps(sentence: str) -> list[str]:
    words = sentence.replace(":", " ", 1)
    first = words.index("at 2024-") + 3
    second = words.index("after 2024-") + 6
    return [words[first : first + 25], words[second : second + 25]]


@dataclass(frozen=True)
class Hindsight:
    """A policy whose actions depend on rows after their own."""

    n_market: int = 2
    account: tuple[AccountFeature, ...] = ()
    lookback: int = 4
    actions: tuple[Action, ...] = SPACES[3]

    def logits(self, market: Floats, account: Floats) -> Floats:
        del account
        above = market[self.lookback - 1 :, 0] > market[:, 0].mean()
        return np.stack([np.zeros(len(above)), np.where(above, 1.0, -1.0), np.where(above, -1.0, 1.0)], axis=1)


def test_a_policy_that_knows_the_future_fails() -> None:
    check = check_causality(BARS, feature_set(), Hindsight(), ROWS)
    assert (check.status, check.sentence[:32]) == ("fail", "The policy knows the future: act")


def test_the_reference_features_are_causal() -> None:
    bars = hourly_bars("BTCUSD", random_walk("2024-01-01", 1500, seed=8))
    width = len(REFERENCE.columns)
    policy = mlp([np.ones((3, 2 * width))], [np.zeros(3)], "tanh", width, 0, 2)
    assert check_causality(bars, REFERENCE, policy, slice(900, 1500)).status == "pass"


# Weights.


def trending(hours: int = 1500) -> Bars:
    """A market that rises and falls in turn, for uneven times."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(10, 60, hours // 10)
    rising = np.repeat(np.arange(len(lengths)) % 2, lengths)[:hours]
    close = 100 * np.exp(np.cumsum(np.where(rising == 0, 0.004, -0.004) + rng.normal(0, 0.002, hours)))
    opened = np.concatenate([[100.0], close[:-1]])
    low, high = np.minimum(opened, close), np.maximum(opened, close)
    frame = random_walk("2024-01-01", hours).assign(open=opened, high=high, low=low, close=close)
    return hourly_bars("AAPL", frame)


def replayer(policy: Policy, rules: TradingRules = RULES, bars: Bars | None = None) -> FoldReplayer:
    series = compute_features(bars or trending(), feature_set())
    times = series.bars.index
    folds = [Window(f"fold{n}of2", times[100 + 600 * n], times[700 + 600 * n]) for n in range(2)]
    return FoldReplayer(Candidate(policy, series, rules), folds, 1e5)


def follower(noise: float = 0.0) -> MlpPolicy:
    """Buys after a rise, sells after a fall."""
    first = np.zeros((2, 8))
    first[0, 7] = 1.0
    first += noise * np.random.default_rng(1).normal(size=first.shape)
    head = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    return mlp([first, head], [np.zeros(2), np.array([0.05, 0.0, 0.0])], "tanh", 2, 0, 4)


def constant(action: int) -> MlpPolicy:
    bias = np.zeros(3)
    bias[action] = 1.0
    return mlp([np.zeros((2, 8)), np.zeros((3, 2))], [np.zeros(2), bias], "tanh", 2, 0, 4)


def weights_of(made: FoldReplayer) -> Check:
    actions = made.actions(made.candidate.policy)
    return check_weights(made, actions, made.attribution(made.trade(actions)), SHA)


def test_an_edge_that_was_learned_is_lost_without_the_weights() -> None:
    check = weights_of(replayer(follower()))
    assert check.status == "pass", check.sentence
    assert check.figures["edge"] > 3.0
    assert max(check.figures["shuffled_weights"], check.figures["permuted_observations"]) < 1.645


def test_weights_whose_shuffles_all_keep_the_edge_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_modelgate.core.integrity.learned_edge.shuffled", lambda *_: follower())
    check = weights_of(replayer(follower()))
    assert check.status == "fail"
    assert "with its weights shuffled the model keeps it in 5 of 5 draws" in check.sentence


def test_one_shuffle_that_loses_the_edge_tells_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a market with a pattern random networks find one, too: four of them in a row do not condemn a model."""
    draws = iter([follower(), follower(), follower(), follower(), constant(0)])
    monkeypatch.setattr("pytest_modelgate.core.integrity.learned_edge.shuffled", lambda *_: next(draws))
    check = weights_of(replayer(follower()))
    assert check.status == "pass"
    assert "is gone without the weights (0.00)" in check.sentence


def test_observations_whose_order_does_not_matter_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_modelgate.core.integrity.learned_edge.edge", lambda *_: 2.5)
    check = weights_of(replayer(Hindsight()))  # shows no weights, so only the observations are permuted
    assert check.status == "fail"
    assert "shown its observations in another order" in check.sentence


def test_a_model_without_an_edge_has_none_to_lose() -> None:
    made = replayer(follower(), bars=hourly_bars("AAPL", random_walk("2024-01-01", 1500, seed=4)))
    check = weights_of(made)
    assert check.status == "warn"
    assert "no clear edge to lose" in check.sentence


@pytest.mark.parametrize(("action", "words"), [(1, "always buy"), (2, "always sell")])
def test_a_model_that_does_what_a_constant_action_does_fails(action: int, words: str) -> None:
    check = weights_of(replayer(constant(action)))
    assert (check.status, words in check.sentence) == ("fail", True)


# Activity.


def activity_of(made: FoldReplayer) -> Check:
    trajectories = made.trade(made.actions(made.candidate.policy))
    return check_activity(trajectories, made.attribution(trajectories), SPACES[3], MISSION.integrity)


def test_a_model_that_decides_passes() -> None:
    check = activity_of(replayer(follower()))
    assert check.status == "pass"
    assert check.figures["signal_rate"] > 0.3
    assert 1.0 < check.figures["entropy_bits"] < 1.585


@pytest.mark.parametrize(("action", "word"), [(0, "HOLD"), (1, "BUY_50"), (2, "SELL_50")])
def test_one_action_always_is_said_in_words(action: int, word: str) -> None:
    check = activity_of(replayer(constant(action)))
    assert check.status == "fail"
    assert check.sentence == f"It is always {word} (100.0% of the bars): that is no model."


SURE = replace(RULES, min_confidence=0.37, stop_loss=0.01, take_profit=0.02)


def test_what_rules_of_execution_do_is_counted_and_every_check_reckons_with_them() -> None:
    made = replayer(follower(0.01), SURE)
    backtest = Window("backtest", made.folds[1].start, made.folds[1].end)
    trajectories = made.trade(made.actions(made.candidate.policy))
    exits = Counter(fill.cause for path in trajectories for fill in path.fills)
    withheld = sum(int((path.actions == NO_ACTION).sum()) for path in trajectories)
    checks = {check.name: check for check in examine(made, backtest, feature_set(), MISSION, SHA).checks}

    assert min(withheld, exits["stop_loss"], exits["take_profit"]) > 3
    figures = checks["activity"].figures
    counted = [figures[name] for name in ("withheld", "stop_loss", "take_profit")]
    assert counted == [withheld, exits["stop_loss"], exits["take_profit"]]
    assert f", no action sure enough at {withheld} bars, " in checks["activity"].sentence
    assert [checks[name].status for name in ("causality", "accounting", "precision")] == ["pass"] * 3


def test_targets_that_the_profile_cuts_are_counted() -> None:
    meanings = (HOLD, Target(1.0), CLOSE)
    made = replayer(replace(follower(), actions=meanings))
    trajectories = made.trade(made.actions(made.candidate.policy))
    check = check_activity(trajectories, made.attribution(trajectories), meanings, MISSION.integrity)

    cut = sum(path.refused["cut_to_cap"] for path in trajectories)
    assert check.figures["cut_to_cap"] == cut > 3
    assert f", {cut} orders to a target cut to the largest position" in check.sentence


def test_a_model_that_is_hardly_ever_sure_fails() -> None:
    check = activity_of(replayer(follower(), replace(RULES, min_confidence=0.99)))
    assert check.status == "fail"
    assert check.sentence.startswith("It is hardly ever sure enough to act (signals at 0.0% of the bars, ")


def test_a_policy_that_knows_the_future_of_its_confidence_fails() -> None:
    check = check_causality(BARS, feature_set(), Foreboding(), ROWS, 0.6)
    assert check.status == "fail"
    assert check_causality(BARS, feature_set(), Foreboding(), ROWS).status == "pass"


@dataclass(frozen=True)
class Foreboding(Hindsight):
    """A policy that always buys, and knows from later rows when to be sure."""

    def logits(self, market: Floats, account: Floats) -> Floats:
        sure = super().logits(market, account)[:, 1] > 0.0
        return np.stack([np.zeros(len(sure)), np.where(sure, 3.0, 0.1), np.zeros(len(sure))], axis=1)


def traded(actions: Mapping[int, int], bars: int = 400, rules: TradingRules = RULES, usual: int = 0) -> FoldReplayer:
    """A model that does one thing at most bars, and others at some."""
    series = compute_features(hourly_bars("AAPL", random_walk("2024-01-01", bars + 10, seed=2)), feature_set())

    @dataclass(frozen=True)
    class Scripted:
        n_market: int = 2
        account: tuple[AccountFeature, ...] = ()
        lookback: int = 1
        actions: tuple[Action, ...] = SPACES[3]

        def logits(self, market: Floats, account: Floats) -> Floats:
            del account
            found = np.zeros((len(market), 3))
            found[:, usual] = 1.0
            for row, action in actions.items():
                found[row, action] = 2.0
            return found

    fold = Window("fold1of1", series.bars.index[10], series.bars.index[-1] + pd.Timedelta(hours=1))
    return FoldReplayer(Candidate(Scripted(), series, rules), [fold], 1e5)


def test_always_long_is_said_in_words() -> None:
    check = activity_of(traded(dict.fromkeys(range(40), 1)))
    assert check.status == "fail"
    assert check.sentence.startswith("It is always long (99.")


def test_a_model_whose_every_order_is_refused_never_trades() -> None:
    no_shorts = replace(RULES, can_short=False)
    check = activity_of(traded(dict.fromkeys(range(0, 400, 4), 2), rules=no_shorts))
    assert (check.status, check.sentence[:16]) == ("fail", "It never trades:")


def test_a_model_that_hardly_decides_is_warned_about() -> None:
    check = activity_of(traded({100: 1, 150: 2, 200: 1, 250: 2}))
    assert check.status == "warn"
    assert "hardly decides: signals at 1.0% of the bars" in check.sentence


# Accounting.


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), n_actions=st.sampled_from([3, 7]), shorts=st.booleans())
def test_the_books_of_the_simulation_add_up(seed: int, n_actions: int, *, shorts: bool) -> None:
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, n_actions, 100).tolist()
    rules = replace(RULES, fee=0.0025, slippage=0.001, can_short=shorts)
    bars = hourly_bars("AAPL", random_walk("2024-01-01", 100, seed=seed % 1000))
    check = check_accounting([simulate(bars, lambda row, _: actions[row], SPACES[n_actions], rules, 1e5)])
    assert check.status == "pass", check.sentence
    assert check.figures["worst_relative_error"] < 1e-12


def _moved(values: Floats, by: float) -> Floats:
    found = values.copy()
    found[50] += by
    return found


COOKED: Mapping[str, Callable[[Trajectory, float], Trajectory]] = {
    "equity": lambda item, by: replace(item, equity=_moved(item.equity, by)),
    "cash": lambda item, by: replace(item, cash=_moved(item.cash, by), position_value=_moved(item.position_value, -by)),
    "position": lambda item, by: replace(item, position_value=_moved(item.position_value, by)),
    "a fee": lambda item, by: replace(
        item, fills=(item.fills[0]._replace(fee=item.fills[0].fee + by), *item.fills[1:])
    ),
    "a trade": lambda item, by: replace(
        item,
        trades=(
            item.trades[0]._replace(pnl=item.trades[0].pnl + by),
            item.trades[1]._replace(pnl=item.trades[1].pnl - by),
            *item.trades[2:],
        ),
    ),
}


@pytest.mark.parametrize("what", COOKED)
def test_books_that_are_off_by_a_hundredth_of_a_cent_fail(what: str) -> None:
    actions = np.random.default_rng(1).integers(0, 3, 100).tolist()
    bars = hourly_bars("AAPL", random_walk("2024-01-01", 100))
    honest = simulate(bars, lambda row, _: actions[row], SPACES[3], RULES, 10_000.0)
    assert check_accounting([honest]).status == "pass"
    check = check_accounting([COOKED[what](honest, 1e-4)])
    assert (check.status, "do not add up" in check.sentence) == ("fail", True)
    assert check_accounting([COOKED[what](honest, 1e-6)]).status == "pass"


# Feasibility and account.


def simulated(actions: list[int], capital: float = 1e5, **rules: Any) -> Trajectory:
    bars = hourly_bars("AAPL", random_walk("2024-01-01T14:00", len(actions)))
    return simulate(bars, lambda row, _: actions[row], SPACES[3], replace(RULES, **rules), capital)


def test_what_is_refused_here_as_alpaca_would_is_counted_and_no_warning() -> None:
    trajectory = simulated([2, 2, 2, 1, 0, 2, 0], can_short=False)
    check = check_feasibility([trajectory, trajectory], AssetClass.CRYPTO, RULES)
    assert (check.status, check.figures["shorts_refused"]) == ("pass", 6.0)
    assert "in no result: 6 orders to sell crypto it did not hold" in check.sentence


def test_orders_below_the_minimum_are_counted() -> None:
    trajectory = simulated([1, 1, 0], capital=10.0)
    check = check_feasibility([trajectory], AssetClass.CRYPTO, RULES)
    assert check.figures["orders_below_minimum"] == 2.0


def test_short_sales_of_fractions_are_counted_for_stocks() -> None:
    trajectory = simulated([2, 2, 1, 0, 1, 0])  # two sold short, one bought back, the rest liquidated
    stocks, crypto = (check_feasibility([trajectory], kind, RULES) for kind in (AssetClass.EQUITY, AssetClass.CRYPTO))
    assert (stocks.figures["fractional_shorts"], crypto.figures["fractional_shorts"]) == (2.0, 0.0)
    assert (stocks.status, crypto.status) == ("warn", "pass")


@pytest.mark.parametrize(("round_trips", "capital", "days"), [(3, 20_000.0, 0), (4, 20_000.0, 2), (4, 30_000.0, 0)])
def test_pattern_day_trading_is_counted_below_25000_usd(round_trips: int, capital: float, days: int) -> None:
    # 14:00 to 04:00 UTC is one day in New York, the last bars are the next one.
    actions = [1, 2] * round_trips + [0] * (18 - 2 * round_trips)
    check = check_feasibility([simulated(actions, capital, min_order_usd=50.0)], AssetClass.EQUITY, RULES)
    assert check.figures["day_trade_violations"] == days


def test_a_trade_held_overnight_is_no_day_trade() -> None:
    # Bought at 02:00 UTC, in the evening in New York, and sold at 12:00 on the next day: four in five days.
    day = [1] + [0] * 9 + [2] + [0] * 13
    bars = hourly_bars("AAPL", random_walk("2024-01-01T01:00", 4 * 24))
    rules = replace(RULES, min_order_usd=50.0)
    trajectory = simulate(bars, lambda row, _: (4 * day)[row], SPACES[3], rules, 20_000.0)
    assert len(trajectory.trades) == 4
    assert check_feasibility([trajectory], AssetClass.EQUITY, RULES).figures["day_trade_violations"] == 0


def test_nothing_to_refuse_passes() -> None:
    assert check_feasibility([simulated([1, 0, 2, 0])], AssetClass.CRYPTO, RULES).status == "pass"


def test_neutral_and_tracked_account_are_compared() -> None:
    neutral, tracked = simulated([1, 0, 2, 0, 0]), simulated([1, 0, 0, 0, 0])
    check = check_account(neutral, tracked)
    assert (check.status, check.figures["actions_that_differ"]) == ("warn", 0.25)
    assert check.figures["tracked_return"] == tracked.equity[-1] / 1e5 - 1
    assert check_account(neutral, neutral).status == "pass"
    assert check_account(neutral, None).sentence == "The model reads no account feature."


# All of it.


def test_a_sound_model_passes_everything_and_shows_how_it_bears_noise() -> None:
    made = replayer(follower(0.01))
    backtest = Window("backtest", made.folds[1].start, made.folds[1].end)
    found = examine(made, backtest, feature_set(), MISSION, SHA)
    assert [check.name for check in found.checks] == [
        "causality",
        "weights",
        "activity",
        "accounting",
        "feasibility",
        "account",
        "precision",
    ]
    assert {check.status for check in found.checks if check.name != "feasibility"} == {"pass"}
    assert [draw.kind for draw in found.noise] == ["prices", "prices", "weights", "weights"]
    assert examine(made, backtest, feature_set(), MISSION, SHA) == found  # nothing is left to chance


def contrarian(n_account: int = 0) -> MlpPolicy:
    """Buys after a fall: it decides by what it sees, and loses."""
    first = np.zeros((2, 4 * (2 + n_account)))
    first[0, 3 * (2 + n_account) + 1] = -1.0
    head = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    return mlp([first, head], [np.zeros(2), np.array([0.05, 0.0, 0.0])], "tanh", 2, n_account, 4)


@pytest.mark.parametrize(
    ("policy", "account", "why"),
    [
        (contrarian(), "neutral", "its folds made no money together"),
        (contrarian(3), "neutral", "its folds made no money together"),
        (contrarian(3), "tracked", ""),  # judged on other actions, which may have earned
        (constant(1), "neutral", "the integrity checks fail (weights, activity)"),
    ],
)
def test_noise_is_drawn_only_where_it_can_change_the_decision(
    policy: MlpPolicy, account: AccountMode, why: str
) -> None:
    made = replayer(policy)
    backtest = Window("backtest", made.folds[1].start, made.folds[1].end)
    found = examine(made, backtest, feature_set(), MISSION, SHA, account=account)
    assert (found.undrawn, len(found.noise)) == (why, 0 if why else 4)


def test_noise_of_size_zero_changes_nothing_and_more_changes_more() -> None:
    made = replayer(follower(0.01))
    actions = made.actions(made.candidate.policy)
    changed = []
    for size in (0.0, 0.001, 0.05):
        draws = draw_noise(made, actions, feature_set(), RobustnessLimits(size, size), SHA)
        changed.append([draw.actions_changed for draw in draws])
    assert changed[0] == [0.0] * 4
    assert all(0 < small < large for small, large in zip(changed[1][:2], changed[2][:2], strict=True))


def test_account_features_are_examined_too() -> None:
    made = replayer(random_policy(3, n_account=3))
    backtest = Window("backtest", made.folds[1].start, made.folds[1].end)
    check = examine(made, backtest, feature_set(), MISSION, SHA).checks[-2]
    assert check.figures.keys() == {"actions_that_differ", "neutral_return", "tracked_return"}
