"""Which windows a selection needs evaluated though nobody selected them."""

from pathlib import Path

import pandas as pd
import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.planning.plan import make_plan
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel, TrainingRun
from pytest_modelgate.plugin.xdist.units import lay_out

METRICS = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.05,)}
MODEL = TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, METRICS, CheckpointRef("models/u.pt", 9))
RUN = TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (MODEL,))
SETTINGS = Settings(archive=Path("a.zip"), output=Path("out"), cassettes=Path("cassettes"))
PLAN = make_plan(RUN, SETTINGS, load_profile("2.4.5"))
FOLDS = [f"fold{number}of5" for number in range(1, 6)]


@pytest.mark.parametrize(
    ("test", "hidden"),
    [
        ("test_integrity.py::test_causality", []),  # its own window, so that a shard leaves the backtest to others
        ("test_integrity.py::test_parity", ["backtest"]),
        ("test_decision.py::test_decision", ["backtest", *FOLDS, "integrity"]),
        ("test_gating.py::test_classification", []),
    ],
)
def test_only_what_a_selected_test_needs_is_evaluated_besides(test: str, hidden: list[str]) -> None:
    found = lay_out([f"model_tests/{test}[UNIUSD_1Hour]"], PLAN).hidden

    assert [work.name for work in found] == hidden
