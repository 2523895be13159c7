"""Fixtures of this project; some are called as the gate's, which is no matter: each side gets its own."""

from collections.abc import Mapping

import pandas as pd
import pytest

from pytest_modelgate import FeatureSet


@pytest.fixture
def bars() -> list[float]:
    """Closes that the project's own tests are about."""
    return [100.0, 101.0, 99.5]


@pytest.fixture
def metric() -> str:
    """What the project reports."""
    return "hit rate"


def day_return(frame: pd.DataFrame) -> pd.DataFrame:
    """The return over a day of hours, as the trader computes it."""
    close = frame["close"]
    return (close / close.shift(24) - 1.0).clip(-1.0, 1.0).to_frame("day_return")


def pytest_modelgate_feature_sets() -> Mapping[str, FeatureSet]:
    """Checkpoints that declare ``day-return-1`` are judged on it."""
    return {"day-return-1": FeatureSet("day-return-1", ("day_return",), 24, day_return)}
