"""Checkpoints written in the form of ``torch.save``, which ``adapters.checkpoint`` and ``torch.load`` read.

Written without torch: a trainer whose policy is arrays of numpy needs none, and the same values give the same bytes.
The form: a zip of stored records, ``data.pkl`` with everything but the numbers, ``data/0``... with these
(https://pytorch.org/docs/stable/notes/serialization.html).
"""

from __future__ import annotations

import secrets
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_POLICY = "Pass the torch.nn.Module, or its state_dict() of tensors or numpy arrays"
_PLAIN = "Keep text, numbers, True, False, None, and lists, tuples and dicts of them"
_STORAGES = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}
_ALIGNED = 64  # bytes, as torch.save aligns what may be mapped


@dataclass(frozen=True)
class _Tensor:
    """Numbers in order, row by row, little-endian; ``kind`` is torch's name of their type."""

    kind: str
    shape: tuple[int, ...]
    content: bytes


def save_checkpoint(
    policy: Any,  # noqa: ANN401 - a module of torch's, which is not imported for its type
    contents: Mapping[str, Any],
    path: Path,
    location: str,
    check: Callable[[Path], None],
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        policy: a ``torch.nn.Module``, or a state dict of tensors or numpy arrays.
        contents: everything else that it holds, plain values.
        location: the checkpoint, for messages.
        check: reads the file before it is in place, and raises where it cannot be used.

    Raises:
        CheckpointError: ``policy`` or ``contents`` are something else; and whatever ``check`` raises.
    """
    state = policy.state_dict() if callable(getattr(policy, "state_dict", None)) else policy
    if not isinstance(state, Mapping):
        problem = f"the policy is a {type(policy).__name__}, expected a module or a state dict"
        raise CheckpointError(location, problem, _POLICY)
    try:
        tensors = {str(name): _tensor(value) for name, value in state.items()}
    except (TypeError, ValueError, RuntimeError):
        raise CheckpointError(location, "its state dict holds something other than numbers", _POLICY) from None
    try:
        pickle = _Pickle()
        pickle.put({"policy_state_dict": tensors, **contents})
    except (TypeError, struct.error) as error:
        raise CheckpointError(location, f"cannot hold {plain(str(error))}", _PLAIN) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as records:
            for name, content in pickle.records():
                _write(records, f"archive/{name}", content)
        check(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _tensor(value: Any) -> _Tensor:  # noqa: ANN401 - a tensor, an array, or whatever numpy takes for one
    if callable(getattr(value, "detach", None)):  # whoever has a tensor has torch
        import torch

        ours = value.detach().cpu().contiguous()
        kind, content = str(ours.dtype).removeprefix("torch."), ours.reshape(-1).view(torch.uint8).numpy().tobytes()
    else:
        ours = np.array(value)
        kind, content = ours.dtype.name, ours.astype(ours.dtype.newbyteorder("<")).tobytes()
    if kind not in _STORAGES:
        raise TypeError(kind)
    return _Tensor(kind, tuple(ours.shape), content)


@dataclass
class _Pickle:
    """The instructions of a pickle, protocol 2, that rebuild plain values and tensors.

    Put down by hand: Python's own pickler wants to import what it names, and writes other bytes for equal values.
    """

    _written: bytearray = field(default_factory=lambda: bytearray(b"\x80\x02"))
    _storages: list[bytes] = field(default_factory=list)

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Names and contents of the file's records."""
        yield "data.pkl", bytes(self._written) + b"."
        yield "byteorder", b"little"
        for key, content in enumerate(self._storages):
            yield f"data/{key}", content
        yield "version", b"3\n"

    def put(self, value: Any) -> None:  # noqa: ANN401 - whatever a trainer wants to keep
        """Push a value.

        Raises:
            TypeError: names what no checkpoint can hold.
        """
        if isinstance(value, np.generic | np.ndarray):
            value = value.tolist()
        if isinstance(value, _Tensor):
            self._put_tensor(value)
        elif value is None or isinstance(value, bool):
            self._written += {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif isinstance(value, int):
            content = int(value).to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self._written += b"\x8a" + struct.pack("<B", len(content)) + content
        elif isinstance(value, float):
            self._written += b"G" + struct.pack(">d", value)
        elif isinstance(value, str):
            content = value.encode("utf-8", "surrogatepass")
            self._written += b"X" + struct.pack("<I", len(content)) + content
        elif isinstance(value, Mapping):
            self._put_all(b"}(", (part for item in value.items() for part in item), b"u")
        elif isinstance(value, list):
            self._put_all(b"](", value, b"e")
        elif isinstance(value, tuple):
            self._put_all(b"(", value, b"t")
        else:
            raise TypeError(f"a {type(value).__name__}")

    def _put_all(self, before: bytes, values: Any, after: bytes) -> None:  # noqa: ANN401 - any values
        self._written += before
        for value in values:
            self.put(value)
        self._written += after

    def _put_tensor(self, tensor: _Tensor) -> None:
        count = int(np.prod(tensor.shape))
        strides = tuple(int(np.prod(tensor.shape[place + 1 :])) for place in range(len(tensor.shape)))
        self._written += b"ctorch._utils\n_rebuild_tensor_v2\n(("
        self.put("storage")
        self._written += f"ctorch\n{_STORAGES[tensor.kind]}Storage\n".encode()
        self._put_all(b"", (str(len(self._storages)), "cpu", count), b"tQ")
        self._put_all(b"", (0, tensor.shape, strides, False), b"")
        self._written += b"ccollections\nOrderedDict\n)RtR"
        self._storages.append(tensor.content)


def _write(records: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Store a record whose content is aligned."""
    record = zipfile.ZipInfo(name)  # of 1980: a file's bytes are those of its values
    assert records.fp
    start = records.fp.tell() + 30 + len(name) + 4
    padding = -start % _ALIGNED
    record.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    records.writestr(record, content)
