"""Protocol Buffers' wire format: one reading, within bounds."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.onnx_files import field, varint

from pytest_modelgate.adapters.formats.onnx.wire import Field, Reader, WireError

FIELDS = {
    1: Field("number", "int"),
    2: Field("names", "text", repeated=True),
    3: Field("sizes", "ints"),
    4: Field("ratio", "float"),
    5: Field("note", "absent"),
    6: Field("inner", "message"),
}


def read(content: bytes) -> dict[str, object]:
    return Reader().read(memoryview(content), FIELDS, "a message")


@given(st.integers(-(2**63), 2**63 - 1), st.lists(st.text()), st.lists(st.integers(-(2**63), 2**63 - 1)), st.binary())
def test_what_is_written_is_read(number: int, names: list[str], sizes: list[int], inner: bytes) -> None:
    packed = field(3, b"".join(map(varint, sizes)))
    content = field(6, inner) + packed + field(1, number) + b"".join(field(2, name) for name in names)
    found = read(content)
    assert found["number"] == number
    assert found.get("names", []) == names
    assert np.asarray(found["sizes"]).tolist() == sizes
    assert found["inner"] == inner


def test_numbers_of_a_list_may_stand_alone_or_together() -> None:
    found = read(field(3, 4) + field(3, varint(5) + varint(6)) + field(3, 7))
    assert np.asarray(found["sizes"]).tolist() == [4, 5, 6, 7]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_in_one_sentence(content: bytes) -> None:
    with contextlib.suppress(WireError):
        assert set(read(content)) <= {field.name for field in FIELDS.values()}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (field(1, 1) + field(1, 2), "has its field number twice"),
        (field(9, 1), "has a field of number 9"),
        (field(2, b"\xff"), "not UTF-8"),
        (field(1, b"text"), "in the wire type 2"),
        (field(2, "name")[:-1], "is cut off: 4 bytes are announced, 3 are left"),
        (varint(1 << 3) + b"\xff" * 10 + b"\x01", "longer than 64 bits"),
        (varint(1 << 3) + b"\xff" * 9 + b"\x02", "longer than 64 bits"),
        (varint(1 << 3) + b"\x80", "does not end"),
        (varint(6 << 3 | 3), "in the wire type 3"),  # a group
        (field(2, "x" * 9).replace(b"\x09", varint(1 << 60)), "is cut off"),
        (b"\x00", "has a field of number 0"),
    ],
)
def test_one_reading_only(content: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        read(content)


def test_a_number_in_more_bytes_than_it_needs_is_the_same_number() -> None:
    assert read(varint(1 << 3) + b"\x85\x80\x00")["number"] == 5  # as protobuf reads it


def test_fields_without_end_are_refused() -> None:
    with pytest.raises(WireError, match="more fields than"):
        read(field(5, 0) * 300_001)


def test_whole_numbers_without_end_are_refused() -> None:
    with pytest.raises(WireError, match="more than 65536 whole numbers"):
        read(field(3, b"\0" * 65_537))
