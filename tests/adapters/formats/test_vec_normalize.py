import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.sb3_cases import BY_NAME, read
from support.sb3_edits import members_of, written, zipped
from support.sb3_pickles import moments, vec_normalize

from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import CheckpointError


def normaliser_of(case: str, folder: Path, content: bytes) -> Any:
    """What is read of a pickle beside a recorded model."""
    written(folder, zipped(members_of(case)), case)
    (folder / f"{case}.vecnormalize.pkl").write_bytes(content)
    policy = read(BY_NAME[case], folder, normaliser=f"{case}.vecnormalize.pkl").policy
    assert isinstance(policy, MlpPolicy)
    return policy.normaliser


def _by_key(**parts: int) -> dict[str, Any]:
    return {key: moments(np.arange(float(size)), np.full(size, 4.0)) for key, size in parts.items()}


@pytest.mark.parametrize("protocol", [4, 5])
def test_every_protocol_that_pickles_are_written_in_says_the_same(protocol: int, tmp_path: Path) -> None:
    found = normaliser_of("ppo", tmp_path, vec_normalize(protocol))

    assert found.mean.tolist() == list(range(8))
    assert found.deviation.tolist() == [2.0] * 8
    assert found.limit.tolist() == [4.0] * 8


def test_rewards_alone_that_are_normalised_change_nothing(tmp_path: Path) -> None:
    assert normaliser_of("ppo", tmp_path, vec_normalize(norm_obs=False)) is None


def test_what_is_not_clipped_has_no_limit(tmp_path: Path) -> None:
    assert normaliser_of("ppo", tmp_path, vec_normalize(clip_obs=np.inf)).limit.tolist() == [np.inf] * 8


def test_a_name_that_equals_another_without_being_it_is_refused(tmp_path: Path) -> None:
    """Where such statistics are loaded, a ``numpy.str_`` takes the place of the plain name that it equals."""
    second: dict[str, Any] = {np.str_("CLIP_OBS"): 0.01}
    written_as = vec_normalize(**second)
    content = written_as.replace("CLIP_OBS".encode("utf-32-le"), "clip_obs".encode("utf-32-le"))

    assert content != written_as
    with pytest.raises(CheckpointError, match=r"an instance of numpy\.core\.multiarray\.scalar as a name"):
        normaliser_of("ppo", tmp_path, content)


def test_statistics_of_a_dict_stand_in_the_columns_of_their_keys(tmp_path: Path) -> None:
    content = vec_normalize(obs_rms=_by_key(account=2), norm_obs_keys=["account"], epsilon=5.0)

    found = normaliser_of("ppo_dict", tmp_path, content)

    assert found.mean.tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]  # four market features, then the account
    assert found.deviation.tolist() == [1.0, 1.0, 1.0, 1.0, 3.0, 3.0]
    assert found.limit.tolist() == [np.inf] * 4 + [4.0] * 2


def test_statistics_of_single_bars_hold_for_every_bar_of_a_window(tmp_path: Path) -> None:
    content = vec_normalize(obs_rms=moments(np.arange(6.0), np.ones(6)))

    assert normaliser_of("ppo_window", tmp_path, content).mean.tolist() == list(range(6))


class Harm:
    def __reduce__(self) -> Any:
        return os.system, ("echo harm",)


REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "code": ("ppo", lambda: pickle.dumps(Harm()), "speaks of posix.system"),
    "code among its fields": ("ppo", lambda: vec_normalize(returns=Harm()), "speaks of posix.system"),
    "another object": ("ppo", lambda: pickle.dumps({"mean": 1.0}), "holds a dict, expected a VecNormalize"),
    "no pickle": ("ppo", lambda: b"PK\x03\x04", "cannot be read as a pickle of VecNormalize"),
    "cut off": ("ppo", lambda: vec_normalize()[:-40], "cannot be read as a pickle of VecNormalize"),
    "of other observations": (
        "ppo",
        lambda: vec_normalize(obs_rms=moments(np.zeros(5), np.ones(5))),
        "statistics of 5 numbers, the policy's observations have 8",
    ),
    "of each bar": (
        "ppo_window",
        lambda: vec_normalize(obs_rms=moments(np.arange(24.0), np.ones(24))),
        "has statistics of its own for each of the 4 bars",
    ),
    "by key, of flat observations": ("ppo", lambda: vec_normalize(obs_rms=_by_key(a=8)), "observations have none"),
    "by no key, of flat observations": ("ppo", lambda: vec_normalize(obs_rms={}), "observations have none"),
    "flat, of a dict": ("ppo_dict", vec_normalize, "has statistics of a flat observation"),
    "of a key that it keeps none of": (
        "ppo_dict",
        lambda: vec_normalize(obs_rms=_by_key(account=2), norm_obs_keys=["market"]),
        "of which it keeps no statistics",
    ),
    "a negative variance": (
        "ppo", lambda: vec_normalize(obs_rms=moments(np.zeros(8), -np.ones(8))), "equal count, from 0 on"
    ),
    "not a number": (
        "ppo", lambda: vec_normalize(obs_rms=moments(np.full(8, np.nan), np.ones(8))), "no finite numbers"
    ),
    "no clip": ("ppo", lambda: vec_normalize(clip_obs=0.0), "clip_obs, expected a positive number"),
    "an epsilon that is none": ("ppo", lambda: vec_normalize(epsilon=True), "epsilon, expected a positive number"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_applied_is_refused(why: str, tmp_path: Path) -> None:
    case, content, told = REFUSED[why]

    with pytest.raises(CheckpointError) as caught:
        normaliser_of(case, tmp_path, content())

    assert told in str(caught.value)
    assert "vecnormalize.pkl" in caught.value.where
