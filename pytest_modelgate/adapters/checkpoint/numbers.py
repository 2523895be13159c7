"""Numbers that a checkpoint holds: of tensors, mapped from the file, and of arrays and lists in its pickle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.checkpoint.pickled import StandIn
from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor, dtype_of, raw_bytes
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

_FLOATS = {"bfloat16": "<u2", "float16": "<f2", "float32": "<f4", "float64": "<f8"}
_MOST_SPREAD = 1 << 24  # numbers of a tensor that has more of them than its record: some are in it only once
_MOST_LISTED = 1 << 20
_DENSE = "Save it as a dense tensor of floating-point numbers"


def read_tensor(tensor: object, location: str, container: Container | None) -> NDArray[Any]:
    """A tensor's numbers, mapped from the file; copied where they do not lie row by row, or are narrower than float32.

    An array of numpy comes back as it is.

    Raises:
        CheckpointError: it is no dense tensor of floating-point numbers, or holds one that is not finite.
    """
    if isinstance(tensor, np.ndarray):
        return _finite(tensor, location)
    if not isinstance(tensor, StoredTensor) or not tensor.plain or container is None:
        raise CheckpointError(location, "is not a dense tensor", _DENSE)
    storage, count = tensor.storage, math.prod(tensor.shape)
    if storage.kind not in _FLOATS:
        raise CheckpointError(location, f"holds {storage.kind}, expected floating-point numbers", _DENSE)
    if not count or count > max(storage.count, _MOST_SPREAD):
        problem = f"has shape {list(tensor.shape)[:8]}, and its record {storage.count} numbers"
        raise CheckpointError(location, problem, _DENSE)
    record = np.frombuffer(container.map_record(f"data/{storage.key}"), _FLOATS[storage.kind])[tensor.offset :]
    strides = tuple(record.itemsize * stride for stride in tensor.strides)
    view: NDArray[Any] = np.lib.stride_tricks.as_strided(record, tensor.shape, strides, writeable=False)
    stored: NDArray[Any] = np.ascontiguousarray(view).reshape(tensor.shape)
    if storage.kind == "bfloat16":  # the upper half of a float32
        stored = (stored.astype("<u4") << 16).view("<f4")
    elif storage.kind == "float16":
        stored = stored.astype("<f4")
    return _finite(stored, location)


def _finite(stored: NDArray[Any], location: str) -> NDArray[Any]:
    if stored.dtype not in (np.float32, np.float64):
        raise CheckpointError(location, f"holds {stored.dtype}, expected floating-point numbers", _DENSE)
    if not math.isfinite(stored.min()) or not math.isfinite(stored.max()):
        raise CheckpointError(location, "holds a number that is not finite: training diverged", "Train the model again")
    return stored


def read_numbers(value: object, location: str, container: Container) -> Floats | None:
    """Finite numbers (n,) of a tensor, a numpy array, or a list; None where it is none of these, or of no numbers.

    Raises:
        CheckpointError: as ``read_tensor``.
    """
    if isinstance(value, np.ndarray):
        floats = value.dtype.kind == "f" and 0 < value.size <= _MOST_LISTED
        return read_tensor(value, location, container).astype(np.float64).ravel() if floats else None
    if isinstance(value, StoredTensor):
        if value.storage.kind not in _FLOATS or not 0 < math.prod(value.shape) <= _MOST_LISTED:
            return None
        return read_tensor(value, location, container).astype(np.float64).ravel()
    array = read_array(value)
    return None if array is None else array.ravel()


def length_of(value: object) -> int | None:
    """How many numbers a tensor, a numpy array or a list holds; None where it is none of these."""
    if isinstance(value, StoredTensor | np.ndarray):
        return math.prod(value.shape)
    if isinstance(value, list | tuple):
        if len(value) == 1 and isinstance(value[0], list | tuple):
            value = value[0]
        return len(value) if value and all(isinstance(one, int | float) for one in value[:_MOST_LISTED]) else None
    shape = _array_shape(value)
    return None if shape is None else math.prod(shape)


def _listed(values: list[object] | tuple[object, ...]) -> Floats | None:
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = values[0]
    if not 0 < len(values) <= _MOST_LISTED or not all(type(value) in (int, float) for value in values):
        return None
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return None


def _array_parts(value: object) -> tuple[object, object, object, bool] | None:
    """Shape, type, bytes and column order of a numpy array."""
    if not isinstance(value, StandIn):
        return None
    if value.name == "numpy.core.multiarray._reconstruct" and isinstance(value.state, tuple) and len(value.state) == 5:
        _version, shape, dtype, columns, raw = value.state
        return shape, dtype, raw, columns is True
    if value.name == "numpy.core.numeric._frombuffer" and len(value.arguments) == 4:
        raw, dtype, shape, order = value.arguments
        if isinstance(raw, StandIn) and raw.name == "builtins.bytearray" and raw.arguments:
            raw = raw.arguments[0]
        return shape, dtype, raw, order == "F"
    return None


def _array_shape(value: object) -> tuple[int, ...] | None:
    parts = _array_parts(value)
    shape = parts[0] if parts else None
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(size) is int and size >= 0 for size in shape):
        return None
    return shape


def read_array(value: object) -> Floats | None:
    """Finite numbers of a numpy array, or a list, in its shape; None where it is none of these, or of no numbers."""
    array = _listed(value) if isinstance(value, list | tuple) else _array(value)
    return array if array is not None and np.isfinite(array).all() else None


def _array(value: object) -> Floats | None:
    parts, shape = _array_parts(value), _array_shape(value)
    if parts is None or shape is None or not 0 < math.prod(shape) <= _MOST_LISTED:
        return None
    code, raw = dtype_of(parts[1]), raw_bytes(parts[2])
    if code is None or raw is None or len(raw) != math.prod(shape) * int(code[2:]):
        return None
    return np.frombuffer(raw, code).reshape(shape, order="F" if parts[3] else "C").astype(np.float64)
