"""What the gate has to know of this project."""

from collections.abc import Mapping

from features import MINE

from pytest_modelgate import FeatureSet


def pytest_modelgate_feature_sets() -> Mapping[str, FeatureSet]:
    """Checkpoints that declare one of these names are judged on it."""
    return {MINE.name: MINE}
