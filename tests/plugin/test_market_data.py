"""Market data in a run: recorded first where that is asked for, missing, unfit, and what is told about it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from marketsim.server import MarketServer, serve
from support.market_factory import random_walk, recorder, series_key
from support.model_factory import APPROVED, follow
from support.plugin_helpers import AS_OF, GOOD, GateResult, model, pack

from pytest_modelgate import ModelArtifact
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import market_window

MODEL = model("RNDUSD", APPROVED, follow("momentum_24"))
FRAME = random_walk("2023-11-01", 24 * 430, seed=3)
KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")
# Bars of losing folds at whose open MODEL buys; the market's close is not touched, so nothing else of it changes.
BOUGHT = [5952, 6019, 6058, 6204, 6796, 7073, 7148, 7276, 7749, 7815, 8052, 8160, 9387, 9566, 9692, 9876]
TRUSTING = 'name = "trusting"\nextends = "2.4.5"\n[market_data]\nspike_deviations = 1e9\nmax_spike = 1e9\n'


@pytest.fixture(autouse=True, scope="session")
def _libraries(market_folder: Path) -> None:
    """Load the client and the recorder once: pytester would load and forget them in every run, and they mind."""
    assert market_folder.exists()


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Iterator[MarketServer]:
    """A service that knows RNDUSD, found by way of the environment."""
    series = {series_key("RNDUSD"): FRAME, series_key("RNDUSD", Timeframe.HOUR_4): FRAME.iloc[::4]}
    with serve(series, crypto_page_size=10_000, keys=KEYS) as server:
        for name in ("ALPACA_KEYS_FILE", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pack(tmp_path, MODEL)


def run(pytester: pytest.Pytester, archive: Path, *options: str, subprocess: bool = False) -> GateResult:
    runner = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
    return GateResult(runner(f"--model-archive={archive}", *options), pytester.path / "gate-report")


def cassettes(pytester: pytest.Pytester) -> list[str]:
    return sorted(path.name for path in (pytester.path / "cassettes").rglob("*.gz"))


def recorded(folder: Path, frame: pd.DataFrame) -> None:
    """Put RNDUSD on a cassette as the gate would ask for it."""
    instrument = Instrument.parse("RNDUSD")
    first, last = market_window(pd.Timestamp(AS_OF), Timeframe.HOUR_1, instrument.asset_class, 180)
    with serve({series_key("RNDUSD"): frame}, crypto_page_size=10_000) as server:
        recorder(folder, server).record(MarketRequest(instrument, Timeframe.HOUR_1, first, last, "sip", "all"))


@pytest.mark.parametrize(
    "workers", [pytest.param((), id="one process"), pytest.param(("-n", "2"), id="two workers", marks=pytest.mark.long)]
)
def test_what_is_missing_is_recorded_before_the_first_test(
    pytester: pytest.Pytester, market: MarketServer, archive: Path, workers: tuple[str, ...]
) -> None:
    result = run(pytester, archive, "--gate-record-mode=new_episodes", *workers, subprocess=bool(workers))

    assert result.verdict["complete"] is True
    assert cassettes(pytester) == ["2024-12-27T2000.json.gz"]
    assert len(market.requests) == 1
    assert "model gate: recording 1 of 1 series" in result.text
    assert "model gate: [1/1] RNDUSD 1Hour: recorded" in result.text
    assert "recording (new_episodes) into and replaying" in result.text.replace("\n", " ")


def test_a_second_run_records_nothing_and_gives_the_same_verdict(
    pytester: pytest.Pytester, market: MarketServer, archive: Path
) -> None:
    first = run(pytester, archive, "--gate-record-mode=once").verdict["digest"]
    again = run(pytester, archive, "--gate-record-mode=once")
    replayed = run(pytester, archive)

    assert len(market.requests) == 1
    assert "RNDUSD 1Hour: kept" in again.text
    assert first == again.verdict["digest"] == replayed.verdict["digest"]


def test_all_records_anew(pytester: pytest.Pytester, market: MarketServer, archive: Path) -> None:
    for _ in range(2):
        run(pytester, archive, "--gate-record-mode=all")

    assert len(market.requests) == 2


def test_the_mode_may_stand_in_the_configuration(
    pytester: pytest.Pytester, market: MarketServer, archive: Path
) -> None:
    pytester.makeini("[pytest]\ngate_record_mode = new_episodes\n")

    assert run(pytester, archive).verdict["complete"] is True
    assert len(market.requests) == 1


@pytest.mark.parametrize("options", [(), ("--gate-record-mode=all", "--collect-only")], ids=["none", "collect only"])
def test_nothing_is_asked_of_the_network_unless_a_run_records(
    pytester: pytest.Pytester, market: MarketServer, archive: Path, options: tuple[str, ...]
) -> None:
    run(pytester, archive, *options)

    assert market.requests == []
    assert not (pytester.path / "cassettes").exists()


def test_a_dropped_model_needs_no_market_data(pytester: pytest.Pytester, market: MarketServer, tmp_path: Path) -> None:
    dropped = model("RNDUSD", {**APPROVED, "profit_factor": [1.0, 0.5]}, follow("momentum_24"))

    result = run(pytester, pack(tmp_path, dropped), "--gate-record-mode=new_episodes")

    assert market.requests == []
    assert result.verdict["complete"] is True


def test_wrong_keys_end_the_run_before_any_test(
    pytester: pytest.Pytester, market: MarketServer, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "PKOTHER-OTHER")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "hush-hush-hush")

    result = run(pytester, archive, "--gate-record-mode=new_episodes")

    assert result.run.ret == 4
    assert "Alpaca does not know these keys" in result.text
    assert "hush" not in result.text
    assert "Traceback" not in result.text
    assert result.verdict["complete"] == "the run has not finished"
    assert len(market.requests) == 1


def test_a_broken_manifest_ends_a_run_that_records(
    pytester: pytest.Pytester, market: MarketServer, archive: Path
) -> None:
    (pytester.path / "cassettes").mkdir()
    (pytester.path / "cassettes" / "manifest.json").write_text("{")

    result = run(pytester, archive, "--gate-record-mode=new_episodes")

    assert result.run.ret == 4
    assert "is not a manifest" in result.text
    assert "Traceback" not in result.text
    assert market.requests == []


@pytest.mark.usefixtures("market")
def test_a_series_that_cannot_be_recorded_leaves_its_models_incomplete(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    archive = pack(tmp_path, MODEL, GOOD)

    result = run(pytester, archive, "--gate-record-mode=new_episodes")

    assert result.run.ret == 1
    assert "[2/2] WAVUSD 1Hour: market data of WAV/USD" in result.text
    assert "Alpaca has no bars" in result.text
    assert result.decision("WAVUSD_1Hour") == "INCOMPLETE"
    assert result.decision("RNDUSD_1Hour") != "INCOMPLETE"


def test_a_missing_cassette_names_the_exact_command(pytester: pytest.Pytester, archive: Path) -> None:
    result = run(
        pytester,
        archive,
        "--gate-cassettes=my tapes",
        "--gate-as-of=2024-12-20",
        "--gate-walk-forward-days=90",
        "--gate-adjustment=split",
    )

    (told,) = result.verdict["models"][0]["reasons"]
    assert "RND/USD 1Hour from 2023-12-04 00:00 to 2024-12-19 23:00 UTC: not recorded" in told
    assert told.endswith(
        f"modelgate record {archive} --cassettes 'my tapes' --as-of 2024-12-20 --walk-forward-days 90"
        " --adjustment split."
    )


@pytest.mark.usefixtures("market")
def test_the_command_that_is_named_records_what_was_missing(pytester: pytest.Pytester, archive: Path) -> None:
    told = run(pytester, archive, "--gate-as-of=2024-12-20").verdict["models"][0]["reasons"][0]
    command = shlex.split(told.rpartition("modelgate ")[2].removesuffix("."))

    assert main(command) == 0
    assert run(pytester, archive, "--gate-as-of=2024-12-20").verdict["complete"] is True


def test_four_hours_of_a_stock_are_judged_from_the_open(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = pd.date_range("2022-05-01", "2024-12-28", freq="15min", tz="UTC", unit="ns")
    index = index[(index.day_of_week < 5) & (index.hour >= 13) & (index.hour < 21)]
    frame = random_walk("2024-01-01", len(index)).set_index(index)
    artifact = ModelArtifact("GOOGL", "4Hour", MODEL.checkpoint, APPROVED)
    with serve({series_key("GOOGL", Timeframe.MIN_15): frame}) as server:
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        monkeypatch.setenv("APCA_API_KEY_ID", KEYS[0])
        monkeypatch.setenv("APCA_API_SECRET_KEY", KEYS[1])
        result = run(pytester, pack(tmp_path, artifact), "--gate-record-mode=once")

    (series,) = result.verdict["market_data"]
    assert result.verdict["complete"] is True
    assert [name for name in cassettes(pytester) if "." in name.removesuffix(".json.gz")] == [
        "2024-12-27T1945.sip.all.json.gz"
    ]
    assert series["quality"]["actions_from"] == "recorded"
    assert (series["timeframe"], series["feed"], series["adjustment"]) == ("4Hour", "sip", "all")
    assert series["quality"]["missing"] == 0
    assert series["last"] == "2024-12-27T14:30:00+00:00"  # the bar of 13:30 New York closes after 20:00 UTC


def test_bars_no_verdict_may_rest_on_fail_before_their_model_is_judged(
    pytester: pytest.Pytester, archive: Path
) -> None:
    recorded(pytester.path / "cassettes", FRAME.assign(volume=FRAME["volume"].where(FRAME["volume"] > 400, 0.0)))

    result = run(pytester, archive)

    (reason,) = result.verdict["models"][0]["reasons"]
    assert result.run.ret == 1
    assert result.decision("RNDUSD_1Hour") == "INCOMPLETE"
    assert "bars of the series are without a trade (4" in reason
    assert "more than 20%" in reason
    assert result.verdict["models"][0]["folds"] == []


def test_a_profile_may_demand_more_or_less(pytester: pytest.Pytester, archive: Path) -> None:
    recorded(pytester.path / "cassettes", FRAME.assign(volume=FRAME["volume"].where(FRAME["volume"] > 400, 0.0)))
    pytester.path.joinpath("mine.toml").write_text(
        'name = "mine"\nextends = "2.4.5"\n[market_data]\nwarn_zero_volume = 0.5\nmax_zero_volume = 0.6\n'
    )

    assert run(pytester, archive, "--gate-profile=mine.toml").verdict["complete"] is True


def test_figures_stand_in_verdict_terminal_and_report(pytester: pytest.Pytester, archive: Path) -> None:
    jump = FRAME.index[-300]
    prices = {name: FRAME[name].where(FRAME.index < jump, FRAME[name] * 1.5) for name in FRAME.columns[:4]}
    recorded(pytester.path / "cassettes", FRAME.assign(**prices).drop(FRAME.index[5000:5007]))

    result = run(pytester, archive)

    (series,) = result.verdict["market_data"]
    quality = series["quality"]
    page = (result.output / "report.html").read_text(encoding="utf-8")
    assert (series["feed"], series["adjustment"], series["bars"]) == ("us", "raw", 9158)
    assert (quality["expected"], quality["missing"], quality["longest_gap"], quality["jumps"]) == (9165, 7, 7, 1)
    assert quality["largest_move_at"] == jump.isoformat()
    assert quality["largest_move"] == pytest.approx(0.5, abs=0.03)
    assert f"warning: market data of RNDUSD 1Hour: {quality['warnings'][0]}" in " ".join(result.text.split())
    assert f"Market data: {quality['warnings'][0]}." in result.verdict["models"][0]["warnings"]
    assert "7 of 9165" in page
    assert series["sha256"][:16] in page
    assert json.dumps(quality["warnings"][0])[1:-1] in page


@pytest.mark.long
def test_opens_that_nobody_paid_turn_no_decision(pytester: pytest.Pytester, archive: Path) -> None:
    """Opens at not much more than half of the price, which the model buys at: the table takes them for skill."""
    opens = FRAME["open"].to_numpy().copy()
    opens[BOUGHT] *= 0.55
    recorded(pytester.path / "cassettes", FRAME.assign(open=opens, low=FRAME["low"].clip(upper=opens)))
    (pytester.path / "trusting.toml").write_text(TRUSTING)

    trusting = run(pytester, archive, "--gate-profile=trusting.toml", "--gate-decision=table").verdict["models"][0]
    result = run(pytester, archive, "--gate-decision=table")

    (told,), (model_told,) = result.verdict["market_data"], result.verdict["models"]
    moments = [FRAME.index[row].isoformat() for row in BOUGHT]
    assert (trusting["decision"], trusting["table_decision"]) == ("LIVE", "LIVE")
    assert (model_told["decision"], model_told["table_decision"]) == ("RETRAIN", "LIVE")
    assert told["quality"]["flagged"] == len(BOUGHT)
    assert told["quality"]["worst_spike_at"] in moments
    assert told["quality"]["failures"] == []
    assert model_told["reasons"][0].startswith(
        "It hangs on bars with doubtful prices, which allows RETRAIN at most: without them the decision would be "
        "RETRAIN and not LIVE; "
    )
    assert f"{FRAME.index[BOUGHT[0]]:%Y-%m-%d %H:%M}" in model_told["reasons"][0]
    fold = model_told["folds"][0]
    assert (fold["flagged"]["bars"], fold["flagged"]["first"]) == (4, moments[0])
    assert fold["return"] > 0 > fold["flagged"]["rest_return"]
    assert fold["flagged"]["share"] > 1
    assert "flagged" not in trusting["folds"][0]
    page = (result.output / "report.html").read_text(encoding="utf-8")
    assert "Earned at bars with doubtful prices" in page
    assert f"at 4, {fold['flagged']['share'] * 100:.0f}\u00a0% of all" in page


def test_an_absurd_price_leaves_its_models_incomplete(pytester: pytest.Pytester, archive: Path) -> None:
    highs = FRAME["high"].where(FRAME.index != FRAME.index[8000], FRAME["high"] * 10)
    recorded(pytester.path / "cassettes", FRAME.assign(high=highs))

    (reason,) = run(pytester, archive).verdict["models"][0]["reasons"]

    assert "1 bar has a price far from all around it that came straight back" in reason
    assert f"{FRAME.index[8000]:%Y-%m-%d %H:%M} UTC" in reason
    assert "change the profile's [market_data] if you trust these bars" in reason
