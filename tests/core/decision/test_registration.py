"""What is said of folds once a model's bytes are registered."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.registration import registration_notes
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.planning.plan import make_plan
from pytest_modelgate.core.training.run import Declared, TrainedModel, TrainingRun

HISTORY = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.08,)}
MODEL = TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, HISTORY, None)
RUN = TrainingRun("a.zip", pd.Timestamp("2024-12-27", tz="UTC"), (MODEL,))
(PLAN,) = make_plan(RUN, Settings(archive=Path("a.zip"), output=Path("o")), load_profile("2.4.5")).models
THIRD = PLAN.folds[2].start


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (PLAN.folds[0].start, "are fold1of5, fold2of5, fold3of5, fold4of5, fold5of5."),
        (THIRD, "are fold3of5, fold4of5, fold5of5; the others rest on the declared training window."),
        (THIRD + pd.Timedelta(seconds=1), "are fold4of5, fold5of5; the others rest on the declared training window."),
        (PLAN.folds[4].end, ": no fold starts after that, so each rests on the declared training window."),
    ],
)
def test_each_fold_is_said_to_lie_after_the_registration_or_not(moment: pd.Timestamp, told: str) -> None:
    (note,) = registration_notes(PLAN, moment.isoformat())

    assert note.startswith(f"Registered on {moment:%Y-%m-%d %H:%M} UTC: ")
    assert note.endswith(told)


def test_bytes_that_nobody_registered_are_said_to_be() -> None:
    (note,) = registration_notes(PLAN, None)

    assert note.startswith("Its bytes are not registered in the ledger")


@pytest.mark.parametrize(("days", "notes"), [(0, 1), (1, 2)])
def test_training_that_ended_after_the_registration_is_a_contradiction(days: int, notes: int) -> None:
    window = TrainingWindow(THIRD - pd.Timedelta(days=99), THIRD + pd.Timedelta(days=days))
    plan = replace(PLAN, model=replace(MODEL, declared=Declared(training_window=window)))

    told = registration_notes(plan, THIRD.isoformat())

    assert len(told) == notes
    assert told[-1].endswith("one of the two is wrong.") == (notes == 2)
