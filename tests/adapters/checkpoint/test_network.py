"""Layers without bias, normalisations between layers, and critics of many names."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoints import contents, load, refused, saved
from torch import nn

INPUTS = 159


def _saved(folder: Path, module: nn.Module, **others: Any) -> Path:
    state = OrderedDict({**module.state_dict(), **others})
    return saved(folder, contents(policy_state_dict=state))


def _stack(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(3)
    stack = nn.Sequential(*layers)
    for parameter in stack.parameters():
        nn.init.normal_(parameter, std=0.4)
    return stack


class _Named(nn.Module):
    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


@pytest.mark.parametrize(
    "stack",
    [
        lambda: _stack(nn.Linear(INPUTS, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False)),
        lambda: _stack(nn.Linear(INPUTS, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3)),
        lambda: _stack(nn.Linear(INPUTS, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)),
        lambda: _stack(nn.Linear(INPUTS, 8), nn.LayerNorm(8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, 3)),
        lambda: _stack(
            nn.Linear(INPUTS, 8, bias=False), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)
        ),
        lambda: _stack(
            nn.Linear(INPUTS, 8),
            nn.LayerNorm(8),
            nn.Tanh(),
            nn.Linear(8, 8),
            nn.Tanh(),
            nn.LayerNorm(8),
            nn.Linear(8, 3),
        ),
    ],
    ids=["no bias", "before", "after", "dropout", "behind one of two", "before and after"],
)
def test_the_policy_computes_what_torch_computes(tmp_path: Path, stack: Any) -> None:
    module = stack()
    values = np.random.default_rng(1).normal(size=(5, INPUTS))

    policy = load(_saved(tmp_path, module)).policy

    with torch.no_grad():
        expected = module.double()(torch.from_numpy(values)).numpy()
    assert np.allclose(policy.logits_of(values), expected, rtol=1e-12, atol=1e-12)


def test_a_norm_at_the_end_of_a_trunk_follows_its_layer(tmp_path: Path) -> None:
    module = _Named(trunk=_stack(nn.Linear(INPUTS, 8), nn.LayerNorm(8), nn.Tanh()), policy_head=nn.Linear(8, 3))

    loaded = load(_saved(tmp_path, module))
    assert loaded.facts.layers == ("trunk.0", "trunk.1", "policy_head")
    assert [norm.before_activation for norm in loaded.policy.norms if norm] == [True]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"trunk": nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.LayerNorm(8)), "policy_head": nn.Linear(8, 3)},
         r"trunk\.2: is a normalisation, and its number does not tell whether it comes before"),
        ({"net": nn.Sequential(nn.Linear(INPUTS, 8), nn.LayerNorm(8), nn.Linear(8, 3))}, r"net\.1: .*does not tell"),
        ({"fc1": nn.Linear(INPUTS, 8), "norm": nn.LayerNorm(8), "fc2": nn.Linear(8, 3)}, "norm: .*nothing in its name"),
        ({"net": nn.Sequential(nn.LayerNorm(INPUTS), nn.Linear(INPUTS, 3))}, "normalises observations"),
        ({"net": nn.Sequential(nn.Linear(INPUTS, 3), nn.LayerNorm(3))}, "normalises what the last layer gives"),
        ({"net": nn.Sequential(nn.Linear(INPUTS, 8), nn.LayerNorm(4), nn.Tanh(), nn.Linear(8, 3))},
         r"has length 4, layer net\.0 before it 8 outputs"),
        ({"net": nn.Sequential(nn.Linear(INPUTS, 8), nn.LayerNorm(8), nn.LayerNorm(8), nn.Linear(8, 3))},
         "does not tell|has two"),
        ({"net": nn.Sequential(nn.Linear(INPUTS, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))},
         r"layer net\.1: is a batch normalisation"),
        ({"net": nn.Sequential(nn.Linear(INPUTS, 8), nn.RMSNorm(8), nn.Tanh(), nn.Linear(8, 3))}, "has no counterpart"),
    ],
)  # fmt: skip
def test_a_norm_whose_place_is_open_is_refused(tmp_path: Path, parts: dict[str, nn.Module], sentence: str) -> None:
    refused(_saved(tmp_path, _Named(**parts)), sentence)


@pytest.mark.parametrize(
    "name", ["v", "q1", "qf2", "vf", "baseline", "value_net", "critic", "net_v", "values", "v_head"]
)
def test_a_critic_of_any_name_is_left_out(tmp_path: Path, name: str) -> None:
    actor = nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, 3))
    critic = nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, 1))

    assert load(_saved(tmp_path, _Named(**{name: critic, "pi": actor}))).facts.layers == ("pi.0", "pi.2")


def test_a_critic_of_an_actor_may_give_one_number_per_action(tmp_path: Path) -> None:
    made = _Named(actor=nn.Linear(INPUTS, 3), q1=nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, 3)))

    assert load(_saved(tmp_path, made)).facts.layers == ("actor",)


def test_a_layer_that_is_only_called_like_a_critic_is_judged(tmp_path: Path) -> None:
    """Left out, another function would be left."""
    made = _Named(fc=nn.Linear(INPUTS, 8), v1=nn.Linear(8, 8), head=nn.Linear(8, 3))

    assert load(_saved(tmp_path, made)).facts.layers == ("fc", "v1", "head")


def test_a_critic_alone_is_no_policy(tmp_path: Path) -> None:
    made = _Named(critic=nn.Linear(INPUTS, 1))

    refused(_saved(tmp_path, made), r"holds a critic alone, such as critic\.weight, and no actor")


def test_a_head_that_is_defined_before_its_trunk_is_applied_behind_it(tmp_path: Path) -> None:
    made = _Named(head=nn.Linear(8, 3), trunk=nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh()))

    assert load(_saved(tmp_path, made)).facts.layers == ("trunk.0", "head")


def test_a_bias_alone_is_left_over(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(INPUTS, 3))

    refused(_saved(tmp_path, module, **{"spare.bias": torch.ones(3)}), r"'spare\.bias' has no counterpart")
