"""Real vcrpy cassettes, recorded from a local server and replayed without it."""

import gzip
import hashlib
import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from market_factory import random_walk, request_for, series_key
from marketsim.server import MarketServer, serve

from pytest_modelgate.adapters import cassettes
from pytest_modelgate.adapters.alpaca import Credentials, fetch_bars
from pytest_modelgate.core.bars import Bars
from pytest_modelgate.errors import MarketDataError

FRAME = random_walk("2024-03-01", 700)
REQUEST = request_for("BTCUSD", FRAME)
KEYS = Credentials("PKTESTKEY", "s3cr3t-s3cr3t")


@pytest.fixture
def market() -> Iterator[MarketServer]:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        yield server


def record(folder: Path, market: MarketServer) -> Bars:
    with cassettes.record(folder, REQUEST, (KEYS.key, KEYS.secret)) as recording:
        bars = fetch_bars(REQUEST, credentials=KEYS, data_url=market.url)
        recording.describe(bars)
    return bars


@pytest.fixture
def recorded(tmp_path: Path, market: MarketServer) -> Path:
    """The one cassette of a folder."""
    record(tmp_path, market)
    return tmp_path / cassettes.path_of(REQUEST)


def replay(folder: Path) -> Bars:
    with cassettes.replay(folder, REQUEST):
        return fetch_bars(REQUEST, credentials=None)


def rewrite(folder: Path, cassette: Path, content: bytes) -> None:
    """Change a cassette together with its digest, as someone would who means it."""
    cassette.write_bytes(content)
    manifest = folder / "manifest.json"
    document = json.loads(manifest.read_text())
    document["cassettes"][cassettes.path_of(REQUEST)]["sha256"] = hashlib.sha256(content).hexdigest()
    manifest.write_text(json.dumps(document))


def test_a_recording_replays_without_server_and_keys(tmp_path: Path) -> None:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        record(tmp_path, server)

    assert replay(tmp_path).frame.equals(FRAME)


def test_the_path_names_market_symbol_timeframe_and_last_bar() -> None:
    assert cassettes.path_of(REQUEST) == "crypto/BTC-USD/1Hour/2024-03-30T0300.json.gz"


def test_the_addresses_bear_alpacas_own_host(recorded: Path) -> None:
    interactions = json.loads(gzip.decompress(recorded.read_bytes()))["interactions"]

    assert len(interactions) == 3
    assert all(item["request"]["uri"].startswith("https://data.alpaca.markets/v1beta3/") for item in interactions)


def test_nothing_of_headers_is_kept_but_the_content_type(recorded: Path) -> None:
    interactions = json.loads(gzip.decompress(recorded.read_bytes()))["interactions"]

    assert all(item["request"]["headers"] == {} for item in interactions)
    assert {name for item in interactions for name in item["response"]["headers"]} == {"Content-Type"}


def test_no_key_stands_in_any_file(tmp_path: Path, recorded: Path) -> None:
    texts = [gzip.decompress(recorded.read_bytes()), (tmp_path / "manifest.json").read_bytes()]

    assert not any(secret.encode() in text for secret in (KEYS.key, KEYS.secret) for text in texts)


def test_a_key_that_the_service_echoes_is_not_written(tmp_path: Path, market: MarketServer) -> None:
    bar = {"t": "2024-03-01T00:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 0, "debug": KEYS.secret}
    market.fail_next(200, {"bars": {"BTC/USD": [bar]}, "next_page_token": None})

    with pytest.raises(MarketDataError, match="held one of your keys"):
        record(tmp_path, market)

    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_second_recording_is_the_same_bytes(tmp_path: Path, market: MarketServer, recorded: Path) -> None:
    before = recorded.read_bytes(), (tmp_path / "manifest.json").read_bytes()

    record(tmp_path, market)

    assert (recorded.read_bytes(), (tmp_path / "manifest.json").read_bytes()) == before


def test_a_failed_recording_leaves_the_earlier_one_as_it_was(
    tmp_path: Path, market: MarketServer, recorded: Path
) -> None:
    before = recorded.read_bytes()
    market.fail_next(500, "oops")

    with pytest.raises(MarketDataError):
        record(tmp_path, market)

    assert recorded.read_bytes() == before
    assert [path.name for path in recorded.parent.iterdir()] == [recorded.name]


def test_an_error_of_the_service_is_never_recorded(tmp_path: Path, market: MarketServer) -> None:
    market.fail_next(200, {"bars": {}, "next_page_token": None})
    market.fail_next(503, "later")

    with cassettes.record(tmp_path, REQUEST) as recording:
        for _ in range(2):
            try:
                urllib.request.urlopen(f"{market.url}/v1beta3/crypto/us/bars?symbols=BTC%2FUSD")
            except urllib.error.HTTPError as error:
                error.close()
        recording.facts["bars"] = 0

    text = gzip.decompress((tmp_path / cassettes.path_of(REQUEST)).read_bytes())
    assert [item["response"]["status"]["code"] for item in json.loads(text)["interactions"]] == [200]


def test_a_block_that_asks_for_nothing_records_nothing(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="nothing was recorded"), cassettes.record(tmp_path, REQUEST):
        pass

    assert list(tmp_path.iterdir()) == []


def test_a_missing_cassette_names_the_command_that_records_it(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"BTC-USD.*is missing.*modelgate record ARCHIVE"):
        replay(tmp_path)


def test_another_window_is_not_answered_from_a_cassette_of_the_same_name(tmp_path: Path, recorded: Path) -> None:
    other = request_for("BTCUSD", FRAME.iloc[5:])

    with (
        pytest.raises(MarketDataError, match=r"does not hold GET https://data\.alpaca\.markets/.*T05"),
        cassettes.replay(tmp_path, other),
    ):
        fetch_bars(other, credentials=None)

    assert recorded.exists()


def test_an_altered_price_is_caught_by_the_manifest(tmp_path: Path, recorded: Path) -> None:
    text = gzip.decompress(recorded.read_bytes()).decode()
    recorded.write_bytes(gzip.compress(text.replace("100.0", "999.0", 1).encode(), mtime=0))

    with pytest.raises(MarketDataError, match="was altered"):
        replay(tmp_path)


def test_a_cassette_that_the_manifest_does_not_list_is_refused(tmp_path: Path, recorded: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": "modelgate.cassettes/1", "cassettes": {}}')

    with pytest.raises(MarketDataError, match="not listed"):
        replay(tmp_path)

    assert recorded.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "other/1", "cassettes": {}}', '{"schema": "modelgate.cassettes/1"}']
)
def test_a_broken_manifest_is_refused(tmp_path: Path, recorded: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(MarketDataError, match="is not a manifest"):
        replay(tmp_path)

    assert recorded.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"plain",
        gzip.compress(b""),
        gzip.compress(b"{"),
        gzip.compress(b"[]"),
        gzip.compress(b'{"interactions": [{}]}'),
        gzip.compress(b'{"interactions": null}'),
        gzip.compress(b'{"version": 1, "interactions": [{"request": {}, "response": {}}]}'),
        gzip.compress(b"\xff\xfe"),
    ],
)
def test_a_damaged_cassette_is_one_clear_error(tmp_path: Path, recorded: Path, content: bytes) -> None:
    rewrite(tmp_path, recorded, content)

    with pytest.raises(MarketDataError, match=r"cassette .*BTC-USD"):
        replay(tmp_path)


def test_a_page_that_nobody_asks_for_is_an_error(tmp_path: Path, recorded: Path) -> None:
    document = json.loads(gzip.decompress(recorded.read_bytes()))
    spare = json.loads(json.dumps(document["interactions"][0]))
    spare["request"]["uri"] += "&page_token=spare"
    document["interactions"].append(spare)
    rewrite(tmp_path, recorded, gzip.compress(json.dumps(document).encode()))

    with pytest.raises(MarketDataError, match="only 3 of its 4 pages"):
        replay(tmp_path)


def test_replay_closes_sockets_and_opens_them_again(tmp_path: Path, recorded: Path, market: MarketServer) -> None:
    address = ("127.0.0.1", int(market.url.rpartition(":")[2]))

    with pytest.raises(MarketDataError, match="a connection to"), cassettes.replay(tmp_path, REQUEST):
        socket.create_connection(address)

    socket.create_connection(address).close()
    assert recorded.exists()
