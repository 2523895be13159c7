"""Models, bars and features are loaded once as long as they are shared, and one model is kept."""

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import cheap_gate, model_factory
from support.cheap_gate import CheapFormat
from support.plugin_helpers import AS_OF, pack

from pytest_modelgate.adapters.archive import Archive, open_archive
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.market.bars import Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.planning.plan import CHAMPION, ModelPlan, make_plan
from pytest_modelgate.core.training.run import Declared, ParityProbe
from pytest_modelgate.errors import CheckpointError, MarketDataError
from pytest_modelgate.services import evaluator
from pytest_modelgate.services.champions import Champion
from pytest_modelgate.services.evaluator import ModelEvaluator
from pytest_modelgate.services.market_data import MarketSeries
from pytest_modelgate.services.model_loader import ModelLoader

PROFILE = load_profile("2.4.5")


@dataclass
class Counting:
    """Cheap models and made-up bars, and how often each was read."""

    reads: Counter[str] = field(default_factory=Counter)

    def checkpoint(self, file: PolicyFile) -> LoadedPolicy:
        self.reads[file.name] += 1
        return cheap_gate.load(file)

    def market(self, request: Any, *details: Any) -> MarketSeries:
        self.reads[request.instrument.symbol] += 1
        return cheap_gate.read_market(request, *details)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    models = [cheap_gate.artifact(symbol, model_factory.APPROVED) for symbol in ("WAVUSD", "RNDUSD")]
    opened = open_archive(pack(tmp_path, *models))
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(archive=tmp_path / "a.zip", output=tmp_path, cassettes=tmp_path, as_of=pd.Timestamp(AS_OF))


def loader_of(archive: Archive, settings: Settings, reads: Counting) -> ModelLoader:
    readers: Any = {"formats": (CheapFormat(reads.checkpoint),), "read_market": reads.market}
    return ModelLoader(settings, archive, PROFILE, lambda: {REFERENCE.name: REFERENCE}, settings.output, **readers)


def plans(archive: Archive, settings: Settings) -> list[ModelPlan]:
    return list(make_plan(archive.run, settings, PROFILE).models)


def test_one_model_is_kept_and_all_bars(archive: Archive, settings: Settings) -> None:
    reads = Counting()
    loader, (first, second) = loader_of(archive, settings, reads), plans(archive, settings)

    for plan in (first, first, second, first):
        assert loader.prepared(plan).market.symbol == plan.model.instrument.symbol

    assert reads.reads == {"RNDUSD_1Hour.pt": 2, "WAVUSD_1Hour.pt": 1, "RNDUSD": 1, "WAVUSD": 1}


def test_bars_that_are_refused_are_read_once_and_refused_alike_again(archive: Archive, settings: Settings) -> None:
    reads = list[str]()

    def refuse(request: MarketRequest, *_: object) -> MarketSeries:
        reads.append(request.instrument.symbol)
        raise MarketDataError("bars of RNDUSD 1Hour", "are too few", "Choose another feed")

    readers: Any = {"formats": (CheapFormat(cheap_gate.load),), "read_market": refuse}
    loader = ModelLoader(settings, archive, PROFILE, lambda: {REFERENCE.name: REFERENCE}, settings.output, **readers)
    refusals = []

    for ask in (loader.bars, loader.bars, loader.prepared):
        with pytest.raises(MarketDataError, match="too few") as caught:
            ask(plans(archive, settings)[0])
        refusals.append(caught.value)

    assert len(reads) == 1
    assert len({str(refusal) for refusal in refusals}) == 1
    assert len({id(refusal) for refusal in refusals}) == 3  # each has its own traceback, and none outlives its test


def test_what_an_earlier_model_traded_on_is_let_go_of(archive: Archive, settings: Settings) -> None:
    loader, (first, second) = loader_of(archive, settings, Counting()), plans(archive, settings)
    bars = loader.prepared(first).candidate.series.bars
    traded = bars.rows(slice(0, 24))

    assert loader.prepared(first).candidate.series.bars.rows(slice(0, 24)) is traded
    loader.prepared(second)
    assert bars.rows(slice(0, 24)) is not traded


@pytest.mark.parametrize(("account", "tracked"), [("neutral", 0), ("tracked", 6)])
def test_first_layers_are_shared_where_the_true_account_is_fed(
    archive: Archive, settings: Settings, account: Any, tracked: int
) -> None:
    chosen = replace(settings, account=account)
    candidate = loader_of(archive, chosen, Counting()).prepared(plans(archive, chosen)[0]).candidate

    assert (len(candidate.judged), len(candidate.tracked)) == (6, tracked)


def test_an_unknown_feature_set_is_refused(archive: Archive, settings: Settings) -> None:
    loader = loader_of(archive, settings, Counting())

    with pytest.raises(CheckpointError, match="feature set 'mine' is unknown, known are reference-v1"):
        loader.feature_set("mine", "checkpoint a.pt")


def test_a_closed_loader_keeps_nothing_mapped(archive: Archive, settings: Settings) -> None:
    loader, (first, *_) = loader_of(archive, settings, Counting()), plans(archive, settings)
    candidate = weakref.ref(loader.prepared(first).candidate)

    loader.close()
    gc.collect()

    assert candidate() is None


def test_a_checkpoint_that_is_refused_takes_no_room_and_is_refused_alike_again(
    archive: Archive, settings: Settings
) -> None:
    def refuse(file: PolicyFile) -> LoadedPolicy:
        raise CheckpointError(file.location, "is empty", "Train again")

    readers: Any = {"formats": (CheapFormat(refuse),), "read_market": cheap_gate.read_market}
    scratch = settings.output / "scratch"
    loader = ModelLoader(settings, archive, PROFILE, lambda: {REFERENCE.name: REFERENCE}, scratch, **readers)
    told = []

    for _ in range(2):
        with pytest.raises(CheckpointError) as caught:
            loader.prepared(plans(archive, settings)[0])
        told.append(str(caught.value))
        assert not list(scratch.glob("*.pt"))
    assert told[0] == told[1]


def test_a_copy_that_another_process_refuses_meanwhile_is_refused_alike(archive: Archive, settings: Settings) -> None:
    scratch, plan = settings.output / "scratch", plans(archive, settings)[0]
    reference = plan.model.checkpoint
    assert reference

    def refused_elsewhere(file: PolicyFile) -> LoadedPolicy:
        archive.refuse(reference, scratch, CheckpointError("checkpoint X", "is empty", "Train again"))
        return cheap_gate.load(file)

    readers: Any = {"formats": (CheapFormat(refused_elsewhere),), "read_market": cheap_gate.read_market}
    loader = ModelLoader(settings, archive, PROFILE, lambda: {REFERENCE.name: REFERENCE}, scratch, **readers)

    with pytest.raises(CheckpointError, match=r"checkpoint X: is empty\."):
        loader.prepared(plan)


def test_what_the_user_says_of_the_version_reaches_the_reader(archive: Archive, settings: Settings) -> None:
    said = replace(settings, model_version="2.3.0")
    reads: list[object] = []

    def read(file: PolicyFile) -> LoadedPolicy:
        reads.append(file.model_version)
        return cheap_gate.load(file)

    ModelLoader(said, archive, PROFILE, dict, said.output, formats=(CheapFormat(read),)).load(archive.run.models[0])

    assert reads == ["2.3.0"]


def test_a_probe_whose_bars_begin_off_the_grid_is_refused(archive: Archive, settings: Settings) -> None:
    plan = make_plan(archive.run, settings, PROFILE).models[0]
    half_past = ParityProbe(bars=((1_704_069_000.0, 1.0, 1.0, 1.0, 1.0, 1.0),))
    model = replace(plan.model, declared=replace(plan.model.declared, parity_probe=half_past))

    with pytest.raises(CheckpointError, match=r"bar_origin: in training a bar begins at :30"):
        loader_of(archive, settings, Counting()).prepared(replace(plan, model=model))


def four_hours(plan: ModelPlan, archive: Archive, settings: Settings, **declared: Any) -> ModelPlan:
    model = replace(plan.model, timeframe=Timeframe.HOUR_4, declared=replace(plan.model.declared, **declared))
    return make_plan(replace(archive.run, models=(model,)), settings, PROFILE).models[0]


@pytest.mark.parametrize(("hour", "said"), [(3, "03:00 UTC"), (10, "02:00 UTC"), (8, "")])
def test_four_hours_begin_where_the_archive_says(archive: Archive, settings: Settings, hour: int, said: str) -> None:
    (plan, _), told = plans(archive, settings), pd.Timestamp("2024-01-01T00:00Z") + pd.Timedelta(hours=hour)

    prepared = loader_of(archive, settings, Counting()).prepared(four_hours(plan, archive, settings, bar_origin=told))

    bars = prepared.candidate.series.bars
    assert (prepared.market.bar_origin, set(bars.index.hour % 4), bars.timeframe) == (said, {hour % 4}, "4Hour")
    assert prepared.checkpoint.warnings == ()
    assert prepared.market.quality.missing == 0


def test_a_probe_that_contradicts_the_declared_origin_is_refused(archive: Archive, settings: Settings) -> None:
    probe = ParityProbe(bars=((pd.Timestamp("2024-01-01T02:00Z").timestamp(), 1.0, 1.0, 1.0, 1.0, 1.0),))
    declared = {"bar_origin": pd.Timestamp("2024-01-01T03:00Z"), "parity_probe": probe}
    plan = four_hours(plans(archive, settings)[0], archive, settings, **declared)

    with pytest.raises(CheckpointError, match="begins at 02:00 UTC, those judged begin at 03:00, 07:00"):
        loader_of(archive, settings, Counting()).prepared(plan)


def test_a_deployed_model_of_other_bars_is_not_compared_with(archive: Archive, settings: Settings) -> None:
    plan = four_hours(plans(archive, settings)[0], archive, settings, bar_origin=pd.Timestamp("2024-01-01T03:00Z"))
    champions = {plan.model.id: Champion(plan.model.id, "ab" * 32, Path("x.pt"), None, None)}
    judge = ModelEvaluator(loader_of(archive, settings, Counting()), settings, PROFILE, champions)

    with pytest.raises(CheckpointError, match="begin as Alpaca's do, and these begin at 03:00 UTC"):
        judge.evaluate(plan, plan.work_named(CHAMPION))


@pytest.mark.parametrize(("said", "fed"), [(None, ("tracked", True)), ("neutral", ("neutral", False))])
def test_a_deployed_model_is_fed_as_it_was_judged(
    archive: Archive, settings: Settings, monkeypatch: pytest.MonkeyPatch, said: Any, fed: tuple[str, bool]
) -> None:
    loader, seen = loader_of(archive, settings, Counting()), []
    plan = replace(make_plan(archive.run, settings, PROFILE).models[0], champion="ab")
    policy = loader.prepared(plan).candidate.policy

    def watched(_: object, candidate: Candidate, plan: ModelPlan) -> list[object]:
        seen.append((plan.account, bool(candidate.tracked)))
        return []

    monkeypatch.setattr(Champion, "load", lambda *_: (policy, REFERENCE.name))
    monkeypatch.setattr(ModelEvaluator, "_attributions", watched)
    monkeypatch.setattr(evaluator, "compare", lambda *_: None)
    judged = Declared(account_mode="tracked")
    champions = {plan.model.id: Champion(plan.model.id, "ab" * 32, Path("x.pt"), None, None, declared=judged)}
    told = replace(settings, account=said)
    ModelEvaluator(loader, told, PROFILE, champions).evaluate(plan, plan.work_named(CHAMPION))

    assert seen == [fed, ("neutral", False)]
