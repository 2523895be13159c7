"""Recording through the whole chain: what is fetched, what is kept, and what a fault leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from marketsim.server import MarketServer, serve
from support.archives import pack_unopened
from support.market_factory import random_walk, recorder, request_for, series_key, served

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.cassettes.files import path_of, read_cassette, write_cassette
from pytest_modelgate.core.market.bars import Bars, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import MarketDataError, SettingsError
from pytest_modelgate.services.recording import Outcome, Recorder, estimate, record_each
from pytest_modelgate.services.replaying import replay_bars, replay_text

FRAME = random_walk("2024-03-01", 700)
EARLIER = FRAME.iloc[:500]
HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
COMMAND = [sys.executable, "-c", "from pytest_modelgate.cli.main import main; raise SystemExit(main())", "record"]


def asked(server: MarketServer, name: str) -> list[str]:
    """One parameter of every request for bars, in order."""
    bars = [target for target in server.requests if "/bars?" in target]
    return [parse_qs(urlsplit(target).query)[name][0] for target in bars]


def manifest(folder: Path) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["cassettes"]
    return entries


def cassettes_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.gz")}


def test_what_is_recorded_replays_and_is_not_fetched_again(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    with serve({series_key("BTCUSD"): FRAME}) as server:
        outcome, bars = recorder(tmp_path, server).record(request)
        fetched = len(server.requests)
        again, same = recorder(tmp_path, server).record(request)

        assert (outcome, again) == (Outcome.RECORDED, Outcome.KEPT)
        assert len(server.requests) == fetched
    assert bars.frame.equals(FRAME)
    assert bars.sha256 == same.sha256 == replay_bars(request, tmp_path).sha256
    assert manifest(tmp_path)[path_of(request)]["bars_sha256"] == bars.sha256


@pytest.mark.parametrize(
    ("symbol", "adjustment", "again"),
    [
        ("BTCUSD", "all", "2024-03-20T19:00:00+00:00"),  # a day before the last bar
        ("AAPL", "raw", "2024-03-21T04:00:00+00:00"),  # midnight in New York, before the last session that is over
    ],
)
def test_of_a_later_moment_only_the_missing_tail_is_fetched_with_a_day_before(
    tmp_path: Path, symbol: str, adjustment: str, again: str
) -> None:
    later = request_for(symbol, FRAME.iloc[24:], adjustment=adjustment)
    with serve({series_key(symbol): FRAME}) as server:
        recorder(tmp_path, server).record(request_for(symbol, EARLIER, adjustment=adjustment))
        before = len(asked(server, "start"))

        outcome, bars = recorder(tmp_path, server).record(later)

        assert outcome is Outcome.EXTENDED
        assert asked(server, "start")[before:] == [again]
    assert bars.frame.equals(FRAME.iloc[24:])
    assert replay_bars(later, tmp_path).sha256 == bars.sha256
    assert len({name for name in cassettes_in(tmp_path) if "/actions/" not in name}) == 2


def test_tails_continue_tails(tmp_path: Path) -> None:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        for end in (300, 450, 451, 700):
            outcome, bars = recorder(tmp_path, server).record(request_for("BTCUSD", FRAME.iloc[:end]))

            assert bars.frame.equals(FRAME.iloc[:end])
            assert outcome is (Outcome.RECORDED if end == 300 else Outcome.EXTENDED)


def test_an_earlier_request_is_answered_as_before(tmp_path: Path) -> None:
    revised = FRAME.assign(close=FRAME["close"].where(FRAME.index != FRAME.index[100], 1.0))
    with serve({series_key("BTCUSD"): FRAME}) as server:
        _, before = recorder(tmp_path, server).record(request_for("BTCUSD", EARLIER))
    with serve({series_key("BTCUSD"): revised}) as server:
        recorder(tmp_path, server, mode="all").record(request_for("BTCUSD", FRAME))

    assert replay_bars(request_for("BTCUSD", EARLIER), tmp_path).sha256 == before.sha256
    assert replay_bars(request_for("BTCUSD", FRAME), tmp_path).frame.equals(revised)


def test_adjusted_prices_are_recorded_anew_for_a_later_moment(tmp_path: Path) -> None:
    halved = FRAME.assign(**{name: FRAME[name] / 2 for name in FRAME.columns[:4]}).round(4)
    with serve({series_key("AAPL"): FRAME}) as server:
        recorder(tmp_path, server).record(request_for("AAPL", EARLIER))
    with serve({series_key("AAPL"): halved}) as server:
        outcome, bars = recorder(tmp_path, server).record(request_for("AAPL", FRAME))

        assert asked(server, "start") == [FRAME.index[0].isoformat()]
    assert outcome is Outcome.RECORDED
    assert bars.frame.equals(halved)
    assert replay_bars(request_for("AAPL", EARLIER), tmp_path).frame.equals(EARLIER)


@pytest.mark.parametrize("gone", [False, True], ids=["another close", "no bar"])
def test_a_past_that_was_revised_is_recorded_anew(tmp_path: Path, gone: bool) -> None:
    last = EARLIER.index[-1]
    revised = FRAME.drop(last) if gone else FRAME.assign(close=FRAME["close"].where(FRAME.index != last, 1.0))
    lines: list[str] = []
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request_for("BTCUSD", EARLIER))
    with serve({series_key("BTCUSD"): revised}) as server:
        outcome, bars = recorder(tmp_path, server, tell=lines.append).record(request_for("BTCUSD", FRAME))

    assert outcome is Outcome.RECORDED
    assert bars.frame.equals(revised)
    assert "Alpaca has revised 1 of the 25 bars from 2024-03-20 19:00 UTC on" in lines[0]


def test_every_bar_of_the_last_day_is_compared_and_a_corrected_series_is_never_mixed(tmp_path: Path) -> None:
    """Recorded daily: of the next day, the tail must go on from the correction, not from what it corrected."""
    cut, day = (FRAME.iloc[: 500 + 24 * days] for days in (0, 1)), FRAME.index[470]
    first, second = cut
    changed = FRAME.index[[478, 480, 490]]
    corrected = FRAME.assign(high=FRAME["high"].where(~FRAME.index.isin([day, *changed]), 999.0))
    lines: list[str] = []
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request_for("BTCUSD", first))
    with serve({series_key("BTCUSD"): corrected}) as server:
        one = recorder(tmp_path, server, tell=lines.append).record(request_for("BTCUSD", second))
        two = recorder(tmp_path, server, tell=lines.append).record(request_for("BTCUSD", FRAME))

    assert (one[0], two[0]) == (Outcome.RECORDED, Outcome.EXTENDED)
    assert one[1].frame.equals(corrected.iloc[:524])
    assert two[1].frame.equals(corrected)
    (told,) = lines
    assert "revised 3 of the 25 bars" in told
    assert "the first of them 2024-03-20 22:00 UTC" in told
    assert replay_bars(request_for("BTCUSD", first), tmp_path).frame.equals(first)


def test_a_bar_that_came_in_late_is_a_correction_too(tmp_path: Path) -> None:
    early = FRAME.drop(FRAME.index[495:500])
    with serve({series_key("BTCUSD"): early}) as server:
        recorder(tmp_path, server).record(request_for("BTCUSD", EARLIER))
    with serve({series_key("BTCUSD"): FRAME}) as server:
        outcome, bars = recorder(tmp_path, server).record(request_for("BTCUSD", FRAME))

    assert outcome is Outcome.RECORDED
    assert bars.frame.equals(FRAME)


@pytest.mark.parametrize(("symbol", "final"), [("BTCUSD", "2024-03-30T04:05:00Z"), ("AAPL", "2024-03-30T04:16:00Z")])
def test_a_bar_is_recorded_once_it_is_final(tmp_path: Path, symbol: str, final: str) -> None:
    request, moment = request_for(symbol, FRAME), pd.Timestamp(final)
    with serve({series_key(symbol): FRAME}) as server:
        early = recorder(tmp_path, server, now=lambda: moment - pd.Timedelta(seconds=1))
        with pytest.raises(MarketDataError, match=r"closes at 2024-03-30 04:00 UTC and is final from .* --as-of"):
            early.record(request)
        assert (server.requests, cassettes_in(tmp_path)) == ([], set())

        assert recorder(tmp_path, server, now=lambda: moment).record(request)[0] is Outcome.RECORDED
    assert manifest(tmp_path)[path_of(request)]["recorded_at"] == moment.isoformat()


def noted(folder: Path, request: MarketRequest, moment: str | None) -> None:
    """Have the manifest say when a cassette was recorded, or not say it."""
    document = json.loads((folder / "manifest.json").read_text())
    facts = document["cassettes"][path_of(request)]
    facts.pop("recorded_at")
    facts |= {"recorded_at": moment} if moment else {}
    (folder / "manifest.json").write_text(json.dumps(document))


def test_a_recording_of_an_open_bar_is_missing_and_recorded_again(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request)
        noted(tmp_path, request, "2024-03-30T03:10:00+00:00")

        with pytest.raises(MarketDataError, match=r"is of 2024-03-30 03:10 UTC, but .* final from 2024-03-30 04:05"):
            replay_bars(request, tmp_path)
        assert recorder(tmp_path, server).record(request)[0] is Outcome.RECORDED
    assert replay_bars(request, tmp_path).frame.equals(FRAME)


def test_a_manifest_of_old_says_nothing_and_is_believed(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request)
        noted(tmp_path, request, None)

        assert recorder(tmp_path, server).record(request)[0] is Outcome.KEPT


def test_a_symbol_means_the_company_it_meant_at_the_time(tmp_path: Path) -> None:
    """A fund gave its symbol up; half a year later another company took it."""
    fund, company = random_walk("2024-01-01", 240, seed=5), random_walk("2024-01-01", 240, seed=6)
    asked = request_for("META", fund)
    listings = {"META": {"2021-06-30": "METV", "2024-03-01": "FB"}}
    with serve({series_key("METV"): fund, series_key("FB"): company}, listings=listings) as server:
        _, bars = recorder(tmp_path, server).record(asked)

    assert bars.frame.equals(fund)
    assert manifest(tmp_path)[path_of(asked)]["asof"] == "2024-01-11"
    assert asked.asof == "2024-01-11"


def test_a_stocks_tail_that_is_another_companys_is_no_tail(tmp_path: Path) -> None:
    other = random_walk("2024-03-01", 700, seed=9)
    listings = {"AAPL": {"2020-01-01": "OLD", "2024-03-25": "NEW"}}
    with serve({series_key("OLD"): FRAME, series_key("NEW"): other}, listings=listings) as server:
        recorder(tmp_path, server).record(request_for("AAPL", EARLIER, adjustment="raw"))
        outcome, bars = recorder(tmp_path, server).record(request_for("AAPL", FRAME, adjustment="raw"))

    assert outcome is Outcome.RECORDED
    assert bars.frame.equals(other)


def test_a_recording_that_did_not_say_as_of_when_still_replays(tmp_path: Path) -> None:
    request = request_for("AAPL", FRAME)
    with serve({series_key("AAPL"): FRAME}) as server:
        recorder(tmp_path, server).record(request)
    text = read_cassette(tmp_path, path_of(request))
    facts = manifest(tmp_path)[path_of(request)]
    for name in ("sha256", "asof"):
        facts.pop(name)
    old = text.replace("asof=2024-03-30&", "")
    assert old != text
    write_cassette(tmp_path, path_of(request), old, facts)

    assert replay_bars(request, tmp_path).frame.equals(FRAME)


def test_an_earlier_start_is_recorded_whole(tmp_path: Path) -> None:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request_for("BTCUSD", FRAME.iloc[100:]))
        outcome, bars = recorder(tmp_path, server).record(request_for("BTCUSD", FRAME))

    assert outcome is Outcome.RECORDED
    assert bars.frame.equals(FRAME)


@pytest.mark.parametrize(
    ("mode", "recorded_before", "outcome"),
    [
        ("once", "nothing", Outcome.RECORDED),
        ("once", "all", Outcome.KEPT),
        ("new_episodes", "nothing", Outcome.RECORDED),
        ("new_episodes", "some", Outcome.EXTENDED),
        ("new_episodes", "all", Outcome.KEPT),
        ("all", "nothing", Outcome.RECORDED),
        ("all", "some", Outcome.RECORDED),
        ("all", "all", Outcome.RECORDED),
    ],
)
def test_modes_mean_what_vcrpy_means(tmp_path: Path, mode: str, recorded_before: str, outcome: Outcome) -> None:
    request = request_for("BTCUSD", FRAME)
    with serve({series_key("BTCUSD"): FRAME}) as server:
        if recorded_before != "nothing":
            recorder(tmp_path, server).record(request if recorded_before == "all" else request_for("BTCUSD", EARLIER))

        became, bars = recorder(tmp_path, server, mode=mode).record(request)

    assert became is outcome
    assert bars.frame.equals(FRAME)


def test_once_does_not_touch_a_cassette_that_holds_something_else(tmp_path: Path) -> None:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request_for("BTCUSD", FRAME.iloc[100:]))
        before = len(server.requests)

        with pytest.raises(MarketDataError, match="not recorded"):
            recorder(tmp_path, server, mode="once").record(request_for("BTCUSD", FRAME))

        assert len(server.requests) == before


def test_an_altered_cassette_is_taken_for_missing(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request)
        whole = (tmp_path / path_of(request)).read_bytes()
        (tmp_path / path_of(request)).write_bytes(whole[:-9])

        outcome, bars = recorder(tmp_path, server).record(request)

    assert outcome is Outcome.RECORDED
    assert bars.frame.equals(FRAME)
    assert (tmp_path / path_of(request)).read_bytes() == whole


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"message": "no"}),
        (401, {"message": "no"}),
        (401, "<html>no</html>"),
        (403, {"message": "subscription does not permit querying recent SIP data"}),
        (404, {"message": "no"}),
        (422, {"message": "no"}),
        (200, '{"bars": null, "next_page_token": null}'),
        (200, '{"bars": {}, "next_page_token": null}'),
    ],
)
def test_a_fault_in_the_middle_leaves_what_was_there(tmp_path: Path, status: int, body: Any) -> None:
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(request_for("BTCUSD", EARLIER))
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in {".gz", ".json"}}
        server.fail_next(status, body)

        with pytest.raises((MarketDataError, SettingsError)):
            recorder(tmp_path, server).record(request_for("BTCUSD", FRAME))

    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in {".gz", ".json", ".tmp"}}
    assert after == before


def test_stocks_without_keys_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with serve({series_key("AAPL"): FRAME}) as server, pytest.raises(SettingsError, match="no keys are set"):
        Recorder(tmp_path, {"APCA_API_DATA_URL": server.url}).record(request_for("AAPL", FRAME))

    assert server.requests == []


def test_crypto_needs_no_keys(tmp_path: Path) -> None:
    with serve({series_key("BTCUSD"): FRAME}, keys=("PK1", "abcdef")) as server:
        lone = Recorder(tmp_path, {"APCA_API_DATA_URL": server.url}, requests_per_minute=1e9)

        assert lone.record(request_for("BTCUSD", FRAME))[0] is Outcome.RECORDED


def test_a_recording_that_does_not_replay_as_it_was_fetched_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(request: MarketRequest, text: str, where: str) -> Bars:
        bars = replay_text(request, text, where)
        return Bars(bars.instrument, bars.timeframe, bars.frame * 2)

    monkeypatch.setattr("pytest_modelgate.services.recording.replay_text", other)
    with serve({series_key("BTCUSD"): FRAME}) as server, pytest.raises(MarketDataError, match="does not replay what"):
        recorder(tmp_path, server).record(request_for("BTCUSD", FRAME))

    assert cassettes_in(tmp_path) == set()
    assert not (tmp_path / "manifest.json").exists()


def test_one_that_fails_does_not_keep_the_others_from_being_recorded(tmp_path: Path) -> None:
    requests = [request_for(symbol, FRAME) for symbol in ("BTCUSD", "DOGEUSD", "ETHUSD")]
    with serve({series_key("BTCUSD"): FRAME, series_key("ETHUSD"): FRAME}) as server:
        results = [result for _, result in record_each(recorder(tmp_path, server), requests)]

    assert isinstance(results[1], MarketDataError)
    assert len(cassettes_in(tmp_path)) == 2


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all"])
@pytest.mark.parametrize("order", [1, -1])
def test_of_two_requests_that_end_alike_the_longer_is_recorded_for_both(tmp_path: Path, mode: str, order: int) -> None:
    long, short = request_for("BTCUSD", FRAME), request_for("BTCUSD", FRAME.iloc[10:])
    with serve({series_key("BTCUSD"): FRAME}, crypto_page_size=10_000) as server:
        client = recorder(tmp_path, server, mode=mode)
        missing, _ = estimate(client, [long, short][::order])
        results = dict(record_each(client, [long, short][::order]))

    assert missing == [long]
    assert len(server.requests) == 1
    for request, frame in ((long, FRAME), (short, FRAME.iloc[10:])):
        result = results[request]
        assert isinstance(result, tuple)
        assert result[1].frame.equals(frame)
        assert replay_bars(request, tmp_path).frame.equals(frame)


def test_the_estimate_counts_what_is_missing(tmp_path: Path) -> None:
    btc, eth = request_for("BTCUSD", FRAME), request_for("ETHUSD", FRAME)
    with serve({series_key("BTCUSD"): FRAME}) as server:
        recorder(tmp_path, server).record(btc)
        missing, seconds = estimate(recorder(tmp_path, server, requests_per_minute=60), [btc, eth])

    assert missing == [eth]
    assert seconds == pytest.approx(3 * 1.2)  # three pages, a second's turn and the answer each


def test_the_fingerprint_does_not_depend_on_how_bars_were_recorded(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    prints, contents = set(), set()
    for size in (100, 300):
        with serve({series_key("BTCUSD"): FRAME}, crypto_page_size=size) as server:
            prints.add(recorder(tmp_path / str(size), server).record(request)[1].sha256)
        contents.add((tmp_path / str(size) / path_of(request)).read_bytes())

    assert len(contents) == 2
    assert len(prints) == 1


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with serve({series_key("BTCUSD"): FRAME}) as server, pytest.raises(MarketDataError, match="cannot be written"):
        recorder(tmp_path / "file" / "cassettes", server).record(request_for("BTCUSD", FRAME))

    assert server.requests == []


def pack(folder: Path, symbols: list[str]) -> Path:
    models = [ModelArtifact(symbol, "1Hour", b"x", HISTORY) for symbol in symbols]
    return pack_unopened(folder, models, trained_at=datetime(2024, 3, 1, tzinfo=UTC))


def run_record(archive: Path, folder: Path, server: MarketServer, *options: str) -> subprocess.Popen[str]:
    environ = {"APCA_API_DATA_URL": server.url, "APCA_API_KEY_ID": "PKTESTKEY", "APCA_API_SECRET_KEY": "s3cr3t"}
    return subprocess.Popen(
        [*COMMAND, str(archive), "--cassettes", str(folder), "--walk-forward-days=20", "--backtest-days=5", *options],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def requests_of(folder: Path) -> list[tuple[str, Any]]:
    return sorted((name, facts) for name, facts in manifest(folder).items() if "bars_sha256" in facts)


def replay_of(name: str, facts: dict[str, Any], folder: Path) -> str:
    """Fingerprint of a cassette's bars, by what the manifest says was asked for."""
    first, last = pd.Timestamp(facts["asked_first"]), pd.Timestamp(facts["asked_last"])
    symbol = name.split("/")[1].replace("-", "")
    shape = request_for(symbol, FRAME)
    timeframe = Timeframe(name.split("/")[2])
    request = MarketRequest(shape.instrument, timeframe, first, last, facts["feed"], facts["adjustment"])
    return replay_bars(request, folder).sha256


@pytest.mark.long
def test_two_processes_record_twenty_symbols_at_once(tmp_path: Path) -> None:
    """Nothing is lost, nothing is interleaved, nothing is fetched twice."""
    frame = random_walk("2024-02-05", 600)
    crypto = [f"{letter}{letter}{letter}USD" for letter in "ABCDEFGHIJ"]
    stocks = [f"{letter}{letter}" for letter in "ABCDEFGHIJ"]
    archive = pack(tmp_path, [*crypto, *stocks])
    folder = tmp_path / "cassettes"
    series = {key: bars for symbol in (*crypto, *stocks) for key, bars in served(symbol, frame).items()}
    with serve(series) as server:
        both = [run_record(archive, folder, server, "--requests-per-minute", "60000") for _ in range(2)]
        ends = [process.communicate(timeout=120) for process in both]

        assert [process.returncode for process in both] == [0, 0], ends
        assert len(server.requests) == len(set(server.requests)) == 10 * 2 + 10 * 2 + 10
    assert len(manifest(folder)) == 40
    assert cassettes_in(folder) == set(manifest(folder))
    assert not list(folder.rglob("*.tmp"))
    assert all(replay_of(name, facts, folder) == facts["bars_sha256"] for name, facts in requests_of(folder))


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_a_recording_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    frame = random_walk("2024-02-05", 600)
    symbols = ["AAAUSD", "BBBUSD", "CCCUSD"]
    archive, folder = pack(tmp_path, symbols), tmp_path / "cassettes"
    with serve({series_key(symbol): frame for symbol in symbols}, crypto_page_size=200) as server:
        process = run_record(archive, folder, server, "--requests-per-minute", "200")
        deadline = time.monotonic() + 60
        while len(server.requests) < 4 and time.monotonic() < deadline:  # three pages each: the second has begun
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)

        assert [name.split("/")[1] for name in manifest(folder)] == ["AAA-USD"]
        assert cassettes_in(folder) == set(manifest(folder))
        first = (folder / next(iter(manifest(folder)))).read_bytes()
        server.requests.clear()

        resumed = run_record(archive, folder, server, "--requests-per-minute", "60000")
        out, err = resumed.communicate(timeout=60)

        assert resumed.returncode == 0, err
        assert set(asked(server, "symbols")) == {"BBB/USD", "CCC/USD"}
    assert "1 kept, 2 recorded" in out
    assert (folder / next(iter(manifest(folder)))).read_bytes() == first
    assert all(replay_of(name, facts, folder) == facts["bars_sha256"] for name, facts in requests_of(folder))


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_replay_needs_no_network_at_all(tmp_path: Path) -> None:
    """In a network namespace in which not even the loopback interface is up."""
    request = request_for("AAPL", FRAME)
    with serve({series_key("AAPL"): FRAME}) as server:
        _, bars = recorder(tmp_path, server).record(request)
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from support.market_factory import random_walk, request_for\n"
        "from pytest_modelgate.services.replaying import replay_bars\n"
        "request = request_for('AAPL', random_walk('2024-03-01', 700))\n"
        "print(replay_bars(request, Path(sys.argv[1])).sha256)\n"
    )
    tests = Path(__file__).parents[1]
    namespace = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow new network namespaces")
    command = [*namespace, sys.executable, "-c", script, str(tmp_path), str(tests), str(tests.parent / "examples")]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("APCA", "ALPACA"))}

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)

    assert done.stdout.strip() == bars.sha256, done.stderr
