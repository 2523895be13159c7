"""Actions have names from which they are read again, and nothing else is taken for one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.core.policy.actions import Action, Order, Target, action_name, parse_action

SIZES = st.floats(-10.0, 10.0)


@given(st.builds(Order, SIZES) | st.builds(Target, SIZES))
def test_the_name_of_an_action_is_read_as_this_very_action(action: Action) -> None:
    name = action_name(action)

    assert parse_action(name) == action
    assert re.fullmatch(r"HOLD|CLOSE|(BUY|SELL)_[0-9.]+|TARGET_-?[0-9.]+", name)


@pytest.mark.parametrize(
    "declared",
    [{"order": True}, {"target": False}, {"order": float("nan")}, "BUY", "SELL_", "BUY_nan", "BUY_1_0", "SELL_-50"],
    ids=str,
)
def test_what_is_no_action_is_none(declared: object) -> None:
    assert parse_action(declared) is None
