"""Recorded conversations with Alpaca: written whole or not at all, replayed strictly. The only file that imports vcr.

A cassette holds one request with all its pages, as gzipped JSON. The manifest beside them holds their digests, so that
an altered price cannot pass as a recorded one.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

from pytest_modelgate.adapters.cassette_files import RECORD, read_cassette, write_cassette
from pytest_modelgate.core.bars import Bars
from pytest_modelgate.core.market import MarketRequest
from pytest_modelgate.errors import MarketDataError

HOST = "data.alpaca.markets"
# Addresses are put in one spelling by _scrub_request, so that comparing them as text compares all of their parts; the
# matchers for each part take twice as long over the fifty pages of a year.
_MATCH_ON = ("method", "uri")
# vcrpy patches the HTTP libraries of the whole process: two threads at once would play each other's cassettes.
_one_at_a_time = threading.RLock()


def path_of(request: MarketRequest) -> str:
    """Where a request is recorded, relative to the cassettes' folder: ``crypto/BTC-USD/1Hour/2024-12-27T2000.json.gz``.

    The name bears the start of the last bar (UTC), to the minute, so that two as-of moments of one day do not meet.
    What else makes up the request stands in the recorded address and is compared when it is replayed.
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

    where = f"cassette {folder / path_of(request)}"
    recorder = _recorder(_Tape(read_cassette(folder, path_of(request))))
    with _one_at_a_time, ExitStack() as contexts:
        contexts.enter_context(_no_sockets(where))
        try:
            cassette = contexts.enter_context(recorder.use_cassette(where, record_mode=RecordMode.NONE))
        except (KeyError, TypeError, AttributeError, ValueError):
            raise MarketDataError(where, "is not a recording of vcrpy", RECORD) from None
        try:
            yield
        except CannotOverwriteExistingCassetteException as error:
            asked = _scrub_request(error.failed_request)
            raise MarketDataError(where, f"does not hold {asked.method} {asked.uri}", RECORD) from None
        if not cassette.all_played:
            problem = f"only {cassette.play_count} of its {len(cassette)} pages were asked for"
            raise MarketDataError(where, problem, RECORD)


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
        MarketDataError: nothing was recorded, a secret would have been, or the folder cannot be written.
    """
    from vcr.record_mode import RecordMode

    where = f"cassette {folder / path_of(request)}"
    tape, recording = _Tape(None), Recording()
    context = _recorder(tape).use_cassette(where, record_mode=RecordMode.ALL, record_on_exception=False)
    with _one_at_a_time, context:
        yield recording
    if tape.text is None or not recording.facts:
        raise MarketDataError(where, "nothing was asked of Alpaca, so nothing was recorded", "Report this")
    if any(spelling in tape.text for secret in secrets if secret for spelling in _spellings(secret)):
        problem = "would have held one of your keys, so it was not written"
        raise MarketDataError(where, problem, "Revoke the key if it was sent to another host than Alpaca's")
    facts = {
        **recording.facts,
        "feed": request.feed,
        "adjustment": request.adjustment,
        "alpaca_py": version("alpaca-py"),
    }
    write_cassette(folder, path_of(request), tape.text, facts)


class _Tape:
    """Keeps vcrpy's hands off the disk: it loads from, and saves to, memory."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def load_cassette(self, _path: str, serializer: Any) -> Any:  # noqa: ANN401 - vcrpy publishes no types
        from vcr.persisters.filesystem import CassetteNotFoundError
        from vcr.serialize import deserialize

        if self.text is None:
            raise CassetteNotFoundError
        return deserialize(self.text, serializer)

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
    """No header is kept, and Alpaca's host stands in the address whatever host was asked.

    Parameters are sorted: their order is the client's affair and may change with its version.
    """
    parts = urlsplit(request.uri)
    query = urlencode(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    request.uri = urlunsplit(("https", HOST, parts.path, query, ""))
    request.headers = {}
    return request


def _scrub_response(response: dict[str, Any]) -> dict[str, Any] | None:
    """Only what was answered well is recorded, and of its headers only the content type."""
    if response["status"]["code"] != 200:
        return None
    kept = {name: value for name, value in response["headers"].items() if name.lower() == "content-type"}
    return {"status": {"code": 200, "message": "OK"}, "headers": kept, "body": response["body"]}


def _spellings(secret: str) -> set[str]:
    """How a text may stand in a cassette: in an address, or as JSON within the JSON of the file."""
    inner = json.dumps(secret)[1:-1]
    plain = {secret, quote(secret, safe=""), quote_plus(secret), inner, json.dumps(secret, ensure_ascii=False)[1:-1]}
    return plain | {json.dumps(spelling)[1:-1] for spelling in plain}


@contextmanager
def _no_sockets(where: str) -> Iterator[None]:
    """Refuse network connections, so that a fault in matching cannot reach the service unnoticed."""
    with ExitStack() as patches:
        for name in ("connect", "connect_ex"):
            passes = getattr(socket.socket, name)

            def refuse(connection: socket.socket, address: Any, passes: Any = passes) -> Any:  # noqa: ANN401 - of any family
                if connection.family not in (socket.AF_INET, socket.AF_INET6):
                    return passes(connection, address)
                connection.close()
                problem = f"a connection to {address} was attempted during replay"
                raise MarketDataError(where, problem, "Report this, with the versions of vcrpy and alpaca-py")

            patches.enter_context(patch.object(socket.socket, name, refuse))
        yield
