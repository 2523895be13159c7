"""The content key: whatever can change evidence changes it, and nothing else does."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.market_factory import hourly_bars, random_walk, request_for

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.content_key import agreement, content_key, model_key
from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.planning.plan import ModelPlan, OnAccount, Work, account_mode, make_plan
from pytest_modelgate.core.policy.actions import CLOSE, HOLD, Order, Target
from pytest_modelgate.core.training.run import (
    CheckpointRef,
    Declared,
    DeclaredFeature,
    ParityProbe,
    TrainedModel,
    TrainingRun,
)

FRAME = random_walk("2024-01-01", 400)
SETTINGS = Settings(archive=Path("a.zip"), output=Path("out"), cassettes=Path("cassettes"))
PROFILE = load_profile("2.4.5")
METRICS = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.05,)}
MODEL = TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, METRICS, CheckpointRef("models/u.pt", 9))
TRAINING = TrainingWindow(pd.Timestamp("2023-01-01", tz="UTC"), pd.Timestamp("2023-06-01", tz="UTC"))


def plan_of(model: TrainedModel) -> ModelPlan:
    run = TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (model,))
    return make_plan(run, SETTINGS, PROFILE).models[0]


def key(
    *,
    model: TrainedModel = MODEL,
    settings: Settings = SETTINGS,
    profile: Profile = PROFILE,
    sha256: str = "ab",
    bars: Bars | None = None,
    actions: tuple[str, ...] = ("recorded",),
    request: MarketRequest | None = None,
    code: str = "1",
    read_as: tuple[str, ...] = ("trainer", "1"),
    work: Work | None = None,
    feature_sets: Mapping[str, str] | None = None,
) -> str:
    plan = replace(plan_of(model), account=account_mode(model, settings))
    whole = model_key(
        plan,
        settings,
        profile,
        checkpoint_sha256=sha256,
        request=request or request_for("UNIUSD", FRAME),
        bars=bars or hourly_bars("UNIUSD", FRAME),
        actions=actions,
        code=code,
        read_as=read_as,
    )
    return content_key(whole, work or FOLD, feature_sets or {})


def declared(**facts: Any) -> TrainedModel:
    return replace(MODEL, declared=Declared(**facts))


def touched() -> Bars:
    frame = FRAME.copy()
    frame.loc[frame.index[7], "volume"] = 12345.0
    return hourly_bars("UNIUSD", frame)


PLAN = plan_of(MODEL)
FOLD = Work.trading(PLAN.folds[0])
DEARER = replace(PROFILE, trading=replace(PROFILE.trading, crypto=replace(PROFILE.trading.crypto, fee=0.01)))


def executed(**rules: float) -> Profile:
    return replace(PROFILE, execution=replace(PROFILE.execution, **rules))


NO_GAPS = replace(PROFILE.market_data, max_missing=0.02)
NOISY = replace(PROFILE.robustness, price_noise=0.01)
STRICTER = replace(PROFILE, walk_forward=replace(PROFILE.walk_forward, good_percent=90))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"sha256": "cd"}, id="checkpoint"),
        pytest.param({"bars": touched()}, id="one volume"),
        pytest.param({"actions": ("recorded", "4:1 split of 2024-06-10")}, id="a corporate action"),
        pytest.param({"code": "2"}, id="code"),
        pytest.param({"read_as": ("trainer", "2")}, id="version of the format"),
        pytest.param({"read_as": ("trainer", "1", "ab")}, id="normaliser"),
        pytest.param({"work": Work.trading(PLAN.folds[1])}, id="window"),
        pytest.param({"work": replace(FOLD, end=FOLD.end + pd.Timedelta(hours=1))}, id="one bar more"),
        pytest.param({"work": replace(FOLD, name="other")}, id="name of the window"),
        pytest.param({"feature_sets": {"mine": "1"}}, id="code of a feature set"),
        pytest.param({"profile": DEARER}, id="a fee"),
        *(pytest.param({"profile": executed(**{rule: 0.1})}, id=rule) for rule in asdict(PROFILE.execution)),
        pytest.param({"profile": replace(PROFILE, market_data=NO_GAPS)}, id="demands on market data"),
        pytest.param({"profile": replace(PROFILE, robustness=NOISY)}, id="size of the noise"),
        pytest.param({"settings": replace(SETTINGS, account="tracked")}, id="account"),
        pytest.param({"settings": replace(SETTINGS, capital=5.0)}, id="capital"),
        pytest.param({"settings": replace(SETTINGS, sessions="extended")}, id="sessions"),
        pytest.param({"settings": replace(SETTINGS, feed="iex")}, id="feed"),
        pytest.param({"settings": replace(SETTINGS, adjustment="raw")}, id="adjustment"),
        pytest.param({"settings": replace(SETTINGS, activation="relu")}, id="activation"),
        pytest.param({"settings": replace(SETTINGS, feature_set="mine")}, id="feature set"),
        pytest.param({"settings": replace(SETTINGS, trainer_packages=("other",))}, id="trainer"),
        pytest.param({"request": request_for("UNIUSD", FRAME.iloc[1:])}, id="request"),
        pytest.param({"model": replace(MODEL, checkpoint=CheckpointRef("models/v.pt", 9))}, id="member"),
        pytest.param({"model": declared(training_window=TRAINING)}, id="training window"),
        pytest.param({"model": declared(selection_window=TRAINING)}, id="selection window"),
        pytest.param({"model": declared(activation="relu")}, id="declared activation"),
        pytest.param({"model": declared(feature_set="mine")}, id="declared feature set"),
        pytest.param({"model": declared(account_mode="tracked")}, id="declared account mode"),
        pytest.param({"model": declared(model_version="2.7.0")}, id="declared version"),
        pytest.param({"model": declared(lookback=7)}, id="declared lookback"),
        pytest.param({"model": declared(actions=(HOLD, CLOSE))}, id="declared actions"),
        pytest.param({"model": declared(bar_origin=TRAINING.end)}, id="declared origin of bars"),
        pytest.param({"model": declared(account=(DeclaredFeature("pnl", -1),))}, id="declared account"),
        pytest.param({"settings": replace(SETTINGS, model_version="2.7.0")}, id="version"),
        pytest.param({"model": declared(parity_probe=ParityProbe(((0.5,),), ((1.0,),)))}, id="parity probe"),
    ],
)
def test_what_can_change_evidence_changes_the_key(change: dict[str, Any]) -> None:
    assert key(**change) != key()


def test_two_actions_of_one_name_and_two_kinds_of_one_size_have_keys_of_their_own() -> None:
    keys = {key(model=declared(actions=(HOLD, one))) for one in (Order(0.1 + 0.2), Order(0.3), Target(0.3), HOLD)}

    assert len(keys) == 4


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"settings": replace(SETTINGS, output=Path("elsewhere"), archive=Path("b.zip"))}, id="paths"),
        pytest.param({"settings": replace(SETTINGS, cassettes=Path("elsewhere"))}, id="cassettes"),
        pytest.param({"settings": replace(SETTINGS, decision="table", folds=3)}, id="what is decided"),
        pytest.param({"profile": STRICTER}, id="thresholds"),
        pytest.param({"profile": replace(PROFILE, name="mine")}, id="name of the profile"),
        pytest.param({"model": declared(trainer_version="9", reward_scale=0.001)}, id="what nobody evaluates"),
        pytest.param({"bars": hourly_bars("UNIUSD", FRAME.copy())}, id="the same bars"),
    ],
)
def test_what_cannot_change_evidence_leaves_the_key_alone(change: dict[str, Any]) -> None:
    assert key(**change) == key()


ON_ACCOUNT = replace(PLAN, watched=OnAccount("d" * 64, pd.Timestamp("2024-09-01", tz="UTC")))


@pytest.mark.parametrize("other", [("record2", "bars"), ("record", "bars2"), ()], ids=str)
def test_what_an_account_did_counts_for_its_comparison(other: tuple[str, ...]) -> None:
    keys = [content_key("m", ON_ACCOUNT.watch, {}, None, watched) for watched in (("record", "bars"), other)]

    assert keys[0] != keys[1]


@pytest.mark.parametrize("work", [FOLD, PLAN.integrity, PLAN.contest], ids=lambda work: work.name)
def test_what_an_account_did_counts_for_nothing_else(work: Work) -> None:
    assert content_key("m", work, {}, "champion") == content_key("m", work, {}, "champion", ("record", "bars"))


def test_asking_an_account_leaves_the_keys_of_all_other_evidence_alone() -> None:
    facts: dict[str, Any] = {
        "checkpoint_sha256": "ab",
        "request": request_for("UNIUSD", FRAME),
        "bars": hourly_bars("UNIUSD", FRAME),
        "actions": (),
        "code": "1",
        "read_as": ("trainer", "1"),
    }

    assert model_key(ON_ACCOUNT, SETTINGS, PROFILE, **facts) == model_key(PLAN, SETTINGS, PROFILE, **facts)


def test_workers_agree_on_what_is_on_record() -> None:
    plan = make_plan(TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (MODEL,)), SETTINGS, PROFILE)
    plans = [replace(plan, models=(replace(PLAN, watched=OnAccount(digest, None)),)) for digest in ("ab", "cd")]

    assert agreement(plans[0], SETTINGS, PROFILE, "1") != agreement(plans[1], SETTINGS, PROFILE, "1")


def test_workers_agree_on_what_is_deployed() -> None:
    plan = make_plan(TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (MODEL,)), SETTINGS, PROFILE)
    rival = replace(plan, models=(replace(plan.models[0], champion="ab"),))
    other = replace(plan, models=(replace(plan.models[0], champion="cd"),))

    assert agreement(rival, SETTINGS, PROFILE, "1") != agreement(other, SETTINGS, PROFILE, "1")


@pytest.mark.parametrize("option", [{"account": "tracked"}, {"model_version": "2.7.0"}])
def test_workers_agree_on_what_models_are_told_to_mean(option: dict[str, Any]) -> None:
    run = TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (MODEL,))
    here, there = (
        agreement(make_plan(run, told, PROFILE), told, PROFILE, "1") for told in (SETTINGS, replace(SETTINGS, **option))
    )

    assert here != there


def test_the_user_says_how_account_features_are_fed_before_the_archive_does() -> None:
    model = declared(account_mode="tracked")
    modes = [account_mode(model, replace(SETTINGS, account=said)) for said in (None, "neutral", "tracked")]

    assert (modes, account_mode(MODEL, SETTINGS)) == (["tracked", "neutral", "tracked"], "neutral")
