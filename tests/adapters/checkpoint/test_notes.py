"""What the gate never reads never refuses a checkpoint; what could be run from it always does."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import enum
import functools
import io
import os
import pathlib
import pickle
import pickletools
import random
import struct
import sys
import types
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints import Actor, contents, load, refused, saved, trainers_config
from support.hostile_checkpoints import packed_with

from pytest_modelgate.adapters.checkpoint import machine
from pytest_modelgate.adapters.checkpoint.instructions import PickleError, instructions
from pytest_modelgate.adapters.checkpoint.pickled import Named, StandIn, is_allowed
from pytest_modelgate.adapters.checkpoint.values import read_values

NOTES: dict[str, Any] = {
    "device": torch.device("cpu"),
    "dtype": torch.float32,
    "size": torch.Size([1, 2]),
    "set": {1, "a", (1, 2)},
    "frozenset": frozenset({1}),
    "bytes": b"ab\xff",
    "bytearray": bytearray(b"x"),
    "counter": collections.Counter("aab"),
    "defaultdict": collections.defaultdict(list, {(1, 2): [2]}),
    "ordered": collections.OrderedDict(a=1),
    "deque": collections.deque([1, 2], 5),
    "path": pathlib.Path("/a/b"),
    "windows path": pathlib.PureWindowsPath("c:/x"),
    "datetime": dt.datetime(2024, 12, 27, tzinfo=dt.UTC),
    "date": dt.date(2024, 12, 27),
    "namespace": argparse.Namespace(rate=1),
    "simple namespace": types.SimpleNamespace(rate=1),
    "partial": functools.partial(int, base=2),
    "random": random.Random(1),
    "numpy random": np.random.RandomState(1),
    "numpy generator": np.random.default_rng(1),
    "numpy scalar": np.float64(0.74),
    "numpy bool": np.bool_(True),
    "numpy text": np.str_("a"),
    "numpy time": np.datetime64("2020-01-01"),
    "array": np.arange(6.0).reshape(2, 3),
    "array of objects": np.array(["a", None], dtype=object),
    "class": torch.nn.Tanh,
    "instance": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU()),
    "function": torch.tanh,
    "another function": torch.nn.functional.relu,
    "range": range(3),
    "slice": slice(1),
    "complex": 1j,
    "type": int,
    "none type": type(None),
    "large": 10**400,
    "huge": 10**4000,
    "fraction": Fraction(1, 3),
    "scheduler": torch.optim.lr_scheduler.LinearLR(torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])),
    "uint16": torch.ones(3, dtype=torch.uint16),
    "float8": torch.ones(3, dtype=torch.float8_e4m3fn),
    "conjugate": torch.ones(3, dtype=torch.complex64).conj(),
    "sparse": torch.ones(2, 2).to_sparse(),
    "generator": torch.Generator(),
    "keys": {(1, "a"): 1, b"x": 2, 1.5: 3, None: 4},
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", NOTES)
def test_a_note_that_nobody_reads_refuses_nothing(tmp_path: Path, name: str, protocol: int) -> None:
    made = contents(note=NOTES[name], history={"deep": [{"note": NOTES[name]}]})
    path = tmp_path / "model.pt"
    torch.save(made, path, pickle_protocol=protocol)

    assert torch.load(path, weights_only=False).keys() == made.keys()
    assert load(path).facts.hidden == (8, 4)


@pytest.mark.parametrize("name", ["config", "policy_state_dict", "model_version", "n_features", "action_meanings"])
@pytest.mark.parametrize("note", ["device", "bytes", "set", "path", "array", "namespace", "class"])
def test_a_note_in_place_of_what_is_read_refuses(tmp_path: Path, name: str, note: str) -> None:
    refused(saved(tmp_path, contents(**{name: NOTES[note]})), f"{name}|activation: neither")


def test_a_note_in_place_of_a_tensor_is_named(tmp_path: Path) -> None:
    made = contents()
    made["policy_state_dict"]["trunk.0.weight"] = np.ones((8, 159))

    refused(saved(tmp_path, made), r"trunk\.0\.weight: is not a dense tensor")


def test_a_numpy_scalar_is_the_number_that_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(n_features=np.int64(53), n_actions=np.uint8(3), obs_dim=np.int32(159)))

    assert load(path).facts.shape.window == 3


@pytest.mark.parametrize("how", [argparse.Namespace, types.SimpleNamespace, collections.OrderedDict, dict])
def test_a_config_of_the_standard_library_is_read(tmp_path: Path, how: Callable[..., Any]) -> None:
    config = how(activation="elu", feature_set="mine")

    facts = load(saved(tmp_path, contents(config=config))).facts
    assert (facts.activation, facts.feature_set) == ("elu", "mine")


def test_a_trainers_own_mapping_is_a_config(tmp_path: Path) -> None:
    with trainers_config() as other:
        module = sys.modules[type(other).__module__]
        kind = type("Config", (dict,), {"__module__": module.__name__})
        vars(module)["Config"] = kind
        path = saved(tmp_path, contents(config=kind(activation="elu", feature_set="mine")))

    assert load(path).facts.activation == "elu"


def test_members_of_a_trainers_enumeration_are_notes(tmp_path: Path) -> None:
    with trainers_config() as other:
        module = sys.modules[type(other).__module__]
        Phase = enum.Enum("Phase", {"LAST": "tanh"}, module=module.__name__)  # noqa: N806 - a class
        vars(module)["Phase"] = Phase
        made = contents(phase=Phase.LAST, config={"activation": Phase.LAST, "feature_set": "mine"})
        path = saved(tmp_path, made)

    assert load(path).facts.activation == "tanh"


def test_a_long_history_is_read(tmp_path: Path) -> None:
    """Two megabytes of a pickle, twice what was once allowed."""
    path = saved(tmp_path, contents(history={"loss": [0.1 * step for step in range(200_000)]}))

    assert load(path).facts.hidden == (8, 4)


def test_instructions_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_modelgate.adapters.checkpoint.values.MOST_INSTRUCTIONS", 1000)

    refused(saved(tmp_path, contents(history=[1] * 1000)), "its pickle has more than 1000 instructions")


HOSTILE = [
    "os.system", "posix.system", "nt.system", "builtins.eval", "builtins.exec", "__builtin__.eval", "builtins.compile",
    "builtins.__import__", "builtins.open", "builtins.setattr", "subprocess.Popen", "runpy.run_path", "pty.spawn",
    "importlib.import_module", "torch.load", "torch.hub.load", "torch.storage._load_from_bytes",
    "torch.serialization.load",
    "torch.nn.modules.activation.torch.os.system", "torch.jit.load", "numpy.load", "numpy.fromfile", "pickle.loads",
    "operator.attrgetter", "operator.methodcaller", "functools.reduce", "pathlib.os.system", "pathlib.Path.unlink",
    "torch.nn.modules.module.torch", "collections.abc.sys", "alpaca_trading_evil.Config", "my_package.Actor",
    "__main__.Actor", "alpaca_trading", "torch.utils.data.DataLoader",
    "copyreg.add_extension",
    "torch._utils._rebuild_sparse_tensor.__globals__", "shutil.rmtree", "timeit.timeit", "webbrowser.open", "site.main",
]  # fmt: skip


@pytest.mark.parametrize("dotted", HOSTILE)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_name_that_a_trader_could_run_is_refused_wherever_it_stands(dotted: str, at: int) -> None:
    """Module and name are cut in every way; protocol 4 takes dots in a name for attributes."""
    parts = dotted.split(".")
    module, name = ".".join(parts[:at]), ".".join(parts[at:])
    assert not is_allowed(module, name, ("alpaca_trading",))
    line = f"c{module}\n{name}\n".encode()
    with pytest.raises(machine.NameRefusedError):
        read_values(b"\x80\x02}X\x01\0\0\0a" + line + b"s.", ("alpaca_trading",))
    stacked = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)) + b"\x93"
    with pytest.raises(machine.NameRefusedError):
        read_values(b"\x80\x04}X\x01\0\0\0a" + stacked + b"s.", ("alpaca_trading",))


def test_an_attribute_of_a_trainers_module_is_refused() -> None:
    assert is_allowed("alpaca_trading.gpu", "Config", ("alpaca_trading",))
    assert is_allowed("alpaca_trading.gpu", "Config.Inner", ("alpaca_trading",))
    assert not is_allowed("alpaca_trading.gpu", "os.system", ("alpaca_trading",))
    assert not is_allowed("alpaca_trading.gpu", "Config.run", ("alpaca_trading",))


class _Runs:
    """An object that pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize(
    "payload",
    [
        _Runs(os.system, "touch owned"),
        _Runs(eval, "1"),
        _Runs(getattr, pathlib.Path, "unlink"),
        _Runs(functools.partial, getattr, pathlib.Path, "unlink"),
        _Runs(functools.partial, _Runs(getattr, pathlib.Path, "unlink")),
        _Runs(torch.nn.Linear, 10, 10),
        _Runs(dict),
        _Runs(torch.storage._load_from_bytes, b""),
        _Runs(torch._tensor._rebuild_from_type_v2, functools.partial(int), int, (), None),
    ],
)
def test_a_call_that_no_checkpoint_makes_is_refused(tmp_path: Path, payload: object) -> None:
    buffer = io.BytesIO()
    pickle.Pickler(buffer, 2).dump({"note": payload})
    path = tmp_path / "model.pt"
    path.write_bytes(packed_with(buffer.getvalue()))

    refused(path, "its pickle asks for|cannot be read as a checkpoint")


SPACE = b"cargparse\nNamespace\n)\x81"
STATE = b"}X\x06\0\0\0appendcpathlib\nPath\ns"


@pytest.mark.parametrize(
    "body",
    [
        SPACE + STATE + b"bK\x01a",  # an attribute in place of a method that APPEND would call
        SPACE + STATE + b"b" + STATE + b"b",  # one in place of __setstate__
        SPACE + b"Nb(K\x01e",
        SPACE + b"}b(K\x01\x90",
        SPACE + b"}bK\x01K\x02s",
        b"cargparse\nNamespace\n}b",  # a state of the class itself
        b"ctorch\nSize\n)\x81",
        b"c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0bz2\x86R",
        b"cbuiltins\nlist\n)R",
        b"ccollections\ndefaultdict\nX\x01\0\0\0a\x85R",
        SPACE + b")R",
        b"(0",
        b"(q\x01.",
    ],
)
def test_objects_cannot_be_turned_against_who_loads_them(body: bytes) -> None:
    with pytest.raises(PickleError):
        read_values(b"\x80\x04" + body + b".", ("alpaca_trading",))


def test_what_nobody_could_hash_is_refused_in_sets_too() -> None:
    doubling = b")" + b"".join(b"q%ch%c\x86" % (at, at) for at in range(60))
    for body in (
        b"\x8f(" + doubling + b"\x90",
        b"(" + doubling + b"\x91",
        b"cbuiltins\nset\n](" + doubling + b"e\x85R",
    ):
        with pytest.raises(PickleError, match="hashed"):
            read_values(b"\x80\x04" + body + b".", ())


@pytest.mark.parametrize("called", [b"cbuiltins\nset\n", b"ctorch\nSize\n", b"ccollections\nCounter\n"])
def test_a_list_given_to_many_calls_is_not_walked_by_each(called: bytes) -> None:
    """Else a megabyte would cost hours."""
    many = (
        b"](" + b"K\x01" * 100_000 + b"e\x85q\x02"
        if called != b"ctorch\nSize\n"
        else b"(" + b"K\x01" * 100_000 + b"t\x85q\x02"
    )
    with pytest.raises(PickleError, match=r"too much to hash|sizes that are none"):
        read_values(b"\x80\x02" + called + b"q\x01" + many + b"h\x01h\x02R" * 100_000 + b".", ())


def test_keys_that_can_be_made_to_collide_are_not_hashed_by_value() -> None:
    keys = b"".join(b"\x8a\x0a" + (at * (2**61 - 1)).to_bytes(10, "little") + b"N" for at in range(1, 30_000))
    read = read_values(b"\x80\x02}(" + keys + b"u.", ()).value
    assert isinstance(read, dict)
    assert len(read) == 29_999


def test_an_alias_cannot_change_what_is_read_under_another_name() -> None:
    """A Counter of a dict is a copy of it in Python."""
    body = (
        b"\x80\x02}X\x01\0\0\0a}q\x01X\x01\0\0\0kK\x01sX\x01\0\0\0bccollections\nCounter\nh\x01\x85RX\x01\0\0\0kK\x02s"
    )
    read = read_values(body.replace(b"}X\x01\0\0\0a}", b"}(X\x01\0\0\0a}") + b"u.", ()).value
    assert isinstance(read, dict)
    assert read["a"] == {"k": 1}


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.integers(-9, 9), inner) | st.tuples(inner, inner)
        ),
        max_leaves=20,
    ),
    st.integers(2, 5),
)
def test_plain_values_are_read_as_pickle_reads_them(value: object, protocol: int) -> None:
    pickled = pickle.dumps(value, protocol)
    ours, theirs = list(instructions(pickled)), [(code.name, arg) for code, arg, _ in pickletools.genops(pickled)]
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    for (name, one), (_, other) in zip(ours, theirs, strict=True):
        assert one == other or name in ("GLOBAL", "MEMOIZE")
    if protocol > 2 or b"_codecs" not in pickled:
        assert read_values(pickled, ()).value == value


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=40))
def test_bytes_are_instructions_to_us_as_they_are_to_python(raw: bytes) -> None:
    pickled = b"\x80\x04" + raw
    try:
        ours = [name for name, _ in instructions(pickled)]
    except PickleError:
        return
    assert ours == [code.name for code, _, _ in pickletools.genops(pickled)]


def test_names_are_told_in_todays_spelling() -> None:
    read = read_values(b"\x80\x02c__builtin__\nset\nq\0cnumpy._core.multiarray\nscalar\n\x86.", ()).value
    assert read == (Named("builtins.set"), Named("numpy.core.multiarray.scalar"))


def test_a_stand_in_keeps_what_it_was_given() -> None:
    read = read_values(b"\x80\x02cdatetime\ndate\nK\x01\x85R" + struct.pack("<2s", b"Nb") + b".", ()).value
    assert isinstance(read, StandIn)
    assert (read.name, read.arguments, read.fields) == ("datetime.date", (1,), {})


class Twice:
    """Pickled as an ordered dict that is given items whose keys become equal where it is loaded."""

    def __init__(self, *items: tuple[object, object]) -> None:
        self.items = items

    def __reduce__(self) -> tuple[object, ...]:
        return collections.OrderedDict, (), None, None, iter(self.items)


@pytest.mark.parametrize("key", [np.str_("policy_state_dict"), np.str_("obs_rms")])
def test_no_entry_takes_the_place_of_another_by_a_key_that_is_equal_to_it(tmp_path: Path, key: object) -> None:
    other = Actor(3 * 53, (8, 4), 3).state_dict()
    path = saved(tmp_path, Twice(*contents().items(), (key, other)))

    assert torch.load(path, weights_only=False)[str(key)]["trunk.0.bias"].equal(other["trunk.0.bias"])
    refused(path, "X.pt: has an instance of numpy.core.multiarray.scalar as a key")


def test_nor_in_a_config_but_where_nothing_is_read_such_keys_are_notes(tmp_path: Path) -> None:
    fields = ("activation", "tanh"), ("feature_set", "reference-v1")
    refused(
        saved(tmp_path, contents(config=Twice(*fields, (np.str_("activation"), "relu")))),
        "X.pt, config: has an instance of numpy.core.multiarray.scalar as a key",
    )
    load(saved(tmp_path, {**contents(), "symbols": {np.str_("BTCUSD"): 1}}))


class Called:
    """Pickled as a call."""

    def __init__(self, *how: object) -> None:
        self.how = how

    def __reduce__(self) -> tuple[object, ...]:
        return self.how[0], self.how[1:]


@pytest.mark.parametrize("slots", [False, True])
def test_no_attribute_takes_the_place_of_a_parameters_numbers(tmp_path: Path, *, slots: bool) -> None:
    made, other = contents(), torch.ones(3)
    state: dict[str, object] = {**made["policy_state_dict"]}
    bias: object = state["policy_head.bias"]
    how: tuple[object, ...] = torch._utils._rebuild_parameter_with_state, bias, False, collections.OrderedDict()
    said = {"data": other}
    state["policy_head.bias"] = Called(*how, (None, said) if slots else said)
    path = saved(tmp_path, made | {"policy_state_dict": state})

    assert torch.load(path, weights_only=True)["policy_state_dict"]["policy_head.bias"].equal(other)
    refused(path, "policy_head.bias: is not a dense tensor")
    state["policy_head.bias"] = Called(*how, {})
    load(saved(tmp_path, made | {"policy_state_dict": state}))
