"""A .pt file as a zip of records, checked before torch sees it.

torch itself checks neither checksums nor record names, takes the first of two records of one name where Python takes
the last, and finds the directory where the end record says, where Python looks in front of the end record.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from pytest_modelgate.adapters.zip_layout import LayoutError, read_layout
from pytest_modelgate.errors import CheckpointError

REMEDY = "Save it again with torch.save and its defaults, and pack the archive anew"
_MAX_PICKLE = 1 << 20  # the pickle holds names and numbers only; weights are records of their own
_CHUNK = 1 << 20
_MAX_RECORDS, _MAX_DIRECTORY = 20_000, 4 << 20  # one record per tensor, each with a name of few letters
_RECORD = re.compile(
    r"data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)


def read_pickle(path: Path, where: str) -> bytes:
    """The pickled part of a checkpoint, once every record has been checked.

    Raises:
        CheckpointError: not a zip as torch.save writes it, a damaged record, or a pickle that is too large.
    """
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise CheckpointError(where, "is not a zip, as torch.save has written since torch 1.6", REMEDY)
        try:
            read_layout(file, _MAX_RECORDS, _MAX_DIRECTORY)
        except LayoutError as error:
            problem = f"is a damaged zip: {f'record {error.member[:60]!a} ' if error.member else ''}{error.problem}"
            raise CheckpointError(where, problem, REMEDY) from None
    try:
        with zipfile.ZipFile(path) as archive:
            return _checked(archive, where)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        raise CheckpointError(where, "is a damaged zip: a record is cut off or its checksum is wrong", REMEDY) from None


def _checked(archive: zipfile.ZipFile, where: str) -> bytes:
    names = archive.namelist()
    roots = {name.partition("/")[0] for name in names}
    records = {name.partition("/")[2]: name for name in names}
    if len(roots) != 1 or len({name.casefold() for name in names}) != len(names):
        raise CheckpointError(where, "holds records under several roots, or one twice", REMEDY)
    strange = sorted(record for record in records if not _RECORD.fullmatch(record))
    if strange or "data.pkl" not in records:
        found = ascii(strange[0][:60]) if strange else "no data.pkl"
        raise CheckpointError(where, f"holds {found}, expected the records that torch.save writes", REMEDY)
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise CheckpointError(where, "holds compressed records, expected stored ones", REMEDY)
    if archive.getinfo(records["data.pkl"]).file_size > _MAX_PICKLE:
        raise CheckpointError(where, f"its pickle is larger than {_MAX_PICKLE} bytes", REMEDY)
    for name in names:
        with archive.open(name) as record:
            while record.read(_CHUNK):
                pass  # reading to the end compares the checksum
    if "byteorder" in records and archive.read(records["byteorder"]) != b"little":
        raise CheckpointError(where, "its numbers are not little-endian", "Save it on an ordinary machine")
    return archive.read(records["data.pkl"])
