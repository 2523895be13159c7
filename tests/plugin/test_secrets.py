"""Keys are planted; whatever goes wrong while they are used, none of them stands in anything a run prints or leaves."""

import base64
import gzip
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from marketsim.server import MarketServer, serve
from support.market_factory import random_walk, request_for, series_key
from support.model_factory import APPROVED, follow
from support.plugin_helpers import model, pack

from pytest_modelgate.adapters.alpaca import transport as alpaca_transport
from pytest_modelgate.errors import GateError
from pytest_modelgate.services.recording import Recorder

KEY, SECRET = "PKPL4NTEDKEY", "pl4nted+s3cret/with=signs"
FRAME = random_walk("2023-11-01", 24 * 430, seed=3)
LOUD = (
    "--gate-record-mode=all", "-m", "gating", "--showlocals", "--full-trace", "-rA", "-vv", "--log-level=DEBUG",
    "--log-file=debug.log", "--junitxml=junit.xml", "-o", "junit_logging=all", "--debug=pytest.log",
)  # fmt: skip


def leaks(text: str) -> bool:
    spellings = {secret for planted in (KEY, SECRET) for secret in (planted, quote(planted, ""), repr(planted)[1:-1])}
    encoded = {base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()}
    return any(spelling in text for spelling in spellings | encoded)


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            yield path.name, (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8", "replace")


@pytest.fixture(autouse=True, scope="session")
def _libraries(market_folder: Path) -> None:
    """Load the client and the recorder once: pytester would load and forget them in every run, and they mind."""
    assert market_folder.exists()


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Iterator[MarketServer]:
    with serve({series_key("RNDUSD"): FRAME}, crypto_page_size=10_000, keys=(KEY, SECRET)) as server:
        monkeypatch.delenv("ALPACA_KEYS_FILE", raising=False)
        monkeypatch.setenv("APCA_API_KEY_ID", KEY)
        monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        yield server


def _crash(_: object, request: object, *__: object, **___: object) -> None:
    """What a library raises when nobody expects it, with all it knows."""
    headers = dict(vars(request)["headers"])
    raise ArithmeticError(f"{headers}", SECRET)


def _interrupt(_: object, request: object, *__: object, **___: object) -> None:
    """Ctrl-C while a request is under way."""
    plain = "".join(SECRET)  # in a local variable, as in many a library's
    raise KeyboardInterrupt(request and plain and "")


ECHO = ({"message": f"bad key {SECRET}", "headers": {"APCA-API-KEY-ID": KEY}}, {"X-Echo": SECRET})


@pytest.mark.parametrize(
    ("answer", "send", "status"),
    [
        pytest.param(None, None, 0, id="all is well"),
        pytest.param(ECHO, None, 0, id="the service says what it was sent"),
        pytest.param(None, _crash, 4, id="a library crashes"),
        pytest.param(None, _interrupt, 2, id="somebody interrupts"),
    ],
)
def test_no_key_is_printed_or_left_by_a_run_that_records(
    pytester: pytest.Pytester,
    market: MarketServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: tuple[dict[str, object], dict[str, str]] | None,
    send: Callable[..., None] | None,
    status: int,
) -> None:
    archive = pack(pytester.path, model("RNDUSD", APPROVED, follow("momentum_24")))
    if answer:
        market.fail_next(400, *answer)
    if send:
        monkeypatch.setattr(alpaca_transport.RetryingAdapter, "send", send)

    result = pytester.runpytest_inprocess(f"--model-archive={archive}", *LOUD, no_reraise_ctrlc=True)

    text = result.stdout.str() + result.stderr.str()
    assert result.ret == status, text
    assert "INTERNALERROR" not in text
    assert [name for name, content in [("the terminal", text), *contents(pytester.path)] if leaks(content)] == []
    assert (pytester.path / "gate-report" / "verdict.json").exists()
    assert [str(headers["APCA-API-SECRET-KEY"]) for headers in market.headers] == [SECRET] * len(market.headers)
    assert bool(market.headers) == (send is None)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 422])
def test_no_traceback_of_a_refusal_shows_a_key_among_its_locals(
    market: MarketServer, tmp_path: Path, status: int
) -> None:
    market.fail_next(status, {"message": f"{KEY} {SECRET}"}, {"Location": f"http://127.0.0.1:9/?{quote(SECRET)}"})
    recorder = Recorder(
        tmp_path, {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET, "APCA_API_DATA_URL": market.url}
    )

    with pytest.raises(GateError) as caught:
        recorder._fetch(request_for("RNDUSD", FRAME))

    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "secrets = (<hidden>, <hidden>)" in shown
    assert not leaks(shown)
    assert not leaks(repr(vars(caught.value)))
