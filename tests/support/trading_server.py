"""A local server that speaks Alpaca's trading API in front of a simulated exchange."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
from support.exchange import SECOND, Activity, Exchange, Placed, RefusedError, moment_of, number

_DAY = 86_400 * SECOND
_OPEN_HOURS = (9 * 60 + 30, 16 * 60)  # minutes of a New York day
_PAGE = {"orders": (50, 500), "activities": (100, 100)}  # by default, and at most
_INTRADAY = {"1Min": 60, "5Min": 300, "15Min": 900, "1H": 3600}
_LONGEST = 30 * _DAY  # of an intraday history
_ENDINGS = {
    "filled_at": "filled",
    "canceled_at": "canceled",
    "expired_at": "expired",
    "failed_at": "rejected",
    "replaced_at": "replaced",
}


@dataclass
class Quirks:
    """Things that the service was seen to do, each to be switched on.

    Attributes:
        updated_at_null, client_order_id_null: of every order.
        status: word that every order which has ended bears instead of its own; None for its own.
    """

    updated_at_null: bool = False
    client_order_id_null: bool = False
    status: str | None = None


class TradingServer:
    """What the server was asked, and what it will refuse.

    Attributes:
        url: for ``url_override`` and APCA_API_TRADING_URL.
        requests: method and target of every request.
        account_number: what must not be kept of an account.
    """

    account_number = "PA3SECRET999"

    def __init__(self, exchange: Exchange, keys: tuple[str, str], quirks: Quirks) -> None:
        self.exchange, self.quirks, self.url = exchange, quirks, ""
        self.requests: list[str] = []
        self._keys, self._lock = keys, threading.Lock()
        self._faults: deque[tuple[int, object]] = deque()

    def fail(self, status: int, message: str = "rate limit exceeded", code: int | None = None) -> None:
        """Answer one of the next requests so, instead of what it asks for."""
        self._faults.append((status, {"message": message, **({} if code is None else {"code": code})}))

    def answer(self, method: str, target: str, body: bytes, headers: Message) -> tuple[int, object]:
        """Status and JSON of one request."""
        with self._lock:
            self.requests.append(f"{method} {target}")
            if self._faults:
                return self._faults.popleft()
            if (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) != self._keys:
                return 401, {"code": 40110000, "message": "request is not authorized"}
            parts = urlsplit(target)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            try:
                return self._route(method, parts.path.removeprefix("/v2"), query, json.loads(body or b"{}"))
            except RefusedError as error:
                return error.status, {"code": error.code, "message": str(error)}

    def _route(self, method: str, path: str, query: dict[str, str], body: Mapping[str, Any]) -> tuple[int, object]:
        reads: dict[str, Callable[[dict[str, str]], object]] = {
            "/account": lambda _: self._account(),
            "/account/activities": self._activities,
            "/account/portfolio/history": self._history,
            "/calendar": _calendar,
            "/clock": lambda _: self._clock(),
            "/orders": self._orders,
            "/positions": lambda _: self._positions(),
        }
        if method == "GET" and path in reads:
            return 200, reads[path](query)
        head, _, order_id = path.rpartition("/")
        if (method, path) == ("POST", "/orders"):
            return 200, self._row(self._submit(body), nested=True)
        if head == "/orders" and method == "GET":
            return 200, self._row(self.exchange.find(order_id), nested=True)
        if head == "/orders" and method == "DELETE":
            self.exchange.cancel(order_id)
            return 204, None
        if head == "/orders" and method == "PATCH":
            return 200, self._row(self.exchange.replace(order_id, float(body["qty"])), nested=True)
        return 404, {"code": 40410000, "message": "endpoint not found."}

    def _submit(self, body: Mapping[str, Any]) -> Placed:
        try:
            if body["side"] not in ("buy", "sell") or body["type"] not in ("market", "stop"):
                raise RefusedError(422, 40010001, "invalid side or type")
            return self.exchange.submit(
                str(body["symbol"]),
                body["side"],
                float(body["qty"]) if body.get("qty") is not None else None,
                notional=float(body["notional"]) if body.get("notional") is not None else None,
                client_order_id=body.get("client_order_id"),
                stop=float(body["stop_price"]) if body.get("stop_price") is not None else None,
                stop_loss=float(body["stop_loss"]["stop_price"]) if body.get("stop_loss") else None,
            )
        except (KeyError, TypeError, ValueError):
            raise RefusedError(422, 40010001, "invalid request") from None

    def _orders(self, query: dict[str, str]) -> object:
        limit = _limit(query, "limit", "orders")
        status, nested = query.get("status", "open"), query.get("nested") == "true"
        after, until = (_moment(query, name) for name in ("after", "until"))
        orders = (
            self.exchange.orders
            if nested
            else [each for order in self.exchange.orders for each in (order, *order.legs)]
        )
        symbols = set(query["symbols"].split(",")) if query.get("symbols") else None
        chosen = [
            order
            for order in orders
            if (status == "all" or order.is_open == (status == "open"))
            and (after is None or order.submitted > after)
            and (until is None or order.submitted < until)
            and (symbols is None or order.symbol in symbols)
        ]
        if query.get("direction", "desc") == "desc":
            chosen.reverse()
        return [self._row(order, nested=nested) for order in chosen[:limit]]

    def _row(self, order: Placed, *, nested: bool) -> dict[str, Any]:
        ended = text_of(order.ended) if order.ended is not None else None
        status = order.status if order.is_open or self.quirks.status is None else self.quirks.status
        submitted = text_of(order.submitted)
        kind = "crypto" if "/" in order.symbol else "us_equity"
        return {
            "id": order.id,
            "client_order_id": None if self.quirks.client_order_id_null else order.client_order_id,
            "created_at": submitted,
            "updated_at": None if self.quirks.updated_at_null else ended or submitted,
            "submitted_at": submitted,
            **{name: ended if order.status == word else None for name, word in _ENDINGS.items()},
            "replaced_by": order.replaced_by,
            "replaces": order.replaces,
            "asset_id": "64bbff51-59d6-4b3c-9351-13ad85e3c752",
            "symbol": order.symbol,
            "asset_class": kind,
            "notional": None if order.notional is None else number(order.notional),
            "qty": None if order.quantity is None else number(order.quantity),
            "filled_qty": number(order.filled),
            "filled_avg_price": number(order.paid / order.filled) if order.filled else None,
            "order_class": "oto" if order.legs else "",
            "order_type": order.kind,
            "type": order.kind,
            "side": order.side,
            "time_in_force": "gtc",
            "limit_price": None,
            "stop_price": None if order.stop is None else number(order.stop),
            "status": status,
            "extended_hours": False,
            "legs": [self._row(leg, nested=True) for leg in order.legs] if nested and order.legs else None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "subtag": None,
            "source": None,
        }

    def _activities(self, query: dict[str, str]) -> object:
        limit = _limit(query, "page_size", "activities")
        after, until = (_moment(query, name) for name in ("after", "until"))
        kinds = set(query["activity_types"].split(",")) if query.get("activity_types") else None
        rows = sorted(
            (
                activity
                for activity in self.exchange.activities
                if (kinds is None or activity.kind in kinds)
                and (after is None or activity.told > after)
                and (until is None or activity.told < until)
            ),
            key=lambda activity: activity.told,
            reverse=query.get("direction", "desc") == "desc",
        )
        first = 0
        if token := query.get("page_token"):
            ids = [activity.id for activity in rows]
            if token not in ids:
                raise RefusedError(422, 40010001, "invalid page_token")
            first = ids.index(token) + 1
        return [_activity(activity) for activity in rows[first : first + limit]]

    def _history(self, query: dict[str, str]) -> object:
        now, frame = self.exchange.now, query.get("timeframe", "1D")
        step = _INTRADAY.get(frame, 86_400) * SECOND
        end = min(_moment(query, "end") or now, now)
        start = max(_moment(query, "start") or end - _LONGEST, self.exchange.opened)
        if frame in _INTRADAY and end - start > _LONGEST:
            raise RefusedError(422, 40010001, "intraday history reaches back 30 days at most")
        moments = list(range(-(-start // step) * step, end + 1, step))
        # A window's beginning, and the equity at its end.
        equity = self.exchange.equity_at([min(moment + step, now) for moment in moments])
        base = equity[0] if equity else 0.0
        return {
            "timestamp": [moment // SECOND for moment in moments],
            "equity": [round(usd, 2) for usd in equity],
            "profit_loss": [round(usd - base, 2) for usd in equity],
            "profit_loss_pct": [round(usd / base - 1.0, 6) for usd in equity],
            "base_value": base,
            "timeframe": frame,
        }

    def _account(self) -> object:
        equity, cash = self.exchange.equity, self.exchange.cash
        return {
            "id": self.exchange.id,
            "account_number": self.account_number,
            "status": "ACTIVE",
            "crypto_status": "ACTIVE",
            "currency": "USD",
            "cash": number(round(cash, 2)),
            "equity": number(round(equity, 2)),
            "last_equity": number(round(equity, 2)),
            "portfolio_value": number(round(equity, 2)),
            "buying_power": number(round(2 * cash, 2)),
            "long_market_value": number(round(equity - cash, 2)),
            "created_at": text_of(self.exchange.opened),
            "trading_blocked": False,
            "account_blocked": False,
            "shorting_enabled": True,
            "multiplier": "2",
        }

    def _positions(self) -> object:
        rows = []
        for symbol, size in sorted(self.exchange.held.items()):
            price = self.exchange.prices[symbol].at(self.exchange.now)
            rows.append(
                {
                    "asset_id": "64bbff51-59d6-4b3c-9351-13ad85e3c752",
                    "symbol": symbol.replace("/", ""),
                    "exchange": "CRYPTO" if "/" in symbol else "NASDAQ",
                    "asset_class": "crypto" if "/" in symbol else "us_equity",
                    "qty": number(size),
                    "qty_available": number(size),
                    "side": "long" if size > 0 else "short",
                    "market_value": number(size * price),
                    "current_price": number(price),
                }
            )
        return rows

    def _clock(self) -> object:
        now = pd.Timestamp(self.exchange.now, tz="UTC").tz_convert("America/New_York")
        first, last = _OPEN_HOURS
        is_open = now.day_of_week < 5 and first <= now.hour * 60 + now.minute < last
        return {
            "timestamp": now.isoformat(),
            "is_open": is_open,
            "next_open": _next(now, first).isoformat(),
            "next_close": _next(now, last).isoformat(),
        }


def _activity(activity: Activity) -> dict[str, object]:
    row: dict[str, object] = {"id": activity.id, "activity_type": activity.kind, **activity.facts}
    if activity.kind == "FILL":
        return row | {"transaction_time": text_of(activity.at)}
    day = pd.Timestamp(activity.at, tz="UTC").tz_convert("America/New_York")
    return row | {"date": f"{day:%Y-%m-%d}", "created_at": text_of(activity.told), "description": "fee"}


def _limit(query: Mapping[str, str], name: str, what: str) -> int:
    default, most = _PAGE[what]
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise RefusedError(422, 40010001, f"{name} must be 1 to {most}")
    return int(text)


def _moment(query: Mapping[str, str], name: str) -> int | None:
    if not query.get(name):
        return None
    try:
        return moment_of(query[name])
    except ValueError:
        raise RefusedError(422, 40010001, f"invalid {name}") from None


def text_of(moment: int) -> str:
    """RFC 3339 with nine decimals."""
    seconds, rest = divmod(moment, SECOND)
    return f"{pd.Timestamp(seconds, unit='s'):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _next(now: pd.Timestamp, minute: int) -> pd.Timestamp:
    """The next weekday's moment at a minute of the New York day."""
    day = now.normalize()
    while True:
        moment = day + pd.Timedelta(minutes=minute)
        if moment > now and day.day_of_week < 5:
            return moment
        day = (day + pd.Timedelta(hours=36)).normalize()


def _calendar(query: dict[str, str]) -> object:
    days = pd.bdate_range(query.get("start", "2024-01-01"), query.get("end", "2024-12-31"))
    return [{"date": f"{day:%Y-%m-%d}", "open": "09:30", "close": "16:00"} for day in days]


@contextmanager
def serve_account(
    exchange: Exchange, keys: tuple[str, str] = ("PKTESTKEY", "s3cr3t-s3cr3t"), quirks: Quirks | None = None
) -> Iterator[TradingServer]:
    """Serve an account on a free port of 127.0.0.1 until the context ends.

    Args:
        keys: the one key and secret that are accepted.
    """
    server = TradingServer(exchange, keys, quirks or Quirks())
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        http.RequestHandlerClass = type("BoundHandler", (_Handler,), {"trading_server": server})
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
    trading_server: TradingServer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content = self.trading_server.answer(self.command, self.path, body, self.headers)
        raw = b"" if content is None else json.dumps(content, separators=(",", ":")).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Connection", "close")  # no thread is left waiting on a client that forgot to close
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815 - the names of http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
        """Stay silent; ``TradingServer.requests`` holds what was asked."""
