"""Terms of a look: whatever can be varied to look again is one, whatever no decision depends on is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.planning.plan import make_plan
from pytest_modelgate.core.policy.actions import HALF_ORDERS
from pytest_modelgate.core.training.run import CheckpointRef, Declared, TrainedModel, TrainingRun
from pytest_modelgate.services.trials import terms_of

METRICS = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.05,)}
STAMP = pd.Timestamp("2024-12-27", tz="UTC")
DECLARED = Declared(activation="tanh", feature_set="reference-v1")
SETTINGS = Settings(archive=Path("a.zip"), output=Path("out"))
WINDOW = TrainingWindow(STAMP - pd.Timedelta(days=400), STAMP - pd.Timedelta(days=190))


def terms(
    profile: str = "2.4.5", declared: Declared = DECLARED, timeframe: Timeframe = Timeframe.HOUR_1, **options: Any
) -> str:
    limits, settings = load_profile(profile), replace(SETTINGS, **options)
    model = TrainedModel(Instrument.parse("UNIUSD"), timeframe, METRICS, CheckpointRef("u.pt", 9), declared=declared)
    (plan,) = make_plan(TrainingRun("a.zip", STAMP, (model,)), settings, limits).models
    return terms_of(plan, settings, limits)


@pytest.mark.parametrize(
    "varied",
    [
        {"account": "tracked"},
        {"activation": "relu"},
        {"adjustment": "raw"},
        {"backtest_days": 31},
        {"capital": 5000.0},
        {"decision": "table"},
        {"feature_set": "other"},
        {"feed": "iex"},
        {"folds": 6},
        {"sessions": "extended"},
        {"walk_forward_days": 179},
        {"profile": "strict"},
        {"declared": replace(DECLARED, activation="relu")},
        {"declared": replace(DECLARED, feature_set="other")},
        {"declared": replace(DECLARED, account_mode="tracked")},
        {"declared": replace(DECLARED, actions=HALF_ORDERS)},
        {"model_version": "2.7.0"},
        {"declared": replace(DECLARED, training_window=WINDOW)},
        {"declared": replace(DECLARED, selection_window=WINDOW)},
    ],
    ids=str,
)
def test_what_can_be_varied_to_look_again_is_another_look(varied: dict[str, Any]) -> None:
    assert terms(**varied) != terms()


def test_another_origin_of_bars_is_another_look() -> None:
    origins = [None, *(STAMP + pd.Timedelta(hours=hour) for hour in (3, 4, 7))]
    looks = [terms(timeframe=Timeframe.HOUR_4, declared=replace(DECLARED, bar_origin=origin)) for origin in origins]
    assert looks[0] == looks[2] != looks[1] == looks[3]


@pytest.mark.parametrize(
    "varied",
    [
        {"archive": Path("b.zip")},
        {"as_of": STAMP - pd.Timedelta(days=3)},  # it dates the look
        {"activation": "tanh", "feature_set": "reference-v1"},  # as declared
        {"device": "cpu"},
        {"merge": True},
        {"output": Path("elsewhere")},
        {"paper": Path("models/paper")},  # so that looks with and without it are one series
        {"require": DecisionLevel.LIVE},
        {"champion": Path("live")},
        {"declared": replace(DECLARED, trainer_version="2")},
    ],
    ids=str,
)
def test_what_no_proof_depends_on_is_the_same_look(varied: dict[str, Any]) -> None:
    assert terms(**varied) == terms()
