"""A local HTTP server that speaks Alpaca's wire of bars and corporate actions, for recording without Alpaca."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

import pandas as pd

from marketsim.actions import PATH, ActionList, ActionRows
from marketsim.wire import ASSET_CLASSES, BadRequestError, Market, SeriesKey

_JSON = {"Content-Type": "application/json; charset=UTF-8", "X-Ratelimit-Limit": "200", "X-Ratelimit-Remaining": "199"}


@dataclass(frozen=True)
class Answer:
    """One response; ``cut`` breaks off in the middle of the body, ``delay_s`` passes before anything is sent."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    cut: bool = False
    delay_s: float = 0.0


class MarketServer:
    """A running server.

    Attributes:
        url: where it listens, without a trailing slash; goes into ``url_override`` or ``APCA_API_DATA_URL``.
        requests: path and query of every request as sent, in order of arrival; ``headers`` likewise.
    """

    def __init__(self, url: str, market: Market, keys: tuple[str, str] | None, actions: ActionList | None) -> None:
        self.url = url
        self.requests: list[str] = []
        self.headers: list[Message] = []
        self._market = market
        self._actions = actions
        self._keys = keys
        self._faults: deque[Answer] = deque()

    def fail_next(
        self,
        status: int,
        body: str | Mapping[str, object],
        headers: Mapping[str, str] | None = None,
        *,
        cut: bool = False,
        delay_s: float = 0.0,
    ) -> None:
        """Answer the next request that is not yet spoken for with this; several calls queue up.

        Args:
            status: HTTP status.
            body: sent as JSON if a mapping, else as it is.
            headers: override or extend the usual ones.
            cut: close the connection in the middle of the body.
            delay_s: seconds to wait before answering.
        """
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self._faults.append(Answer(status, raw, {**_JSON, **(headers or {})}, cut, delay_s))

    def answer(self, target: str, headers: Message) -> Answer:
        """Answer to one GET request."""
        self.requests.append(target)
        self.headers.append(headers)
        if self._faults:
            return self._faults.popleft()
        status, content = self._content(target, headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"])
        return Answer(status, json.dumps(content, separators=(",", ":")).encode(), _JSON)

    def _content(self, target: str, key: str | None, secret: str | None) -> tuple[int, dict[str, object]]:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        asset_class = "us_equity" if parts.path == PATH else ASSET_CLASSES.get(parts.path)
        if asset_class is None:
            return 404, {"message": "endpoint not found."}
        if not self._admits(asset_class, key, secret):
            return 401, {"message": "unauthorized."}
        if parts.path == PATH and self._actions is None:
            return 403, {"message": "subscription does not permit querying corporate actions"}
        try:
            if parts.path == PATH and self._actions:
                return 200, self._actions.page(query)
            return 200, self._market.page(asset_class, query)
        except BadRequestError as error:
            return 400, {"message": str(error)}

    def _admits(self, asset_class: str, key: str | None, secret: str | None) -> bool:
        if asset_class == "crypto" and key is None and secret is None:
            return True
        return (key, secret) == self._keys if self._keys else bool(key and secret)


@contextmanager
def serve(
    series: Mapping[SeriesKey, pd.DataFrame],
    *,
    page_size: int = 10_000,
    crypto_page_size: int = 300,
    keys: tuple[str, str] | None = None,
    listings: Mapping[str, Mapping[str, str]] | None = None,
    actions: ActionRows | None = MappingProxyType({}),
    tls: ssl.SSLContext | None = None,
) -> Iterator[MarketServer]:
    """Serve bars and corporate actions on a free port of 127.0.0.1 until the context ends.

    Args:
        series: see Market.
        page_size: the most stock bars, or actions, in one page; Alpaca itself goes by the request's limit alone.
        crypto_page_size: the most crypto bars in one page; Alpaca chooses 126 to 420 whatever the limit.
        keys: the one key and secret that are accepted. None accepts any pair. Stocks need a pair, crypto does not,
            but a wrong pair is refused there too.
        listings: see Market.
        actions: corporate actions, none by default; None refuses them, as Alpaca does to some subscriptions.
        tls: the server's side of TLS; None speaks plain HTTP.

    Raises:
        ValueError: see Market.
    """
    market = Market(series, {"us_equity": page_size, "crypto": crypto_page_size}, listings)
    listed = None if actions is None else ActionList(actions, page_size)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        scheme = "https" if tls else "http"
        if tls:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        server = MarketServer(f"{scheme}://127.0.0.1:{http.server_address[1]}", market, keys, listed)
        http.RequestHandlerClass = type("BoundHandler", (_Handler,), {"market_server": server})
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    market_server: MarketServer

    def do_GET(self) -> None:
        answer = self.market_server.answer(self.path, self.headers)
        time.sleep(answer.delay_s)
        body = answer.body
        zipped = "gzip" in self.headers.get("Accept-Encoding", "")
        if zipped:
            body = gzip.compress(body, mtime=0)
        # Without Date and Server, so that two recordings of the same market are the same bytes.
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        # One request per connection: no thread is left waiting on a client that forgot to close.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer.cut else body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
        """Stay silent; ``MarketServer.requests`` holds what was asked."""
