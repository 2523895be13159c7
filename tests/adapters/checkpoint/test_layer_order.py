"""The layers judged are those that torch loads by name, whatever order a file lists them in; or the file is refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.checkpoints import contents, load, refused, saved
from support.torch_functions import Network, network, networks, torch_logits

from pytest_modelgate.adapters.checkpoint.layer_order import order_layers
from pytest_modelgate.errors import CheckpointError

INPUTS = 6
SQUARE = (8, 8)


def order(names: Sequence[str], shapes: Sequence[tuple[int, int]]) -> list[str] | None:
    return order_layers(dict(zip(names, shapes, strict=True)), INPUTS, 3, "x")


@pytest.mark.parametrize(
    "names",
    [
        ("actor.0", "actor.2", "actor.4", "actor.6"),
        ("net.2.weight_v", "net.8", "net.10", "net.12"),
        ("fc1", "fc2", "fc3", "out"),
        ("trunk.0", "trunk.2", "trunk.4", "policy_head"),
        ("backbone.0", "backbone.2", "policy_head.0", "policy_head.2"),
        ("shared.0", "shared.2", "actor.0", "actor.2"),
        ("model.trunk.fc", "model.trunk.2", "model.actor_head.0", "model.actor_head.2"),
        ("features_extractor.0", "features_extractor.2", "mlp_extractor.policy_net.0", "action_net"),
        ("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "mlp_extractor.policy_net.4", "action_net"),
        ("blocks.0.linear", "blocks.1.linear", "blocks.2.linear", "logits"),
    ],
)
def test_common_names_of_layers_of_one_width_are_understood(names: tuple[str, ...]) -> None:
    shapes = [(8, INPUTS), SQUARE, SQUARE, (3, 8)]
    assert order(names, shapes) == list(names)

    swapped = [names[0], names[2], names[1], names[3]]
    with pytest.raises(CheckpointError, match=f"lists {names[2]} before {names[1]}.*in the other order"):
        order(swapped, shapes)


@pytest.mark.parametrize("names", [("b", "a"), ("a", "b"), ("net.1", "net.01"), ("net.1a", "net.1b"), ("x.0", "y.1")])
def test_names_without_an_order_settle_nothing(names: tuple[str, str]) -> None:
    with pytest.raises(CheckpointError, match=f"lists {names[0]} before {names[1]}.*nothing in their names tells"):
        order(("first", *names, "last"), [(8, INPUTS), SQUARE, SQUARE, (3, 8)])


def test_shapes_that_fit_in_one_order_only_need_no_names() -> None:
    shapes = {"z": (8, INPUTS), "y": (7, 8), "x": (8, 7), "w": (3, 8)}
    for listed in itertools.permutations(shapes):
        assert order(listed, [shapes[name] for name in listed]) == ["z", "y", "x", "w"]


def test_layers_of_different_shapes_that_could_change_places_are_asked_for_their_names_too() -> None:
    shapes = {"net.0": (8, INPUTS), "net.2": SQUARE, "net.4": (7, 8), "net.6": (8, 7), "net.8": (3, 8)}
    assert order(list(shapes), list(shapes.values())) == list(shapes)

    later = ["net.0", "net.4", "net.6", "net.2", "net.8"]  # the square one fits behind net.6 as well
    with pytest.raises(CheckpointError, match=r"lists net\.4 before net\.2.*in the other order"):
        order(later, [shapes[name] for name in later])


def test_a_file_whose_order_fits_nothing_is_refused_where_several_do() -> None:
    shapes = {"net.0": (8, INPUTS), "net.2": (7, 8), "net.4": SQUARE, "net.6": (8, 7), "net.9": (3, 8)}
    with pytest.raises(CheckpointError, match="none of these is the file's"):
        order(list(shapes), list(shapes.values()))


def test_no_order_that_fits_is_told_apart_from_several() -> None:
    assert order(("a", "b"), [(8, 5), (3, 8)]) is None


def test_layers_that_fit_in_countless_ways_are_refused_at_once() -> None:
    widths = range(10, 18)
    shapes = {f"n.{a}.{b}": (a, b) for a in widths for b in widths}
    with pytest.raises(CheckpointError, match="too many ways"):
        order_layers(shapes, 10, 17, "x")
    with pytest.raises(CheckpointError, match="too many ways"):
        order_layers({f"n.{number}": SQUARE for number in range(300)}, 8, 8, "x")


def test_layers_out_of_order_in_a_file_are_named(tmp_path: Path) -> None:
    made = contents(hidden=(8, 8, 8))
    state = made["policy_state_dict"]
    made["policy_state_dict"] = {name: state[name] for name in sorted(state, key=lambda name: "trunk.2" in name)}

    refused(saved(tmp_path, made), r"lists trunk\.4 before trunk\.2.*Number the layers")


def test_a_head_defined_before_its_trunk_is_put_behind_it(tmp_path: Path) -> None:
    made = contents(hidden=(8, 8, 8))
    made["policy_state_dict"] = dict(reversed(made["policy_state_dict"].items()))

    refused(saved(tmp_path, made), "in the other order")

    state = contents(hidden=(8, 8, 8))["policy_state_dict"]
    made["policy_state_dict"] = {name: state[name] for name in sorted(state, key=lambda name: "head" not in name)}
    facts = load(saved(tmp_path, made)).facts
    assert facts.layers == ("trunk.0", "trunk.2", "trunk.4", "policy_head")


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod."])
def test_a_wrapper_around_some_names_only_is_refused(tmp_path: Path, wrapper: str) -> None:
    made = contents()
    state = made["policy_state_dict"]
    made["policy_state_dict"] = {**state, f"{wrapper}trunk.2.weight": state["trunk.2.weight"]}

    refused(saved(tmp_path, made), f"begin with '' and '{wrapper}'")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks(ills=("none",)))
def test_what_is_judged_is_what_torch_loads(tmp_path: Path, made: Network) -> None:
    """In float64, so that only the order of layers and the reading of numbers can differ."""
    path = made.save(tmp_path)
    try:
        policy = load(path).policy
    except CheckpointError:
        return
    observations = np.random.default_rng(made.seed).normal(size=(8, policy.obs_dim))
    expected = torch_logits(made.module(path, torch.float64), torch.from_numpy(observations))
    assert np.allclose(policy.logits_of(observations), expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hidden=st.lists(st.integers(4, 12), min_size=1, max_size=4),
    style=st.sampled_from(["trunk", "actor", "fc", "sb3", "shared"]),
)
def test_what_a_module_writes_by_itself_is_read(tmp_path: Path, hidden: list[int], style: str) -> None:
    made = network(hidden, style=style)

    assert load(made.save(tmp_path)).facts.hidden == tuple(hidden)
