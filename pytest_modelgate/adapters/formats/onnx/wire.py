"""Protocol Buffers' wire format, as much of it as ONNX uses: https://protobuf.dev/programming-guides/encoding/.

A reader of our own, because the libraries' is the wrong one for a hostile file: ``onnx`` and ``protobuf`` are 30 MB
that parse in native code, allocate what the file says, nest as deep as it nests, merge two messages into one, take the
last of two values, and skip what they do not know. Here nothing is copied, nothing nests but known messages, and what
is unknown or said twice is refused. Time and memory are linear in the bytes of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["int", "float", "text", "bytes", "message", "ints", "floats", "doubles", "absent"]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 were groups, which nothing writes any more
_LONGEST_VARINT = 10  # bytes
_MOST_FIELDS = 300_000  # of a file: a network of a thousand layers has some ten thousand
_MOST_INTEGERS = 65_536  # in one field: sizes, axes and indices, where there are any
_WIRE_TYPES: Mapping[Kind, frozenset[int]] = {
    "int": frozenset({_VARINT}),
    "float": frozenset({_FIXED32}),
    "text": frozenset({_BYTES}),
    "bytes": frozenset({_BYTES}),
    "message": frozenset({_BYTES}),
    "ints": frozenset({_VARINT, _BYTES}),
    "floats": frozenset({_FIXED32, _BYTES}),
    "doubles": frozenset({_FIXED64, _BYTES}),
    "absent": frozenset({_BYTES, _VARINT}),
}
_REPEATED = frozenset({"ints", "floats", "doubles"})


class WireError(Exception):
    """The bytes are not what they should be; its text says how, after the name of the message."""


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes:
        kind: ``absent`` is of the standard, but nothing that a reader needs, and is passed over.
        repeated: it may come more than once.
    """

    name: str
    kind: Kind
    repeated: bool = False


class Reader:
    """Reads messages of one file, by tables of their fields, until there are too many."""

    def __init__(self) -> None:
        self._left = _MOST_FIELDS

    def read(self, content: memoryview, fields: Mapping[int, Field], message: str) -> dict[str, Any]:
        """Fields of a message by name, lists of those that are repeated; messages in it stay bytes.

        Args:
            fields: by number.
            message: its name, for errors.

        Raises:
            WireError: it is damaged, has an unknown field, or one twice that stands for itself.
        """
        found: dict[str, Any] = {}
        place = 0
        while place < len(content):
            self._left -= 1
            if self._left < 0:
                raise WireError(f"{message} has more fields than the {_MOST_FIELDS} that are read")
            key, place = _varint(content, place, message)
            number, wire_type = key >> 3, key & 7
            field = fields.get(number)
            if field is None:
                raise WireError(f"{message} has a field of number {number}, which ONNX does not have")
            if wire_type not in _WIRE_TYPES[field.kind]:
                raise WireError(f"{message} has its field {field.name} in the wire type {wire_type}")
            raw, place = _raw(content, place, wire_type, message)
            if field.kind == "absent":
                continue
            value = _value(raw, field, message)
            if field.repeated or field.kind in _REPEATED:
                found.setdefault(field.name, []).append(value)
            elif field.name in found:
                raise WireError(f"{message} has its field {field.name} twice")
            else:
                found[field.name] = value
        return {name: _joined(value, fields, name) for name, value in found.items()}


def _joined(value: Any, fields: Mapping[int, Field], name: str) -> Any:  # noqa: ANN401 - of any kind
    """Numbers of a repeated field in one array, however they were packed."""
    field = next(item for item in fields.values() if item.name == name)
    return np.concatenate(value) if field.kind in _REPEATED else value


def _varint(content: memoryview, place: int, message: str) -> tuple[int, int]:
    """A number of at most 64 bits, and the place behind it."""
    value = 0
    for count, byte in enumerate(content[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if value >> 64:
                break
            return value, place + count + 1
    raise WireError(f"{message} has a number at byte {place} that does not end, or is longer than 64 bits")


def _raw(content: memoryview, place: int, wire_type: int, message: str) -> tuple[int | memoryview, int]:
    """The value of a field, and the place behind it."""
    if wire_type == _VARINT:
        return _varint(content, place, message)
    size = {_FIXED32: 4, _FIXED64: 8}.get(wire_type, 0)
    if wire_type == _BYTES:
        size, place = _varint(content, place, message)
    if size > len(content) - place:
        raise WireError(f"{message} is cut off: {size} bytes are announced, {len(content) - place} are left")
    return content[place : place + size], place + size


def _value(raw: int | memoryview, field: Field, message: str) -> Any:  # noqa: ANN401 - of any kind
    if isinstance(raw, int):
        return np.array([_signed(raw)]) if field.kind == "ints" else _signed(raw)
    if field.kind == "text":
        try:
            return bytes(raw).decode()
        except UnicodeDecodeError:
            raise WireError(f"{message} has a {field.name} that is not UTF-8") from None
    if field.kind == "float":
        return struct.unpack("<f", raw)[0]
    if field.kind == "ints":
        return _packed_ints(raw, message)
    if field.kind in ("floats", "doubles"):
        code = "<f4" if field.kind == "floats" else "<f8"
        if len(raw) % int(code[2:]):
            raise WireError(f"{message} has a {field.name} of {len(raw)} bytes, which are no whole numbers")
        return np.frombuffer(raw, code)
    return raw


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _packed_ints(raw: memoryview, message: str) -> NDArray[np.int64]:
    values: list[int] = []
    place = 0
    while place < len(raw):
        value, place = _varint(raw, place, message)
        values.append(_signed(value))
        if len(values) > _MOST_INTEGERS:
            raise WireError(f"{message} has more than {_MOST_INTEGERS} whole numbers in one field")
    return np.array(values, dtype=np.int64)


def text_of(found: Mapping[str, Any], name: str) -> str:
    """A text field; empty where it is missing, which is its default."""
    return str(found.get(name, ""))


def all_of(found: Mapping[str, Any], name: str) -> Sequence[Any]:
    """A repeated field; empty where it is missing."""
    values: Sequence[Any] = found.get(name, ())
    return values
