"""RateLimiter and patience: what is asked again, after how long, and when it is given up."""

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from marketsim.server import MarketServer, serve
from support.market_factory import random_walk, request_for, series_key
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, SSLError

from pytest_modelgate.adapters.alpaca import transport as alpaca_transport
from pytest_modelgate.adapters.alpaca.client import fetch_bars
from pytest_modelgate.adapters.alpaca.transport import RateLimiter, RequestPolicy, distrusts
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.errors import MarketDataError

FRAME = random_walk("2024-03-01", 700)
REQUEST = request_for("BTCUSD", FRAME)
PAGES = 3  # of 300 bars


@dataclass
class Clock:
    """A clock that sleeping moves on, and nothing else."""

    now: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(alpaca_transport, "time", made)
    return made


@pytest.fixture
def market() -> Iterator[MarketServer]:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        yield server


def fetch(market: MarketServer, request_policy: RequestPolicy) -> Bars:
    return fetch_bars(REQUEST, credentials=None, data_url=market.url, request_policy=request_policy)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_trouble_that_passes_costs_only_time(market: MarketServer, clock: Clock, status: int) -> None:
    market.fail_next(status, "later")
    waits: list[str] = []

    assert fetch(market, RequestPolicy(tries=3, tell=waits.append)).frame.equals(FRAME)
    assert clock.slept == [1.0]
    assert waits == [f"Alpaca answered with status {status}; trying again in 1 s"]
    assert len(market.requests) == PAGES + 1


def test_an_answer_that_breaks_off_is_asked_for_again(market: MarketServer, clock: Clock) -> None:
    market.fail_next(200, {"bars": {"BTC/USD": []}}, cut=True)

    assert fetch(market, RequestPolicy(tries=2)).frame.equals(FRAME)
    assert clock.slept == [1.0]


def test_json_that_breaks_off_is_asked_for_again(market: MarketServer, clock: Clock) -> None:
    market.fail_next(200, '{"bars": {"BTC/US')

    assert fetch(market, RequestPolicy(tries=2)).frame.equals(FRAME)
    assert clock.slept == [1.0]


def test_an_answer_that_does_not_come_is_asked_for_again(market: MarketServer, clock: Clock) -> None:
    market.fail_next(200, "{}", delay_s=1.0)

    assert fetch(market, RequestPolicy(tries=2, timeout_s=0.2)).frame.equals(FRAME)
    assert clock.slept == [1.0]


def test_waits_grow_and_end(market: MarketServer, clock: Clock) -> None:
    for _ in range(4):
        market.fail_next(503, "later")

    with pytest.raises(MarketDataError, match="status 503"):
        fetch(market, RequestPolicy(tries=4))

    assert clock.slept == [1.0, 2.0, 4.0]
    assert len(market.requests) == 4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"X-Ratelimit-Reset": "1700000012", "X-Ratelimit-Remaining": "0"}, 12.0),
        ({"X-Ratelimit-Reset": "1699999990"}, 1.0),  # already over
        ({"X-Ratelimit-Reset": "1800000000"}, 1.0),  # years
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 1.0),
        ({"Retry-After": "-5"}, 1.0),
        ({"Retry-After": "nan"}, 1.0),
    ],
)
def test_the_service_says_how_long_to_wait(
    market: MarketServer, clock: Clock, headers: Mapping[str, str], seconds: float
) -> None:
    market.fail_next(429, "slow down", headers)

    assert fetch(market, RequestPolicy(tries=2)).frame.equals(FRAME)
    assert clock.slept == [seconds]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_will_not_pass_is_asked_once(market: MarketServer, clock: Clock, status: int) -> None:
    market.fail_next(status, "no")

    with pytest.raises(Exception, match=f"status {status}"):
        fetch(market, RequestPolicy(tries=5))

    assert clock.slept == []
    assert len(market.requests) == 1


@pytest.mark.parametrize("page", ["<!DOCTYPE html><p>Sign in", "\ufeff\r\n <html></html>"])
def test_a_web_page_in_an_answer_is_told_as_one_and_not_asked_for_again(
    market: MarketServer, clock: Clock, page: str
) -> None:
    market.fail_next(200, page, {"Content-Type": "text/html"})

    with pytest.raises(MarketDataError, match=r"a web page came instead .* the proxy"):
        fetch(market, RequestPolicy(tries=5))

    assert clock.slept == []


@pytest.fixture
def distrusted(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Where somebody answers in Alpaca's place, and the certificate they made themselves."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("a certificate takes openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "own.pem"
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, "req", *made, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serve({series_key("BTCUSD"): FRAME}, tls=context) as server:
        yield server.url, certificate


def test_a_certificate_that_nobody_vouches_for_is_told_at_once(
    distrusted: tuple[str, Path], clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, certificate = distrusted
    request_policy = RequestPolicy(limiter=RateLimiter(tmp_path, 0.0), tries=5)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    with pytest.raises(MarketDataError, match=r"certificate could not be verified.*REQUESTS_CA_BUNDLE"):
        fetch_bars(REQUEST, credentials=None, data_url=url, request_policy=request_policy)
    assert clock.slept == [0.0]  # one turn

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    bars = fetch_bars(REQUEST, credentials=None, data_url=url, request_policy=request_policy)
    assert bars.frame.equals(FRAME)


def test_who_speaks_no_tls_is_asked_once(market: MarketServer, clock: Clock) -> None:
    url = market.url.replace("http:", "https:")

    with pytest.raises(MarketDataError, match="not trusted"):
        fetch_bars(REQUEST, credentials=None, data_url=url, request_policy=RequestPolicy(tries=5))

    assert clock.slept == []


@pytest.mark.parametrize(
    ("reason", "lasting"),
    [(ssl.SSLCertVerificationError(1, "verify failed"), True), (ssl.SSLEOFError(8, "EOF"), False), (OSError(), False)],
)
def test_what_broke_off_within_tls_may_pass(reason: OSError, lasting: bool) -> None:
    wrapped = requests.exceptions.SSLError(MaxRetryError(HTTPConnectionPool("x"), "/", SSLError(reason)))

    assert distrusts(wrapped) is lasting


def test_progress_is_told_page_by_page(market: MarketServer) -> None:
    pages: list[tuple[str, str]] = []

    fetch(market, RequestPolicy(page=lambda first, last: pages.append((first, last))))

    rows = [(0, 299), (300, 599), (600, 699)]
    assert pages == [tuple(f"{FRAME.index[row]:%Y-%m-%dT%H:%M:%SZ}" for row in ends) for ends in rows]


def test_every_page_waits_its_turn(market: MarketServer, clock: Clock, tmp_path: Path) -> None:
    fetch(market, RequestPolicy(limiter=RateLimiter(tmp_path, 0.5)))

    assert clock.slept == [0.0, 0.5, 0.5]


def test_several_processes_take_turns(clock: Clock, tmp_path: Path) -> None:
    first, second = RateLimiter(tmp_path, 0.5), RateLimiter(tmp_path, 0.5)
    start = clock.now

    for limiter in (first, second, first, second):
        limiter.wait()

    assert clock.now - start == pytest.approx(1.5)


def test_a_rate_limit_holds_up_everybody(clock: Clock, tmp_path: Path) -> None:
    RateLimiter(tmp_path, 0.5).hold(20.0)
    RateLimiter(tmp_path, 0.5).wait()

    assert clock.slept == [20.0]


@pytest.mark.parametrize("note", ["9e99", "inf", "nan", "soon", "", "\x00"])
def test_a_note_that_cannot_be_believed_holds_up_nobody(clock: Clock, tmp_path: Path, note: str) -> None:
    (tmp_path / "next-turn").write_text(note)

    RateLimiter(tmp_path, 0.5).wait()

    assert clock.slept == [0.0]


def test_a_turn_is_really_waited_for(tmp_path: Path) -> None:
    limiter = RateLimiter(tmp_path, 0.05)
    before = time.monotonic()

    for _ in range(3):
        limiter.wait()

    assert time.monotonic() - before >= 0.09
