"""What the id of a test tells about its subject."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.cheap_runs import WAV, CheapRun

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.planning.plan import make_plan
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel, TrainingRun
from pytest_modelgate.plugin.collection import TestIds as Ids

METRICS = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.05,)}
MODEL = TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, METRICS, CheckpointRef("models/u.pt", 9))
RUN = TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (MODEL,))
SETTINGS = Settings(archive=Path("a.zip"), output=Path("out"), cassettes=Path("cassettes"))
PLAN = make_plan(RUN, SETTINGS, load_profile("2.4.5"), {"UNIUSD_1Hour": "ab" * 32})


@pytest.mark.parametrize(
    ("nodeid", "kind", "work"),
    [
        ("model_tests/test_gating.py::test_classification[UNIUSD_1Hour]", "GATING", None),
        ("model_tests/test_gating.py::test_metric[UNIUSD_1Hour-fitness]", "GATING", None),
        ("model_tests/test_backtest.py::test_sanity[UNIUSD_1Hour-30d]", "EVIDENCE", "backtest"),
        ("model_tests/test_walk_forward.py::test_fold[UNIUSD_1Hour-fold2of5]", "EVIDENCE", "fold2of5"),
        ("model_tests/test_walk_forward.py::test_spread[UNIUSD_1Hour]", "DECISION", None),
        ("model_tests/test_integrity.py::test_causality[UNIUSD_1Hour]", "EVIDENCE", "integrity"),
        ("model_tests/test_integrity.py::test_parity[UNIUSD_1Hour]", "PARITY", None),
        ("model_tests/test_champion.py::test_champion[UNIUSD_1Hour]", "EVIDENCE", "champion"),
        ("model_tests/test_decision.py::test_decision[UNIUSD_1Hour]", "DECISION", None),
        ("tests/test_mine.py::test_fold[UNIUSD_1Hour-fold2of5]", "EVIDENCE", "fold2of5"),
        ("tests/test_mine.py::test_model[UNIUSD_1Hour]", "MODEL", None),
    ],
)
def test_the_id_of_a_test_about_a_model_tells_kind_and_evidence(nodeid: str, kind: str, work: str | None) -> None:
    test = Ids(PLAN).of(nodeid)

    assert (test.kind.name, test.model) == (kind, "UNIUSD_1Hour")
    assert (test.work and test.work.name) == work


@pytest.mark.parametrize("nodeid", ["tests/test_mine.py::test_it", "tests/test_mine.py::test_it[UNIUSD-fold9of5]"])
def test_other_tests_are_about_nothing_of_ours(nodeid: str) -> None:
    test = Ids(PLAN).of(nodeid)

    assert (test.kind.name, test.model, test.work) == ("OTHER", "", None)


def test_without_a_champion_there_is_nothing_to_compare() -> None:
    alone = replace(PLAN, models=(replace(PLAN.models[0], champion=None),))

    assert Ids(alone).of("model_tests/test_champion.py::test_champion[UNIUSD_1Hour]").work is None


@pytest.mark.parametrize("folder", ["model_tests", "./model_tests", "{here}/model_tests"])
def test_an_id_that_the_gate_printed_names_its_test(
    cheap: Callable[..., CheapRun], tmp_path: Path, folder: str
) -> None:
    run = cheap(f"{folder.format(here=tmp_path)}/test_gating.py::test_classification[{WAV}]")

    assert run.outcomes == {f"model_tests/test_gating.py::test_classification[{WAV}]": "PASSED"}
