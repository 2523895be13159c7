"""Statistics of observations are applied or refused by their name, and never passed over."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints import Actor, contents, load, refused, saved

from pytest_modelgate.core.policy.actions import HALF_ORDERS
from pytest_modelgate.core.policy.inference import PolicySession, choose_actions, choose_of_all
from pytest_modelgate.core.policy.single_precision import float32_changes
from pytest_modelgate.core.training.run import Declared, DeclaredFeature

RNG = np.random.default_rng(1)
MEAN, VARIANCE = RNG.normal(size=59), np.exp(RNG.normal(size=59))
KNOWN = {"epsilon": 1e-8, "clip_obs": 2.0}


def _form(how: Any, count: int = 53) -> dict[str, Any]:
    return {"mean": how(MEAN[:count]), "var": how(VARIANCE[:count]), "count": 1e4}


def _expected(made: dict[str, Any], observations: np.ndarray, count: int, clip: float) -> np.ndarray:
    """Row by row, as VecNormalize does it, then torch."""
    rows = observations.reshape(len(observations), 3, -1).copy()
    seen = (rows[:, :, :count] - MEAN[:count]) / np.sqrt(VARIANCE[:count] + 1e-8)
    rows[:, :, :count] = np.clip(seen, -clip, clip)
    actor = Actor(rows.shape[2] * 3, (8, 4), made["n_actions"]).double()
    actor.load_state_dict(made["policy_state_dict"])
    with torch.no_grad():
        return np.asarray(actor(torch.from_numpy(rows.reshape(len(rows), -1))))


@pytest.mark.parametrize(
    "how", [np.array, torch.from_numpy, list, lambda row: row.reshape(1, -1)], ids=["array", "tensor", "list", "row"]
)
@pytest.mark.parametrize(("version", "count"), [("2.3.0", 53), ("2.7.0", 53), ("2.7.0", 59)])
@pytest.mark.parametrize("clip", [2.0, None])
def test_statistics_of_a_row_are_applied(
    tmp_path: Path, how: Any, version: str, count: int, clip: float | None
) -> None:
    made = contents(version, obs_rms={**_form(how, count), "epsilon": 1e-8, "clip_obs": clip})
    loaded = load(saved(tmp_path, made))
    policy = loaded.policy
    observations = np.random.default_rng(2).normal(size=(40, policy.obs_dim)) * 3.0

    expected = _expected(made, observations, count, clip or np.inf)

    assert loaded.facts.layers[0] == "obs_rms"
    assert np.allclose(policy.logits_of(observations), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([53, 59]))
def test_actions_are_those_of_the_normalised_observations(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    made = contents("2.7.0", obs_rms=_form(np.array, count) | KNOWN)
    policy = load(saved(tmp_path_factory.getbasetemp(), made)).policy
    rng = np.random.default_rng(seed)
    market, account = rng.normal(size=(60, 53)) * 3.0, rng.normal(size=6)
    rows = np.hstack([market, np.tile(account, (60, 1))])
    observations = np.array([rows[at : at + 3].ravel() for at in range(58)])

    expected = np.argmax(_expected(made, observations, count, 2.0), axis=1)

    assert choose_actions(policy, market, account).tolist() == expected.tolist()
    episodes = PolicySession(policy, market).choose_actions(np.arange(58), np.tile(account, (58, 1)))
    assert episodes.tolist() == expected.tolist()
    assert np.array_equal(np.argmax(policy.logits(market, account), axis=1), expected)
    (choice,) = choose_of_all(policy, [market], account)
    assert float32_changes(policy, market, account, choice, rng).mean() < 0.1


def test_statistics_of_market_features_are_theirs_wherever_account_features_stand(tmp_path: Path) -> None:
    account = (DeclaredFeature("position_sign", 0, 0.0), DeclaredFeature("last_change", 20, 0.0))
    made = contents(n_features=55, obs_dim=165, policy_state_dict=Actor(165, (8, 4), 3).state_dict())
    made |= {"model_version": "9.9.9", "obs_rms": _form(np.array) | KNOWN}
    policy = load(saved(tmp_path, made), declared=Declared(actions=HALF_ORDERS, account=account)).policy
    market, seen = np.random.default_rng(2).normal(size=(3, 53)), np.array([1.0, 0.5])
    normalised = np.clip((market - MEAN[:53]) / np.sqrt(VARIANCE[:53] + 1e-8), -2.0, 2.0)
    rows = np.insert(np.insert(normalised, 0, seen[0], axis=1), 20, seen[1], axis=1)

    actor = Actor(165, (8, 4), 3).double()
    actor.load_state_dict(made["policy_state_dict"])
    expected = actor(torch.from_numpy(rows.reshape(1, -1))).detach().numpy()

    assert np.allclose(policy.logits(market, seen), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["running_mean", "running_var", "eps", "clip"])
def test_a_statistic_under_two_names_is_no_form_that_is_known(tmp_path: Path, name: str) -> None:
    made = contents(obs_rms=_form(np.array) | KNOWN | {name: 3.0})

    refused(saved(tmp_path, made), "`obs_rms` that the gate does not know how to apply")


def test_what_float32_loses_of_a_large_feature_is_told(tmp_path: Path) -> None:
    """A price of a hundred million less a mean of as much is nothing in float32."""
    form = {"mean": np.full(53, 1e8), "var": np.ones(53), **KNOWN, "clip_obs": None}
    policy = load(saved(tmp_path, contents(obs_rms=form))).policy
    rng = np.random.default_rng(1)
    market = 1e8 + rng.normal(size=(300, 53))

    (choice,) = choose_of_all(policy, [market], np.zeros(0))
    assert float32_changes(policy, market, np.zeros(0), choice, rng).mean() > 0.1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_clip_makes_no_feature_of_what_is_none(tmp_path: Path, value: float) -> None:
    policy = load(saved(tmp_path, contents(obs_rms=_form(np.array) | KNOWN))).policy
    market = np.zeros((9, 53))
    market[4, 7] = value
    with pytest.raises(Exception, match="column 7 is not finite at row 4"):
        choose_actions(policy, market, np.zeros(0))


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"obs_rms": _form(torch.from_numpy)}, "`obs_rms` without a positive epsilon and clip_obs"),
        ({"obs_rms": _form(np.array) | {"epsilon": 1e-8}}, "`obs_rms` without"),
        ({"obs_rms": _form(np.array) | KNOWN | {"epsilon": 0.0}}, "`obs_rms` without"),
        ({"obs_rms": _form(np.array) | KNOWN | {"scale": 2.0}}, "`obs_rms` that the gate does not know"),
        ({"obs_rms": (MEAN[:53], VARIANCE[:53])}, "`obs_rms` that the gate does not know"),
        ({"obs_rms": {"mean": np.zeros(159), "var": np.ones(159), **KNOWN}}, "`obs_rms` of 159 numbers, expected 53"),
        ({"obs_rms": {"mean": np.zeros(7), "var": np.ones(7), **KNOWN}}, "`obs_rms` of 7 numbers, expected 53"),
        (
            {"obs_rms": {"mean": np.zeros(53), "var": -np.ones(53), **KNOWN}},
            "`obs_rms` whose mean and variance are no numbers",
        ),
        (
            {"obs_rms": {"mean": np.zeros(53), "var": np.full(53, np.nan), **KNOWN}},
            "`obs_rms` whose mean and variance are no numbers",
        ),
        ({"obs_rms": {"mean": 0.0, "var": 1.0, **KNOWN}}, "`obs_rms` whose mean"),
        ({"obs_mean": MEAN[:53], "obs_std": VARIANCE[:53]}, "in several places, `obs_mean` and `obs_std`"),
        ({"mean": MEAN[:53], "std": VARIANCE[:53]}, "`mean` that the gate does not know"),
        ({"running_mean": torch.zeros(159), "running_var": torch.ones(159)}, "`running_mean`"),
        ({"scaler": {"center": np.zeros(53)}}, "`scaler` that the gate does not know"),
        ({"normalizer": argparse.Namespace(mu=np.zeros(53))}, "`normalizer` that"),
        ({"vec_normalize": {"obs_rms": _form(np.array)}}, "`vec_normalize` that"),
        ({"env": {"obs_rms": _form(np.array)}}, r"`env\.obs_rms` in env"),
        ({"config": {"activation": "tanh", "feature_set": "x", "obs_mean": [0.0] * 53}}, r"`config\.obs_mean`"),
        ({"obs_rms": _form(np.array) | KNOWN, "normalizer": {"mean": np.zeros(53)}}, "in several places"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(tmp_path: Path, entries: dict[str, Any], sentence: str) -> None:
    refused(saved(tmp_path, contents(**entries)), f"holds observation statistics {sentence}")


@pytest.mark.parametrize(
    "entries",
    [
        {"obs_rms": {}},
        {"obs_rms": None, "normalizer": []},
        {"ret_rms": {"mean": 0.0, "var": np.float64(1.0), "count": 10}},
        {"scaler": {"scale": torch.tensor(65536.0), "growth_factor": 2.0}},
        {"grad_scaler": {"scale": [1.0] * 53}},
        {"reward_std": [0.1] * 53, "mean_reward": 0.3},
        {"normalize_obs": True, "feature_set_version": "3"},
        {"history": {"mean": [0.1] * 53, "loss": [1.0] * 159}},
    ],
)
def test_what_says_nothing_of_observations_refuses_nothing(tmp_path: Path, entries: dict[str, Any]) -> None:
    made = {**contents(), **entries}

    assert load(saved(tmp_path, made)).policy.normaliser is None


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("obs_rms.running_mean", "obs_rms.running_var"), "`obs_rms` in policy_state_dict without"),
        (("running_mean", "running_var"), "`running_mean` in policy_state_dict without"),
        (("normalizer.mean", "normalizer.std"), "`normalizer` in policy_state_dict that the gate does not know"),
        (("mean", "std"), "`mean` in policy_state_dict that"),
    ],
)
def test_buffers_of_a_policy_are_refused_by_name(tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
    made = contents()
    made["policy_state_dict"] |= {name: torch.ones(53) for name in names}

    refused(saved(tmp_path, made), f"holds observation statistics {sentence}")


def test_buffers_of_returns_are_not_an_actors(tmp_path: Path) -> None:
    made = contents()
    made["policy_state_dict"] |= {"ret_rms.mean": torch.ones(1), "value_norm.running_mean": torch.ones(1)}

    assert load(saved(tmp_path, made)).facts.hidden == (8, 4)
