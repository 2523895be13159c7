"""What is deployed, as evidence depends on it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_modelgate.services.champions import Champion

DEPLOYED = Champion("UNIUSD_1Hour", "ab" * 32, Path("UNIUSD_1Hour.pt"), "reference-v1", "tanh")


@pytest.mark.parametrize(
    "change", [{"sha256": "cd" * 32}, {"feature_set": "mine"}, {"activation": "relu"}, {"verdict": "ef" * 32}], ids=str
)
def test_whatever_the_deployed_model_does_is_in_its_digest(change: dict[str, Any]) -> None:
    assert replace(DEPLOYED, **change).digest != DEPLOYED.digest


def test_where_its_file_lies_is_not() -> None:
    assert replace(DEPLOYED, file=Path("elsewhere/UNIUSD_1Hour.pt")).digest == DEPLOYED.digest
