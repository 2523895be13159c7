"""What is declared beside a checkpoint, and its agreement with the summary."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_modelgate.adapters.archive.declaration import declared_beside
from pytest_modelgate.adapters.archive.limits import DEFAULT_LIMITS
from pytest_modelgate.core.policy.account_features import Encoding
from pytest_modelgate.core.policy.actions import CLOSE, HOLD, Target
from pytest_modelgate.core.training.run import Declared, DeclaredFeature
from pytest_modelgate.errors import ArchiveError

WHERE = "archive a.zip, member UNIUSD_1Hour.json"


def beside(facts: dict[str, Any], declared: Declared | None = None) -> Declared:
    raw = json.dumps({"schema": "modelgate.policy/1", **facts}).encode()
    return declared_beside(raw, declared or Declared(), WHERE, DEFAULT_LIMITS)


def test_a_file_declares_what_the_table_of_generations_does_not_know() -> None:
    account = [
        {"name": "position_sign", "neutral": 0},
        {"name": "pnl", "neutral": 0.5, "encoding": "tanh", "factor": 3},
    ]
    read = beside(
        {
            "lookback": 1,
            "feature_set": "mine-v1",
            "account_mode": "tracked",
            "activation": "tanh",
            "actions": ["HOLD", {"target": 1.0}, {"target": 0}],
            "account": account,
        },
        Declared(reward_scale=0.001),
    )
    assert (read.lookback, read.feature_set, read.account_mode, read.activation) == (1, "mine-v1", "tracked", "tanh")
    assert read.actions == (HOLD, Target(1.0), CLOSE)
    assert read.account == (
        DeclaredFeature("position_sign", -2, 0.0, None),
        DeclaredFeature("pnl", -1, 0.5, Encoding("tanh", 3.0)),
    )
    assert read.reward_scale == 0.001


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"actions": ["HOLD", "BUY", "SELL"]},
            "is 'BUY', which some mean as an order",
        ),
        ({"actions": ["HOLD", {"target": 1, "order": 1}]}, "is an object, expected"),
        ({"actions": [{"target": float("1e9")}]}, "is an object, expected"),
        ({"actions": []}, "actions: is an empty list, expected at least 1"),
        ({"account": [{"name": "mood"}]}, "account"),
        ({"account": [{"name": "pnl", "factor": 3}]}, "has a factor and no encoding"),
        ({"account": [{"name": "pnl", "place": 1}, {"name": "drawdown"}]}, "with and without a place"),
        ({"account": [{"name": "pnl"}, {"name": "pnl"}]}, "expected each once"),
        ({"account_mode": "real"}, "account_mode: is 'real', expected 'neutral' or 'tracked'"),
        ({"bar_origin": "yesterday"}, "bar_origin: is 'yesterday', expected an ISO 8601 time"),
        ({"lookback": 0}, "lookback: is 0, expected at least 1"),
        ({"colour": "red"}, "colour: is unknown"),
        ({"schema": "modelgate.policy/9"}, "schema: is 'modelgate.policy/9', expected"),
    ],
)
def test_what_does_not_fit_is_named(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        beside(facts)


def test_what_the_summary_says_otherwise_is_refused() -> None:
    with pytest.raises(ArchiveError, match="activation: is declared otherwise in the training summary"):
        beside({"activation": "relu"}, Declared(activation="tanh"))
    assert beside({"activation": "tanh"}, Declared(activation="tanh")).activation == "tanh"
