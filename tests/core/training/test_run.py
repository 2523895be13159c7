"""What shaped a model, as its trainer declares it."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.core.market.windows import Sample, TrainingWindow, Window, sample_of
from pytest_modelgate.core.training.run import Declared, Fault
from pytest_modelgate.errors import ArchiveError, CheckpointError

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2024-01-01", tz="UTC").as_unit("ns")
INDEX = pd.date_range(START, START + 60 * DAY, freq="h", unit="ns")
FOLD = Window("fold1of1", START + 40 * DAY, START + 50 * DAY)
windows = st.tuples(st.integers(0, 45), st.integers(0, 10)).map(
    lambda days: TrainingWindow(START + days[0] * DAY, START + sum(days) * DAY)
)


@given(windows, windows, st.integers(0, 200))
def test_a_fold_is_out_of_sample_where_it_is_of_training_and_of_selection(
    training: TrainingWindow, selection: TrainingWindow, embargo: int
) -> None:
    def label(seen: TrainingWindow | None) -> Sample:
        return sample_of(FOLD, seen, INDEX, embargo)

    order = [Sample.OUT_OF_SAMPLE, Sample.GAP, Sample.IN_SAMPLE]
    both = label(Declared(training_window=training, selection_window=selection).seen)

    assert both is max(label(training), label(selection), key=order.index)


def test_without_a_training_window_a_selection_window_shows_nothing() -> None:
    assert Declared(selection_window=TrainingWindow(START, START + DAY)).seen is None


def test_a_fault_is_told_as_the_error_it_was_of() -> None:
    error = ArchiveError("archive a.zip, UNIUSD", "is 5", "Correct it")

    fault = Fault.of(error)

    assert str(fault) == str(error)
    with pytest.raises(CheckpointError, match=r"archive a\.zip, UNIUSD: is 5\. Correct it\."):
        raise fault.error
