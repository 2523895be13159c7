"""A local HTTP server that shows one account as Alpaca's trading API does: it pages, bounds, and refuses like it."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import NAMESPACE_OID, uuid5

import pandas as pd

KEY, SECRET = "PKPLANTEDKEYID000001", "pl4nt3d/s3cr3t+0123456789abcdefghij"
ACCOUNT_ID, ACCOUNT_NUMBER = "3f1a7c52-9b0e-4d7b-8a55-0c6d2f9e1b77", "PA3XPLANTED9"
KEYS = {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET}
START = pd.Timestamp("2026-01-05T00:00Z")


def moment(hours: float, nanoseconds: int = 0) -> str:
    """RFC 3339 with nine decimals, so many hours after the start."""
    at = START.as_unit("ns") + pd.Timedelta(hours=hours) + pd.Timedelta(nanoseconds, "ns")
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.value % 10**9:09d}Z"


def uuid(name: object) -> str:
    return str(uuid5(NAMESPACE_OID, str(name)))


@dataclass
class Account:
    """An account as it is at some moment; tests change it between recordings.

    Attributes:
        now: hours after the start; Alpaca's clock.
        faults: what the next requests are answered with: status, body, headers.
        requests: path and query of each, as asked.
    """

    id: str = ACCOUNT_ID
    created: str = field(default_factory=lambda: moment(-240))
    now: float = 24.0
    orders: list[dict[str, Any]] = field(default_factory=list)
    activities: list[dict[str, Any]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    equity: float = 100_000.0
    faults: deque[tuple[int, Any, Mapping[str, str]]] = field(default_factory=deque)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def order(self, name: str, hours: float, **facts: Any) -> dict[str, Any]:
        """Add a filled order of a unit for 10 USD, with its fill, unless told otherwise."""
        row: dict[str, Any] = {
            "id": uuid(name),
            "client_order_id": uuid(f"client {name}"),
            "created_at": moment(hours),
            "updated_at": None,
            "submitted_at": moment(hours),
            "filled_at": moment(hours, 123_456_789),
            "expired_at": None,
            "canceled_at": None,
            "failed_at": None,
            "replaced_at": None,
            "replaced_by": None,
            "replaces": None,
            "asset_id": uuid("asset"),
            "symbol": "UNI/USD",
            "asset_class": "crypto",
            "notional": None,
            "qty": "1",
            "filled_qty": "1",
            "filled_avg_price": "10",
            "order_class": "",
            "order_type": "market",
            "type": "market",
            "side": "buy",
            "time_in_force": "gtc",
            "limit_price": None,
            "stop_price": None,
            "status": "filled",
            "extended_hours": False,
            "legs": None,
            **facts,
        }
        self.orders.append(row)
        if row["status"] == "filled":
            self.fill(name, hours, row)
        return row

    def fill(self, name: str, hours: float, order: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
        row = {
            "id": f"20260105{len(self.activities):09d}::{uuid(f'fill {name}')}",
            "activity_type": "FILL",
            "transaction_time": moment(hours, 123_456_789),
            "type": "fill",
            "price": "10",
            "qty": "1",
            "side": order["side"],
            "symbol": order["symbol"],
            "leaves_qty": "0",
            "order_id": order["id"],
            "cum_qty": "1",
            "order_status": "filled",
            **facts,
        }
        self.activities.append(row)
        return row

    def fee(self, name: str, hours: float, **facts: Any) -> dict[str, Any]:
        """A fee in kind, posted at that hour."""
        row = {
            "id": f"20260105000000000::{uuid(f'fee {name}')}",
            "activity_type": "CFEE",
            "date": moment(hours)[:10],
            "net_amount": "0",
            "description": f"Coin Pair Transaction Fee of {ACCOUNT_NUMBER}",
            "symbol": "UNIUSD",
            "qty": "-0.0025",
            "price": "0",
            "status": "executed",
            "created_at": moment(hours),
            **facts,
        }
        self.activities.append(row)
        return row

    def environ(self) -> dict[str, str]:
        return {**KEYS, "APCA_API_TRADING_URL": self.url}

    def answer(self, target: str, headers: Mapping[str, str | None]) -> tuple[int, Any, Mapping[str, str]]:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        self.requests.append((parts.path, query))
        if self.faults:
            return self.faults.popleft()
        if (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) != (KEY, SECRET):
            return 401, {"message": f"unauthorized: {ACCOUNT_NUMBER}"}, {}
        pages = {
            "/v2/account": self._account,
            "/v2/clock": lambda _: {"timestamp": moment(self.now, 987_654_321), "is_open": True},
            "/v2/positions": lambda _: self.positions,
            "/v2/orders": self._orders,
            "/v2/account/activities": self._activities,
            "/v2/account/portfolio/history": self._history,
        }
        if parts.path not in pages:
            return 404, {"message": "endpoint not found."}, {}
        return 200, pages[parts.path](query), {}

    def _account(self, _: Mapping[str, str]) -> dict[str, Any]:
        return {
            "id": self.id,
            "account_number": ACCOUNT_NUMBER,
            "status": "ACTIVE",
            "currency": "USD",
            "cash": f"{self.equity}",
            "equity": f"{self.equity}",
            "buying_power": "987654.32",
            "created_at": self.created,
            "a_new_field": SECRET,
        }

    def _orders(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        after, until = _at(query["after"]), _at(query["until"])
        rows = sorted(self.orders, key=lambda row: _at(row["submitted_at"]))
        return [row for row in rows if after < _at(row["submitted_at"]) < until][: min(int(query["limit"]), 500)]

    def _activities(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        after, until = _at(query["after"]), _at(query["until"])
        rows = sorted(self.activities, key=_entered)
        ids = [row["id"] for row in rows]
        rows = rows[ids.index(query["page_token"]) + 1 :] if "page_token" in query else rows
        kinds = query["activity_types"].split(",")
        within = [row for row in rows if after < _entered(row) < until and row["activity_type"] in kinds]
        return within[: min(int(query["page_size"]), 100)]

    def _history(self, query: Mapping[str, str]) -> dict[str, Any]:
        start, end = pd.Timestamp(query["start"]), pd.Timestamp(query["end"])
        if end - start > pd.Timedelta(days=30):
            raise ValueError("more than 30 days")
        hours = [int(at.timestamp()) for at in pd.date_range(start.ceil("h"), end, freq="h")]
        return {"timestamp": hours, "equity": [self.equity, None, *[self.equity] * len(hours)][: len(hours)]}


def _at(text: str) -> int:
    return int(pd.Timestamp(text).value)


def _entered(row: Mapping[str, Any]) -> int:
    return _at(row.get("created_at") or row["transaction_time"])


@contextmanager
def serve(account: Account) -> Iterator[Account]:
    """Show an account on a free port of 127.0.0.1 until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, content, headers = account.answer(self.path, self.headers)
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: tests look at ``Account.requests``."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        account.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield account
        finally:
            http.shutdown()
            thread.join()
