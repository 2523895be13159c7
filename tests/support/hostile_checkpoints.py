"""Hypothesis strategies for checkpoints: odd contents, odd pickles, odd containers."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import functools
import io
import pathlib
import struct
import zipfile
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from support import checkpoints
from support.hostile_zips import Member, Zip, blows, zips

GLOBALS = (
    "collections OrderedDict", "torch Size", "torch._utils _rebuild_parameter", "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage", "torch HalfStorage", "torch BoolStorage", "alpaca_trading.gpu Config", "os system",
    "builtins eval", "torch.serialization load", "numpy.core.multiarray scalar", "hostile_canary sing",
    "numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype", "_codecs encode", "collections Counter",
    "collections defaultdict", "collections deque", "argparse Namespace", "pathlib PosixPath", "functools partial",
    "builtins getattr", "builtins set", "__builtin__ frozenset", "copyreg _reconstructor", "builtins object",
    "torch.nn.modules.activation Tanh", "torch._tensor _rebuild_from_type_v2", "torch.storage UntypedStorage",
    "torch._utils _rebuild_tensor_v3", "torch uint16", "torch device", "datetime datetime", "types SimpleNamespace",
)  # fmt: skip
_KEYS = (
    "policy_state_dict", "config", "model_version", "n_features", "n_actions", "obs_dim", "action_meanings",
    "min_trader_version", "optimizer_state_dict", "feature_set", "activation", "obs_rms", "mean", "scaler",
)  # fmt: skip
_NAMES = (
    "obs_rms.running_mean",
    "trunk.1.weight",
    "trunk.1.bias",
    "trunk.0.weight",
    "trunk.0.bias",
    "trunk.2.weight",
    "policy_head.weight",
    "policy_head.bias",
    "x",
    "",
)


_NOTES = (
    {1, "a"}, frozenset({(1, 2)}), b"ab", bytearray(b"x"), collections.Counter("aab"), argparse.Namespace(mean=1),
    collections.defaultdict(list, {(1, 2): [2]}), collections.deque([1], 5), pathlib.PurePosixPath("/a"), 1j, range(3),
    dt.datetime(2024, 12, 27, tzinfo=dt.UTC), np.float64(0.7), np.int64(53), np.bool_(1), np.str_("a"), np.arange(53.0),
    np.full((3, 53), np.nan), np.array(["a", None], dtype=object), torch.device("cpu"), torch.float32, torch.nn.Tanh,
    torch.nn.Linear(2, 3), torch.nn.GELU(), np.random.default_rng(1), functools.partial(int, base=2), 10**3000,
    {"mean": np.zeros(53), "var": np.ones(53), "epsilon": 1e-8, "clip_obs": 10.0}, {"mean": [0.0] * 53},
)  # fmt: skip


def _tensors() -> st.SearchStrategy[torch.Tensor]:
    shapes = st.lists(st.sampled_from([0, 1, 2, 3, 4, 8, 159]), max_size=3)
    kinds = st.sampled_from(
        [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64]
    )
    plain = st.builds(lambda shape, kind: torch.ones(shape).to(kind), shapes, kinds)
    wide = st.builds(lambda size: torch.ones(1).expand(size), st.sampled_from([(8, 159), (3, 4), (10**6, 10**6)]))
    odd = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e38]).map(lambda value: torch.full((8,), value))
    sparse = st.just(torch.ones(8, 159).to_sparse())
    turned = st.just(torch.ones(159, 8).t())
    return st.one_of(plain, wide, odd, sparse, turned, st.just(torch.nn.Parameter(torch.ones(3))))


def values() -> st.SearchStrategy[Any]:
    """Whatever torch.save takes."""
    text = st.sampled_from(["", "tanh", "nn.Tanh", "reference-v1", "2.3.0", "2.7.0", "<b>", "::error::x", "\x1b[2J"])
    atoms = st.one_of(
        st.none(), st.booleans(), st.integers(), st.integers(-5, 200), st.floats(), text, st.text(max_size=8),
        st.just(10**400), st.binary(max_size=5), _tensors(), st.sampled_from(_NOTES),
    )  # fmt: skip
    keys = text | st.integers(-2, 8) | st.sampled_from(_NAMES) | st.none() | st.tuples(st.integers(), text)

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        tuples = st.lists(inner, max_size=3).map(tuple)
        return st.lists(inner, max_size=7) | tuples | st.dictionaries(keys, inner, max_size=7)

    return st.recursive(atoms, deeper, max_leaves=12)


@st.composite
def dicts(draw: st.DrawFn) -> bytes:
    """A checkpoint with a few entries, or a few parameters, replaced."""
    made = checkpoints.contents(draw(st.sampled_from(sorted(checkpoints.GENERATIONS))))
    changes = draw(st.dictionaries(st.sampled_from(_KEYS), values(), max_size=2))
    state = {**made["policy_state_dict"]}
    state |= draw(st.dictionaries(st.sampled_from(_NAMES), _tensors() | values(), max_size=2))
    for name in draw(st.lists(st.sampled_from(_NAMES), max_size=1)):
        state.pop(name, None)
    buffer = io.BytesIO()
    torch.save(
        {**made, "policy_state_dict": state, **changes}, buffer, pickle_protocol=draw(st.sampled_from([2, 3, 4, 5]))
    )
    return buffer.getvalue()


@st.composite
def pickles(draw: st.DrawFn) -> bytes:
    """Instructions in no sensible order; some of them an honest pickle's after a few blows."""
    if draw(st.booleans()):
        return draw(blows(HONEST_PICKLE))
    out = bytearray(draw(st.sampled_from([b"\x80\x02", b"\x80\x04", b"\x80\x05"])))
    for _ in range(draw(st.integers(0, 40))):
        out += draw(_instructions)
    return bytes(out) + b"."


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def _stacked(name: str) -> bytes:
    """A name as protocol 4 says it."""
    return b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in name.split(" ")) + b"\x93"


def _storage(count: int, kind: str, key: str) -> bytes:
    """A reference to a storage."""
    module, name = kind.split(" ")
    number = b"J" + struct.pack("<i", count)
    return b"(" + _text("storage") + f"c{module}\n{name}\n".encode() + _text(key) + _text("cpu") + number + b"tQ"


_instructions = st.one_of(
    st.sampled_from(
        [b"(", b"}", b"]", b")", b"N", b"\x88", b"\x89", b"a", b"e", b"s", b"u", b"t", b"\x85", b"\x86", b"\x87"]
    ),
    st.sampled_from(
        [b"R", b"b", b"\x81", b"Q", b"0", b"2", b"1", b"\x8f", b"\x91", b"\x92", b"\x94", b"\x95", b"\x93", b"\x90"]
    ),
    st.sampled_from(GLOBALS).map(_stacked),
    st.binary(max_size=12).map(lambda raw: b"C" + bytes([len(raw)]) + raw),
    st.binary(max_size=12).map(lambda raw: b"\x96" + struct.pack("<Q", len(raw)) + raw),
    st.sampled_from(GLOBALS).map(lambda name: b"c" + name.replace(" ", "\n").encode() + b"\n"),
    st.integers(0, 12).map(lambda at: b"q" + bytes([at])),
    st.integers(0, 12).map(lambda at: b"h" + bytes([at])),
    st.integers(0, 2**32 - 1).map(lambda at: b"r" + struct.pack("<I", at)),
    st.integers(-(2**31), 2**31 - 1).map(lambda number: b"J" + struct.pack("<i", number)),
    st.floats().map(lambda number: b"G" + struct.pack(">d", number)),
    st.binary(max_size=12).map(lambda raw: b"\x8a" + bytes([len(raw)]) + raw),
    (st.sampled_from(_KEYS) | st.sampled_from(_NAMES) | st.text(max_size=5)).map(_text),
    st.builds(
        _storage,
        st.sampled_from([0, 1, 24, 1272, -1, 2**31 - 1, -(2**31)]),
        st.sampled_from(GLOBALS),
        st.sampled_from(["0", "1", "7", "99", "../0", "a/b", ""]),
    ),
    st.integers(1, 60).map(lambda depth: b")" + b"\x85" * depth),
    st.integers(1, 12).map(lambda depth: b")" + b"".join(b"q%ch%c\x86" % (at, at) for at in range(depth))),
)


def _records(content: bytes) -> tuple[Member, ...]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return tuple(Member(info.filename.encode(), archive.read(info)) for info in archive.infolist())


HONEST = checkpoints.pickled(checkpoints.contents())
RECORDS = _records(HONEST)
HONEST_PICKLE = next(member.content for member in RECORDS if member.name.endswith(b"/data.pkl"))


def packed_with(pickled: bytes) -> bytes:
    """A checkpoint with another pickle in it, sound in every other way."""
    members = [
        Member(member.name, pickled if member.name.endswith(b"/data.pkl") else member.content) for member in RECORDS
    ]
    return Zip(tuple(members)).build()


def checkpoint_files() -> st.SearchStrategy[bytes]:
    """Files that a gate might be handed as a checkpoint."""
    return st.one_of(dicts(), pickles().map(packed_with), zips(Zip(RECORDS, zip_64=True)), blows(HONEST))
