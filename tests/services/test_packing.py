"""What a training script writes is opened as the gate will open it: what it would refuse is not there."""

import io
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import checkpoints, model_factory
from support.archives import pack_unopened
from support.market_factory import random_walk
from support.sb3_cases import RECORDED

from pytest_modelgate import (
    CLOSE,
    HOLD,
    ArchiveError,
    CheckpointError,
    ModelArtifact,
    ParityProbe,
    Target,
    pack_checkpoint,
    write_archive,
)
from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.checkpoint_writer import save_checkpoint
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.training.run import Declared, DeclaredFeature

TRAINED = datetime(2024, 12, 27, 21, 18, 19, tzinfo=UTC)
FACTS: dict[str, Any] = {"trained_at": TRAINED, "feature_set": "reference-v1", "activation": "tanh"}
INPUTS = 3 * 53


def actor(seed: int = 1, **changes: Any) -> tuple[checkpoints.Actor, bytes]:
    """A network, and the checkpoint that a trainer makes of it."""
    torch.manual_seed(seed)
    network = checkpoints.Actor(INPUTS, (8, 4), 3)
    buffer = io.BytesIO()
    torch.save(checkpoints.contents(policy_state_dict=network.state_dict(), **changes), buffer)
    return network, buffer.getvalue()


def artifact(content: bytes, **changes: Any) -> ModelArtifact:
    return ModelArtifact("UNIUSD", "1Hour", content, model_factory.APPROVED, **changes)


def probe_in(path: Path) -> ParityProbe | None:
    with open_archive(path) as archive:
        (model,) = archive.run.models
    return model.declared.parity_probe


@pytest.mark.parametrize(
    ("content", "facts", "told"),
    [
        (b"x", {}, r"^checkpoint models/rl_symbols/UNIUSD_1Hour.pt: is not a zip"),
        (actor(model_version="9.9.9")[1], {}, r"UNIUSD_1Hour.pt, model_version: is 9.9.9, known generations"),
        (actor(config=None)[1], {"activation": None}, r"UNIUSD_1Hour.pt, activation: neither the checkpoint nor"),
        (
            actor()[1],
            {"activation": "relu"},
            r"activation: the checkpoint says 'tanh', the training summary says 'relu'",
        ),
        (actor(n_features=INPUTS, obs_dim=INPUTS)[1], {}, "reads 159 market features per bar, the feature set has 53"),
    ],
    ids=["no checkpoint", "generation", "undeclared", "contradiction", "width"],
)
def test_a_checkpoint_that_the_gate_refuses_is_not_packed(
    tmp_path: Path, content: bytes, facts: dict[str, Any], told: str
) -> None:
    with pytest.raises(CheckpointError, match=told):
        write_archive(tmp_path, [artifact(content)], **{**FACTS, **facts})

    assert list(tmp_path.iterdir()) == []


def test_what_the_gate_reads_is_packed_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "trained.pt"
    file.write_bytes(actor()[1])
    by_path = ModelArtifact("UNIUSD", "1Hour", file, model_factory.APPROVED)

    written = [
        write_archive(tmp_path / f"{n}.zip", [model], **FACTS)
        for n, model in enumerate([by_path, artifact(actor()[1])])
    ]
    unopened = pack_unopened(tmp_path / "u.zip", [by_path], **FACTS)

    assert {path.read_bytes() for path in written} == {unopened.read_bytes()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.zip", "1.zip", "trained.pt", "u.zip"]


@pytest.mark.parametrize("how", ["module", "tensor", "array", "normalised"])
def test_a_policy_makes_a_probe_that_proves_parity(tmp_path: Path, how: str) -> None:
    network, content = actor()
    network.train()
    policies: dict[str, Callable[..., Any]] = {
        "module": network,
        "tensor": lambda rows: network(torch.from_numpy(rows)),  # with its gradients
        "array": lambda rows: network(torch.from_numpy(rows)).detach().numpy().astype(np.float64),
        "normalised": lambda rows: torch.distributions.Categorical(logits=network(torch.from_numpy(rows))).logits,
    }

    probe = probe_in(write_archive(tmp_path, [artifact(content, policy=policies[how])], **FACTS))

    assert probe is not None
    assert (len(probe.observations), len(probe.observations[0]), network.training) == (32, INPUTS, True)


def test_a_policy_that_is_not_the_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"UNIUSD_1Hour.pt, parity probe 1: logits differ"):
        write_archive(tmp_path, [artifact(actor(1)[1], policy=actor(2)[0])], **FACTS)

    assert list(tmp_path.iterdir()) == []


class Clamped(torch.nn.Module):
    """What a state dict does not show."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(rows.clamp(-10.0, 10.0))
        return logits


def test_a_clamp_that_the_weights_do_not_show_is_noticed(tmp_path: Path) -> None:
    network, content = actor()

    with pytest.raises(CheckpointError, match="logits differ"):
        write_archive(tmp_path, [artifact(content, policy=Clamped(network))], **FACTS)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (lambda _: 1 / 0, "fails for 32 observations of 159 numbers: ZeroDivisionError"),
        (lambda rows: (rows[:, :3], rows[:, 0]), r"gives a tuple, expected logits of shape \(32, 3\)"),
        (lambda rows: rows[:, :7], r"gives an array of shape \(32, 7\), expected logits of shape \(32, 3\)"),
        (lambda rows: rows[:, :3] * np.nan, "gives a logit that is not finite"),
        (lambda _: "BUY", "gives a str"),
    ],
    ids=["fails", "tuple", "shape", "nan", "text"],
)
def test_a_policy_that_gives_no_logits_is_refused(tmp_path: Path, policy: Any, told: str) -> None:
    with pytest.raises(CheckpointError, match=rf"UNIUSD_1Hour.pt, policy: {told}"):
        write_archive(tmp_path, [artifact(actor()[1], policy=policy)], **FACTS)


def test_a_probe_that_was_given_is_kept(tmp_path: Path) -> None:
    network, content = actor()
    rows = np.eye(3, INPUTS)
    given = ParityProbe(
        *(tuple(map(tuple, table.tolist())) for table in (rows, network(torch.as_tensor(rows).float())))
    )

    assert probe_in(write_archive(tmp_path, [artifact(content, parity_probe=given, policy=network)], **FACTS)) == given


def test_bars_and_features_beside_a_policy_are_part_of_its_probe(tmp_path: Path) -> None:
    network, content = actor()
    frame = random_walk("2024-01-01", REFERENCE.warmup + 3)
    bars = tuple((float(at.timestamp()), *row) for at, row in zip(frame.index, frame.to_numpy().tolist(), strict=True))
    features = REFERENCE.compute(frame).to_numpy()[-2:]

    given = [
        ParityProbe(bars=bars, features=tuple(map(tuple, table.tolist()))) for table in (features, features + 1e-3)
    ]
    path = write_archive(tmp_path, [artifact(content, parity_probe=given[0], policy=network)], **FACTS)

    probe = probe_in(path)
    assert probe is not None
    assert (len(probe.observations), probe.bars, probe.features) == (32, given[0].bars, given[0].features)
    with pytest.raises(CheckpointError, match=r"feature '.*' differs from the trainer's by 0.001"):
        write_archive(tmp_path, [artifact(content, parity_probe=given[1], policy=network)], **FACTS)


KINDS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: (
        st.lists(values)
        | st.lists(values).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**40), 2**40), values)
    ),
    max_leaves=10,
)

SAID: dict[str, Any] = {
    "model_version": "2.3.0",
    "n_features": 53,
    "window": 3,
    "activation": "tanh",
    "feature_set": "reference-v1",
    "action_meanings": ("HOLD", "BUY", "SELL"),
}


@pytest.mark.parametrize("how", ["module", "state dict", "arrays", "half", "slices"])
def test_a_checkpoint_of_a_policy_is_the_same_function(tmp_path: Path, how: str) -> None:
    network, _ = actor()
    state: Mapping[str, torch.Tensor] = network.state_dict()
    policies: dict[str, Any] = {
        "module": network,
        "state dict": state,
        "arrays": {name: tensor.numpy() for name, tensor in state.items()},
        "half": replace_all(state, torch.Tensor.bfloat16),
        "slices": replace_all(state, lambda tensor: torch.stack([tensor, tensor])[0]),
    }

    path = pack_checkpoint(policies[how], tmp_path / "new" / "UNIUSD_1Hour.pt", **SAID)

    loaded = checkpoints.load(path)
    rows = np.random.default_rng(1).normal(size=(5, INPUTS))
    if how == "half":
        network.load_state_dict(policies[how])
    theirs = network(torch.as_tensor(rows).float()).detach().numpy()
    np.testing.assert_allclose(loaded.policy.logits_of(rows), theirs, atol=1e-5)
    shape = loaded.facts.shape
    assert (loaded.facts.activation, shape.window, len(shape.actions)) == ("tanh", 3, 3)
    assert path.stat().st_size < 12_000
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def replace_all(state: Mapping[str, torch.Tensor], change: Callable[[torch.Tensor], Any]) -> dict[str, Any]:
    return {name: change(tensor) for name, tensor in state.items()}


def test_the_same_policy_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (pack_checkpoint(actor()[0], tmp_path / f"{n}.pt", **SAID).read_bytes() for n in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("policy", "changes", "told"),
    [
        (None, {"model_version": "9.9.9"}, "model_version: is 9.9.9, known generations"),
        (None, {"action_meanings": ("HOLD", "SELL", "BUY")}, "action_meanings: is 'HOLD', 'SELL', 'BUY'"),
        (None, {"window": 4}, "expected 212 inputs"),
        (None, {"activation": "mish"}, "activation: 'mish' is unknown"),
        (None, {"n_features": INPUTS, "window": 1}, "the feature set has 53"),
        ([1.0], {}, "the policy is a list, expected a module or a state dict"),
        ({"net.0.weight": "much"}, {}, "holds something other than numbers"),
        (None, {"config": {"seen": [{1}]}}, "cannot hold a set. Keep text, numbers"),
    ],
)
def test_what_the_gate_would_refuse_leaves_what_was_there(
    tmp_path: Path, policy: object, changes: dict[str, Any], told: str
) -> None:
    path = tmp_path / "UNIUSD_1Hour.pt"
    path.write_bytes(b"before")

    with pytest.raises(CheckpointError, match=told):
        pack_checkpoint(actor()[0] if policy is None else policy, path, **{**SAID, **changes})

    assert ([file.name for file in tmp_path.iterdir()], path.read_bytes()) == ([path.name], b"before")


def test_arrays_need_no_torch_and_give_the_bytes_of_their_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, _ = actor()
    of_tensors = pack_checkpoint(network, tmp_path / "tensors.pt", **SAID)
    arrays = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    monkeypatch.setitem(sys.modules, "torch", None)

    of_arrays = pack_checkpoint(arrays, tmp_path / "arrays.pt", **SAID)

    assert of_arrays.read_bytes() == of_tensors.read_bytes()


@given(plain_values)
def test_torch_loads_what_was_written(value: Any) -> None:
    state = {
        **{str(kind): torch.arange(6).reshape(2, 3).to(kind).T for kind in KINDS},
        "number": torch.tensor(5.0),
        "none": torch.zeros(0, 3),
        "array": np.arange(6.0).reshape(2, 3).T,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.pt"
        save_checkpoint(state, {"kept": value}, path, "checkpoint X.pt", lambda _: None)
        loaded = torch.load(path, weights_only=True)
        mapped = torch.load(path, weights_only=True, mmap=True)["policy_state_dict"]

        assert loaded["kept"] == value
        assert list(loaded["policy_state_dict"]) == list(state)
        for name, tensor in loaded["policy_state_dict"].items():
            torch.testing.assert_close(tensor, torch.as_tensor(state[name]), rtol=0, atol=0)
            assert torch.equal(mapped[name], tensor)


def test_both_together_end_in_an_archive_that_is_proven(tmp_path: Path) -> None:
    network, _ = actor()
    file = pack_checkpoint(network, tmp_path / "UNIUSD_1Hour.pt", **SAID)

    path = write_archive(tmp_path, [replace(artifact(b""), checkpoint=file, policy=network)], trained_at=TRAINED)

    assert probe_in(path) is not None


DECLARED = {"actions": [HOLD, Target(1.0), CLOSE], "account": [{"name": "position_sign", "neutral": 0}]}


def test_what_no_generation_tells_is_declared_beside_the_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = checkpoints.Actor(3 * 54, (8, 4), 3)
    said = SAID | {"model_version": "9.9.9", "n_features": 54}

    path = pack_checkpoint(network, tmp_path / "UNIUSD_1Hour.pt", **said, declared=DECLARED)

    beside = json.loads((tmp_path / "UNIUSD_1Hour.json").read_text())
    assert beside["schema"] == "modelgate.policy/1"
    assert beside["actions"] == [{"order": 0.0}, {"target": 1.0}, {"target": 0.0}]
    packed = write_archive(tmp_path, [replace(artifact(path.read_bytes()), declared=DECLARED)], **FACTS)
    with open_archive(packed) as archive:
        (model,) = archive.run.models
        assert model.declared.actions == (HOLD, Target(1.0), CLOSE)


def own_policy(tmp_path: Path, **changes: Any) -> Path:
    """A checkpoint of another trainer: no generation, no labels."""
    torch.manual_seed(1)
    said = {"n_features": 54, "window": 3, "activation": "tanh", "feature_set": "reference-v1", "declared": DECLARED}
    return pack_checkpoint(checkpoints.Actor(3 * 54, (8, 4), 3), tmp_path / "UNIUSD_1Hour.pt", **{**said, **changes})


def test_a_policy_of_no_generation_needs_no_version_and_no_labels(tmp_path: Path) -> None:
    path = own_policy(tmp_path)

    packed = write_archive(tmp_path / "X.zip", [replace(artifact(b""), checkpoint=path)], trained_at=TRAINED)

    with open_archive(packed) as archive:
        (model,) = archive.run.models
    assert model.declared.actions == (HOLD, Target(1.0), CLOSE)
    assert [feature.name for feature in model.declared.account or ()] == ["position_sign"]


def test_what_is_declared_beside_and_for_the_archive_must_agree(tmp_path: Path) -> None:
    model = replace(artifact(b""), checkpoint=own_policy(tmp_path))
    same: dict[str, Any] = {"schema": "modelgate.policy/1", "actions": ["HOLD", {"target": 1}, "CLOSE"]}

    write_archive(tmp_path / "X.zip", [replace(model, declared=same)], trained_at=TRAINED)
    with pytest.raises(ArchiveError, match=r"UNIUSD_1Hour.json, actions: is declared otherwise"):
        write_archive(tmp_path, [replace(model, declared={"actions": ["HOLD", "CLOSE", {"target": 1}]})], **FACTS)


def test_a_file_beside_a_checkpoint_that_is_no_declaration_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "UNIUSD_1Hour.pt"
    file.write_bytes(actor()[1])
    file.with_suffix(".json").write_text("[1, 2]\n[3]\n")

    path = write_archive(tmp_path / "X.zip", [replace(artifact(b""), checkpoint=file)], **FACTS)

    assert path.read_bytes() == write_archive(tmp_path / "Y.zip", [artifact(actor()[1])], **FACTS).read_bytes()


def test_statistics_of_observations_are_packed_and_applied(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(3, 54)) * 3
    mean, var = rows.mean(axis=0), torch.from_numpy(rows.var(axis=0))
    statistics = {"mean": mean, "var": var, "epsilon": np.float64(1e-8), "clip_obs": 1.0}
    facts = Declared(actions=(HOLD, Target(1.0), CLOSE), account=())

    bare = checkpoints.load(own_policy(tmp_path), declared=facts)
    normalised = checkpoints.load(own_policy(tmp_path, obs_rms=statistics), declared=facts)

    seen = np.clip((rows - mean) / np.sqrt(var.numpy() + 1e-8), -1.0, 1.0)
    expected = bare.policy.logits_of(seen.reshape(1, -1))
    np.testing.assert_allclose(normalised.policy.logits_of(rows.reshape(1, -1)), expected)


def test_a_declaration_that_does_not_fit_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="which some mean as an order"):
        pack_checkpoint(actor()[0], tmp_path / "UNIUSD_1Hour.pt", **SAID, declared={"actions": ["BUY"]})
    assert list(tmp_path.iterdir()) == []


def test_what_is_declared_beside_a_checkpoint_is_taken_along(tmp_path: Path) -> None:
    torch.manual_seed(1)
    said = SAID | {"model_version": "9.9.9", "n_features": 54}
    path = pack_checkpoint(
        checkpoints.Actor(3 * 54, (8, 4), 3), tmp_path / "UNIUSD_1Hour.pt", **said, declared=DECLARED
    )
    given = replace(artifact(b""), checkpoint=path)

    packed = write_archive(tmp_path, [replace(given, declared={"actions": DECLARED["actions"]})], **FACTS)

    with open_archive(packed) as archive:
        (model,) = archive.run.models
        assert model.declared.actions == (HOLD, Target(1.0), CLOSE)
        assert model.declared.account == (DeclaredFeature("position_sign", -1, 0.0),)
    with pytest.raises(
        ArchiveError, match=r"UNIUSD_1Hour.json, actions: is declared otherwise in the training summary"
    ):
        write_archive(tmp_path, [replace(given, declared={"actions": [HOLD, CLOSE, Target(1.0)]})], **FACTS)


def test_a_file_of_another_format_is_packed_with_what_is_declared_beside_it(tmp_path: Path) -> None:
    said = {"feature_set": "mine", "lookback": 1, "actions": ["HOLD", {"target": 1.0}, {"target": 0.0}]}
    declared = {"schema": "modelgate.policy/1", "normaliser": "vecnormalize.pkl", **said}
    (tmp_path / "best.zip").write_bytes((RECORDED / "ppo.zip").read_bytes())
    (tmp_path / "best.json").write_text(json.dumps(declared))
    (tmp_path / "vecnormalize.pkl").write_bytes((RECORDED / "ppo.vecnormalize.pkl").read_bytes())
    made = ModelArtifact("UNIUSD", "1Hour", tmp_path / "best.zip", model_factory.APPROVED)

    packed = write_archive(tmp_path / "X_20241227_211819.zip", [made], trained_at=TRAINED)

    with open_archive(packed) as archive:
        (model,) = archive.run.models
    assert model.checkpoint
    assert [name.rpartition("/")[2] for name in model.checkpoint.members] == [
        "UNIUSD_1Hour.zip",
        "UNIUSD_1Hour.vecnormalize.pkl",
    ]
    assert model.declared.normaliser == "UNIUSD_1Hour.vecnormalize.pkl"


def test_a_format_reads_no_file_of_another_ending(tmp_path: Path) -> None:
    made = ModelArtifact("UNIUSD", "1Hour", (RECORDED / "ppo.zip").read_bytes(), model_factory.APPROVED, suffix=".onnx")

    with pytest.raises(CheckpointError, match=r"sb3 is declared, which reads files that end in \.zip"):
        write_archive(tmp_path / "X_20241227_211819.zip", [made], trained_at=TRAINED, format="sb3")
