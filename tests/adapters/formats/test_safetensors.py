"""Safetensors files: what is written is read, and what the library would not load is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from support.onnx_files import weights_of
from support.policy_files import read_bytes

from pytest_modelgate.adapters.formats.safetensors import read_tensors
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import CheckpointError

NAMES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64"}
WEIGHTS = weights_of([6, 4, 3])


def packed(header: object, numbers: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + numbers


def written(tensors: dict[str, NDArray[Any]]) -> bytes:
    """A file of arrays, as the library writes it."""
    header, numbers = {"__metadata__": {"format": "pt"}}, b""
    for name, values in tensors.items():
        place = [len(numbers), len(numbers) + values.nbytes]
        header[name] = {"dtype": NAMES[values.dtype.name], "shape": list(values.shape), "data_offsets": place}  # type: ignore[dict-item]
        numbers += values.tobytes()
    return packed(header, numbers)


def read(content: bytes) -> dict[str, NDArray[Any]]:
    return read_tensors(memoryview(content), "X.safetensors")


TYPES: st.SearchStrategy[np.dtype[Any]] = st.sampled_from([np.dtype(code) for code in ("<f2", "<f4", "<f8", "<i8")])
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)


@given(st.dictionaries(st.text(min_size=1, max_size=5), arrays.arrays(TYPES, SHAPES), max_size=5))
def test_what_is_written_is_read(tensors: dict[str, NDArray[Any]]) -> None:
    found = read(written(tensors))
    assert found.keys() == tensors.keys()
    for name, values in tensors.items():
        assert found[name].shape == values.shape
        assert np.array_equal(
            found[name],
            values.astype("<f4") if values.dtype == np.float16 else values,
            equal_nan=values.dtype.kind == "f",
        )


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(WEIGHTS, tmp_path / "X.safetensors", {"format": "pt"})
    found = read((tmp_path / "X.safetensors").read_bytes())
    assert all(np.array_equal(found[name], values) for name, values in WEIGHTS.items())


def test_bfloat16_is_the_upper_half_of_a_float32() -> None:
    numbers = np.array([1.5, -2.0], "<f4").tobytes()
    halves = numbers[2:4] + numbers[6:8]
    assert read(packed({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, halves))["a"].tolist() == [
        1.5,
        -2.0,
    ]


def entry(shape: Any = (2,), place: Any = (0, 8), kind: Any = "F32", **more: Any) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": place, **more}


HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"\0\0\0", "its header takes 0 bytes of 3"),
    "a header beyond the file": (struct.pack("<Q", 100) + b"{}", "its header takes 100 bytes of 10"),
    "a header beyond everything": (struct.pack("<Q", 1 << 63) + b"{}", "its header takes"),
    "a header of too much": (packed(b" " * (5 << 20)), "its header takes 5242880 bytes"),
    "space before the header": (packed(b"  {}"), "does not begin with {"),
    "no JSON": (packed(b"{nothing}"), "its header is not JSON"),
    "a name twice": (packed(b'{"a": {}, "a": {}}'), "the key 'a' twice"),
    "JSON that nests": (packed(b'{"a":' * 5_000 + b"1" + b"}" * 5_000), "deeper than"),
    "something else than a tensor": (packed({"a": 1}), "is described by something else"),
    "more than a tensor": (packed({"a": entry(more=1)}, bytes(8)), "is described by something else"),
    "an unknown type": (packed({"a": entry(kind="F99")}, bytes(8)), "is of the type 'F99', which is unknown"),
    "a negative size": (packed({"a": entry(shape=[-2])}, bytes(8)), "has a shape that is none"),
    "a size that is none": (packed({"a": entry(shape=[2.0])}, bytes(8)), "has a shape that is none"),
    "a size of True": (packed({"a": entry(shape=[True])}, bytes(8)), "has a shape that is none"),
    "a gigantic size": (packed({"a": entry(shape=[1 << 40, 1 << 40])}, bytes(8)), "has a shape that is none"),
    "dimensions without end": (packed({"a": entry(shape=[1] * 99)}, bytes(8)), "has a shape that is none"),
    "one place": (packed({"a": entry(place=[8])}, bytes(8)), "has data_offsets that are none"),
    "a place before the first": (packed({"a": entry(place=[-8, 0])}, bytes(8)), "has data_offsets that are none"),
    "a hole": (
        packed({"a": entry(), "b": entry(place=[12, 20])}, bytes(20)),
        "bytes 12 to 20, expected from 8 on 8 bytes",
    ),
    "an overlap": (packed({"a": entry(), "b": entry(place=[4, 12])}, bytes(12)), "bytes 4 to 12, expected from 8"),
    "one place for two": (packed({"a": entry(), "b": entry()}, bytes(8)), "expected from 8 on"),
    "another size than the shape's": (packed({"a": entry(shape=[3])}, bytes(8)), "expected from 0 on 12 bytes"),
    "numbers beyond the file": (packed({"a": entry()}, bytes(4)), "it holds 4 bytes of numbers, its header says 8"),
    "numbers that nobody names": (packed({"a": entry()}, bytes(9)), "it holds 9 bytes of numbers, its header says 8"),
}


STRICTER = {"a header of too much", "space before the header", "more than a tensor"}  # than the library


@pytest.mark.parametrize("name", HOSTILE)
def test_what_the_library_would_not_load_is_refused(name: str, tmp_path: Path) -> None:
    content, why = HOSTILE[name]
    with pytest.raises(CheckpointError) as caught:
        read(content)
    assert why in caught.value.problem
    assert len(str(caught.value)) < 400
    if name not in STRICTER:
        (tmp_path / "X").write_bytes(content)
        with pytest.raises(pytest.importorskip("safetensors").SafetensorError):
            pytest.importorskip("safetensors.numpy").load_file(tmp_path / "X")


def test_a_network_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    shuffled = {name: WEIGHTS[name] for name in sorted(WEIGHTS, reverse=True)}  # the library sorts by size and name
    loaded = read_bytes(tmp_path, "X.safetensors", written(shuffled), activation="tanh")
    assert isinstance(loaded.policy, MlpPolicy)
    assert (loaded.layers, loaded.hidden, loaded.certified) == (("net.0", "net.2"), (4,), True)
    assert np.array_equal(loaded.policy.weights[1], WEIGHTS["net.2.weight"])


def test_statistics_beside_the_layers_that_say_too_little_are_refused(tmp_path: Path) -> None:
    statistics = {"obs_rms.mean": np.arange(6.0), "obs_rms.var": np.ones(6), "obs_rms.count": np.array([9.0])}
    with pytest.raises(CheckpointError, match="without a positive epsilon and clip_obs"):
        read_bytes(tmp_path, "X.safetensors", written({**WEIGHTS, **statistics}), activation="tanh")


@pytest.mark.parametrize(("number", "why"), [(np.nan, "not finite"), (np.inf, "not finite")])
def test_numbers_that_are_none_are_refused(number: float, why: str, tmp_path: Path) -> None:
    odd = {**WEIGHTS, "net.2.bias": np.full(3, number, np.float32)}
    with pytest.raises(CheckpointError, match=why):
        read_bytes(tmp_path, "X.safetensors", written(odd), activation="tanh")


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    odd: dict[str, NDArray[Any]] = {**WEIGHTS, "net.2.bias": np.ones(3, np.int64)}
    with pytest.raises(CheckpointError, match=r"net\.2\.bias: holds int64, expected floating-point numbers"):
        read_bytes(tmp_path, "X.safetensors", written(odd), activation="tanh")


def test_an_activation_is_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="activation"):
        read_bytes(tmp_path, "X.safetensors", written(WEIGHTS))
