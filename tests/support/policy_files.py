"""Model files of formats that say nothing of what their numbers mean, with what is declared of them."""

from __future__ import annotations

import io
import json
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile, read_policy
from pytest_modelgate.core.policy.actions import CLOSE, HOLD, Target
from pytest_modelgate.core.training.run import Declared

MEANING: dict[str, Any] = {
    "lookback": 1,
    "actions": (HOLD, Target(1.0), CLOSE),
    "account": (),
    "activation": None,
    "feature_set": "reference-v1",
}


def policy_file(path: Path, name: str | None = None, **declared: Any) -> PolicyFile:
    """A file as the gate gives it to its format; ``declared`` takes the place of MEANING."""
    shown = name or path.name
    return PolicyFile(path, shown, f"checkpoint {shown}", Declared(**{**MEANING, **declared}))


def read_file(path: Path, name: str | None = None, **declared: Any) -> LoadedPolicy:
    """The policy in a file, read by whichever format is its own."""
    return read_policy(builtin_formats(), policy_file(path, name, **declared))


def read_bytes(folder: Path, name: str, content: bytes, **declared: Any) -> LoadedPolicy:
    """The policy in a file of such bytes."""
    path = folder / "copy"  # whose name says nothing, as that of the gate's private copies
    path.write_bytes(content)
    return read_file(path, name, **declared)


def safetensors_of(tensors: Mapping[str, NDArray[np.float32]]) -> bytes:
    """A safetensors file of float32 arrays."""
    header, numbers = {}, b""
    for name, values in tensors.items():
        place = [len(numbers), len(numbers) + values.nbytes]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": place}
        numbers += values.tobytes()
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + numbers


def state_dict_of(tensors: Mapping[str, NDArray[np.float32]]) -> bytes:
    """What torch saves of a bare state dict."""
    import torch

    buffer = io.BytesIO()
    torch.save(OrderedDict((name, torch.from_numpy(values.copy())) for name, values in tensors.items()), buffer)
    return buffer.getvalue()
