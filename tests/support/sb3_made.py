"""Zips of Stable-Baselines3 whose weights were written by hand, made with torch alone."""

from __future__ import annotations

import io
import pickle
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from support import model_factory
from support.sb3_edits import with_data
from support.sb3_pickles import class_of, moments, vec_normalize

from pytest_modelgate import ModelArtifact, Target
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.policy.actions import HALF_ORDERS

_BOX, _MODULES = class_of("gymnasium.spaces.box", "Box")
FEATURES = len(REFERENCE.columns)
SAID = {"feature_set": "reference-v1", "lookback": model_factory.WINDOW, "actions": list(HALF_ORDERS)}
RUNGS = {**SAID, "actions": [Target(-0.5), Target(0.5)]}


def box(*shape: int, bound: float = np.inf) -> bytes:
    """A pickled Box."""
    made = _BOX()
    vars(made).update(_shape=shape, low=np.full(shape, -bound, np.float32), high=np.full(shape, bound, np.float32))
    with patch.dict(sys.modules, _MODULES):
        return pickle.dumps(made, 4)


def saved(policy: Mapping[str, NDArray[Any]], **entries: Any) -> bytes:
    """A PPO with the trunk and head of one of ``model_factory``'s policies."""
    import torch

    names = {"trunk.0": "mlp_extractor.policy_net.0", "policy_head": "action_net", "value_head": "value_net"}
    state = {
        f"{new}.{part}": torch.from_numpy(policy[f"{old}.{part}"].copy())
        for old, new in names.items()
        for part in ("weight", "bias")
    }
    buffer = io.BytesIO()
    torch.save(OrderedDict(state), buffer)
    spaces = {"observation_space": box(model_factory.WINDOW, FEATURES)} | entries
    return with_data(spaces, members={"policy.pth": buffer.getvalue()})


def artifact(symbol: str, policy: Mapping[str, NDArray[Any]], **facts: Any) -> ModelArtifact:
    """Such a model for an archive, with a VecNormalize that changes nothing of features as they are."""
    statistics = moments(np.zeros(FEATURES), np.zeros(FEATURES))
    return ModelArtifact(
        symbol,
        "1Hour",
        saved(policy),
        model_factory.APPROVED,
        declared=SAID,
        suffix=".zip",
        normaliser=vec_normalize(obs_rms=statistics, clip_obs=1e6, epsilon=1.0),
        **facts,
    )
