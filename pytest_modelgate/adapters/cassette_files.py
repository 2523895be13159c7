"""Cassettes on disk: gzipped text, and the manifest that vouches for its bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.atomic import write_atomically
from pytest_modelgate.errors import MarketDataError

MANIFEST = "manifest.json"
RECORD = "Record it with `modelgate record ARCHIVE`, and commit it together with the manifest"
_SCHEMA = "modelgate.cassettes/1"


def read_cassette(folder: Path, name: str) -> str:
    """The text of a cassette, once the manifest vouches for its bytes.

    Args:
        name: relative to the folder, with forward slashes.

    Raises:
        MarketDataError: the file or its entry is missing, the bytes are not those recorded, or are not gzipped text.
    """
    path = folder / name
    where = f"cassette {path}"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MarketDataError(where, "is missing", RECORD) from None
    except OSError as error:
        raise MarketDataError(where, f"cannot be read: {error.strerror}", "Check its permissions") from None
    entry = _manifest(folder).get(name)
    digest = hashlib.sha256(content).hexdigest()
    if not isinstance(entry, dict):
        raise MarketDataError(where, f"is not listed in {MANIFEST}", RECORD)
    if entry.get("sha256") != digest:
        problem = f"was altered: its sha256 is {digest[:12]}..., the manifest says {str(entry.get('sha256'))[:12]}..."
        raise MarketDataError(where, problem, "Restore it from version control, or record it again")
    try:
        return gzip.decompress(content).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise MarketDataError(where, "is not gzipped text", RECORD) from None


def write_cassette(folder: Path, name: str, text: str, facts: Mapping[str, Any]) -> None:
    """Put a cassette and its entry in the manifest in place, each in one step; the same text gives the same bytes.

    A process killed between the two leaves a cassette that the manifest contradicts, which ``read_cassette`` refuses.

    Raises:
        MarketDataError: the manifest there is unusable, or the folder cannot be written; the cassette is as it was.
    """
    from filelock import FileLock

    content = gzip.compress(text.encode(), mtime=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{MANIFEST}.lock"):
            entries = _manifest(folder) if (folder / MANIFEST).exists() else {}
            entries[name] = {"sha256": hashlib.sha256(content).hexdigest(), **facts}
            document = {"schema": _SCHEMA, "cassettes": dict(sorted(entries.items()))}
            write_atomically(folder / name, content)
            write_atomically(folder / MANIFEST, (json.dumps(document, indent=2) + "\n").encode())
    except OSError as error:
        remedy = "Check the folder's permissions and the free space"
        raise MarketDataError(f"cassette {folder / name}", f"cannot be written: {error.strerror}", remedy) from None


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    where = f"manifest {path}"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cassettes = document["cassettes"] if document["schema"] == _SCHEMA else None
    except FileNotFoundError:
        raise MarketDataError(where, "is missing", RECORD) from None
    except (OSError, ValueError, KeyError, TypeError):
        cassettes = None
    if not isinstance(cassettes, dict):
        raise MarketDataError(where, f"is not a manifest of schema {_SCHEMA}", "Restore it from version control")
    return cassettes
