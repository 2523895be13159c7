"""The trained policy of Stable-Baselines3 that the repository ships is what its documentation says it is."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / "examples" / "sb3_archive.zip"


def test_it_ends_in_the_decision_its_documentation_names(pytester: pytest.Pytester) -> None:
    run = pytester.runpytest_subprocess(f"--model-archive={ARCHIVE}", f"--gate-cassettes={ROOT / 'cassettes'}", "-q")

    (model,) = json.loads((pytester.path / "gate-report" / "verdict.json").read_text())["models"]
    assert run.ret == 0
    assert (model["id"], model["decision"], model["account_mode"]) == ("UNIUSD_1Hour", "PAPER", "tracked")
    assert model["reasons"][0].startswith("Too good to be true")
    assert (model["checkpoint"]["format"], model["checkpoint"]["parity"]) == ("sb3", "proven")
    assert model["checkpoint"]["actions"] == ["HOLD", "TARGET_25", "CLOSE"]
    assert {fold["sample"] for fold in model["folds"]} == {"out-of-sample"}


def test_it_stays_small() -> None:
    assert ARCHIVE.stat().st_size < 100_000
