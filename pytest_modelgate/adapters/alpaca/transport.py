"""Requests to Alpaca: limited in their rate, with a timeout, tried again where that helps, and never in a circle."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ConnectionError, ContentDecodingError, Timeout  # noqa: A004 - theirs

from pytest_modelgate.adapters.files.fast_json import parse_json

# Method and address to status, headers and body.
Answer = Callable[[str, str], tuple[int, Mapping[str, list[str]], bytes]]
PASSING = frozenset((429, 500, 502, 503, 504))  # what may be better in a moment
_BROKE_OFF = (Timeout, ConnectionError, ChunkedEncodingError, ContentDecodingError)
_NO_BARS = ("", "")
_REPORT = "Record it again later, and report it to Alpaca if it stays"
_WEB_PAGE = "a web page came instead of Alpaca's answer, as from a proxy or a login to the network"
_NO_NAME = "Alpaca names the next page by an empty token, so nothing tells whether these bars are all"
_WHITE = b"\xef\xbb\xbf \t\r\n"
_LONGEST_WAIT_S = 90.0  # Alpaca counts requests by the minute


class UnusableAnswerError(Exception):
    """An answer came that asking again would not better: what is wrong with it, and what to do."""

    def __init__(self, problem: str, remedy: str = _REPORT) -> None:
        super().__init__(problem, remedy)
        self.problem: str = problem
        self.remedy: str = remedy


@dataclass(frozen=True)
class RateLimiter:
    """Rate limit of requests, shared by every process that records into the same folder: each waits for its turn.

    Attributes:
        folder: where the next free turn is noted.
        interval_s: seconds from one turn to the next.
    """

    folder: Path
    interval_s: float

    def wait(self) -> None:
        """Wait for the next turn."""
        with self._lock():
            now = time.time()
            turn = max(now, self._noted(now))
            self._note(turn + self.interval_s)
        time.sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """Let nobody have a turn before so many seconds have passed."""
        with self._lock():
            now = time.time()
            self._note(max(now + seconds, self._noted(now)))

    def _lock(self) -> FileLock:
        return FileLock(self.folder / "next-turn.lock")

    def _note(self, turn: float) -> None:
        (self.folder / "next-turn").write_text(repr(turn), encoding="ascii")

    def _noted(self, now: float) -> float:
        """The next free turn in epoch seconds, a clock that processes share; 0 where there is no believable note."""
        try:
            turn = float((self.folder / "next-turn").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0.0
        return turn if turn < now + 10 * _LONGEST_WAIT_S else 0.0  # a clock that was wrong must not stop recording


@dataclass(frozen=True)
class RequestPolicy:
    """Timeout, rate and retries of the requests for one series.

    Attributes:
        timeout_s: seconds to wait for the service to answer, per try.
        limiter: gives turns; None when nothing has to wait.
        tries: how often a page is asked for before it is given up.
        tell: is told of every wait, in a sentence.
        page: is told the starts of the first and the last bar of every page (ISO 8601), for progress.
        url: the variable that names another host, for error messages.
    """

    timeout_s: float = 30.0
    limiter: RateLimiter | None = None
    tries: int = 1
    tell: Callable[[str], None] = lambda _: None
    page: Callable[[str, str], None] | None = None
    url: str = "APCA_API_DATA_URL"


class RecordedSession(requests.Session):
    """Session of requests that answers from a recording: no connection, no waiting, no second try.

    Of a request it prepares method and address, as any session does: a recording knows no more of it, and preparing and
    sending the rest takes as long as parsing a page.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def request(self, method: str, url: str, params: Any = None, **_: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401
        """The recorded response; what ``answer`` raises is passed on."""
        asked = requests.PreparedRequest()
        asked.prepare_method(method)
        asked.prepare_url(url, params)
        response = _RecordedResponse()
        response.request, response.url = asked, asked.url or ""
        response.status_code, headers, body = self._answer(asked.method or "", response.url)
        response.headers.update({name: ", ".join(values) for name, values in headers.items()})
        response.raw = BytesIO(body)
        response.encoding = "utf-8"  # as JSON is (RFC 8259); guessing it would take longer than parsing it
        return response


class _RecordedResponse(requests.Response):
    def json(self, **_: Any) -> Any:  # noqa: ANN401 - any JSON
        return parse_json(self.text)


class RetryingAdapter(HTTPAdapter):
    """Adapter of requests that sends those of one series by its ``RequestPolicy``; a new one for every series."""

    def __init__(self, policy: RequestPolicy) -> None:
        super().__init__()
        self._policy = policy
        self._asked: set[str | None] = set()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401
        """Send a request, again after a while if what went wrong may pass.

        Raises:
            UnusableAnswerError: the same page was asked for before, the next one cannot be asked for, or a web page
                came with a status of success.
            requests.RequestException: no answer came, whatever was tried.
        """
        if request.url in self._asked:
            raise UnusableAnswerError("Alpaca's pages go round in a circle: a page token came back")
        self._asked.add(request.url)
        options["timeout"] = self._policy.timeout_s
        for number in range(self._policy.tries):
            wait_s, last_try = 2.0**number, number + 1 == self._policy.tries
            if self._policy.limiter:
                self._policy.limiter.wait()
            try:
                response = super().send(request, *args, **options)
                ends = _ends(response, self._policy.url)  # a body that breaks off shows here
            except _BROKE_OFF as error:
                if last_try or distrusts(error):
                    raise
                self._rest(f"the connection failed ({type(error).__name__})", wait_s)
                continue
            if response.status_code == 200 and ends is not None:
                if self._policy.page:
                    self._policy.page(*ends)
            elif response.status_code in {200, *PASSING} and not last_try:
                how = f"with status {response.status_code}" if response.status_code != 200 else "in part only"
                self._rest(f"Alpaca answered {how}", _wait_s(response.headers, wait_s))
                continue
            return response
        raise AssertionError("there is at least one try")

    def _rest(self, why: str, seconds: float) -> None:
        self._policy.tell(f"{why}; trying again in {seconds:.0f} s")
        if self._policy.limiter:
            self._policy.limiter.hold(seconds)
        else:
            time.sleep(seconds)


def distrusts(error: BaseException) -> bool:
    """Whether a connection failed because the other end could not be trusted or speaks no TLS: that does not pass."""
    reason: object = error
    while isinstance(reason, BaseException):
        if isinstance(reason, ssl.SSLError):
            return not isinstance(reason, ssl.SSLEOFError | ssl.SSLZeroReturnError)  # these broke off
        inner = getattr(reason, "reason", None)  # urllib3 wraps one in the other
        reason = inner if isinstance(inner, BaseException) else next(iter(reason.args), None)
    return False


def _ends(response: requests.Response, url: str) -> tuple[str, str] | None:
    """Starts of the first and last bar of a page, empty for a page without bars; None when it is no whole JSON.

    Raises:
        UnusableAnswerError: see ``RetryingAdapter.send``.
    """
    if response.status_code == 200 and response.content.lstrip(_WHITE)[:1] == b"<":
        raise UnusableAnswerError(_WEB_PAGE, f"Open the address in a browser, and check {url} and the proxy")
    try:
        page = json.loads(response.content)
        if page.get("next_page_token") == "":
            raise UnusableAnswerError(_NO_NAME)  # neither a page nor null, which is the end
        times = [row["t"] for rows in page["bars"].values() for row in rows]
        return str(times[0]), str(times[-1])
    except (TypeError, KeyError, AttributeError, RecursionError, IndexError):
        return _NO_BARS  # but JSON: asking again would not help
    except ValueError:
        return None


def _wait_s(headers: Mapping[str, str], otherwise: float) -> float:
    """Seconds that a service which limits the rate of requests wants us to wait, within reason."""
    for name, since in (("Retry-After", 0.0), ("X-Ratelimit-Reset", time.time())):
        try:
            seconds = float(headers[name]) - since
        except (KeyError, ValueError):
            continue
        if 0.0 <= seconds <= _LONGEST_WAIT_S:
            return max(seconds, otherwise)
    return otherwise
