"""Checkpoints as trainers write them are read; whatever could make the gate judge another function is refused."""

import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints import GENERATIONS, Actor, contents, load, refused, saved, trainers_config

from pytest_modelgate.core.policy.actions import QUARTER_ORDERS
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError


@pytest.mark.parametrize("version", GENERATIONS)
def test_every_generation_is_read(tmp_path: Path, version: str) -> None:
    facts = load(saved(tmp_path, contents(version))).facts

    features, actions = GENERATIONS[version]
    shape = facts.shape
    assert (shape.n_features, len(shape.actions), shape.window) == (features, actions, 3)
    assert len(shape.account) == features - 53
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

    refused(path, r"is a checkpoint of torch before 1\.6, not a zip.*pack_checkpoint")


def test_a_record_twice_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("model/data.pkl", b"other")

    refused(path, "one twice")


def test_a_foreign_record_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/run.py", b"import os")

    refused(path, r"'run\.py', expected the records")


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
    ("name", "tensor", "sentence"),
    [
        ("norm.weight", torch.ones(8), "no counterpart"),
        ("log_std", torch.ones(3), "no counterpart"),
        ("trunk.0.weight", torch.ones(8, 5), "expected 159 inputs"),
        ("trunk.0.bias", torch.ones(7), "as many biases as outputs"),
        ("trunk.0.weight", torch.ones(8, 159, dtype=torch.int64), "floating-point"),
        ("trunk.0.weight", torch.zeros(8, 159, dtype=torch.complex64), "holds complex64, expected floating-point"),
        ("trunk.0.weight", torch.ones(1).expand(8, 159, 1), "expected 2 dimensions"),
        ("trunk.0.weight", torch.ones(8, 159).to_sparse(), "dense|cannot be read|asks for"),
        ("trunk.0.weight", torch.ones(8), "expected 159 inputs"),
        ("policy_head.weight", torch.ones(4, 4), "as many biases|4 outputs"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(tmp_path: Path, name: str, tensor: torch.Tensor, sentence: str) -> None:
    made = contents()
    made["policy_state_dict"][name] = tensor

    refused(saved(tmp_path, made), sentence)


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
    ("changes", "sentence"),
    [
        ({"model_version": "6.0.0"}, r"model_version: is 6\.0\.0, known generations are 2\.3, 2\.4-2\.6"),
        ({"model_version": 2.3}, "model_version: the checkpoint says 2.3, expected a version such as"),
        ({"n_actions": 7}, "n_actions: is 7, generation"),
        ({"n_features": 0}, "n_features: is 0"),
        ({"obs_dim": 160}, "obs_dim: is 160, expected a multiple"),
        ({"obs_dim": True}, "obs_dim: is True"),
        ({"obs_dim": 53 * 4}, "expected 212 inputs"),
        ({"action_meanings": {0: "HOLD", 1: "SELL", 2: "BUY"}}, "action_meanings: is 'HOLD', 'SELL', 'BUY'"),
        ({"action_meanings": ["HOLD", "BUY"]}, "action_meanings"),
        ({"policy_state_dict": None}, "policy_state_dict: is not a dict"),
        ({"policy_state_dict": {}}, "policy_state_dict: is not a dict"),
    ],
)
def test_what_contradicts_its_generation_is_refused(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    refused(saved(tmp_path, contents(**changes)), sentence)


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
    assert load(saved(tmp_path, contents("2.7.0", action_meanings=meanings))).facts.shape.actions == QUARTER_ORDERS


def test_nobody_declaring_the_feature_set_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(config={"activation": "tanh"}))

    refused(path, "feature set: neither the checkpoint nor the training summary declares it.*--gate-feature-set")


def test_the_summary_may_declare_what_the_checkpoint_does_not(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(config=None))

    facts = load(path, declared=Declared(feature_set="mine", activation="nn.ELU")).facts

    assert (facts.feature_set, facts.activation) == ("mine", "elu")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"activation": "relu"}, "--gate-activation says 'relu', the checkpoint says 'tanh'"),
        ({"feature_set": "mine"}, "--gate-feature-set says 'mine', the checkpoint says 'reference-v1'"),
        ({"declared": Declared(activation="relu")}, "the checkpoint says 'tanh', the training summary says 'relu'"),
    ],
)
def test_two_who_disagree_are_both_named(tmp_path: Path, option: dict[str, Any], sentence: str) -> None:
    refused(saved(tmp_path, contents()), sentence, **option)


def test_an_activation_the_gate_cannot_compute_is_refused(tmp_path: Path) -> None:
    refused(saved(tmp_path, contents(config={"activation": "mish", "feature_set": "x"})), "'mish' is unknown")


def rewritten(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The same records, changed, with checksums that are right again."""
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, change(name, content))
    return path


def with_pickle(path: Path, pickled: bytes) -> Path:
    return rewritten(path, lambda name, content: pickled if name.endswith("data.pkl") else content)


def test_of_optimizer_and_critic_not_a_number_is_read(tmp_path: Path) -> None:
    made = contents(hidden=(8, 4))
    made["others"] = {"optimizer": made.pop("optimizer_state_dict"), "spare": torch.ones(1000, 1000)}
    path = saved(tmp_path, made)
    expected = load(path).policy
    actor = sum(tensor.nbytes for name, tensor in made["policy_state_dict"].items() if "value" not in name)
    kept = 0
    with zipfile.ZipFile(path) as archive, path.open("r+b") as file:
        for info in archive.infolist():
            number = info.filename.rpartition("data/")[2]
            if number.isdigit() and int(number) >= 6:  # behind three layers of two: the critic, then the optimizer
                file.seek(info.header_offset + 28)
                start = info.header_offset + 30 + len(info.filename) + int.from_bytes(file.read(2), "little")
                file.seek(start)
                file.write(b"\xff" * info.file_size)  # not a number anywhere, and no checksum is right
            elif number.isdigit():
                kept += info.file_size
    assert kept == actor

    read = load(path).policy

    for ours, theirs in zip(read.weights, expected.weights, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_numbers_are_those_that_torch_reads(tmp_path: Path, kind: torch.dtype) -> None:
    made = contents()
    made["policy_state_dict"] = {name: tensor.to(kind) for name, tensor in made["policy_state_dict"].items()}
    path = saved(tmp_path, made)

    read = load(path).policy

    theirs = torch.load(path, weights_only=True)["policy_state_dict"]
    names = ("trunk.0", "trunk.2", "policy_head")
    for name, weight, bias in zip(names, read.weights, read.biases, strict=True):
        assert weight.dtype == bias.dtype == (np.float64 if kind is torch.float64 else np.float32)
        assert np.array_equal(weight, theirs[f"{name}.weight"].double().numpy())
        assert np.array_equal(bias, theirs[f"{name}.bias"].double().numpy())


def test_parts_of_one_storage_are_read_from_where_they_begin(tmp_path: Path) -> None:
    made = contents()
    flat = torch.arange(2000, dtype=torch.float32)
    made["policy_state_dict"]["trunk.0.weight"] = torch.nn.Parameter(flat[7 : 7 + 8 * 159].reshape(8, 159))
    made["policy_state_dict"]["trunk.0.bias"] = flat[3:11]

    read = load(saved(tmp_path, made)).policy

    assert np.array_equal(read.weights[0], np.arange(7, 7 + 8 * 159).reshape(8, 159))
    assert np.array_equal(read.biases[0], np.arange(3, 11))


@pytest.mark.parametrize(
    "weight",
    [
        torch.arange(8.0 * 159).reshape(159, 8).t(),
        torch.arange(2.0 * 8 * 159).reshape(8, 318)[:, ::2],
        torch.arange(159.0).expand(8, 159),
        torch.ones(1).expand(8, 159),
        torch.arange(8.0 * 159).reshape(159, 8).t().to(torch.bfloat16),
    ],
    ids=["turned", "every other", "one row for all", "one number", "turned and narrow"],
)
def test_a_matrix_of_any_strides_is_read(tmp_path: Path, weight: torch.Tensor) -> None:
    made = contents()
    made["policy_state_dict"]["trunk.0.weight"] = weight

    read = load(saved(tmp_path, made)).policy

    assert np.array_equal(read.weights[0], weight.float().numpy())
    assert read.weights[0].flags.c_contiguous


def test_one_number_that_claims_to_be_a_huge_matrix_is_refused(tmp_path: Path) -> None:
    made = contents()
    made["policy_state_dict"] |= {
        "trunk.0.weight": torch.ones(1).expand(10**6, 159),
        "trunk.0.bias": torch.ones(1).expand(10**6),
        "trunk.2.weight": torch.ones(1).expand(4, 10**6),
    }

    refused(saved(tmp_path, made), r"has shape \[1000000, 159\], and its record 1 numbers")


def torch_loads(path: Path) -> bool:
    try:
        torch.load(path, weights_only=True)
    except (RuntimeError, ValueError, KeyError, pickle.UnpicklingError):
        return False
    return True


@pytest.mark.parametrize("number", [0, 6, 9, 25], ids=["actor", "critic", "optimizer", "last"])
def test_a_record_that_is_missing_is_refused_whoever_needs_it(tmp_path: Path, number: int) -> None:
    path = saved(tmp_path, contents())
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            if not name.endswith(f"/data/{number}"):
                archive.writestr(name, content)

    refused(path, f"names a record 'data/{number}' that is missing")
    assert not torch_loads(path)


@pytest.mark.parametrize("number", [0, 6, 9, 25], ids=["actor", "critic", "optimizer", "last"])
@pytest.mark.parametrize("more", [-4, 4])
def test_a_record_of_another_size_is_refused_whoever_needs_it(tmp_path: Path, number: int, more: int) -> None:
    path, chosen = saved(tmp_path, contents()), f"/data/{number}"
    rewritten(path, lambda name, own: (own + bytes(4))[: len(own) + more] if name.endswith(chosen) else own)

    refused(path, rf"its record data/{number} holds \d+ bytes, its pickle claims \d+ numbers of type float32")
    assert not torch_loads(path)


@pytest.mark.parametrize(
    ("record", "content"),
    [
        *(("version", content) for content in (b"", b"abc", b"-3", b"11\n", b"999", b"3\n\n", b"3" * 100)),
        *((".storage_alignment", content) for content in (b"", b"abc")),
    ],
)
def test_a_note_that_torch_does_not_understand_is_refused(tmp_path: Path, record: str, content: bytes) -> None:
    path = rewritten(
        saved(tmp_path, contents()), lambda name, own: content if name.partition("/")[2] == record else own
    )

    refused(path, f"its record {record} holds what torch.load does not understand")


@pytest.mark.parametrize("content", [b"1\n", b"2", b"3\n", b"10\n", b"11\n", b"0", b"abc", b"", b"999"])
def test_a_version_that_is_read_is_one_that_torch_reads(tmp_path: Path, content: bytes) -> None:
    path = rewritten(saved(tmp_path, contents(config=None)), lambda name, own: content if "version" in name else own)
    with suppress(CheckpointError):
        load(path, activation="tanh", feature_set="reference-v1")
        assert torch_loads(path)


def test_a_checkpoint_without_version_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents())
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            if name != "model/version":
                archive.writestr(name, content)

    refused(path, "holds no version, expected the records")
    assert not torch_loads(path)


@pytest.mark.parametrize(
    "spare", [torch.ones(0, 5), torch.ones(5, 4).t(), torch.ones(1).expand(7, 7), torch.tensor(1.0)]
)
def test_odd_tensors_that_nobody_reads_do_no_harm(tmp_path: Path, spare: torch.Tensor) -> None:
    path = saved(tmp_path, contents(others=[spare]))

    assert torch_loads(path)
    assert load(path).facts.hidden == (8, 4)


def test_a_tensor_of_the_optimizer_that_reaches_beyond_its_record_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(others=torch.ones(1000)[:777]))
    with zipfile.ZipFile(path) as archive:
        pickled = archive.read("model/data.pkl")
    with_pickle(path, pickled.replace(b"M\x09\x03", b"M\xe9\x03"))  # 777 becomes 1001

    refused(path, r"a tensor of shape \[1001\] reaches beyond its record data/")
    assert not torch_loads(path)


def test_a_storage_of_two_types_is_refused(tmp_path: Path) -> None:
    """torch takes the first for both, and would read other numbers than the second says."""
    reference = _STORAGE, _STORAGE.replace(b"FloatStorage", b"IntStorage")
    body = b"]" + b"".join(part + b"a" for part in reference)

    refused(with_pickle(saved(tmp_path, contents()), b"\x80\x02" + body + b"."), "cannot be read")


@pytest.mark.parametrize("name", ["hidden_dims", "hidden_sizes", "hidden_layers", "hidden"])
@pytest.mark.parametrize("declared", [[8, 8], (8,), [8, 4, 4], [], "8, 4", 8, [8.5, 4]])
def test_hidden_layers_that_contradict_the_weights_are_refused(tmp_path: Path, name: str, declared: object) -> None:
    config = {"activation": "tanh", "feature_set": "reference-v1", name: declared}

    refused(saved(tmp_path, contents(config=config)), f"config, {name}: is .*, the weights have hidden layers of 8, 4")


@pytest.mark.parametrize("declared", [[8, 4], (8, 4), None])
def test_hidden_layers_that_agree_with_the_weights_are_fine(tmp_path: Path, declared: object) -> None:
    config = {"activation": "tanh", "feature_set": "reference-v1", "hidden_dims": declared}

    assert load(saved(tmp_path, contents(config=config))).facts.hidden == (8, 4)


_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
_STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ"
_ORDERED = b"ccollections\nOrderedDict\n"


@pytest.mark.parametrize(
    "body",
    [
        b"}" + b")" + b"q\x01h\x01\x86" * 60 + b"Ns",  # 2 ** 60 values as a key
        b"Nr\xff\xff\xff\x7f",
        b"h\x05",
        b"}(K\x01u",
        b"NK\x01a",
        b"}q\x01K\x01}b",
        b"]}X\x01\0\0\0aK\x01sb",
        _ORDERED + b")R}X\x04\0\0\0itemsK\x01sb",
        _ORDERED + b"K\x01\x85R",
        _ORDERED + b")\x81",
        b"ctorch\nSize\n)\x81",
        b"ctorch\nSize\nJ\xff\xff\xff\xff\x85\x85R",
        b"ctorch\nFloatStorage\n)R",
        b"K\x01)R",
        _TENSOR + b")R",
        _TENSOR + b"(" + _STORAGE + b"J\xff\xff\xff\xffK\x01\x85K\x01\x85\x89" + _ORDERED + b")RtR",
        _TENSOR + b"(" + _STORAGE + b"K\0K\x01\x85K\x01\x85\x89" + _ORDERED + b")R}tR",
        b"(K\x01tQ",
        b"K\x01Q",
        b"Na",
        b"t",
        b"(((",
        b"",
        b"NN",
    ],
)
def test_a_pickle_that_describes_no_checkpoint_is_refused(tmp_path: Path, body: bytes) -> None:
    path = with_pickle(saved(tmp_path, contents()), b"\x80\x02" + body + b".")

    refused(path, "cannot be read|damaged|expected a dict")


def test_what_refers_to_itself_does_no_harm(tmp_path: Path) -> None:
    made: dict[str, object] = {}
    made["policy_state_dict"] = made["config"] = made["model_version"] = made
    path = with_pickle(saved(tmp_path, contents()), pickle.dumps(made, 2))

    refused(path, "model_version: the checkpoint says a dict")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_pickle_with_some_bytes_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = saved(tmp_path_factory.getbasetemp(), contents(config=None))
    with zipfile.ZipFile(path) as archive:
        pickled = bytearray(archive.read("model/data.pkl"))
    places = st.integers(0, len(pickled) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        pickled[place] = byte

    with suppress(CheckpointError):  # any other error is ours
        load(with_pickle(path, bytes(pickled)), activation="tanh", feature_set="reference-v1")
