"""Statistics as ``VecNormalize.save`` pickles them, made without Stable-Baselines3."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np


def class_of(module: str, name: str) -> tuple[type, dict[str, ModuleType]]:
    """An empty class of that name, and the modules in which pickle looks for it."""
    made = type(name, (), {"__module__": module})
    parts = module.split(".")
    modules = {name: ModuleType(name) for name in (".".join(parts[: end + 1]) for end in range(len(parts)))}
    vars(modules[module])[name] = made
    return made, modules


_NORMALIZE, _FIRST = class_of("stable_baselines3.common.vec_env.vec_normalize", "VecNormalize")
_MOMENTS, _SECOND = class_of("stable_baselines3.common.running_mean_std", "RunningMeanStd")


def moments(mean: Any, var: Any) -> Any:
    """A RunningMeanStd."""
    made = _MOMENTS()
    vars(made).update(mean=mean, var=var, count=1000.0, epsilon=1e-4)
    return made


def vec_normalize(protocol: int = 4, **fields: Any) -> bytes:
    """A VecNormalize of eight numbers, but for what is said."""
    whole = _NORMALIZE()
    usual = {
        "obs_rms": moments(np.arange(8.0), np.full(8, 3.0)),
        "ret_rms": moments(0.0, 1.0),
        "norm_obs": True,
        "norm_obs_keys": None,
        "clip_obs": 4.0,
        "epsilon": 1.0,
        "returns": None,
        "old_obs": np.zeros((1, 8), dtype=np.float32),
    }
    vars(whole).update(usual | fields)
    with patch.dict(sys.modules, _FIRST | _SECOND):
        return pickle.dumps(whole, protocol)
