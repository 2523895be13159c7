"""Bare state dicts of public trainers: which layers are the policy's, how many numbers an observation has."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.onnx_files import weights_of
from support.policy_files import read_bytes

from pytest_modelgate.adapters.formats.named_layers import _ends
from pytest_modelgate.adapters.policy_format import LoadedPolicy
from pytest_modelgate.core.policy.actions import CLOSE, HOLD
from pytest_modelgate.errors import CheckpointError

torch = pytest.importorskip("torch")


def layer(outputs: int, inputs: int, name: str) -> dict[str, Any]:
    rng = np.random.default_rng(sum(map(ord, name)))
    weight, bias = rng.normal(size=(outputs, inputs)), rng.normal(size=outputs)
    return {f"{name}.weight": torch.tensor(weight).float(), f"{name}.bias": torch.tensor(bias).float()}


def stacked(*widths: int, prefix: str, step: int = 2) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        made |= layer(outputs, inputs, f"{prefix}.{step * number}")
    return made


def saved(state: object) -> bytes:
    held = io.BytesIO()
    torch.save(state, held)
    return held.getvalue()


def read(folder: Path, state: object, name: str = "X.pth", **declared: Any) -> LoadedPolicy:
    return read_bytes(folder, name, saved(state), **{"activation": "tanh", **declared})


CLEAN_RL = {**stacked(6, 8, 8, 1, prefix="critic"), **stacked(6, 8, 8, 3, prefix="actor")}
DQN = stacked(6, 12, 8, 3, prefix="network")
ELEGANT = {
    **stacked(6, 8, 3, prefix="net"),
    "action_std_log": torch.zeros(1, 3),
    "state_avg": torch.zeros(6),
    "state_std": torch.ones(6),
}


@pytest.mark.parametrize(
    ("state", "layers"),
    [
        (CLEAN_RL, ("actor.0", "actor.2", "actor.4")),
        (DQN, ("network.0", "network.2", "network.4")),
        ({f"_orig_mod.{name}": value for name, value in CLEAN_RL.items()}, ("actor.0", "actor.2", "actor.4")),
        (ELEGANT, ("net.0", "net.2")),
    ],
)
def test_public_trainers_state_dicts(state: dict[str, Any], layers: tuple[str, ...], tmp_path: Path) -> None:
    loaded = read(tmp_path, state, lookback=2)
    assert (loaded.layers, loaded.policy.n_market, loaded.certified) == (layers, 3, True)


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    assert read(tmp_path, ELEGANT).notes == (
        "Not read is action_std_log, the spread of continuous actions: declared are discrete ones.",
        "Not read is state_avg, 0 throughout: statistics of observations never kept.",
        "Not read is state_std, 1 throughout: statistics of observations never kept.",
    )


@pytest.mark.parametrize(
    ("state", "declared", "why"),
    [
        ({**ELEGANT, "state_avg": torch.full((6,), 0.5)}, {}, "which versions of ElegantRL apply differently"),
        (
            {**stacked(6, 8, 3, prefix="actor_mean"), "actor_logstd": torch.zeros(1, 3)},
            {},
            "spread of continuous actions",
        ),
        (stacked(6, 8, 1, prefix="critic"), {}, "holds a critic alone"),
        ({**DQN, **stacked(5, 8, 2, prefix="other")}, {}, "do not follow one another from an observation to 3 actions"),
        (DQN, {"actions": (HOLD, CLOSE)}, "are 2 as declared, its last layer has 3 outputs"),
        (DQN, {"actions": None}, "has 3 outputs whose meaning nobody declares"),
        (DQN, {"activation": None}, "activation"),
        (DQN, {"lookback": None}, "lookback"),
        (DQN, {"lookback": 4}, "6 inputs are no multiple of that"),
        ({**DQN, "conv.weight": torch.zeros(2, 2, 3)}, {}, "expected 2 dimensions"),
        (
            {**layer(8, 6, "a"), **layer(8, 8, "c"), **layer(8, 8, "b"), **layer(3, 8, "d")},
            {},
            "which fit in each other",
        ),
        ({"policy_state_dict": DQN}, {}, "holds 'policy_state_dict', which is no tensor, expected a bare state dict"),
        ({}, {}, "holds no tensor"),
        ({**DQN, "network.4.bias": torch.full((3,), float("nan"))}, {}, "not finite"),
    ],
)
def test_what_nothing_tells_is_refused(state: object, declared: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        read(tmp_path, state, **declared)
    assert why in str(caught.value)


def test_a_pt_is_the_trainers_unless_another_format_is_declared(tmp_path: Path) -> None:
    assert read(tmp_path, DQN, "X.pt", format="state_dict").layers == ("network.0", "network.2", "network.4")
    with pytest.raises(CheckpointError, match="bare state dict"):
        read(tmp_path, DQN, "X.pt")


def test_an_observation_as_long_as_there_are_actions(tmp_path: Path) -> None:
    assert read(tmp_path, stacked(3, 8, 3, prefix="net")).policy.n_market == 3


@given(st.lists(st.integers(1, 6), min_size=2, max_size=6))
def test_the_ends_of_a_chain_are_found_whatever_lies_between(widths: list[int]) -> None:
    parameters: Mapping[str, object] = weights_of(widths)
    assert _ends(parameters, widths[-1], "X") == (widths[0], widths[-1])
