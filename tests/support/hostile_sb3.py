"""Hypothesis strategies for zips of Stable-Baselines3 and pickles of VecNormalize: recorded ones with lies in them."""

from __future__ import annotations

import base64
import io
import json
import pickle
import zipfile
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from support.hostile_checkpoints import pickles, values
from support.hostile_zips import Member, Zip, blows, zips
from support.sb3_cases import RECORDED
from support.sb3_edits import members_of, with_data, zipped
from support.sb3_pickles import moments, vec_normalize

_NAMES = ("ppo", "ppo_dict", "dqn", "sac")
_ENTRIES = ("policy_class", "policy_kwargs", "observation_space", "action_space", "use_sde", "_vec_normalize_env")
_WEIGHTS = (
    "mlp_extractor.policy_net.0.weight", "mlp_extractor.policy_net.2.bias", "action_net.weight", "action_net.bias",
    "mlp_extractor.policy_net.00.weight", "mlp_extractor.policy_net.998.weight", "features_extractor.0.weight",
    "q_net.q_net.4.weight", "actor.mu.weight", "log_std", "lstm_actor.weight_hh_l0", "",
)  # fmt: skip
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = ("obs_rms", "norm_obs", "norm_obs_keys", "clip_obs", "epsilon", "ret_rms", "old_obs", "mean", "")
_NUMBERS = st.sampled_from(
    [np.zeros(8), np.full(8, np.nan), np.ones(0), np.ones((4, 2)), np.float64(1.0), [1.0] * 8, -np.ones(8), 1e300,
     np.array(["a"] * 8, dtype=object), np.ones(8, np.int64), np.ones(8, np.complex64), None, np.full(8, 1e200)]
)  # fmt: skip


def _serialized(name: str) -> bytes:
    data = json.loads(members_of(name)["data"])
    return base64.b64decode(data[_ENTRIES[2]][":serialized:"])


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    """Zips with other entries in their ``data``: plain ones, and pickles of any kind."""
    name = draw(st.sampled_from(_NAMES))
    pickled = pickles() | blows(_serialized(name)) | values().map(_dumped)
    return with_data(draw(st.dictionaries(st.sampled_from(_ENTRIES), pickled | _PLAIN, max_size=2)), name)


def _dumped(value: Any) -> bytes:
    try:
        return pickle.dumps(value, 4)
    except Exception:  # noqa: BLE001 - whatever pickle does not take is none
        return pickle.dumps(None)


@st.composite
def weights(draw: st.DrawFn) -> bytes:
    """Zips with other tensors among their weights."""
    name = draw(st.sampled_from(_NAMES))
    members = members_of(name)
    state = torch.load(io.BytesIO(members["policy.pth"]), weights_only=True)
    shapes = st.lists(st.sampled_from([0, 1, 3, 8, 101]), max_size=3)
    tensors = shapes.map(torch.ones) | shapes.map(lambda shape: torch.full(shape, float("nan")))
    state |= draw(st.dictionaries(st.sampled_from(_WEIGHTS), tensors | values(), max_size=2))
    for gone in draw(st.lists(st.sampled_from(_WEIGHTS), max_size=1)):
        state.pop(gone, None)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return zipped(members | {"policy.pth": buffer.getvalue()})


def _layouts() -> st.SearchStrategy[bytes]:
    """Zips whose headers and members contradict each other."""
    honest = Zip(tuple(Member(name.encode(), content) for name, content in members_of().items()))
    return zips(honest)


def sb3_files() -> st.SearchStrategy[bytes]:
    """All of these, and blows to whole files."""
    whole = st.sampled_from(_NAMES).map(lambda name: (RECORDED / f"{name}.zip").read_bytes())
    packed = st.sampled_from([zipped(members_of(), zipfile.ZIP_DEFLATED), zipped(members_of(), zipfile.ZIP_LZMA)])
    return entries() | weights() | _layouts() | whole.flatmap(blows) | packed


@st.composite
def normalisers(draw: st.DrawFn) -> bytes:
    """Pickles of VecNormalize with odd fields, and after a few blows; or of anything."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(pickles())
    if kind == 1:
        return draw(blows(vec_normalize()))
    parts = st.builds(moments, _NUMBERS, _NUMBERS)
    keyed = st.dictionaries(st.sampled_from(["account", "market", "x"]), parts, max_size=2)
    odd = draw(st.dictionaries(st.sampled_from(_FIELDS), parts | keyed | _NUMBERS | _PLAIN, max_size=2))
    return vec_normalize(draw(st.sampled_from([2, 4, 5])), **odd)
