"""A file that is no checkpoint is called what it is."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from support.checkpoints import Actor, contents, pickled, refused, saved

from pytest_modelgate.adapters.files.file_kinds import why_no_zip


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("sys_info"))
    return buffer.getvalue()


def _safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def _legacy() -> bytes:
    buffer = io.BytesIO()
    torch.save(contents(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def _script() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def _arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, w=np.ones(3))
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda: b"", "is empty"),
        (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS.*git lfs pull"),
        (lambda: gzip.compress(pickled(contents())), "is packed with gzip"),
        (_legacy, r"a checkpoint of torch before 1\.6.*pack_checkpoint"),
        (lambda: b"\x80\x04}\x94.", "is a pickle, not a zip.*pack_checkpoint"),
        (lambda: b"\x89HDF\r\n\x1a\n" + bytes(600), "is an HDF5 file, as Keras writes it"),
        (_safetensors, r"is a safetensors file.*End its name in \.safetensors.*pack_checkpoint\(state"),
        (lambda: b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "is an ONNX model"),
        (_tar, "is a tar"),
        (lambda: b"<!DOCTYPE html><html>", "is a web page"),
        (lambda: b'{"a": 1}', "is a text of JSON"),
        (lambda: b"something else", "is not a zip, as torch.save"),
        (
            lambda: _zipped("data", "policy.pth", "pytorch_variables.pth", "_stable_baselines3_version"),
            r"is a zip of Stable-Baselines3.*SYMBOL_TIMEFRAME\.zip",
        ),
        (_script, r"is TorchScript.*torch\.jit\.load"),
        (lambda: _zipped("metadata.json", "config.json", "model.weights.h5"), "is a Keras model"),
        (_arrays, "is a file of numpy arrays"),
    ],
)
def test_a_file_of_another_kind_is_called_so(tmp_path: Path, content: object, sentence: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content())  # type: ignore[operator]  # a function, so that only what is asked for is made

    refused(path, f"^checkpoint X.pt: {sentence}" if sentence.startswith("is") else sentence)


def test_a_zip_is_none_of_them() -> None:
    assert why_no_zip(pickled(contents())) is None


def test_contents_of_another_form_are_called_so(tmp_path: Path) -> None:
    made = contents()
    state = made.pop("policy_state_dict")
    refused(saved(tmp_path, state), r"is a bare state dict.*pack_checkpoint\(state")
    refused(saved(tmp_path, {"model_state_dict": state}), "holds a state dict as 'model_state_dict', expected policy_")
    refused(saved(tmp_path, torch.nn.Linear(2, 2)), r"a whole object of the class 'torch\.nn\.modules\.linear\.Linear'")
    refused(saved(tmp_path, Actor(2, (2,), 2)), r"a whole object of the class '.*checkpoints\.Actor'.*pack_checkpoint")
