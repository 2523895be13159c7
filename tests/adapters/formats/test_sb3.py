import io
import os
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.sb3_cases import BY_NAME, CASES, RECORDED, Case, answers, observations, read
from support.sb3_edits import members_of, with_data, written, zipped

from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.policy_format import PolicyFile, read_policy
from pytest_modelgate.core.policy.actions import Target
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.training.run import DeclaredFeature
from pytest_modelgate.errors import CheckpointError

PPO = BY_NAME["ppo"]


def by_reference(module: str, name: str) -> bytes:
    """A pickle that says a class or function by its name, none of which need exist here."""
    return (
        pickle.PROTO
        + b"\x04\x8c"
        + bytes([len(module)])
        + module.encode()
        + b"\x8c"
        + bytes([len(name)])
        + (name.encode() + b"\x93.")
    )


def arguments(key: str, value: bytes) -> bytes:
    """A pickle of a dict with one entry, whose value is what another pickle says."""
    return b"\x80\x04}\x8c" + bytes([len(key)]) + key.encode() + value[2:-1] + b"s."


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_acts_as_stable_baselines3_has_acted(case: Case) -> None:
    recorded = np.load(RECORDED / f"{case.name}.npz")["answers"]

    found = answers(case, read(case), observations(case))

    if case.bounds:
        assert np.abs(found - recorded).max() < 1e-5
    else:
        assert (found == recorded).all()
    assert len(np.unique(recorded)) > 2


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_acts_as_the_installed_stable_baselines3(case: Case, seed: int, tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    from support.sb3_real import act, make

    model, env = make(case, seed)
    model.save(tmp_path / f"{case.name}.zip")
    if env is not None:
        env.save(str(tmp_path / f"{case.name}.vecnormalize.pkl"))
    asked = observations(case)

    expected, found = act(case, model, env, asked), answers(case, read(case, tmp_path), asked)

    if case.bounds:
        assert np.abs(found - expected).max() < 1e-5
    else:
        assert np.mean(found != expected) < 1e-3  # where two outputs are the same in float32


def test_the_rung_that_is_traded_is_the_nearest_to_the_action() -> None:
    case = BY_NAME["sac"]
    policy, asked = read(case).policy, observations(case)
    assert isinstance(policy, MlpPolicy)
    recorded = np.load(RECORDED / "sac.npz")["answers"]

    exposures = [action.exposure for action in policy.actions if isinstance(action, Target)]
    traded = np.array(exposures)[policy.logits_of(asked.astype(np.float64)).argmax(axis=1)]

    low, high = case.bounds or (0.0, 0.0)
    wanted = -1.0 + 2.0 * (recorded - low) / (high - low)
    assert np.abs(traded - wanted).max() < 0.0100001
    assert len(np.unique(traded)) > 80


def test_the_clip_of_the_normaliser_shows_in_what_it_does() -> None:
    loaded = read(PPO)
    assert isinstance(loaded.policy, MlpPolicy)
    normaliser = loaded.policy.normaliser
    assert normaliser
    asked = observations(PPO)

    folded = replace(normaliser, limit=np.full(8, np.inf))
    unclipped = replace(loaded, policy=replace(loaded.policy, normaliser=folded))

    assert np.mean(answers(PPO, unclipped, asked) != answers(PPO, loaded, asked)) > 0.02


def test_it_says_what_it_is_made_of() -> None:
    loaded = read(BY_NAME["dqn"])

    assert loaded.layers == ("normaliser dqn.vecnormalize.pkl", "q_net.q_net.0", "q_net.q_net.2", "q_net.q_net.4")
    assert (loaded.activation, loaded.hidden, loaded.certified, loaded.probabilities) == ("relu", (8, 8), True, False)


def test_a_zip_that_was_packed_again_is_the_same_model(tmp_path: Path) -> None:
    again = zipped(members_of(), zipfile.ZIP_DEFLATED)

    found = answers(PPO, read(PPO, written(tmp_path, again)), observations(PPO))

    assert (found == np.load(RECORDED / "ppo.npz")["answers"]).all()


def test_masks_that_are_no_part_of_the_file_are_told(tmp_path: Path) -> None:
    masked = by_reference("sb3_contrib.common.maskable.policies", "MaskableActorCriticPolicy")

    loaded = read(PPO, written(tmp_path, with_data({"policy_class": masked})))

    assert loaded.notes == (
        "Its trainer masks actions, and masks are no part of the file: it is judged without, as predict acts without.",
    )


class Harm:
    def __reduce__(self) -> Any:
        return os.system, ("echo harm",)


def _stateful(name: str, value: Any) -> bytes:
    """The recorded zip with another tensor in its policy."""
    import torch

    members = members_of()
    state = torch.load(io.BytesIO(members["policy.pth"]), weights_only=True)
    buffer = io.BytesIO()
    torch.save(OrderedDict({**state, name: torch.as_tensor(value)}), buffer)
    return zipped(members | {"policy.pth": buffer.getvalue()})


LSTM = by_reference("sb3_contrib.common.recurrent.policies", "RecurrentActorCriticPolicy")
REFUSED: dict[str, tuple[bytes, str]] = {
    "code where the policy's class stands": (
        with_data({"policy_class": pickle.dumps(Harm())}),
        "speaks of posix.system",
    ),
    "code among its arguments": (with_data({"policy_kwargs": pickle.dumps({"x": Harm()})}), "speaks of posix.system"),
    "recurrent": (with_data({"policy_class": LSTM}), "policy_class: is recurrent"),
    "a convolutional policy": (
        with_data({"policy_class": by_reference("stable_baselines3.common.policies", "ActorCriticCnnPolicy")}),
        "is stable_baselines3.common.policies.ActorCriticCnnPolicy, expected the policies of actor-critic, DQN",
    ),
    "an extractor of one's own": (
        with_data({"policy_kwargs": arguments("features_extractor_class", by_reference("sb3_contrib.mine", "Conv"))}),
        "holds the features extractor sb3_contrib.mine.Conv",
    ),
    "an activation of one's own": (
        with_data({"policy_kwargs": arguments("activation_fn", by_reference("torch.nn.modules.activation", "Mish"))}),
        "'mish' is unknown, expected one of tanh",
    ),
    "an argument of one's own": (with_data({"policy_kwargs": {"attention": 4}}), "holds attention, which plain"),
    "a squashing that is neither true nor false": (
        with_data({"policy_kwargs": {"squash_output": 1}}),
        "policy_kwargs: says a int for squash_output, expected true or false",
    ),
    "no action space": (with_data({"action_space": None}), "action_space: is a NoneType, expected a Discrete"),
    "no data": (zipped({"policy.pth": b""}), "is a zip without a member data"),
    "no base64": (
        with_data({"policy_class": {":type:": "x", ":serialized:": "\u00fc"}}),
        "policy_class: cannot be read",
    ),
    "data that nests": (zipped(members_of() | {"data": b"[" * 500 + b"]" * 500}), "member data"),
    "a damaged member": (
        with_data({}).replace(b"mlp_extractor.policy_net.0.weight", b"mlp_extractor.policy_net.9.weight"),
        "is damaged: its size or checksum is wrong",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_it_cannot_be_sure_of_is_refused_by_name(why: str, tmp_path: Path) -> None:
    content, told = REFUSED[why]

    with pytest.raises(CheckpointError) as caught:
        read(PPO, written(tmp_path, content))

    assert told in str(caught.value)
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("member", "name", "told"),
    [
        ("pytorch_variables.pth", "policy.action_net.weight", "'policy.action_net.weight', which takes the place of"),
        ("tensors.pth", "policy.action_net.weight", "'policy.action_net.weight', which takes the place of"),
        ("policy.action_net.pth", "weight", "'policy.action_net.pth', whose numbers may take the place of"),
    ],
)
def test_weights_that_loading_would_write_over_the_policys_are_refused(
    member: str, name: str, told: str, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save({name: torch.zeros(3, 8)}, buffer)
    members = {key: content for key, content in members_of().items() if key not in ("pytorch_variables.pth", member)}

    with pytest.raises(CheckpointError) as caught:
        read(PPO, written(tmp_path, zipped(members | {member: buffer.getvalue()})))

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("lstm_actor.weight_ih_l0", [[0.5]], "lstm_actor.weight_ih_l0 makes it recurrent"),
        ("features_extractor.cnn.0.weight", [[0.5]], "belongs to a features extractor with weights of its own"),
        ("mlp_extractor.policy_net.1.weight", [0.5], "is nothing that a plain policy of actor-critic has"),
        ("mlp_extractor.policy_net.4.weight", [[0.5] * 8], "mlp_extractor.policy_net.4: is missing"),
        ("obs_rms.mean", [0.5], "obs_rms.mean is nothing that a plain policy"),
        ("action_net.bias", [0.5, float("nan"), 0.5], "holds a number that is not finite"),
        ("action_net.bias", [0.5, 0.5], "do not fit behind each other"),
    ],
)
def test_weights_of_anything_else_are_refused(name: str, value: Any, told: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")

    with pytest.raises(CheckpointError) as caught:
        read(PPO, written(tmp_path, _stateful(name, value)))

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("case", "said", "told"),
    [
        (
            "ppo",
            {"actions": None},
            '["HOLD", {"target": 1.0}, {"target": 0.0}] (hold, buy, sell) or [{"target": 0.0}, "HOLD", ',
        ),
        ("sac", {"actions": None}, '[{"target": -1.0}, {"target": 1.0}] (all short to all in)'),
        ("ppo", {"actions": (Target(1.0), Target(0.0))}, "are 2 as declared, its last layer has 3 outputs"),
        ("ppo", {"lookback": None}, "lookback: is not declared, and 8 inputs may be"),
        ("ppo", {"lookback": 3}, "8 inputs are no multiple of that"),
        ("ppo_window", {"lookback": 6}, "has shape [4, 6], declared are 6 bars of 4 features"),
        ("ppo_dict", {"observation": None}, "is a dict (account of 2, market of 8), flattened in this order"),
        ("ppo_dict", {"observation": ("drawdown", "market", "position_sign")}, "Declare the parts in the order of the"),
        ("ppo", {"feature_set": None}, "feature set: neither the checkpoint nor the training summary declares it"),
        ("ppo", {"activation": "relu"}, "the checkpoint says 'tanh', the training summary says 'relu'"),
        ("ppo", {"account": (DeclaredFeature("drawdown", 9, 0.0),)}, "expected columns of their own"),
        ("sac", {"format": "trainer"}, "trainer is declared, which reads files that end in .pt"),
        ("sac", {"format": "keras"}, "'keras' is declared, known are trainer (.pt), sb3 (.zip)"),
    ],
)
def test_what_is_not_declared_or_does_not_fit_is_refused(case: str, said: dict[str, Any], told: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read(BY_NAME[case], **said)

    assert told in str(caught.value)


def test_statistics_that_lie_beside_it_are_not_passed_over() -> None:
    path = RECORDED / "ppo.zip"
    file = PolicyFile(path, path.name, "checkpoint ppo.zip", PPO.declared, beside=("ppo.vecnormalize.pkl",))

    with pytest.raises(CheckpointError, match=r"ppo\.vecnormalize\.pkl lies beside it, and nobody declares"):
        read_policy(builtin_formats(), file)
