"""Recorded conversations with Alpaca: written whole or not at all, replayed strictly. The only file that imports vcr.

A cassette holds one request with all its pages, as gzipped JSON. ``manifest.json`` beside them holds their digests, so
that an altered price cannot pass as a recorded one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit

from pytest_modelgate.adapters.atomic import write_atomically
from pytest_modelgate.core.bars import Bars
from pytest_modelgate.core.market import MarketRequest
from pytest_modelgate.errors import MarketDataError

MANIFEST = "manifest.json"
SCHEMA = "modelgate.cassettes/1"
HOST = "data.alpaca.markets"
_RECORD = "Record it with `modelgate record ARCHIVE`, and commit it together with the manifest"
_MATCH_ON = ("method", "uri")


def path_of(request: MarketRequest) -> str:
    """Where a request is recorded, relative to the cassettes' folder: ``crypto/BTC-USD/1Hour/2024-12-27T2000.json.gz``.

    The name bears the start of the last bar. What else makes up the request stands in the recorded address and is
    compared when it is replayed.
    """
    instrument = request.instrument
    folder = f"{instrument.asset_class}/{instrument.file_symbol}/{request.timeframe}"
    return f"{folder}/{request.last:%Y-%m-%dT%H%M}.json.gz"


@contextmanager
def replay(folder: Path, request: MarketRequest) -> Iterator[None]:
    """Answer HTTP requests from the cassette; sockets are closed meanwhile, and every recorded page must be asked for.

    Raises:
        MarketDataError: the cassette is missing, not in the manifest, altered or damaged, or holds another request.
    """
    from vcr.errors import CannotOverwriteExistingCassetteException
    from vcr.record_mode import RecordMode

    path = folder / path_of(request)
    where = f"cassette {path}"
    text = _read(folder, path, where)
    tape = _Tape(text)
    try:
        context = _recorder(tape).use_cassette(str(path), record_mode=RecordMode.NONE)
        with _no_sockets(where), context as cassette:
            yield
            if not cassette.all_played:
                problem = f"only {cassette.play_count} of its {len(cassette)} pages were asked for"
                raise MarketDataError(where, problem, _RECORD)
    except CannotOverwriteExistingCassetteException as error:
        asked = error.failed_request
        problem = f"does not hold {asked.method} {asked.uri}"
        raise MarketDataError(where, problem, _RECORD) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if tape.loaded:
            raise
        raise MarketDataError(where, "is not a recording of vcrpy", _RECORD) from error


@dataclass
class Recording:
    """A recording in progress; ``describe`` must be called with what was fetched."""

    facts: dict[str, Any] = field(default_factory=dict)

    def describe(self, bars: Bars) -> None:
        """Note for the manifest what the cassette holds."""
        self.facts |= {
            "bars": len(bars),
            "first": bars.index[0].isoformat(),
            "last": bars.index[-1].isoformat(),
            "bars_sha256": bars.sha256,
        }


@contextmanager
def record(folder: Path, request: MarketRequest, secrets: tuple[str, ...] = ()) -> Iterator[Recording]:
    """Record HTTP requests, scrubbed; file and manifest are put in place when the block ends without an error.

    Args:
        folder: the cassettes.
        secrets: texts that must not occur in the file.

    Raises:
        MarketDataError: nothing was recorded, or a secret would have been.
    """
    from filelock import FileLock
    from vcr.record_mode import RecordMode

    path = folder / path_of(request)
    where = f"cassette {path}"
    tape, recording = _Tape(None), Recording()
    context = _recorder(tape).use_cassette(str(path), record_mode=RecordMode.ALL, record_on_exception=False)
    with context:
        yield recording
    if tape.text is None or not recording.facts:
        raise MarketDataError(where, "nothing was asked of Alpaca, so nothing was recorded", "Report this")
    if any(secret in tape.text for secret in secrets if secret):
        problem = "would have held one of your keys, so it was not written"
        raise MarketDataError(where, problem, "Revoke the key if it was sent to another host than Alpaca's")
    content = gzip.compress(tape.text.encode(), mtime=0)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{MANIFEST}.lock"):
        write_atomically(path, content)
        manifest = _manifest(folder) if (folder / MANIFEST).exists() else {}
        manifest[path_of(request)] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            **recording.facts,
            "feed": request.feed,
            "adjustment": request.adjustment,
            "alpaca_py": version("alpaca-py"),
        }
        document = {"schema": SCHEMA, "cassettes": dict(sorted(manifest.items()))}
        write_atomically(folder / MANIFEST, (json.dumps(document, indent=2) + "\n").encode())


class _Tape:
    """Keeps vcrpy's hands off the disk: it loads from, and saves to, memory."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.loaded = False

    def load_cassette(self, _path: str, serializer: Any) -> Any:  # noqa: ANN401 - vcrpy publishes no types
        from vcr.persisters.filesystem import CassetteNotFoundError
        from vcr.serialize import deserialize

        if self.text is None:
            raise CassetteNotFoundError
        content = deserialize(self.text, serializer)
        self.loaded = True
        return content

    def save_cassette(self, _path: str, cassette: Any, serializer: Any) -> None:  # noqa: ANN401 - vcrpy publishes no types
        from vcr.serialize import serialize

        self.text = serialize(cassette, serializer)


class _CompactJson:
    """Vcrpy's JSON without white space, in a fixed order."""

    @staticmethod
    def serialize(cassette: Mapping[str, Any]) -> str:
        return json.dumps(cassette, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def deserialize(text: str) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(text)


def _recorder(tape: _Tape) -> Any:  # noqa: ANN401 - vcrpy publishes no types
    import vcr

    recorder = vcr.VCR(
        serializer="compact",
        match_on=_MATCH_ON,
        before_record_request=_scrub_request,
        before_record_response=_scrub_response,
        decode_compressed_response=True,
    )
    recorder.register_serializer("compact", _CompactJson)
    recorder.register_persister(tape)
    return recorder


def _scrub_request(request: Any) -> Any:  # noqa: ANN401 - vcrpy publishes no types
    """No header is kept, and Alpaca's host stands in the address whatever host was asked."""
    parts = urlsplit(request.uri)
    request.uri = urlunsplit(("https", HOST, parts.path, parts.query, ""))
    request.headers = {}
    return request


def _scrub_response(response: dict[str, Any]) -> dict[str, Any] | None:
    """Only what was answered well is recorded, and of its headers only the content type."""
    if response["status"]["code"] != 200:
        return None
    kept = {name: value for name, value in response["headers"].items() if name.lower() == "content-type"}
    return {"status": {"code": 200, "message": "OK"}, "headers": kept, "body": response["body"]}


@contextmanager
def _no_sockets(where: str) -> Iterator[None]:
    """Refuse network connections, so that a fault in matching cannot reach the service unnoticed."""

    def refuse(connection: socket.socket, address: object) -> NoReturn:
        connection.close()
        problem = f"a connection to {address} was attempted during replay"
        raise MarketDataError(where, problem, "Report this, with the versions of vcrpy and alpaca-py")

    with patch.object(socket.socket, "connect", refuse):
        yield


def _read(folder: Path, path: Path, where: str) -> str:
    """The cassette's text, once the manifest vouches for its bytes."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MarketDataError(where, "is missing", _RECORD) from None
    except OSError as error:
        raise MarketDataError(where, f"cannot be read: {error.strerror}", "Check its permissions") from None
    entry = _manifest(folder).get(path.relative_to(folder).as_posix())
    digest = hashlib.sha256(content).hexdigest()
    if not isinstance(entry, dict):
        raise MarketDataError(where, f"is not listed in {MANIFEST}", _RECORD)
    if entry.get("sha256") != digest:
        problem = f"was altered: its sha256 is {digest[:12]}..., the manifest says {str(entry.get('sha256'))[:12]}..."
        raise MarketDataError(where, problem, "Restore it from version control, or record it again")
    try:
        return gzip.decompress(content).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise MarketDataError(where, "is not gzipped text", _RECORD) from None


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    where = f"manifest {path}"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cassettes = document["cassettes"] if document["schema"] == SCHEMA else None
    except FileNotFoundError:
        raise MarketDataError(where, "is missing", _RECORD) from None
    except (OSError, ValueError, KeyError, TypeError):
        cassettes = None
    if not isinstance(cassettes, dict):
        raise MarketDataError(where, f"is not a manifest of schema {SCHEMA}", "Restore it from version control")
    return cassettes
