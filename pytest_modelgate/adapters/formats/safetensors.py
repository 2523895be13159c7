"""Safetensors files, https://github.com/huggingface/safetensors#format: a length, a header of JSON, and numbers.

Read here rather than by the library: the format is those three parts, and what has to be checked of a hostile file
(that numbers lie side by side, without hole or overlap, and none is missing) takes a dozen lines.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.archive.limits import DEFAULT_LIMITS
from pytest_modelgate.adapters.archive.strict_json import read_object
from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.files.file_kinds import why_other
from pytest_modelgate.adapters.formats.named_layers import read_named_layers
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.errors import ArchiveError, CheckpointError
from pytest_modelgate.text import plain, shown

_LENGTH = struct.Struct("<Q")
_MOST_HEADER = 4 << 20  # bytes: names and shapes of 20,000 tensors
_MOST_DIMENSIONS, _LARGEST = 64, 1 << 48
_METADATA = "__metadata__"
_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8, "C64": 8,
}  # fmt: skip
_CODES = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
_AGAIN = "Write it again with safetensors.torch.save_file(policy.state_dict(), path)"


class SafetensorsFormat:
    """See ``PolicyFormat``."""

    name = "safetensors"
    version = "1"
    suffixes: tuple[str, ...] = (".safetensors",)

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """See ``PolicyFormat.read``."""
        with file.path.open("rb") as opened:
            if (why := why_other(opened.read(512), "safetensors")) is not None:
                raise CheckpointError(file.location, *why)
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        tensors = read_tensors(memoryview(mapped), file.location)
        return read_named_layers(file, tensors, Container(file.location, {}, mapped))


def read_tensors(content: memoryview, location: str) -> dict[str, NDArray[Any]]:
    """Tensors by name, not copied from the file but for those narrower than float32; of odd types only their bytes.

    Raises:
        CheckpointError: the file is damaged, or one that the library would not load.
    """
    size = _LENGTH.unpack(content[: _LENGTH.size])[0] if len(content) >= _LENGTH.size else 0
    start = _LENGTH.size + size
    if not 2 <= size <= _MOST_HEADER or start > len(content):
        problem = f"is a damaged safetensors file: its header takes {size} bytes of {len(content)}"
        raise CheckpointError(location, problem, _AGAIN)
    raw = bytes(content[_LENGTH.size : start])
    if not raw.startswith(b"{"):
        _refuse("its header does not begin with {", location)
    try:
        header = read_object(raw, location, DEFAULT_LIMITS)
    except ArchiveError as error:
        _refuse(f"its header {error.problem}", location)
    numbers, end, tensors = content[start:], 0, dict[str, NDArray[Any]]()
    entries = [(name, _checked(name, entry, location)) for name, entry in header.items() if name != _METADATA]
    for name, (kind, shape, first, last) in sorted(entries, key=lambda item: item[1][2:]):
        if first != end or last - first != math.prod(shape) * _SIZES[kind]:
            problem = f"numbers of {plain(name, 60)!a} lie in bytes {first} to {last}, expected from {end} on "
            _refuse(f"{problem}{math.prod(shape) * _SIZES[kind]} bytes", location)
        end = last
        if last > len(numbers):
            break
        tensors[name] = _array(numbers[first:last], kind, shape)
    if end != len(numbers):
        _refuse(f"it holds {len(numbers)} bytes of numbers, its header says {end}", location)
    return tensors


def _checked(name: str, entry: object, location: str) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape and place of a tensor."""
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _refuse(f"{shown(name)} is described by something else than dtype, shape and data_offsets", location)
    kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _SIZES:
        _refuse(f"{shown(name)} is of the type {shown(kind)}, which is unknown", location)
    whole = isinstance(shape, list) and all(type(size) is int and 0 <= size <= _LARGEST for size in shape)
    if not whole or len(shape) > _MOST_DIMENSIONS or math.prod(shape) > _LARGEST:
        _refuse(f"{shown(name)} has a shape that is none", location)
    if not isinstance(place, list) or len(place) != 2 or not all(type(one) is int and one >= 0 for one in place):
        _refuse(f"{shown(name)} has data_offsets that are none", location)
    return kind, tuple(shape), place[0], place[1]


def _array(raw: memoryview, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if kind not in _CODES:
        return np.frombuffer(raw, np.uint8)
    stored = np.frombuffer(raw, _CODES[kind]).reshape(shape)
    if kind == "BF16":  # the upper half of a float32
        return (stored.astype("<u4") << 16).view("<f4")
    return stored.astype("<f4") if kind == "F16" else np.require(stored, requirements=["A"])


def _refuse(problem: str, location: str) -> NoReturn:
    raise CheckpointError(location, f"is a damaged safetensors file: {problem}", _AGAIN)
