"""Parity of the gate with the trainer: the same distribution over actions for the same observations.

Logits are compared after the log of the sum of their exponentials has been subtracted from each row:
``Categorical.logits`` of torch and the distributions of Stable-Baselines3 are normalised, a network's own output is
not, and both are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.market.bars import COLUMNS
from pytest_modelgate.core.policy.mlp import Policy
from pytest_modelgate.core.policy.observations import trained_outputs, trained_shape
from pytest_modelgate.core.training.run import ParityProbe
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

LEAST_OBSERVATIONS = 3  # that differ, and of which none is one number throughout
_LOGIT_TOLERANCE = 1e-4  # of the largest normalised logit: what float32 loses over a few layers
_SHIFT_TOLERANCE = 1e-6  # of the largest logit as it is: what float32 loses where all of a row lie far from 0
_LEAST_TOLERANCE = 1e-5
_TELLING = 10.0  # tolerances by which logits must differ from row to row: what is alike everywhere proves nothing
_FEATURE_TOLERANCE = 1e-6
_REMEDY = "Train and judge with the same feature set and activation, or write the probe anew with write_archive"


@dataclass(frozen=True)
class Parity:
    """Reproduction of the trainer's own outputs; ``detail`` is half a sentence."""

    status: Literal["proven", "unproven"]
    detail: str


def check_parity(policy: Policy, probe: ParityProbe | None, feature_set: FeatureSet | None, location: str) -> Parity:
    """Compare the gate's outputs with what the trainer recorded.

    Args:
        feature_set: None where nobody here knows it: then the recorded features are not compared.

    Raises:
        CheckpointError: they differ by more than rounding, or the probe does not fit the model.
    """
    if probe is None or not probe.observations:
        return Parity("unproven", "the archive holds no parity probe")
    obs_dim, outputs = trained_shape(policy)
    observations = _table(probe.observations, obs_dim, f"{location}, parity probe, observations")
    expected = _table(probe.logits, outputs, f"{location}, parity probe, logits")
    if len(observations) != len(expected):
        problem = f"{len(observations)} observations, but {len(expected)} rows of logits"
        raise CheckpointError(f"{location}, parity probe", problem, _REMEDY)
    worst = _check_logits(trained_outputs(policy, observations), expected, location)
    if probe.bars and probe.features and feature_set:
        _check_features(probe, feature_set, location)
    if lack := _lack(observations, normalised(expected), worst):
        return Parity("unproven", f"the parity probe proves nothing: {lack}")
    covered = f"the logits of {len(observations)} observations"
    if not probe.bars or not probe.features:
        return Parity("proven", f"{covered} were reproduced, no features were recorded")
    if feature_set is None:
        return Parity("proven", f"{covered} were reproduced, the recorded features were not compared")
    return Parity("proven", f"{covered} and the features of {len(probe.features)} bars were reproduced")


def normalised(logits: Floats) -> Floats:
    """Logits (n, actions) as log probabilities: two rows are the same distribution exactly where these are alike.

    One continuous action (n, 1) stays as it is.
    """
    if logits.shape[1] == 1:
        return logits
    shifted = logits - logits.max(axis=1, keepdims=True)  # so that no exponential overflows
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _check_logits(computed: Floats, expected: Floats, location: str) -> float:
    """Hold the gate's logits against the trainer's; the largest tolerance of all rows."""
    ours, theirs = normalised(computed), normalised(expected)
    shift = np.maximum(np.abs(computed).max(axis=1), np.abs(expected).max(axis=1))
    scales = _LOGIT_TOLERANCE * np.abs(theirs).max(axis=1), _SHIFT_TOLERANCE * shift
    tolerances = np.maximum(np.maximum(*scales), _LEAST_TOLERANCE)
    what = "logits differ" if ours.shape[1] > 1 else "its action differs"
    for number, (worst, tolerance) in enumerate(zip(np.abs(ours - theirs).max(axis=1), tolerances, strict=True), 1):
        if not worst <= tolerance:
            problem = f"{what} from the trainer's by {worst:.3g}, tolerated are {tolerance:.3g}"
            raise CheckpointError(f"{location}, parity probe {number}", problem, _REMEDY)
    return float(tolerances.max())


def _lack(observations: Floats, logits: Floats, tolerance: float) -> str:
    """What keeps a reproduced probe from proving anything; empty when nothing does."""
    telling = {row.tobytes() for row in observations if row.min() != row.max()}
    if len(telling) < LEAST_OBSERVATIONS:
        counted = f"{len(telling)} of its {len(observations)} observations differ and are not one number throughout"
        return f"{counted}, needed are {LEAST_OBSERVATIONS}"
    spread = float(np.ptp(logits, axis=0).max())
    if spread < _TELLING * tolerance:
        return f"its logits are alike in all rows, to {spread:.2g}, so that a constant would have passed"
    return ""


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
