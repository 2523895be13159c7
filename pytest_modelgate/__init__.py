"""A pytest plugin that decides whether a freshly trained trading model may touch money.

Public names are imported on first use, since most of them need numpy and pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_modelgate.adapters.archive import ModelArtifact, write_archive
    from pytest_modelgate.core.features.feature_set import FeatureSet
    from pytest_modelgate.core.market.windows import TrainingWindow
    from pytest_modelgate.core.training.run import ParityProbe
    from pytest_modelgate.errors import GateError

__all__ = ["FeatureSet", "GateError", "ModelArtifact", "ParityProbe", "TrainingWindow", "write_archive"]

_HOMES = {
    "FeatureSet": "core.features.feature_set",
    "GateError": "errors",
    "ModelArtifact": "adapters.archive",
    "ParityProbe": "core.training.run",
    "TrainingWindow": "core.market.windows",
    "write_archive": "adapters.archive",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of several public types
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
