"""Tensors of an ONNX file: where their numbers lie, and these, where the engine can compute with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.text import plain

FLOAT, INT64, DOUBLE = 1, 7, 11  # of TensorProto.DataType
_TYPES = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", INT64: "int64", 8: "text", 9: "bool",
          10: "float16", 16: "bfloat16", FLOAT: "float32", DOUBLE: "float64"}  # fmt: skip
_CODES = {FLOAT: "<f4", DOUBLE: "<f8", INT64: "<i8"}
MOST_DIMENSIONS = 8
_LARGEST = 1 << 40


class ModelError(Exception):
    """A file that is none that a trader should load; its text is a sentence's end: what it is or has.

    Attributes:
        remedy: what to do, where that is not to export it again.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True, eq=False)
class Tensor:
    """Numbers that a file holds; none has been looked at.

    Attributes:
        type: of ``TensorProto.DataType``.
        content: where they lie, by the field that holds them; empty where there are none.
    """

    name: str
    type: int
    shape: tuple[int, ...]
    content: Mapping[str, Any]

    @property
    def type_name(self) -> str:
        """Name of the type, for messages."""
        return type_name(self.type)

    def numbers(self) -> NDArray[Any]:
        """Its numbers, float32, float64 or int64; not copied where the file has them in one piece.

        Raises:
            ModelError: they are of another type, or more or fewer than the shape says.
        """
        code = _CODES.get(self.type)
        if code is None:
            raise ModelError(f"has numbers of the type {self.type_name} as {self.shown}, expected float32 or float64")
        own = {FLOAT: "float_data", DOUBLE: "double_data", INT64: "int64_data"}[self.type]
        held = [
            name for name in ("raw_data", "float_data", "double_data", "int64_data") if len(self.content.get(name, ()))
        ]
        if held not in ([], ["raw_data"], [own]):
            raise ModelError(f"has numbers of {self.shown} in the fields {' and '.join(held)}, expected one place")
        raw = self.content.get(held[0], b"") if held else b""
        if held == ["raw_data"] and len(raw) % int(code[2:]):
            raise ModelError(f"has {len(raw)} bytes of {self.shown}, which are no whole numbers of {self.type_name}")
        found = np.frombuffer(raw, code) if held in ([], ["raw_data"]) else np.asarray(raw, code)
        if len(found) != math.prod(self.shape):
            problem = f"has {len(found)} numbers of {self.shown}, expected the shape {list(self.shape)}"
            raise ModelError(problem)
        return found.reshape(self.shape)

    @property
    def shown(self) -> str:
        """Its name for messages."""
        return plain(self.name, 60) or "a constant"


def read_tensor(found: Mapping[str, Any]) -> Tensor:
    """A tensor of these fields of its message.

    Raises:
        ModelError: its numbers are in another file, or its shape is none.
    """
    name, shape = str(found.get("name", "")), tuple(int(size) for size in found.get("dims", ()))
    if found.get("external_data") or found.get("data_location"):
        problem = f"keeps the numbers of {plain(name, 60)} in another file, which an archive could exchange"
        raise ModelError(problem, "Export it into one file: torch.onnx.export(..., external_data=False)")
    if "segment" in found:
        raise ModelError(f"has {plain(name, 60)} in segments")
    odd = len(shape) > MOST_DIMENSIONS or min(shape, default=0) < 0 or (len(shape) > 1 and 0 in shape)
    if odd or math.prod(shape) > _LARGEST:
        raise ModelError(f"has {plain(name, 60)} of the shape {list(shape)[:MOST_DIMENSIONS]}, which none can have")
    return Tensor(name, int(found.get("data_type", 0)), shape, found)


def type_name(number: int) -> str:
    """Name of a ``TensorProto.DataType``, for messages."""
    return _TYPES.get(number, f"number {number}")
