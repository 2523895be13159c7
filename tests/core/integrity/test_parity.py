"""A probe proves that the gate computes what the trainer computed, or says where it does not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market_factory import random_walk
from support.policies import mlp

from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.integrity.parity import check_parity, normalised
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.training.run import ParityProbe
from pytest_modelgate.errors import CheckpointError


def _changes(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"change": frame["close"].pct_change(), "range": frame["high"] / frame["low"]})


CHANGES = FeatureSet("changes-1", ("change", "range"), 1, _changes)
CHANCE = np.random.default_rng(1)
POLICY = mlp([CHANCE.normal(size=(5, 6)), CHANCE.normal(size=(3, 5))], [np.zeros(5), np.zeros(3)], "tanh", 2, 0, 3)
OBSERVATIONS = CHANCE.normal(size=(4, 6))
FRAME = random_walk("2024-01-01", 8)


def rows(table: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, np.asarray(table, dtype=float).tolist()))


PROBE = ParityProbe(
    observations=rows(OBSERVATIONS),
    logits=rows(POLICY.logits_of(OBSERVATIONS).astype(np.float32)),  # as a trainer computes them
    bars=rows(np.column_stack([pd.DatetimeIndex(FRAME.index).asi8 // 10**9, FRAME])),
    features=rows(_changes(FRAME).to_numpy()[-3:]),
)


def test_logits_and_features_that_agree_are_proven() -> None:
    parity = check_parity(POLICY, PROBE, CHANGES, "X")

    assert parity.status == "proven"
    assert "the features of 3 bars" in parity.detail


def test_without_a_probe_parity_is_unproven() -> None:
    assert check_parity(POLICY, None, CHANGES, "X").status == "unproven"


def test_logits_alone_prove_the_policy_and_say_so() -> None:
    parity = check_parity(POLICY, replace(PROBE, bars=(), features=()), CHANGES, "X")

    assert (parity.status, "no features were recorded" in parity.detail) == ("proven", True)


def test_another_activation_is_noticed_with_the_probe_named() -> None:
    other = replace(POLICY, activation="relu")

    with pytest.raises(CheckpointError, match=r"parity probe 1: logits differ from the trainer's by"):
        check_parity(other, PROBE, CHANGES, "X")


def test_normalised_logits_are_the_same_distribution() -> None:
    """As torch's Categorical and SB3 give them; each row by itself may be shifted, however far."""
    logits = np.array(PROBE.logits)
    shifts = np.array([[0.0], [-3.0], [40.0], [-900.0]])
    normal = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    for shifted in (normal, logits + shifts):
        assert check_parity(POLICY, replace(PROBE, logits=rows(shifted)), CHANGES, "X").status == "proven"


@given(row=st.integers(0, 3), action=st.integers(0, 2), share=st.floats(0.0, 0.5), shift=st.floats(-50, 50))
def test_what_float32_loses_is_tolerated_and_no_more(row: int, action: int, share: float, shift: float) -> None:
    logits, largest = np.array(PROBE.logits), np.abs(normalised(np.array(PROBE.logits)))[row].max()
    near, far = logits + shift, logits + shift
    near[row, action] += share * 1e-4 * largest
    far[row, action] += (4.0 + share) * 1e-4 * largest

    check_parity(POLICY, replace(PROBE, logits=rows(near)), CHANGES, "X")
    with pytest.raises(CheckpointError, match=f"parity probe {row + 1}: logits differ"):
        check_parity(POLICY, replace(PROBE, logits=rows(far)), CHANGES, "X")


@pytest.mark.parametrize(
    ("observations", "policy", "lack"),
    [
        (OBSERVATIONS[:2], POLICY, "2 of its 2 observations differ"),
        (OBSERVATIONS[[0, 0, 1, 1]], POLICY, "2 of its 4 observations differ"),
        (np.vstack([OBSERVATIONS[:2], np.zeros((1, 6)), np.ones((1, 6))]), POLICY, "2 of its 4 observations differ"),
        (
            OBSERVATIONS,
            replace(POLICY, weights=[POLICY.weights[0] * 0.0, POLICY.weights[1]]),
            "alike in all rows, to 0",
        ),
        (OBSERVATIONS, replace(POLICY, weights=[POLICY.weights[0], POLICY.weights[1] * 1e-5]), "alike in all rows"),
        (OBSERVATIONS, replace(POLICY, weights=[POLICY.weights[0], np.ones((3, 5))]), "alike in all rows"),
    ],
    ids=["few", "repeated", "constant", "constant policy", "too faint", "one distribution"],
)
def test_a_probe_that_a_constant_would_pass_proves_nothing(observations: Any, policy: MlpPolicy, lack: str) -> None:
    probe = ParityProbe(rows(observations), rows(policy.logits_of(observations)))

    parity = check_parity(policy, probe, CHANGES, "X")

    assert parity.status == "unproven"
    assert lack in parity.detail


def test_features_are_compared_where_they_are_known() -> None:
    wrong = replace(PROBE, features=rows(np.array(PROBE.features) + 1.0))

    assert "were not compared" in check_parity(POLICY, wrong, None, "X").detail


def test_another_feature_formula_is_noticed_by_name() -> None:
    wrong = np.array(PROBE.features)
    wrong[1, 1] += 1e-3

    with pytest.raises(CheckpointError, match=r"feature 'range' differs from the trainer's by 0.001"):
        check_parity(POLICY, replace(PROBE, features=rows(wrong)), CHANGES, "X")


def test_features_that_are_not_yet_defined_prove_nothing() -> None:
    with pytest.raises(CheckpointError, match="feature 'change'"):
        check_parity(POLICY, replace(PROBE, features=rows(np.zeros((8, 2)))), CHANGES, "X")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"observations": ((1.0, 2.0),) * 4}, r"observations: rows of \[2\] numbers, expected 6"),
        ({"logits": ((1.0, 2.0, 3.0),)}, "4 observations, but 1 rows of logits"),
        ({"logits": ((float("nan"),) * 3,) * 4}, "not finite"),
        ({"bars": PROBE.bars[::-1]}, "time does not increase"),
        ({"features": ((1.0,),)}, r"features: rows of \[1\] numbers, expected 2"),
    ],
)
def test_a_probe_that_does_not_fit_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        check_parity(POLICY, replace(PROBE, **changes), CHANGES, "X")
