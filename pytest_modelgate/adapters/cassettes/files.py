"""Cassettes on disk: gzipped text, and the manifest that vouches for its bytes and says what each one holds."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.cassettes.entries import ActionsEntry, Entry, read_actions_entry, read_entry
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.files.nesting import nests_deeper
from pytest_modelgate.core.config.settings import OWN_FEED, Settings
from pytest_modelgate.core.market.bars import AssetClass
from pytest_modelgate.core.market.corporate_actions import ActionsRequest
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import MarketDataError

MANIFEST = "manifest.json"
RECORD = Settings.record_command
_SCHEMA = "modelgate.cassettes/1"
_WORK = ".recording"
_MOST_TEXT = 256 << 20  # bytes; a bar takes up to 136 of them, so a year of 1-minute bars takes 72 million
_MOST_MANIFEST, _MOST_LEVELS = 16 << 20, 8  # bytes, of which a cassette takes 300; objects within each other


def path_of(request: MarketRequest) -> str:
    """Path of a request's recording in the cassettes' folder: ``crypto/BTC-USD/1Hour/2024-12-27T2000.json.gz``.

    The name bears the start of the last bar (UTC), to the minute, so that two as-of moments of one day do not meet, and
    for stocks feed and adjustment: ``us_equity/AAPL/1Hour/2024-12-27T2000.sip.all.json.gz``. One's own bars end in
    ``.own.json.gz``, so that they never meet Alpaca's.
    """
    crypto = request.instrument.asset_class is AssetClass.CRYPTO
    pins = f".{OWN_FEED}" if request.own else "" if crypto else f".{request.feed}.{request.adjustment}"
    return f"{_series(request)}/{request.last:%Y-%m-%dT%H%M}{pins}.json.gz"


def entries_of(folder: Path, request: MarketRequest) -> list[Entry]:
    """The recordings of a series - same symbol, timeframe, feed and adjustment - of whatever window.

    An entry that does not say what was recorded vouches for nothing, and is left out.

    Raises:
        MarketDataError: the manifest is there, but unusable.
    """
    entries = []
    for name, facts in manifest(folder).items():
        if name.rpartition("/")[0] != _series(request):
            continue
        try:
            if (facts["feed"], facts["adjustment"]) != (request.feed, request.adjustment):
                continue
            entry = read_entry(name, facts)
        except (KeyError, TypeError, ValueError):
            continue
        # Whose bars it holds is what was asked for as of its own end; recordings of old did not ask.
        if entry.span.asof in ("", request.over(entry.span).asof):
            entries.append(entry)
    return entries


def actions_folder(symbol: str) -> str:
    """Where a stock's corporate actions lie, beside the folders of its bars; relative, with forward slashes."""
    return f"{AssetClass.EQUITY}/{symbol}/actions"


def actions_path(request: ActionsRequest) -> str:
    """Path of a recording of corporate actions: ``us_equity/AAPL/actions/2023-09-08_2024-12-27.json.gz``."""
    return f"{actions_folder(request.symbol)}/{request.first}_{request.until}.json.gz"


def actions_entry(folder: Path, request: ActionsRequest) -> ActionsEntry | None:
    """The recording that holds the actions asked for, as of the same day; None where there is none.

    Raises:
        MarketDataError: the manifest is there, but unusable.
    """
    entries = []
    for name, facts in manifest(folder).items():
        if name.rpartition("/")[0] == actions_folder(request.symbol):
            with suppress(KeyError, TypeError, ValueError):
                entries.append(read_actions_entry(name, request.symbol, facts))
    fitting = (entry for entry in entries if entry.request.covers(request))
    return max(fitting, key=lambda entry: entry.request.first, default=None)


def read_cassette(folder: Path, name: str, record_command: str = RECORD) -> str:
    """The text of a cassette, once the manifest vouches for its bytes.

    Args:
        name: relative to the folder, with forward slashes.
        record_command: what records it anew, for error messages.

    Raises:
        MarketDataError: the file or its entry is missing, the bytes are not those recorded, or are not gzipped text.
    """
    where, remedy = f"cassette {folder / name}", _restore(record_command)
    content = cassette_bytes(folder, name, record_command)
    try:
        with gzip.open(BytesIO(content)) as packed:
            text = packed.read(_MOST_TEXT + 1)
        if len(text) > _MOST_TEXT:
            raise MarketDataError(where, f"unpacks to more than {_MOST_TEXT >> 20} MiB", remedy)
        return text.decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise MarketDataError(where, "is not gzipped text", remedy) from None


def cassette_bytes(folder: Path, name: str, record_command: str = RECORD) -> bytes:
    """The bytes of a cassette, once the manifest vouches for them.

    Raises:
        MarketDataError: the file or its entry is missing, or the bytes are not those recorded.
    """
    where, remedy = f"cassette {folder / name}", _restore(record_command)
    facts = manifest(folder).get(name, {})
    known = str(facts.get("sha256", "")) if isinstance(facts, dict) else ""
    try:
        content, digest = _found(folder / name, known)
    except FileNotFoundError:
        raise MarketDataError(where, f"is missing, though {MANIFEST} lists it", remedy) from None
    except OSError as error:
        raise MarketDataError(where, f"cannot be read: {error.strerror}", "Check its permissions") from None
    if known != digest:
        problem = f"was altered: its sha256 is {digest[:12]}..., the manifest says {known[:12]}..."
        raise MarketDataError(where, problem, remedy)
    return content


def _restore(record_command: str) -> str:
    return f"Restore it from version control, or record it again: {record_command}"


def is_intact(folder: Path, entry: Entry | ActionsEntry) -> bool:
    """Whether a cassette's bytes are there and are those the manifest vouches for."""
    path = folder / entry.name
    return _holds(path, entry.sha256) or _holds(_staged(path), entry.sha256)


def _staged(path: Path) -> Path:
    """Where a cassette lies before the manifest vouches for it, and until it is put in place."""
    return path.with_name(f".{path.name}.new")


def _found(path: Path, sha256: str) -> tuple[bytes, str]:
    """Bytes of a cassette and their digest: those of that digest, should they not be in place yet.

    Raises:
        OSError: there are none, or they cannot be read.
    """
    found: tuple[bytes, str] | None = None
    for place in (path, _staged(path), path):  # the last, for what was put in place meanwhile
        with suppress(FileNotFoundError):
            content = _at_most(place, _MOST_TEXT)
            digest = hashlib.sha256(content).hexdigest()
            if digest == sha256:
                return content, digest
            found = found or (content, digest)
    if found is None:
        raise FileNotFoundError(path)
    return found


def _holds(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def settle(folder: Path, request: MarketRequest) -> None:
    """Finish what a killed process left of a series and its corporate actions.

    What the manifest vouches for is put in place, the rest removed.

    Raises:
        MarketDataError: the manifest is unusable, or the folder cannot be written.
    """
    from filelock import FileLock

    places = [folder / _series(request), folder / actions_folder(request.instrument.symbol)]
    try:
        with FileLock(work_folder(folder) / "manifest.lock"):
            for name, facts in manifest(folder).items():
                staged = _staged(folder / name)
                if staged.parent in places and isinstance(facts, dict) and _holds(staged, str(facts.get("sha256"))):
                    staged.replace(folder / name)
            for place in places:
                for path in (*place.glob(".*.new"), *place.glob(".*.tmp")):
                    path.unlink()
    except OSError as error:
        raise _unwritable(f"folder {folder}", error) from None


def write_cassette(folder: Path, name: str, text: str, facts: Mapping[str, Any]) -> None:
    """Put a cassette and its entry in the manifest in place; the same text gives the same bytes.

    The entry, put in place in one step, decides: before it the old recording replays, after it the new one, which lies
    beside its place until it takes it. ``settle`` finishes what a killed process left.

    Raises:
        MarketDataError: the text is too long to be read back, the manifest there is unusable, or the folder cannot be
            written; the cassette is as it was.
    """
    from filelock import FileLock

    raw = text.encode()
    if len(raw) > _MOST_TEXT:
        problem = f"would unpack to more than {_MOST_TEXT >> 20} MiB"
        raise MarketDataError(f"cassette {folder / name}", problem, "Ask for fewer days")
    content = gzip.compress(raw, mtime=0)
    try:
        with FileLock(work_folder(folder) / "manifest.lock"):
            entries = manifest(folder)
            entries[name] = {"sha256": hashlib.sha256(content).hexdigest(), **facts}
            document = {"schema": _SCHEMA, "cassettes": dict(sorted(entries.items()))}
            write_atomically(_staged(folder / name), content)
            write_atomically(folder / MANIFEST, (json.dumps(document, indent=2) + "\n").encode())
            _staged(folder / name).replace(folder / name)
    except OSError as error:
        raise _unwritable(f"cassette {folder / name}", error) from None


def _unwritable(where: str, error: OSError) -> MarketDataError:
    remedy = "Check the folder's permissions and the free space; nothing recorded before is lost"
    return MarketDataError(where, f"cannot be written: {error.strerror}", remedy)


def manifest(folder: Path) -> dict[str, Any]:
    """Facts of the manifest about each cassette, by name; empty where nothing was recorded yet.

    Raises:
        MarketDataError: it cannot be read, or is not one of ours.
    """
    path = folder / MANIFEST
    try:
        raw = _at_most(path, _MOST_MANIFEST)
        document = json.loads(raw.decode("utf-8")) if len(raw) <= _MOST_MANIFEST else {}
        ours = document["schema"] == _SCHEMA and not nests_deeper(document, _MOST_LEVELS)
        cassettes = document["cassettes"] if ours else None
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        cassettes = None
    if not isinstance(cassettes, dict):
        problem = f"is not a manifest of schema {_SCHEMA}"
        raise MarketDataError(f"manifest {path}", problem, "Restore it from version control")
    return cassettes


def _at_most(path: Path, size: int) -> bytes:
    """A file, or of a larger one a byte more than may be."""
    with path.open("rb") as file:
        return file.read(size + 1)


def work_folder(folder: Path) -> Path:
    """Folder for the locks of recording, out of sight of version control; made as needed.

    Raises:
        OSError: it cannot be made.
    """
    work = folder / _WORK
    work.mkdir(parents=True, exist_ok=True)
    ignore = work / ".gitignore"
    if not ignore.exists():
        write_atomically(ignore, b"*\n")
    return work


def series_lock_name(request: MarketRequest) -> str:
    """Name of a series' lock: one writer at a time for all of its windows."""
    return f"{_series(request)}/{request.feed}.{request.adjustment}.lock".replace("/", "_")


def _series(request: MarketRequest) -> str:
    instrument = request.instrument
    return f"{instrument.asset_class}/{instrument.file_symbol}/{request.timeframe}"
