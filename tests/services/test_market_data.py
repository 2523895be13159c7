"""From cassettes to the bars a model is judged on."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from marketsim.actions import ActionRows
from marketsim.server import serve
from support.market_factory import random_walk, recorder, request_for, series_key, served

from pytest_modelgate.adapters.cassettes.files import path_of, read_cassette, write_cassette
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.settings import Sessions, Settings
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.grid import origin_of
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.session_opens import opens_request
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.planning.plan import market_request
from pytest_modelgate.errors import MarketDataError, SettingsError
from pytest_modelgate.services.market_data import MarketSeries, check_series, load_series, recorded_bars
from pytest_modelgate.services.replaying import replay_bars

FRAME = random_walk("2024-07-01", 24 * 7)  # a week with an early close on the 3rd and a holiday on the 4th
LIMITS = load_profile("2.4.5").market_data
PRICES = ["open", "high", "low", "close"]
AS_OF = pd.Timestamp("2024-12-27T21:18:19Z")
COMMAND = "modelgate record X.zip --feed iex"


def load(
    folder: Path, request: MarketRequest, timeframe: Timeframe = Timeframe.HOUR_1, sessions: Sessions = "regular"
) -> MarketSeries:
    settings = Settings(
        archive=Path("X.zip"), output=folder, cassettes=folder, sessions=sessions, record_command=COMMAND
    )
    return load_series(request, timeframe, (), LIMITS, settings)


def record(folder: Path, request: MarketRequest, frame: pd.DataFrame, actions: ActionRows | None = None) -> None:
    symbol, timeframe = request.instrument.symbol, request.timeframe
    opens = opens_request(request, timeframe, "regular")
    series = served(symbol, frame) if opens else {series_key(symbol, timeframe): frame}
    with serve(series, actions=actions) as server:
        for asked in (request, opens) if opens else (request,):
            recorder(folder, server).record(asked)


def test_a_stock_is_recorded_whole_and_judged_by_session(tmp_path: Path) -> None:
    request = request_for("AAPL", FRAME)
    record(tmp_path, request, FRAME)

    assert replay_bars(request, tmp_path).frame.equals(FRAME)
    regular = load(tmp_path, request)
    assert (len(regular.bars), regular.quality.expected, regular.quality.missing) == (3 * 7 + 4, 25, 0)


def test_extended_sessions_have_more_bars_of_which_only_regular_ones_are_expected(tmp_path: Path) -> None:
    request = request_for("AAPL", FRAME)
    record(tmp_path, request, FRAME)

    extended = load(tmp_path, request, sessions="extended")

    assert len(extended.bars) > 25
    assert (extended.quality.expected, extended.quality.missing) == (25, 0)


def test_four_hours_of_a_stock_are_made_of_quarter_hours_from_the_open(tmp_path: Path) -> None:
    frame = random_walk("2024-07-01", 4 * 24 * 5)
    frame.index = pd.date_range("2024-07-01", periods=len(frame), freq="15min", tz="UTC", unit="ns")
    request = request_for("GOOGL", frame, Timeframe.MIN_15)
    record(tmp_path, request, frame)

    judged = load(tmp_path, request, Timeframe.HOUR_4)

    starts = judged.bars.index.tz_convert("America/New_York")
    assert [f"{start:%d %H:%M}" for start in starts] == [
        *("01 09:30", "01 13:30", "02 09:30", "02 13:30"),
        *("03 09:30", "05 09:30", "05 13:30"),
    ]
    assert judged.bars.timeframe is Timeframe.HOUR_4
    assert judged.quality.missing == 0


def test_days_of_crypto_are_taken_as_they_are(tmp_path: Path) -> None:
    frame = random_walk("2024-07-01", 30)
    frame.index = pd.date_range("2024-07-01 05:00", periods=30, freq="D", tz="UTC", unit="ns")
    request = replace(request_for("BTCUSD", frame, Timeframe.DAY_1), first=pd.Timestamp("2024-07-01", tz="UTC"))
    record(tmp_path, request, frame)

    judged = load(tmp_path, request, Timeframe.DAY_1)

    assert judged.bars.frame.equals(frame)
    assert (judged.quality.expected, judged.quality.missing) == (30, 0)


def test_bars_that_cannot_carry_a_verdict_are_refused_with_their_figures(tmp_path: Path) -> None:
    silent = FRAME.assign(volume=[0.0] * 40 + [5.0] * 128)
    request = request_for("BTCUSD", silent)
    record(tmp_path, request, silent)

    with pytest.raises(
        MarketDataError, match=r"BTCUSD 1Hour: 40 of 168 bars .* without a trade .23\.8%., more than 20%"
    ):
        load(tmp_path, request)


def test_a_split_in_raw_prices_is_found_and_its_remedy_named(tmp_path: Path) -> None:
    split = FRAME.assign(**{name: FRAME[name].where(FRAME.index < FRAME.index[24], FRAME[name] / 4) for name in PRICES})
    request = request_for("AAPL", split, adjustment="raw")
    record(tmp_path, request, split)

    with pytest.raises(MarketDataError, match=r"split of 4:1 on 2024-07-02\. Record and judge adjusted prices"):
        load(tmp_path, request)


@pytest.mark.parametrize("adjustment", ["split", "all"])
def test_what_is_adjusted_already_is_not_to_be_adjusted(tmp_path: Path, adjustment: str) -> None:
    split = FRAME.assign(**{name: FRAME[name].where(FRAME.index < FRAME.index[24], FRAME[name] / 4) for name in PRICES})
    request = request_for("AAPL", split, adjustment=adjustment)
    record(tmp_path, request, split)

    with pytest.raises(MarketDataError) as refused:
        load(tmp_path, request)

    assert "--adjustment" not in refused.value.remedy
    assert f"asked for adjusted ({adjustment})" in refused.value.remedy
    assert f"have the corporate actions recorded that tell splits from news: {COMMAND}" in refused.value.remedy
    assert "max_splits" in refused.value.remedy


def test_what_alpaca_lists_but_has_not_adjusted_is_to_be_recorded_again(tmp_path: Path) -> None:
    split = FRAME.assign(**{name: FRAME[name].where(FRAME.index < FRAME.index[24], FRAME[name] / 4) for name in PRICES})
    request = request_for("AAPL", split)
    row = {"symbol": "AAPL", "new_rate": 4, "old_rate": 1, "ex_date": "2024-07-02", "process_date": "2024-07-02"}
    record(tmp_path, request, split, {"forward_splits": [row]})

    with pytest.raises(MarketDataError, match=r"not adjusted for the 4:1 split of 2024-07-02\. .*record again later"):
        load(tmp_path, request)


def renamed(day: str, number: str) -> ActionRows:
    row = {"old_symbol": "FB", "old_cusip": "1", "new_symbol": "META", "new_cusip": number, "process_date": day}
    return {"name_changes": [row]}


def test_bars_of_before_another_company_took_the_symbol_are_left_out(tmp_path: Path) -> None:
    request = request_for("META", FRAME)
    record(tmp_path, request, FRAME, renamed("2024-07-03", "2"))

    judged = load(tmp_path, request)

    assert f"{judged.bars.index[0]:%Y-%m-%d}" == "2024-07-03"
    assert judged.quality.warnings == (
        "META was called FB before 2024-07-03, as another security: its 14 bars of before are left out",
    )
    assert judged.quality.missing == 0


def test_what_is_too_short_after_such_a_cut_says_why(tmp_path: Path) -> None:
    request = request_for("META", FRAME)
    record(tmp_path, request, FRAME, renamed("2024-07-03", "2"))
    settings = Settings(archive=Path("X.zip"), cassettes=tmp_path)
    fold = Window("fold1of2", FRAME.index[0], FRAME.index[30])

    with pytest.raises(MarketDataError, match=r"fold1of2 holds 0 bars.* META was called FB before 2024-07-03"):
        load_series(request, Timeframe.HOUR_1, (fold,), LIMITS, settings)


def test_a_company_that_only_changed_its_name_keeps_its_bars(tmp_path: Path) -> None:
    request = request_for("META", FRAME)
    record(tmp_path, request, FRAME, renamed("2024-07-03", "1"))

    judged = load(tmp_path, request)

    assert (len(judged.bars), judged.quality.warnings) == (25, ())
    assert judged.quality.actions == ("change of name from FB to META of 2024-07-03",)


def test_a_company_that_ended_before_all_its_bars_is_refused(tmp_path: Path) -> None:
    request = request_for("TWTR", FRAME)
    row = {"acquiree_symbol": "TWTR", "rate": 54.2, "effective_date": "2024-07-07", "process_date": "2024-07-08"}
    record(tmp_path, request, FRAME, {"cash_mergers": [row]})

    with pytest.raises(MarketDataError, match="the company called TWTR until 2024-07-07 was merged, and there are no"):
        load(tmp_path, request)


def test_of_a_shorter_window_the_recorded_actions_are_known_too(tmp_path: Path) -> None:
    record(tmp_path, request_for("META", FRAME), FRAME, renamed("2024-07-05", "1"))

    assert load(tmp_path, request_for("META", FRAME.iloc[48:])).quality.actions_from == "recorded"


def test_a_company_that_was_listed_within_a_window_is_told_before_anything_is_traded(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    record(tmp_path, request, FRAME.iloc[49:])
    starts = [FRAME.index[0], FRAME.index[20], FRAME.index[50]]
    windows = [Window(f"fold{number}of3", start, start + pd.Timedelta(hours=20)) for number, start in enumerate(starts)]
    bars = replay_bars(request, tmp_path)

    def refusal(windows: list[Window], history: int = 0) -> str:
        settings = Settings(archive=Path("X.zip"), cassettes=tmp_path)
        with pytest.raises(MarketDataError) as refused:
            check_series(bars, request, Timeframe.HOUR_1, windows, limits=LIMITS, settings=settings, history=history)
        return refused.value.problem

    assert refusal(windows) == (
        "fold0of3 holds 0 bars, expected at least 2, and 1 more windows are too short; "
        "the first bar there is starts at 2024-07-03 01:00 UTC"
    )
    assert refusal(windows[2:], history=2).startswith("fold2of3 has 1 bars before it, its models need 2;")


def test_a_series_that_ends_early_is_missing_its_end(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    record(tmp_path, request, FRAME.iloc[:-30])

    assert load(tmp_path, request).quality.missing == 30


def test_what_was_never_recorded_names_the_request_and_the_command_that_records_it(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError) as caught:
        load(tmp_path, request_for("AAPL", FRAME))

    told = str(caught.value)
    assert "AAPL 1Hour from 2024-07-01 00:00 to 2024-07-07 23:00 UTC, feed sip, all" in told
    assert f"no cassette {tmp_path / path_of(request_for('AAPL', FRAME))}" in told
    assert told.endswith(f"{COMMAND}.")


def test_recordings_of_other_windows_are_counted(tmp_path: Path) -> None:
    record(tmp_path, request_for("BTCUSD", FRAME.iloc[:100]), FRAME)

    with pytest.raises(MarketDataError, match="only 1 of other windows"):
        load(tmp_path, request_for("BTCUSD", FRAME))


def test_an_altered_cassette_names_the_command_that_records_it_again(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    record(tmp_path, request, FRAME)
    text = read_cassette(tmp_path, path_of(request))
    (tmp_path / path_of(request)).write_bytes(gzip.compress(text.replace("100.0", "999.0", 1).encode(), mtime=0))

    with pytest.raises(MarketDataError, match=f"was altered.*{COMMAND}"):
        load(tmp_path, request)


def test_two_cassettes_that_disagree_are_refused(tmp_path: Path) -> None:
    record(tmp_path, request_for("BTCUSD", FRAME.iloc[:100]), FRAME)
    record(tmp_path, request_for("BTCUSD", FRAME), FRAME)
    tail = replace(request_for("BTCUSD", FRAME), first=FRAME.index[75])
    document = json.loads(read_cassette(tmp_path, path_of(tail)))
    page = json.loads(document["interactions"][0]["response"]["body"]["string"])
    page["bars"]["BTC/USD"][0]["c"] += 1.0
    document["interactions"][0]["response"]["body"]["string"] = json.dumps(page)
    facts = json.loads((tmp_path / "manifest.json").read_text())["cassettes"][path_of(tail)]
    facts.pop("sha256")
    write_cassette(tmp_path, path_of(tail), json.dumps(document), facts)

    with pytest.raises(MarketDataError, match=r"disagree about the bar of 2024-07-04 03:00 UTC.*--record-mode all"):
        load(tmp_path, request_for("BTCUSD", FRAME))


@pytest.mark.parametrize("sessions", ["regular", "extended"])
def test_trainers_get_the_bars_that_the_gate_judges_on(tmp_path: Path, sessions: Sessions) -> None:
    settings = Settings(archive=Path("X.zip"), cassettes=tmp_path, sessions=sessions)
    request = market_request(Instrument.parse("AAPL"), Timeframe.HOUR_4, settings, AS_OF)
    days = (request.last - request.first).days + 1
    record(tmp_path, request, random_walk(str(request.first.date()), 24 * days))

    bars = recorded_bars("AAPL", "4Hour", as_of=AS_OF, cassettes=tmp_path, sessions=sessions)

    assert bars.sha256 == load(tmp_path, request, Timeframe.HOUR_4, sessions).bars.sha256


def test_on_an_origin_of_their_own_too_trainers_get_the_bars_that_the_gate_judges_on(tmp_path: Path) -> None:
    settings, told = Settings(archive=Path("X.zip"), cassettes=tmp_path), pd.Timestamp("2023-01-07T07:00Z")
    btc = Instrument.parse("BTCUSD")
    request = market_request(btc, Timeframe.HOUR_4, settings, AS_OF, origin_of([told], btc, Timeframe.HOUR_4))
    hours = int((request.last - request.first) / pd.Timedelta(hours=1)) + 30  # beyond the last bar that has closed
    record(tmp_path, request, random_walk(str(request.first), hours))

    bars = recorded_bars("BTCUSD", "4Hour", as_of=AS_OF, cassettes=tmp_path, bar_origin=told)

    assert bars.sha256 == load(tmp_path, request, Timeframe.HOUR_4).bars.sha256
    assert f"{bars.index[0]:%H:%M} {bars.index[-1]:%d %H:%M}" == "03:00 27 15:00"  # which closes at 19:00
    oracle = random_walk(str(request.first), hours).resample("4h", origin=told)
    assert bars.frame["open"].equals(oracle["open"].first()[bars.index].rename_axis(None))
    earlier, half_past = AS_OF.replace(hour=19), told + pd.Timedelta(minutes=30)
    with pytest.raises(SettingsError, match="begins at :30 UTC, those judged begin at"):
        recorded_bars("BTCUSD", "1Hour", as_of=earlier, cassettes=tmp_path, bar_origin=half_past)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"timeframe": "1hour"}, "timeframe: is '1hour', expected one of"),
        ({"as_of": AS_OF.tz_localize(None)}, "as_of: .*expected a datetime with a UTC offset"),
        ({"as_of": "2024-12-27"}, "as_of: .*expected a datetime with a UTC offset"),
        ({"sessions": "Extended"}, "sessions: is 'Extended', expected one of regular, extended"),
        ({"days": 0}, "days: is 0, expected at least 1"),
    ],
    ids=str,
)
def test_bars_for_trainers_are_asked_for_without_doubt(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        recorded_bars(**{"symbol": "AAPL", "timeframe": "1Hour", "as_of": AS_OF, "cassettes": tmp_path, **asked})
