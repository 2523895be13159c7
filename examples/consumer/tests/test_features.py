"""Features know nothing of the future, and are there when training begins."""

import numpy as np
import pandas as pd
import pytest
from features import COLUMNS, MINE


def test_a_row_does_not_change_with_what_follows(bars: pd.DataFrame) -> None:
    """The gate checks that too, over the whole walk-forward."""
    whole, part = MINE.compute(bars), MINE.compute(bars.iloc[:500])

    pd.testing.assert_frame_equal(whole.iloc[:500], part)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_feature_is_finite_after_the_warm_up(bars: pd.DataFrame, column: str) -> None:
    """Or else the model would be refused."""
    assert np.isfinite(MINE.compute(bars)[column].iloc[MINE.warmup :]).all()
