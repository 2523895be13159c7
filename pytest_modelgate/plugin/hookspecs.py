"""Hooks a project may implement in its conftest.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # a feature set pulls in pandas
    from pytest_modelgate.core.features.feature_set import FeatureSet


@pytest.hookspec
def pytest_modelgate_feature_sets() -> Mapping[str, FeatureSet]:  # type: ignore[empty-body]  # a specification has none
    """Return feature sets by the name under which checkpoints declare them."""
