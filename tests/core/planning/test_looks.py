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
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.planning.looks import Trial, TrialCount, count_trials, effective_looks
from pytest_modelgate.core.planning.plan import Plan, make_plan
from pytest_modelgate.core.training.run import CheckpointRef, Declared, TrainedModel, TrainingRun

METRICS = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.05,)}
DAY = pd.Timedelta(days=1)
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


def look(days: int) -> Trial:
    """At the same bytes on the same terms, so many days after the first."""
    start, end = (STAMP + pd.Timedelta(days=days + offset) for offset in (-180, 0))
    return Trial("UNIUSD_1Hour", "ab" * 32, start.isoformat(), end.isoformat(), 5, "terms")


@pytest.mark.parametrize(("nights", "trials"), [(1, 1), (2, 2), (31, 8), (181, 41)])
def test_judging_the_same_bytes_every_night_until_they_pass_costs_trials(nights: int, trials: int) -> None:
    known = [look(night) for night in range(nights)]

    assert count_trials(known, known[-1:]) == trials


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
    assert (plan(days).count.looks, plan(days).trials) == (looks, max(2 + 4, 2 * looks))


def test_a_run_without_a_stamp_may_be_as_old_as_its_walk_forward_is_long() -> None:
    assert plan(0, replace(RUN, timestamp=None)).count.looks == effective_looks(180, 180, 5)


def test_a_ledger_replaces_the_assumption_by_its_count() -> None:
    counted = plan(186, ledger=Path("ledger.jsonl"))

    assert (counted.count.looks, counted.count.concealed) == (1, 0)
    assert counted.with_trials(1).trials == 1
    assert counted.with_trials(0).trials == 1


def test_models_that_are_lucky_together_count_as_fewer_and_all_others_as_one_each() -> None:
    ledger, none = TrialCount(20), TrialCount(20, looks=1, concealed=4)

    assert [ledger.total(), ledger.total(8, 2.5), ledger.total(20, 1.0)] == [20, 14.5, 1.0]
    assert [none.total(), none.total(8, 2.5), none.total(20, 1.0)] == [24, 18.5, 5.0]


def test_without_a_ledger_the_larger_of_both_assumptions_counts() -> None:
    """A single model: concealed looks on the first days, one look a day later on."""
    assert [TrialCount(1, looks, 4).total() for looks in (1, 4, 5, 8)] == [5, 5, 5, 8]


@given(counted=st.integers(1, 50), looks=st.integers(1, 9), data=st.data())
def test_knowing_fewer_models_never_counts_less(counted: int, looks: int, data: st.DataObject) -> None:
    models = data.draw(st.integers(0, counted))
    effective = data.draw(st.floats(min(1, models), models))
    assert 1 <= TrialCount(counted, looks, 4).total(models, effective) <= TrialCount(counted, looks, 4).total()


SIX = {name: values * 6 for name, values in METRICS.items()}


def validated(selection: TrainingWindow | None, stamp: pd.Timestamp | None = STAMP) -> int:
    """Validations that count, of one model out of six."""
    declared = Declared(selection_window=selection)
    model = replace(MODELS[0], history=SIX, declared=declared)
    run = TrainingRun("a.zip", stamp, (model,))
    settings = Settings(archive=Path("a.zip"), output=Path("o"), as_of=STAMP)
    return make_plan(run, settings, load_profile("2.4.5")).count.validations


def test_validations_on_days_of_the_folds_are_trials_and_so_are_undeclared_ones_before_the_stamp() -> None:
    before, within = (TrainingWindow(STAMP - 900 * DAY, STAMP - days * DAY) for days in (200, 100))

    assert [validated(before), validated(within), validated(None)] == [0, 5, 5]
    assert validated(None, STAMP - 200 * DAY) == 0  # whoever trained then saw no fold
    assert validated(None, None) == 5
