"""Hooks a project may implement in its conftest.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # a feature set pulls in pandas
    from pytest_modelgate.adapters.policy_format import PolicyFormat
    from pytest_modelgate.core.features.feature_set import FeatureSet


@pytest.hookspec
def pytest_modelgate_feature_sets() -> Mapping[str, FeatureSet]:  # type: ignore[empty-body]  # a specification has none
    """Return feature sets by the name under which checkpoints declare them."""


@pytest.hookspec
def pytest_modelgate_policies() -> Iterable[PolicyFormat]:  # type: ignore[empty-body]  # likewise
    """Return formats of model files besides the built-in ones; of one ending the built-in ones come first."""
