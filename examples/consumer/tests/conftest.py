"""Fixtures of this project's own tests; `bars` is called as the gate's, which is no matter: each side gets its own."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def bars() -> pd.DataFrame:
    """A month of hours that wander."""
    index = pd.date_range("2024-01-01", periods=720, freq="h", tz="UTC")
    close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, len(index))))
    return pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 1.0}, index)
