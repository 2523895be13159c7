"""What happened at every bar, packed: a record of evidence holds it as one text in a third of the room.

The numbers of all columns one after the other, as little-endian 8-byte numbers, floats to the last bit; their first
bytes together, then their second bytes, and so on, which deflates better; deflated; in base64, so that a record stays
one JSON file that is written, hashed and sent as a whole.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from pytest_modelgate.core.evidence.records import BarFigures, WindowEvidence

_FIGURES = tuple(field.name for field in fields(BarFigures))
_NAMES = ("times", "equity", *_FIGURES)
_WIDTH = 8  # bytes of a number
_MOST = 1 << 22  # rows of a column: forty years of five minutes
_LEVEL = 1  # higher ones take several times as long for a twentieth less


@dataclass(frozen=True)
class PackedColumns:
    """Columns of a window's evidence.

    Attributes:
        rows: numbers in each column, by its name.
        data: all of them, packed.
    """

    rows: Mapping[str, int]
    data: str


def pack(evidence: WindowEvidence) -> tuple[WindowEvidence, PackedColumns]:
    """The evidence without its columns, and these."""
    columns = {"times": evidence.times, "equity": evidence.equity}
    columns |= {name: getattr(evidence.bars, name) for name in _FIGURES}
    numbers = [np.array(values, dtype="<i8" if name == "times" else "<f8") for name, values in columns.items()]
    raw = np.frombuffer(b"".join(column.tobytes() for column in numbers), dtype=np.uint8)
    deflated = zlib.compress(raw.reshape(-1, _WIDTH).T.tobytes(), _LEVEL)
    packed = PackedColumns(
        {name: len(values) for name, values in columns.items()}, base64.b64encode(deflated).decode("ascii")
    )
    return replace(evidence, times=(), equity=(), bars=_figures({})), packed


def unpack(evidence: WindowEvidence, packed: PackedColumns) -> WindowEvidence:
    """The evidence with its columns, to the last bit.

    Raises:
        ValueError: they are not what ``pack`` made.
    """
    counts = [packed.rows.get(name, -1) for name in _NAMES]
    if len(packed.rows) != len(_NAMES) or not all(0 <= count <= _MOST for count in counts):
        raise ValueError("columns of other names or lengths")
    size = _WIDTH * sum(counts)
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(base64.b64decode(packed.data, validate=True), size + 1)
    except (zlib.error, binascii.Error) as error:
        raise ValueError(str(error)) from None
    if len(content) != size or not inflater.eof or inflater.unused_data:
        raise ValueError("columns of another length")
    raw = np.frombuffer(content, dtype=np.uint8).reshape(_WIDTH, -1).T.tobytes()
    columns, first = {}, 0
    for name, count in zip(_NAMES, counts, strict=True):
        kind = "<i8" if name == "times" else "<f8"
        columns[name] = tuple(np.frombuffer(raw, dtype=kind, count=count, offset=first).tolist())
        first += _WIDTH * count
    times, equity = columns.pop("times"), columns.pop("equity")
    return replace(evidence, times=times, equity=equity, bars=_figures(columns))


def _figures(columns: Mapping[str, tuple[float, ...]]) -> BarFigures:
    return BarFigures(**{name: columns.get(name, ()) for name in _FIGURES})
