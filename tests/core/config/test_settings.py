"""Settings from which no run can be built are refused."""

from pathlib import Path
from typing import Any

import pytest

from pytest_modelgate.core.config.settings import Settings, Shard
from pytest_modelgate.errors import SettingsError


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"backtest_days": 0}, "--gate-backtest-days"),
        ({"walk_forward_days": 0}, "--gate-walk-forward-days"),
        ({"folds": 0}, "--gate-folds"),
        ({"folds": 11, "walk_forward_days": 10}, "--gate-folds"),
        ({"capital": 0.0}, "--gate-capital"),
        ({"capital": float("inf")}, "--gate-capital"),
        ({"capital": float("nan")}, "--gate-capital"),
        ({"merge": True, "shard": Shard(1, 2)}, "--gate-merge"),
        ({"evidence": (Path("nowhere"),)}, "--gate-evidence nowhere"),
    ],
    ids=str,
)
def test_numbers_and_folders_that_no_run_can_use_are_refused(given: dict[str, Any], option: str) -> None:
    with pytest.raises(SettingsError, match=f"^{option}"):
        Settings(archive=Path("a.zip"), **given)


@pytest.mark.parametrize("given", [{"folds": 10, "walk_forward_days": 10}, {"capital": 1e-9}], ids=str)
def test_what_is_just_possible_is_not(given: dict[str, Any]) -> None:
    assert Settings(archive=Path("a.zip"), **given)
