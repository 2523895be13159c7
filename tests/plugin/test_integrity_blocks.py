"""A model that fails an integrity check goes nowhere, whatever it earned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import model_factory
from support.cheap_runs import WAV, CheapRun
from support.plugin_helpers import GOOD, HELD_OUT, RunGate, model, pack

NAMES = ["causality", "weights", "activity", "accounting", "feasibility", "account", "precision"]


def test_every_check_is_a_test_and_stands_in_the_verdict(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-m", "integrity", "-v", drawn=True)

    (found,) = result.verdict["models"]
    assert [check["name"] for check in found["integrity"]] == NAMES
    assert {check["status"] for check in found["integrity"]} == {"pass"}
    tests = ("causality", "weights_matter", "not_degenerate", "accounting", "account_skew", "precision")
    for test in (*tests, "feasible_at_alpaca"):
        assert f"test_{test}[WAVUSD_1Hour] PASSED" in result.text
    page = (result.output / "report.html").read_text(encoding="utf-8")
    assert "in no result: " in page  # sells crypto it does not hold


def test_a_feature_that_knows_the_future_blocks_a_model_that_would_be_live(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        from pytest_modelgate import FeatureSet

        def compute(bars):
            close = bars["close"]
            day = (close / close.shift(24) - 1.0).clip(-1, 1)
            return day.to_frame("day").assign(mean=close.rolling(5, center=True, min_periods=1).mean())

        def pytest_modelgate_feature_sets():
            return {"leaky-1": FeatureSet("leaky-1", ("day", "mean"), 24, compute)}
        """
    )
    policy = {
        "trunk.0.weight": np.array([[100.0, 0.0]]),
        "trunk.0.bias": np.zeros(1),
        "policy_head.weight": np.array([[0.0], [1.0], [-1.0]]),
        "policy_head.bias": np.array([0.5, 0.0, 0.0]),
    }
    leaky = model("WAVUSD", model_factory.APPROVED, policy, n_features=2, obs_dim=2, feature_set="leaky-1")
    archive = pack(tmp_path, leaky, feature_set="leaky-1", training_window=HELD_OUT)

    result = run_gate(archive, "--gate-decision=table", "-v")

    (found,) = result.verdict["models"]
    assert (found["table_decision"], found["decision"]) == ("LIVE", "RETRAIN")
    assert found["reasons"][0].startswith("Integrity, nothing depends on the future: Feature 'mean' knows the future")
    assert result.verdict["promotable"] == []
    assert result.verdict["complete"] is True
    assert "test_causality[WAVUSD_1Hour] FAILED" in result.text


def test_a_check_that_crashed_leaves_the_model_incomplete(cheap: Callable[..., CheapRun]) -> None:
    run = cheap("-n0", "-k", WAV, mishap={f"{WAV}.integrity": "raise"})

    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.verdict["promotable"] == []
    assert "integrity: the evaluation crashed with RuntimeError" in str(run.verdict["complete"])


def test_checks_that_were_never_asked_for_leave_the_verdict_incomplete(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-m", "walk_forward and not decision", "-k", "fold or sanity")

    assert result.verdict["complete"] is not True
    assert result.decision("WAVUSD_1Hour") == "INCOMPLETE"
