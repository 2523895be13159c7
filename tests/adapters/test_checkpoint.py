"""Checkpoints as trainers write them are read; whatever could make the gate judge another function is refused."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import GENERATIONS, Actor, contents, saved, trainers_config

from pytest_modelgate.adapters.checkpoint import LoadedCheckpoint, load_checkpoint
from pytest_modelgate.core.training_run import Declared
from pytest_modelgate.errors import CheckpointError


def load(path: Path, *, declared: Declared | None = None, **options: Any) -> LoadedCheckpoint:
    chosen = {"activation": None, "feature_set": None, "trainer_packages": ("alpaca_trading",), **options}
    return load_checkpoint(path, where="checkpoint X.pt", declared=declared or Declared(), **chosen)


def refused(path: Path, told: str, **options: Any) -> None:
    with pytest.raises(CheckpointError, match=told) as caught:
        load(path, **options)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("version", GENERATIONS)
def test_every_generation_is_read(tmp_path: Path, version: str) -> None:
    facts = load(saved(tmp_path, contents(version))).facts

    features, actions = GENERATIONS[version]
    assert (facts.n_features, facts.n_actions, facts.window) == (features, actions, 3)
    assert facts.n_account == features - 53
    assert facts.hidden == (8, 4)
    assert (facts.activation, facts.feature_set) == ("tanh", "reference-v1")
    assert facts.min_trader_version == version


@pytest.mark.parametrize("hidden", [(4,), (256, 128, 64), (16, 8, 4, 2)])
def test_the_policy_computes_what_torch_computes(tmp_path: Path, hidden: tuple[int, ...]) -> None:
    made = contents(hidden=hidden)
    actor = Actor(53 * 3, hidden, 3).double()
    actor.load_state_dict(made["policy_state_dict"])
    observations = np.random.default_rng(1).normal(size=(5, 53 * 3))

    policy = load(saved(tmp_path, made)).policy

    with torch.no_grad():
        expected = actor(torch.from_numpy(observations)).numpy()
    assert np.allclose(policy.logits_of(observations), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
def test_prefixes_of_compiled_and_parallel_models_are_taken_off(tmp_path: Path, prefix: str) -> None:
    made = contents()
    made["policy_state_dict"] = {prefix + name: tensor for name, tensor in made["policy_state_dict"].items()}

    assert load(saved(tmp_path, made)).facts.hidden == (8, 4)


@pytest.mark.parametrize("how", [{}, {"frozen": True}, {"slots": True}], ids=["plain", "frozen", "slots"])
def test_a_config_of_the_trainers_own_class_is_read_without_that_class(tmp_path: Path, how: dict[str, Any]) -> None:
    with trainers_config(**how) as config:
        path = saved(tmp_path, contents(config=config))

    assert load(path).facts.activation == "tanh"


def test_a_config_that_pickles_no_names_declares_nothing(tmp_path: Path) -> None:
    with trainers_config(frozen=True, slots=True) as config:
        path = saved(tmp_path, contents(config=config))

    refused(path, "activation: neither the checkpoint nor the training summary declares it.*--gate-activation")
    assert load(path, activation="tanh", feature_set="reference-v1").facts.activation == "tanh"


def test_a_class_of_another_package_is_refused(tmp_path: Path) -> None:
    with trainers_config() as config:
        path = saved(tmp_path, contents(config=config))

    refused(path, r"asks for 'alpaca_trading\.gpu.*--gate-trainer-package", trainer_packages=("my_trainer",))


class _Shell:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch owned",)


class _Eval:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return eval, ("open('owned', 'w')",)


@pytest.mark.parametrize("payload", [_Shell(), _Eval()])
def test_a_payload_is_refused_and_not_run(tmp_path: Path, payload: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, contents(config=payload))
    monkeypatch.chdir(tmp_path)

    refused(path, "its pickle asks for")

    assert not (tmp_path / "owned").exists()


def test_a_later_pickle_protocol_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(contents(), path, pickle_protocol=4)

    refused(path, "its pickle uses")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("model/data/0")
    content = bytearray(path.read_bytes())
    content[info.header_offset + 200] ^= 1
    path.write_bytes(content)

    refused(path, "damaged zip")


def test_a_file_cut_off_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    path.write_bytes(path.read_bytes()[:-500])

    refused(path, "damaged zip")


def test_a_legacy_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(contents(), path, _use_new_zipfile_serialization=False)

    refused(path, "is not a zip")


def test_a_record_twice_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("model/data.pkl", b"other")

    refused(path, "one twice")


def test_a_foreign_record_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/code/run.py", b"import os")

    refused(path, r"'code/run\.py'")


def test_a_bare_state_dict_is_refused(tmp_path: Path) -> None:
    refused(saved(tmp_path, [1, 2]), "holds a list, expected a dict")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_names_its_layer(tmp_path: Path, value: float) -> None:
    made = contents()
    made["policy_state_dict"]["trunk.2.weight"][0, 0] = value

    refused(saved(tmp_path, made), r"trunk\.2\.weight: holds a number that is not finite")


def test_weights_of_the_critic_may_be_anything(tmp_path: Path) -> None:
    made = contents()
    made["policy_state_dict"]["value_head.weight"][:] = float("nan")

    assert load(saved(tmp_path, made)).facts.hidden == (8, 4)


@pytest.mark.parametrize(
    ("name", "tensor", "told"),
    [
        ("norm.weight", torch.ones(8), "no counterpart"),
        ("log_std", torch.ones(3), "no counterpart"),
        ("trunk.0.weight", torch.ones(8, 5), "expected 159 inputs"),
        ("trunk.0.bias", torch.ones(7), "as many biases as outputs"),
        ("trunk.0.weight", torch.ones(8, 159, dtype=torch.int64), "floating-point"),
        ("trunk.0.weight", torch.ones(1).expand(8, 159), "claims more values"),
        ("trunk.0.weight", torch.ones(8, 159).to_sparse(), "dense|cannot be read|asks for"),
        ("trunk.0.weight", torch.ones(8), "expected 2 dimensions"),
        ("policy_head.weight", torch.ones(4, 4), "as many biases|4 outputs"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(tmp_path: Path, name: str, tensor: torch.Tensor, told: str) -> None:
    made = contents()
    made["policy_state_dict"][name] = tensor

    refused(saved(tmp_path, made), told)


def test_a_second_actor_is_refused(tmp_path: Path) -> None:
    made = contents()
    made["policy_state_dict"] |= {
        "extra.weight": torch.ones(3, 3),
        "extra.bias": torch.ones(3),
        "x.weight": torch.ones(9, 2),
        "x.bias": torch.ones(9),
    }

    refused(saved(tmp_path, made), "layer x: has weight 9 x 2")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_version": "3.0.0"}, r"model_version: is '3\.0\.0', known are 2\.3\.x"),
        ({"model_version": 2.3}, "model_version: is 2.3, known are"),
        ({"n_actions": 7}, "n_actions: is 7, generation"),
        ({"n_features": 0}, "n_features: is 0"),
        ({"obs_dim": 160}, "obs_dim: is 160, expected a multiple"),
        ({"obs_dim": True}, "obs_dim: is True"),
        ({"obs_dim": 53 * 4}, "expected 212 inputs"),
        ({"action_meanings": {0: "HOLD", 1: "SELL", 2: "BUY"}}, "action_meanings: is 'HOLD', 'SELL', 'BUY'"),
        ({"action_meanings": ["HOLD", "BUY"]}, "action_meanings"),
        ({"action_meanings": None}, "action_meanings: is missing"),
        ({"policy_state_dict": None}, "policy_state_dict: is not a dict"),
        ({"policy_state_dict": {}}, "policy_state_dict: is not a dict"),
    ],
)
def test_what_contradicts_its_generation_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    refused(saved(tmp_path, contents(**changes)), told)


@pytest.mark.parametrize(
    "meanings",
    [
        ["HOLD", "BUY 25%", "BUY 50%", "BUY 75%", "SELL 25%", "SELL 50%", "SELL 75%"],
        ["hold", "Buy_25", "Buy_50", "Buy_75", "Sell_25", "Sell_50", "Sell_75"],
        {
            "0": "HOLD",
            "1": "BUY_25PCT",
            "2": "BUY_50PCT",
            "3": "BUY_75PCT",
            "4": "SELL_25PCT",
            "5": "SELL_50PCT",
            "6": "SELL_75PCT",
        },
    ],
)
def test_spellings_of_the_actions_are_understood(tmp_path: Path, meanings: Any) -> None:
    assert load(saved(tmp_path, contents("2.7.0", action_meanings=meanings))).facts.n_actions == 7


def test_nobody_declaring_the_feature_set_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(config={"activation": "tanh"}))

    refused(path, "feature set: neither the checkpoint nor the training summary declares it.*--gate-feature-set")


def test_the_summary_may_declare_what_the_checkpoint_does_not(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(config=None))

    facts = load(path, declared=Declared(feature_set="mine", activation="nn.ELU")).facts

    assert (facts.feature_set, facts.activation) == ("mine", "elu")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"activation": "relu"}, "--gate-activation says 'relu', the checkpoint says 'tanh'"),
        ({"feature_set": "mine"}, "--gate-feature-set says 'mine', the checkpoint says 'reference-v1'"),
        ({"declared": Declared(activation="relu")}, "the checkpoint says 'tanh', the training summary says 'relu'"),
    ],
)
def test_two_who_disagree_are_both_named(tmp_path: Path, option: dict[str, Any], told: str) -> None:
    refused(saved(tmp_path, contents()), told, **option)


def test_an_activation_the_gate_cannot_compute_is_refused(tmp_path: Path) -> None:
    refused(saved(tmp_path, contents(config={"activation": "gelu", "feature_set": "x"})), "'gelu' is unknown")
