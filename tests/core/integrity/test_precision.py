"""The check of float32: what it counts, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from support.market_factory import hourly_bars, random_walk
from support.policies import SPACES, mlp

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.integrity.precision import check_precision
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.account_features import AccountFeature
from pytest_modelgate.core.policy.actions import Action
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Floats

LIMITS = load_profile("2.4.5").integrity
RULES = TradingRules(0.0001, 0.0, 0.1, 0.05, 0.3, 1.0, can_short=True)
FEATURES = FeatureSet("one-1", ("change",), 1, lambda frame: frame["close"].pct_change().to_frame("change"))


def sound(offset: float = 0.0) -> MlpPolicy:
    """Buys after a rise, sells after a fall; every logit far from zero."""
    head = np.array([[0.0], [1.0], [-1.0]])
    return mlp([np.full((1, 2), 50.0), head], [np.zeros(1), np.full(3, offset)], "tanh", 1, 0, 2)


def examined(policy: Policy, *spans: tuple[int, int], **limits: float) -> Check:
    series = compute_features(hourly_bars("AAPL", random_walk("2024-01-01", 500, seed=4)), FEATURES)
    times = series.bars.index
    windows = [Window(f"{number}", times[first], times[last]) for number, (first, last) in enumerate(spans)]
    return check_precision(Candidate(policy, series, RULES), windows, replace(LIMITS, **limits), "ab" * 32)


def test_a_sound_policy_passes_and_the_figure_is_said() -> None:
    check = examined(sound(), (100, 400))
    assert (check.status, check.figures["actions_that_differ"]) == ("pass", 0.0)
    assert check.sentence == "In float32, as traders run it, 0 of 300 actions (0.00%) are others."


def test_every_bar_is_counted_once_however_the_windows_lie() -> None:
    assert examined(sound(), (100, 200), (200, 300), (150, 250), (400, 450)).figures["bars"] == 250.0


def test_logits_that_float32_cannot_tell_apart_fail() -> None:
    check = examined(sound(1e12), (100, 400))
    assert check.status == "fail"
    assert check.figures["actions_that_differ"] > 0.9
    assert "tolerated are 0.10%" in check.sentence


def test_the_profile_sets_what_is_tolerated() -> None:
    share = examined(sound(3e6), (100, 400)).figures["actions_that_differ"]
    assert 0.0 < share < 1.0
    assert examined(sound(3e6), (100, 400), max_float32_changes=share).status == "pass"
    assert examined(sound(3e6), (100, 400), max_float32_changes=share * 0.99).status == "fail"


@dataclass(frozen=True)
class Opaque:
    """A policy that shows no weights."""

    n_market: int = 1
    account: tuple[AccountFeature, ...] = ()
    lookback: int = 2
    actions: tuple[Action, ...] = SPACES[3]

    def logits(self, market: Floats, account: Floats) -> Floats:
        del account
        return np.zeros((len(market) - 1, 3))


def test_a_policy_without_weights_is_judged_as_it_runs_which_is_said() -> None:
    check = examined(Opaque(), (100, 400))

    assert (check.status, check.figures) == ("warn", {})
    assert "shows no weights" in check.sentence


@pytest.mark.parametrize("spans", [((100, 400),), ((100, 250), (250, 400))])
def test_the_count_is_a_pure_function(spans: tuple[tuple[int, int], ...]) -> None:
    assert examined(sound(3e6), *spans) == examined(sound(3e6), *spans)
