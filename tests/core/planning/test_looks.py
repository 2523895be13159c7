"""Looks that are a day apart see nearly the same bars, and count as the few independent ones they are worth."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.planning.looks import effective_looks
from pytest_modelgate.core.planning.plan import Plan, make_plan
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel, TrainingRun

METRICS = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.05,)}
STAMP = pd.Timestamp("2024-12-27T21:18:19Z")
MODELS = tuple(
    TrainedModel(Instrument.parse(symbol), Timeframe.HOUR_1, METRICS, CheckpointRef(f"models/{symbol}.pt", 9))
    for symbol in ("LTCUSD", "UNIUSD")
)
RUN = TrainingRun("a.zip", STAMP, MODELS)


def plan(days: float, run: TrainingRun = RUN, ledger: Path | None = None) -> Plan:
    as_of = STAMP + pd.Timedelta(days=days)
    settings = Settings(archive=Path("a.zip"), output=Path("o"), as_of=as_of, ledger=ledger)
    return make_plan(run, settings, load_profile("2.4.5"))


@pytest.mark.parametrize(
    ("days", "walk_forward_days", "folds", "looks"),
    [
        (0, 180, 5, 1),
        (1, 180, 5, 2),
        (4, 180, 5, 2),
        (5, 180, 5, 3),
        (30, 180, 5, 8),  # what was simulated
        (30, 365, 5, 5),  # longer folds change less in a month
        (30, 180, 10, 15),
        (6, 10, 10, 7),  # folds of a day: one look a day is the most
    ],
)
def test_looks_are_counted_in_folds(days: int, walk_forward_days: int, folds: int, looks: int) -> None:
    assert effective_looks(days, walk_forward_days, folds) == looks


@given(days=st.integers(0, 2000), more=st.integers(0, 2000), length=st.integers(1, 1000), folds=st.integers(1, 50))
def test_more_days_never_count_less_and_never_more_than_one_look_each(
    days: int, more: int, length: int, folds: int
) -> None:
    looks = effective_looks(days, length, folds)

    assert 1 <= looks <= 1 + days
    assert looks <= effective_looks(days + more, length, folds)


@pytest.mark.parametrize(("days", "looks"), [(0, 1), (0.9, 1), (30, 8), (-30, 8), (186, 43)])
def test_without_a_ledger_the_distance_from_the_stamp_is_what_was_looked_at(days: float, looks: int) -> None:
    assert (plan(days).looks, plan(days).trials) == (looks, 2 * looks)


def test_a_run_without_a_stamp_may_be_as_old_as_its_walk_forward_is_long() -> None:
    assert plan(0, replace(RUN, timestamp=None)).looks == effective_looks(180, 180, 5)


def test_a_ledger_replaces_the_assumption_by_its_count() -> None:
    counted = plan(186, ledger=Path("ledger.jsonl"))

    assert counted.looks == 1
    assert counted.with_trials(1).trials == 1
    assert counted.with_trials(0).trials == 1
