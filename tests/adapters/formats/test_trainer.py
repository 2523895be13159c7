"""The trainer's checkpoints, with what lies beside them and is declared of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.checkpoints import contents, saved
from support.sb3_pickles import moments, vec_normalize

from pytest_modelgate.adapters.formats.trainer import TrainerFormat
from pytest_modelgate.adapters.policy_format import PolicyFile
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError

KEPT = "UNIUSD_1Hour.vecnormalize.pkl"


def read(folder: Path, declared: Declared, *beside: str, **changes: Any) -> MlpPolicy:
    """A policy of generation 2.3, 53 features a row, beside a normaliser that is declared or not."""
    path = saved(folder, contents("2.3.0", **changes))
    statistics = folder / "normaliser"
    statistics.write_bytes(vec_normalize(obs_rms=moments(np.arange(53.0), np.full(53, 3.0))))
    siblings = {KEPT: statistics} if declared.normaliser else {}
    policy = TrainerFormat().read(PolicyFile(path, "UNIUSD_1Hour.pt", "checkpoint X.pt", declared, siblings, beside))
    assert isinstance(policy.policy, MlpPolicy)
    assert (KEPT in " ".join(policy.layers)) is (declared.normaliser is not None)
    return policy.policy


def test_a_declared_normaliser_is_applied(tmp_path: Path) -> None:
    declared, bare = read(tmp_path, Declared(normaliser=KEPT), KEPT), read(tmp_path, Declared())
    rows = np.random.default_rng(3).normal(size=(9, bare.lookback, 53)) * 9.0
    normalised = np.clip((rows - np.arange(53.0)) / 2.0, -4.0, 4.0)

    found, expected = (
        policy.logits_of(asked.reshape(9, -1)) for policy, asked in ((declared, rows), (bare, normalised))
    )

    assert np.allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_two_normalisers_are_refused(tmp_path: Path) -> None:
    own = {"mean": np.zeros(53), "var": np.ones(53), "epsilon": 1e-8, "clip_obs": 10.0}

    with pytest.raises(CheckpointError, match="observations are normalised by obs_rms, and by the declared normaliser"):
        read(tmp_path, Declared(normaliser=KEPT), obs_rms=own)


def test_statistics_that_lie_beside_it_are_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"vecnormalize\.pkl lies beside it, and nobody declares"):
        read(tmp_path, Declared(), KEPT)


def test_another_order_of_the_observation_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="observation: is declared, and observations of the trainer's"):
        read(tmp_path, Declared(observation=("market",), account=()))
