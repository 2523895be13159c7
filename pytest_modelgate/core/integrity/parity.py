"""Parity of the gate with the trainer: the same outputs for the same inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.market.bars import COLUMNS
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.training.run import ParityProbe
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

_LOGIT_TOLERANCE = 1e-4  # of the largest logit: what float32 loses over a few layers
_LEAST_TOLERANCE = 1e-5
_FEATURE_TOLERANCE = 1e-6
_REMEDY = "Train and judge with the same feature set and activation, or write the probe anew with write_archive"


@dataclass(frozen=True)
class Parity:
    """Reproduction of the trainer's own outputs; ``detail`` is half a sentence."""

    status: Literal["proven", "unproven"]
    detail: str


def check_parity(policy: MlpPolicy, probe: ParityProbe | None, feature_set: FeatureSet, location: str) -> Parity:
    """Compare the gate's outputs with what the trainer recorded.

    Raises:
        CheckpointError: they differ by more than rounding, or the probe does not fit the model.
    """
    if probe is None or not probe.observations:
        return Parity("unproven", "the archive holds no parity probe")
    observations = _table(probe.observations, policy.obs_dim, f"{location}, parity probe, observations")
    expected = _table(probe.logits, policy.n_actions, f"{location}, parity probe, logits")
    if len(observations) != len(expected):
        problem = f"{len(observations)} observations, but {len(expected)} rows of logits"
        raise CheckpointError(f"{location}, parity probe", problem, _REMEDY)
    computed = policy.logits_of(observations)
    for number, (ours, theirs) in enumerate(zip(computed, expected, strict=True), start=1):
        tolerance = max(_LOGIT_TOLERANCE * float(np.abs(theirs).max()), _LEAST_TOLERANCE)
        worst = float(np.abs(ours - theirs).max())
        if not worst <= tolerance:
            problem = f"logits differ from the trainer's by {worst:.3g}, tolerated are {tolerance:.3g}"
            raise CheckpointError(f"{location}, parity probe {number}", problem, _REMEDY)
    covered = f"the logits of {len(observations)} observations"
    if not probe.bars or not probe.features:
        return Parity("proven", f"{covered} were reproduced, no features were recorded")
    _check_features(probe, feature_set, location)
    return Parity("proven", f"{covered} and the features of {len(probe.features)} bars were reproduced")


def _check_features(probe: ParityProbe, feature_set: FeatureSet, location: str) -> None:
    rows = _table(probe.bars, 1 + len(COLUMNS), f"{location}, parity probe, bars")
    expected = _table(probe.features, len(feature_set.columns), f"{location}, parity probe, features")
    index = pd.to_datetime(rows[:, 0], unit="s", utc=True).as_unit("ns")
    if not (len(expected) <= len(rows) and index.is_monotonic_increasing and index.is_unique):
        problem = f"{len(rows)} bars for {len(expected)} rows of features, or time does not increase"
        raise CheckpointError(f"{location}, parity probe, bars", problem, _REMEDY)
    frame = pd.DataFrame(rows[:, 1:], columns=list(COLUMNS), index=index)
    computed = feature_set.compute(frame).to_numpy(dtype=np.float64)[-len(expected) :]
    difference = np.abs(computed - expected)
    if not (difference <= _FEATURE_TOLERANCE).all():
        column = int(np.argmax(np.where(np.isfinite(difference), difference, np.inf).max(axis=0)))
        name, worst = feature_set.columns[column], float(difference[:, column].max())
        problem = f"feature {name!r} differs from the trainer's by {worst:.3g}, tolerated are {_FEATURE_TOLERANCE:g}"
        raise CheckpointError(f"{location}, parity probe", problem, _REMEDY)


def _table(rows: tuple[tuple[float, ...], ...], width: int, location: str) -> Floats:
    if any(len(row) != width for row in rows):
        widths = sorted({len(row) for row in rows})
        raise CheckpointError(location, f"rows of {widths} numbers, expected {width}", _REMEDY)
    table = np.array(rows, dtype=np.float64).reshape(-1, width)
    if not np.isfinite(table).all():
        raise CheckpointError(location, "holds a number that is not finite", _REMEDY)
    return table
