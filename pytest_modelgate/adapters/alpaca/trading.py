"""What a trading account did, from Alpaca's trading API, through its own client: it is read, and never told to act.

Everything is taken as JSON: the client's own models break on an unknown status, or on a null where they expect none.
"""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from pytest_modelgate.adapters.alpaca.client import answered, prepare
from pytest_modelgate.adapters.alpaca.failures import KEYS, Wording
from pytest_modelgate.adapters.alpaca.keys import KEY_ID, KEYS_FILE, SECRET_KEY, Credentials, read_credentials
from pytest_modelgate.adapters.alpaca.paging import Row, all_activities, all_orders, history_windows
from pytest_modelgate.core.watching.moments import write_moment
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountKind
from pytest_modelgate.errors import AccountError, SettingsError

if TYPE_CHECKING:  # pulls in requests
    from requests import Session

    from pytest_modelgate.adapters.alpaca.transport import RequestPolicy

_Answer = TypeVar("_Answer")
TRADING_URL = "APCA_API_TRADING_URL"
_HOSTS: Mapping[AccountKind, str] = {"paper": "paper-api.alpaca.markets", "live": "api.alpaca.markets"}
_ORDERS, _ACTIVITIES = 500, 100  # the most of a page
_KINDS = "FILL,CFEE,FEE"  # no transfers
_OWN_KEYS = f"{KEYS}: every account, paper or live, has keys of its own, and --account says which is asked"
_WORDS = Wording(
    error=AccountError,
    advice={
        400: ("refused the request as malformed", "Report this, with the version of alpaca-py"),
        401: ("does not know these keys", _OWN_KEYS),
        403: ("refuses this to these keys", _OWN_KEYS),
        404: ("does not know this address", f"Check {TRADING_URL}, or leave it unset"),
        422: ("refused the request's values", "Report this, with the version of alpaca-py"),
        429: ("limits the rate of requests, also after some retries", "Wait a minute and record again"),
    },
    asked="an account",
    url=TRADING_URL,
    example="https://paper-api.alpaca.markets",
    quotes=False,  # they may name the account
)


@dataclass(frozen=True)
class TradingService:
    """One account, asked for what it did.

    Attributes:
        kind: paper or live, which are different hosts.
        credentials: its keys.
        url: where it is asked.
        policy: how.
    """

    kind: AccountKind
    credentials: Credentials
    url: str
    policy: RequestPolicy

    @classmethod
    def of(cls, kind: AccountKind, environ: Mapping[str, str], policy: RequestPolicy) -> TradingService:
        """The service that the environment names the keys of.

        Raises:
            SettingsError: there are no keys, or ``APCA_API_TRADING_URL`` names no host that may get them.
        """
        url = _trading_url(kind, environ.get(TRADING_URL) or "")  # a workflow sets what it does not know to nothing
        credentials = read_credentials(environ)
        if credentials is None:
            problem = f"no keys are set, and Alpaca shows a {kind} account to its own keys only"
            remedy = f"Name a file with the account's keys, or set {KEY_ID} and {SECRET_KEY}"
            raise SettingsError(KEYS_FILE, problem, remedy)
        return cls(kind, credentials, url, policy)

    def account(self) -> Row:
        """The account itself, with its id."""
        return self._row("account", lambda client: client.get_account())

    def clock(self) -> Row:
        """Alpaca's clock."""
        return self._row("clock", lambda client: client.get_clock())

    def positions(self) -> list[Row]:
        """What the account holds now."""
        return self._rows("positions", lambda client: client.get_all_positions())

    def orders(self, first: int, until: int) -> list[Row]:
        """Orders submitted in a half-open stretch of moments, with their legs."""
        asked = {"status": "all", "nested": "true", "direction": "asc", "limit": _ORDERS, "until": write_moment(until)}

        def page(client: Any, after: int) -> list[Row]:  # noqa: ANN401 - alpaca's
            return _as_rows(client.get("/orders", {**asked, "after": write_moment(after)}))

        return self._rows("orders", lambda client: all_orders(lambda after: page(client, after), first - 1, _ORDERS))

    def activities(self, first: int, until: int) -> list[Row]:
        """Fills and fees that were entered in a half-open stretch of moments."""
        asked = {
            "activity_types": _KINDS,
            "direction": "asc",
            "page_size": _ACTIVITIES,
            "after": write_moment(first - 1),
            "until": write_moment(until),
        }

        def page(client: Any, token: str | None) -> list[Row]:  # noqa: ANN401 - alpaca's
            behind = {"page_token": token} if token else {}
            return _as_rows(client.get("/account/activities", asked | behind))

        return self._rows("activities", lambda client: all_activities(lambda token: page(client, token), _ACTIVITIES))

    def equity(self, first: int, until: int) -> list[tuple[int, float]]:
        """Beginnings of hours, seconds since 1970 UTC, and USD at their ends, as the portfolio history has them.

        Raises:
            AccountError: it is no such history.
        """
        points: dict[int, float] = {}
        for begin, end in history_windows(first, until):
            history = self._row("portfolio history", _history(begin, end))
            try:
                pairs = list(zip(history["timestamp"], history["equity"], strict=True))
                points |= {int(moment): float(usd) for moment, usd in pairs if usd is not None}
            except (KeyError, TypeError, ValueError, OverflowError):
                problem = "the answer is not Alpaca's JSON of a portfolio history"
                raise AccountError(self._where("portfolio history"), problem, "Record again later") from None
        return sorted((at, usd) for at, usd in points.items() if first <= at * NANOSECONDS < until)

    def _where(self, what: str) -> str:
        return f"{self.kind} account, {what}"

    def _row(self, what: str, ask: Callable[[Any], Any]) -> Row:
        return self._answer(what, lambda client: _as_row(ask(client)))

    def _rows(self, what: str, ask: Callable[[Any], Any]) -> list[Row]:
        return self._answer(what, lambda client: _as_rows(ask(client)))

    def _answer(self, what: str, ask: Callable[[Any], _Answer]) -> _Answer:
        def question(session: Session) -> _Answer:
            return ask(self._client(session))

        return answered(self._where(what), question, self.credentials, self.policy, words=_WORDS)

    def _client(self, session: Session) -> Any:  # noqa: ANN401 - alpaca's
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of websockets, as in ``client``
            from alpaca.trading.client import TradingClient
        keys = self.credentials
        client = TradingClient(keys.key, keys.secret, paper=self.kind == "paper", raw_data=True, url_override=self.url)
        prepare(client, session)
        return client


def _history(first: int, last: int) -> Callable[[Any], Any]:
    from alpaca.trading.requests import GetPortfolioHistoryRequest

    request = GetPortfolioHistoryRequest(
        timeframe="1H",
        intraday_reporting="continuous",
        pnl_reset="no_reset",
        start=_datetime(first),
        end=_datetime(last),
    )
    return lambda client: client.get_portfolio_history(request)


def _datetime(moment: int) -> datetime:
    return datetime.fromtimestamp(moment // NANOSECONDS, UTC)


def _as_row(answer: object) -> Row:
    if not isinstance(answer, dict):
        raise TypeError("no such JSON")
    return answer


def _as_rows(answer: object) -> list[Row]:
    if not isinstance(answer, list):
        raise TypeError("no such JSON")
    return [_as_row(row) for row in answer]


def _trading_url(kind: AccountKind, told: str) -> str:
    """Where an account of a kind is asked: Alpaca's own host, or the one told.

    Raises:
        SettingsError: keys would travel unencrypted to another machine, or to the host of the other kind.
    """
    if not told:
        return f"https://{_HOSTS[kind]}"
    try:
        parts = urlsplit(told)
        host = parts.hostname or ""
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), ""
    plain = not (parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"))
    if not (host and plain and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))):
        problem = f"is no address of a trading API, expected for example {_WORDS.example}"
        raise SettingsError(TRADING_URL, problem, "Leave it unset, or name https://HOST or http://127.0.0.1:PORT")
    if host in _HOSTS.values() and host != _HOSTS[kind]:
        problem = f"names {host}, which has no {kind} accounts"
        raise SettingsError(TRADING_URL, problem, "Leave it unset, or ask for the other kind with --account")
    return told.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
