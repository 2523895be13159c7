"""Conversations with Alpaca, recorded into a text and strictly replayed from it. The only file that imports vcr.

A text holds one request with all its pages, as JSON: where it lies is the affair of ``cassettes.files``.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from pytest_modelgate.adapters.cassettes.scrubbing import scrub_request, scrub_response, spell_address, spellings_of
from pytest_modelgate.adapters.files.fast_json import parse_json
from pytest_modelgate.digest import canonical_json
from pytest_modelgate.errors import MarketDataError

_ASOF = re.compile(r"[?&]asof=")
_SHORTEST_KEY = 8  # Alpaca's have 20 letters and more; what is shorter stands in any text by chance
# vcrpy patches the HTTP libraries of the whole process: two threads at once would play each other's cassettes.
_one_at_a_time = threading.RLock()


class Player:
    """Answers requests from a recording, each page once: vcrpy's cassette without its detour through HTTP libraries.

    Patched libraries would turn each page into an HTTP message and take it apart again, which takes as long as all the
    rest of a replay.
    """

    def __init__(self, text: str, where: str, remedy: str) -> None:
        """See ``play``."""
        from vcr.cassette import Cassette
        from vcr.record_mode import RecordMode

        self._where, self._remedy = where, remedy
        try:
            self._cassette = Cassette.load(
                path=where,
                persister=_InMemoryPersister(text),
                serializer=_CompactJson,
                record_mode=RecordMode.NONE,
                match_on=(_same_question,),
            )
            self._names_asof = any(_ASOF.search(request.uri) for request in self._cassette.requests)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            raise MarketDataError(where, "is not a recording of vcrpy", remedy) from None

    def answer(self, method: str, uri: str) -> tuple[int, dict[str, list[str]], bytes]:
        """Status, headers and body of the page that a request asks for.

        Raises:
            MarketDataError: the recording does not hold it, or it was played before.
        """
        from vcr.errors import UnhandledHTTPRequestError
        from vcr.request import Request

        # Recordings of old did not say as of when a symbol was meant.
        asked = spell_address(uri, leave_out=() if self._names_asof else ("asof",))
        try:
            response = self._cassette.play_response(Request(method, asked, None, {}))
        except UnhandledHTTPRequestError:
            raise MarketDataError(self._where, f"does not hold {method} {asked}", self._remedy) from None
        try:
            return int(response["status"]["code"]), dict(response["headers"]), bytes(response["body"]["string"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise MarketDataError(self._where, "is not a recording of vcrpy", self._remedy) from None

    def check_all_played(self) -> None:
        """Check that every recorded page was asked for.

        Raises:
            MarketDataError: one was not.
        """
        if not self._cassette.all_played:
            problem = f"only {self._cassette.play_count} of its {len(self._cassette)} pages were asked for"
            raise MarketDataError(self._where, problem, self._remedy)


@contextmanager
def play(text: str, where: str, remedy: str) -> Iterator[Player]:
    """Answer from a recording; sockets are closed meanwhile, and every recorded page must be asked for.

    Args:
        text: of a ``Recording``.
        where: names the cassette in error messages.
        remedy: what to do about a cassette that does not serve.

    Raises:
        MarketDataError: the recording is damaged, or holds another request or more than was asked for.
    """
    player = Player(text, where, remedy)
    with _one_at_a_time, _no_network(where):
        yield player
    player.check_all_played()


class Recording:
    """One conversation; its ``text`` is there once the block of ``record`` has ended without an error."""

    def __init__(self) -> None:
        self.text = ""


@contextmanager
def record(where: str, secrets: tuple[str, ...] = ()) -> Iterator[Recording]:
    """Record the HTTP requests of a block into memory, scrubbed: pages of bars in Alpaca's own words, nothing else.

    Args:
        where: names the cassette in error messages.
        secrets: texts that must not occur in the recording.

    Raises:
        MarketDataError: nothing was recorded, or a secret would have been.
    """
    from vcr.record_mode import RecordMode

    persister, recording = _InMemoryPersister(None), Recording()
    context = _recorder(persister).use_cassette(where, record_mode=RecordMode.ALL, record_on_exception=False)
    with _one_at_a_time, _silence(), context:
        yield recording
    if persister.text is None:
        raise MarketDataError(where, "nothing was asked of Alpaca, so nothing was recorded", "Report this")
    telling = [secret for secret in secrets if len(secret) >= _SHORTEST_KEY]
    if any(spelling in persister.text for secret in telling for spelling in spellings_of(secret)):
        problem = "would have held one of your keys, so it was not written"
        raise MarketDataError(where, problem, "Revoke the key if it was sent to another host than Alpaca's")
    recording.text = persister.text


@contextmanager
def _silence() -> Iterator[None]:
    """Keep vcrpy from logging whole answers, headers and all, before anything is scrubbed."""
    logger = logging.getLogger("vcr")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class _InMemoryPersister:
    """Persister of vcrpy that loads from memory and saves to it, instead of the disk.

    Attributes:
        text: the cassette; None until one is saved.
    """

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
    """Serializer of vcrpy: canonical JSON."""

    @staticmethod
    def serialize(cassette: Mapping[str, Any]) -> str:
        return canonical_json(cassette)

    @staticmethod
    def deserialize(text: str) -> Any:  # noqa: ANN401 - any JSON
        return parse_json(text)


def _recorder(persister: _InMemoryPersister) -> Any:  # noqa: ANN401 - vcrpy publishes no types
    import vcr

    recorder = vcr.VCR(
        serializer="compact",
        match_on=("question",),
        before_record_request=scrub_request,
        before_record_response=scrub_response,
        decode_compressed_response=True,
    )
    recorder.register_serializer("compact", _CompactJson)
    recorder.register_persister(persister)
    recorder.register_matcher("question", _same_question)
    return recorder


def _same_question(asked: Any, recorded: Any) -> bool:  # noqa: ANN401 - vcrpy publishes no types
    """Whether method and address are equal; in one spelling, so that comparing text compares all parts of an address.

    vcrpy compares every page with every other: a matcher for each part takes several times as long over the fifty pages
    of a year.
    """
    return bool(asked.uri == recorded.uri and asked.method == recorded.method)


@contextmanager
def _no_network(where: str) -> Iterator[None]:
    """Refuse network connections and look-ups, so that a fault in matching cannot reach the service unnoticed."""
    from unittest.mock import patch

    def refusal(address: object) -> MarketDataError:
        problem = f"a connection to {address} was attempted during replay"
        return MarketDataError(where, problem, "Report this, with the versions of vcrpy and alpaca-py")

    def no_lookup(host: object, *_: object, **__: object) -> Any:  # noqa: ANN401 - the type of the function it replaces
        raise refusal(host)

    with ExitStack() as patches:
        patches.enter_context(patch.object(socket, "getaddrinfo", no_lookup))
        for name in ("connect", "connect_ex", "sendto"):
            passes = getattr(socket.socket, name)

            def refuse(connection: socket.socket, *args: Any, passes: Any = passes) -> Any:  # noqa: ANN401 - of any family
                if connection.family not in (socket.AF_INET, socket.AF_INET6):
                    return passes(connection, *args)
                connection.close()
                raise refusal(args[-1])

            patches.enter_context(patch.object(socket.socket, name, refuse))
        yield
