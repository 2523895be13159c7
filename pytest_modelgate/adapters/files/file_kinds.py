"""What a file is that should be a checkpoint, by its first bytes or its members, and how to turn it into one."""

from __future__ import annotations

import re
from collections.abc import Collection

PACK = "pytest_modelgate.pack_checkpoint(module, path, ...), see docs/your-policy.md"
PACK_STATE = PACK.replace("module", "state")
_SAVE_AGAIN = "Save it again with torch.save and its defaults"
_AGAIN = f"Load it where it was trained, and write it with {PACK}"
_LEGACY = bytes.fromhex("8a0a6cfc9c46f9206aa85019")  # torch's magic number, as a pickle says it
_HEADS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb"\s*version https://git-lfs"), "is a pointer of Git LFS, not the file itself", "Run git lfs pull"),
    (re.compile(rb"\x1f\x8b"), "is packed with gzip", "Unpack it with gunzip, and pack the checkpoint itself"),
    (re.compile(rb"\x80[\x01-\x05]" + re.escape(_LEGACY)), "is a checkpoint of torch before 1.6, not a zip", _AGAIN),
    (re.compile(rb"\x80[\x01-\x05]"), "is a pickle, not a zip as torch.save writes it", _AGAIN),
    (
        re.compile(rb"\x89HDF\r\n\x1a\n"),
        "is an HDF5 file, as Keras writes it",
        f"Copy its weights into torch.nn.Linear layers, and write these with {PACK}",
    ),
    (
        re.compile(rb".{8}\{[\s\"}]", re.DOTALL),
        "is a safetensors file",
        f"End its name in .safetensors, and declare what it means, see docs/safetensors.md; or {PACK_STATE}",
    ),
    (
        re.compile(rb"\x08[\x01-\x0f](\x12|\x1a|\x22|\x3a|\x42)"),
        "is an ONNX model",
        "End its name in .onnx, and declare what it means, see docs/onnx.md",
    ),
    (re.compile(rb"\s*<(!|html)", re.IGNORECASE), "is a web page, not the file itself", "Download the file again"),
    (re.compile(rb"\s*[\[{]"), "is a text of JSON, not a zip as torch.save writes it", _SAVE_AGAIN),
)
_TAR = slice(257, 262)
_STABLE_BASELINES = {"data", "policy.pth", "pytorch_variables.pth", "_stable_baselines3_version"}


def why_no_zip(head: bytes) -> tuple[str, str] | None:
    """What a file that begins so is, and what to do; None for a zip.

    Args:
        head: at least 512 bytes, or all there are.
    """
    if head.startswith(b"PK"):
        return None
    if not head:
        return "is empty", "Copy it again"
    for pattern, problem, remedy in _HEADS:
        if pattern.match(head):
            return problem, remedy
    if head[_TAR] == b"ustar":
        return "is a tar, as torch wrote before 0.1.10, or an archive of its own", _AGAIN
    return "is not a zip, as torch.save has written since torch 1.6", _SAVE_AGAIN


def why_other(head: bytes, own: str) -> tuple[str, str] | None:
    """What a file that should be of a format but begins so is, and what to do; None where it is nothing known.

    Args:
        head: as of ``why_no_zip``.
        own: name of the format, in what the table says of it.
    """
    if head.startswith(b"PK"):
        return f"is a zip, expected {own}", "End its name in .pt or .zip, whichever wrote it, or export it again"
    why = why_no_zip(head)
    if why is None or own in why[0] or why[1] == _SAVE_AGAIN:
        return None
    return why


def why_no_checkpoint(members: Collection[str]) -> tuple[str, str] | None:
    """What a zip of such members is, and what to do; None where none of the known kinds.

    Args:
        members: names, with all folders.
    """
    bare = {name.rpartition("/")[2] for name in members}
    if "policy.pth" in bare and len(bare & _STABLE_BASELINES) > 1:
        remedy = "Name it SYMBOL_TIMEFRAME.zip, and declare what its actions mean, see docs/your-policy.md"
        return "is a zip of Stable-Baselines3", remedy
    if "constants.pkl" in bare or any("/code/" in f"/{name}" for name in members):
        remedy = f'state = torch.jit.load("model.pt").state_dict(), then {PACK_STATE}'
        return "is TorchScript, which holds code", remedy
    if "config.json" in bare and "model.weights.h5" in bare:
        return "is a Keras model", f"Copy its weights into torch.nn.Linear layers, and write these with {PACK}"
    if bare and all(name.endswith(".npy") for name in bare):
        return "is a file of numpy arrays", f"Put them into a dict of tensors, and write that with {PACK}"
    return None
