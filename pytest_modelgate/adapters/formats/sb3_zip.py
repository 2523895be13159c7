"""A zip of Stable-Baselines3: its members, and the entries of its ``data``, of which nothing is unpickled.

``data`` is JSON; what JSON cannot say stands in it as a pickle in base64, beside a text for people that binds nobody.
Only the few entries that say what the weights compute are looked at, and these by the reader that runs nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.strict_json import read_object
from pytest_modelgate.adapters.checkpoint.container import read_container_of
from pytest_modelgate.adapters.checkpoint.instructions import PickleError
from pytest_modelgate.adapters.checkpoint.machine import NameRefusedError
from pytest_modelgate.adapters.checkpoint.pickled import Named, described
from pytest_modelgate.adapters.checkpoint.values import read_values
from pytest_modelgate.adapters.files.file_kinds import why_no_checkpoint, why_no_zip
from pytest_modelgate.adapters.files.zip_layout import LayoutError, Span, read_layout
from pytest_modelgate.errors import ArchiveError, CheckpointError
from pytest_modelgate.text import plain

PACKAGES = ("stable_baselines3", "sb3_contrib")  # of whose classes the entries speak; none is imported
SAVE = 'Save it with model.save("model.zip")'
_MOST_MEMBERS, _MOST_DIRECTORY = 64, 1 << 16
_MOST_DATA, _MOST_WEIGHTS, _MOST_VARIABLES = 32 << 20, 512 << 20, 1 << 20
_OPTIMIZER = re.compile(r"(?:[a-z_]+\.)?[a-z_]*optimizer\.pth")
_DATA = Limits(summary_bytes=_MOST_DATA, json_depth=16, json_containers=100_000)
_SERIALIZED = ":serialized:"
_VARIABLES = ("pytorch_variables.pth", "tensors.pth")  # the latter is what it was called before 0.9
_HARMLESS = frozenset({"log_ent_coef", "ent_coef_tensor"})  # of SAC and TQC, which only training uses


def read_members(path: Path, location: str) -> tuple[Mapping[str, Any], bytes]:
    """Entries of ``data``, as JSON has them, and the bytes of ``policy.pth``.

    Raises:
        CheckpointError: not a zip as Stable-Baselines3 writes it.
    """
    with path.open("rb") as file:
        if (why := why_no_zip(file.read(512))) is not None:
            raise CheckpointError(location, why[0].replace("torch.save writes it", "model.save writes it"), SAVE)
        try:
            members = read_layout(file, _MOST_MEMBERS, _MOST_DIRECTORY)
        except LayoutError as error:
            problem = f"is a damaged zip: {f'member {error.member[:60]!a} ' if error.member else ''}{error.problem}"
            raise CheckpointError(location, problem, SAVE) from None
        names = [name for name, _ in members]
        spans = dict(members)
        if len({name.casefold() for name in names}) != len(names):
            raise CheckpointError(location, "holds a member twice", SAVE)
        for name in ("data", "policy.pth"):
            if name not in spans:
                kind = why_no_checkpoint(names)
                told = kind[0] if kind and "Stable-Baselines3" not in kind[0] else f"is a zip without a member {name}"
                raise CheckpointError(location, f"{told}, expected one of Stable-Baselines3", SAVE)
        _refuse_other_weights(names, location)
        raw, weights, *variables = (
            _content(file.seek, file.read, spans[name], most, f"{location}, member {name}")
            for name, most in (
                ("data", _MOST_DATA),
                ("policy.pth", _MOST_WEIGHTS),
                *((name, _MOST_VARIABLES) for name in _VARIABLES if name in spans),
            )
        )
    for content in variables:
        _check_variables(content, location)
    try:
        return read_object(raw, f"{location}, member data", _DATA), weights
    except ArchiveError as error:
        raise CheckpointError(error.where, error.problem, SAVE) from None


def _refuse_other_weights(names: Sequence[str], location: str) -> None:
    """Refuse members that ``load`` would put into the policy, or into anything else, after ``policy.pth``."""
    for name in names:
        known = name in ("policy.pth", *_VARIABLES) or _OPTIMIZER.fullmatch(name)
        if name.endswith(".pth") and not known:
            problem = f"holds {plain(name, 60)!a}, whose numbers may take the place of the policy's when it is loaded"
            raise CheckpointError(location, problem, SAVE)


def _check_variables(content: bytes, location: str) -> None:
    """Refuse variables that ``load`` writes over any part of the model, but those that no action depends on."""
    container, pickled = read_container_of(content, f"{location}, {_VARIABLES[0]}")
    try:
        found = read_values(pickled, PACKAGES).value
    except PickleError as error:
        problem = f"cannot be read as variables: {plain(str(error), 120)}"
        raise CheckpointError(container.location, problem, SAVE) from None
    if found is None or found == {}:
        return
    odd = next((name for name in found if name not in _HARMLESS), None) if isinstance(found, dict) else found
    if odd is not None:
        shown = f"{plain(odd, 60)!a}" if isinstance(odd, str) else described(odd)
        problem = f"holds {shown}, which takes the place of a part of the model when it is loaded"
        raise CheckpointError(container.location, problem, SAVE)


def _content(seek: Any, read: Any, span: Span, most: int, location: str) -> bytes:  # noqa: ANN401 - of a file
    if span.size > most:
        raise CheckpointError(location, f"holds {span.size} bytes, expected at most {most}", SAVE)
    seek(span.start)
    packed = read(span.packed)
    content = packed
    if span.deflated:
        try:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, span.size + 1)
        except zlib.error:
            content = b""
    if len(content) != span.size or zlib.crc32(content) != span.crc:
        raise CheckpointError(location, "is damaged: its size or checksum is wrong", SAVE)
    return bytes(content)


def read_entry(data: Mapping[str, Any], name: str, location: str) -> object:
    """An entry of ``data`` as what its pickle describes; None where it is missing.

    Raises:
        CheckpointError: its pickle speaks of what the gate does not know, or cannot be read.
    """
    entry = data.get(name)
    if not isinstance(entry, dict) or _SERIALIZED not in entry:
        return entry
    where, text = f"{location}, {name}", entry[_SERIALIZED]
    try:
        return read_values(base64.b64decode(text), PACKAGES).value
    except NameRefusedError as refused:
        problem = f"speaks of {plain(refused.name, 80)}, of which the gate cannot know what it computes"
        raise CheckpointError(where, problem, _OWN_CLASS) from None
    except (PickleError, binascii.Error, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, PickleError) else "it is no base64"
        raise CheckpointError(where, f"cannot be read: {plain(why, 120)}", SAVE) from None


_OWN_CLASS = (
    "Train with the policies, extractors and activations of Stable-Baselines3, or write the actor as a checkpoint with "
    "pytest_modelgate.pack_checkpoint, see docs/your-policy.md"
)


def class_name(value: object) -> str:
    """Dotted name of a class that an entry names; what else it is, for messages."""
    return value.name if isinstance(value, Named) else type(value).__name__
