"""Two and four hours of crypto on the origin that a trainer's bars had."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market_factory import hourly_bars, random_walk

from pytest_modelgate.core.config.settings import OWN_FEED, Settings
from pytest_modelgate.core.market.bars import AssetClass, Instrument, Timeframe
from pytest_modelgate.core.market.grid import CLOCK, origin_of, origin_within
from pytest_modelgate.core.market.sessions import SessionTimes, resample
from pytest_modelgate.core.market.windows import last_close, market_window
from pytest_modelgate.core.planning.plan import bar_origin, market_request, windows_of
from pytest_modelgate.core.training.run import Declared, ParityProbe, TrainedModel

BTC = Instrument.parse("BTCUSD")
HOUR = pd.Timedelta(hours=1)
SETTINGS = Settings(archive=Path("X.zip"))
JOINED = st.sampled_from([Timeframe.HOUR_2, Timeframe.HOUR_4])
MOMENTS = st.integers(0, 10**6).map(lambda minutes: pd.Timestamp("2024-03-01T00:00Z") + pd.Timedelta(minutes=minutes))


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@given(timeframe=JOINED, late=st.integers(0, 3), hours=st.integers(4, 60), kept=st.sets(st.integers(0, 59), min_size=1))
def test_bars_on_an_origin_are_those_of_a_slow_loop(
    timeframe: Timeframe, late: int, hours: int, kept: set[int]
) -> None:
    frame = random_walk("2024-03-01T01:00", 60)
    parts = hourly_bars("BTCUSD", frame.iloc[sorted(kept)])
    first, until = utc("2024-03-01T01:00"), utc("2024-03-01T01:00") + (late + hours) * HOUR

    joined = resample(parts, timeframe, SessionTimes.around_the_clock(first, until, timeframe), until)

    slow, end = {}, until
    while end - timeframe.delta >= first:  # backwards, bar by bar
        begin = end - timeframe.delta
        inside = [parts.frame.loc[moment] for moment in parts.index if begin <= moment < end]
        if inside:
            high, low = max(row["high"] for row in inside), min(row["low"] for row in inside)
            volume = sum(row["volume"] for row in inside)
            slow[begin] = [inside[0]["open"], high, low, inside[-1]["close"], volume]
        end = begin
    assert dict(zip(joined.index, joined.frame.to_numpy().tolist(), strict=True)) == dict(sorted(slow.items()))


@given(as_of=MOMENTS, timeframe=JOINED, origin=MOMENTS.map(lambda moment: moment.floor("h")))
def test_windows_and_request_end_with_the_last_closed_bar(
    as_of: pd.Timestamp, timeframe: Timeframe, origin: pd.Timestamp
) -> None:
    counted = origin_of([origin], BTC, timeframe)
    request = market_request(BTC, timeframe, SETTINGS, as_of, counted)
    windows = windows_of(timeframe, SETTINGS, as_of, counted)

    assert request.closes_at == windows[0].end == windows[-1].end == last_close(as_of, timeframe, counted)
    assert request.closes_at <= as_of < request.closes_at + timeframe.delta
    assert all((window.start - origin) % timeframe.delta == pd.Timedelta(0) for window in windows)
    assert origin_within(request, timeframe) == counted
    assert request.timeframe is (timeframe if counted == CLOCK else Timeframe.HOUR_1)


@given(as_of=MOMENTS, timeframe=JOINED, late=st.integers(1, 3))
def test_a_request_holds_the_warm_up_in_whole_bars(as_of: pd.Timestamp, timeframe: Timeframe, late: int) -> None:
    origin = CLOCK + late * HOUR
    first, _ = market_window(as_of, timeframe, AssetClass.CRYPTO, 365, origin)
    end = last_close(as_of, timeframe, origin)

    grid = SessionTimes.around_the_clock(first, end, timeframe)

    assert (end - pd.Timedelta(days=365) - grid.opens[0]) // timeframe.delta >= 400


@pytest.mark.parametrize(
    ("symbol", "timeframe", "told", "name"),
    [
        ("BTCUSD", Timeframe.HOUR_4, "2023-01-07T07:00", "03:00"),
        ("BTCUSD", Timeframe.HOUR_2, "2023-01-07T07:00", "01:00"),
        ("BTCUSD", Timeframe.HOUR_4, "2023-01-07T08:00", "00:00"),
        ("BTCUSD", Timeframe.HOUR_4, "2023-01-07T07:30", "00:00"),
        ("BTCUSD", Timeframe.HOUR_1, "2023-01-07T07:00", "00:00"),
        ("BTCUSD", Timeframe.DAY_1, "2023-01-07T07:00", "00:00"),
        ("AAPL", Timeframe.HOUR_4, "2023-01-07T07:00", "00:00"),
    ],
)
def test_only_full_hours_of_crypto_make_other_bars(symbol: str, timeframe: Timeframe, told: str, name: str) -> None:
    assert f"{origin_of([utc(told)], Instrument.parse(symbol), timeframe):%H:%M}" == name


def model(**declared: object) -> TrainedModel:
    return TrainedModel(BTC, Timeframe.HOUR_4, None, None, Declared(**declared))  # type: ignore[arg-type]


def test_the_declared_origin_decides_and_else_the_probe() -> None:
    six = (utc("2024-01-01T06:00").timestamp(), 1.0, 1.0, 1.0, 1.0, 1.0)
    probe = ParityProbe(bars=(six,))

    assert bar_origin(model(), SETTINGS) == CLOCK
    assert bar_origin(model(parity_probe=probe), SETTINGS) == CLOCK + 2 * HOUR
    assert bar_origin(model(parity_probe=probe, bar_origin=utc("2024-01-01T03:00")), SETTINGS) == CLOCK + 3 * HOUR


def test_own_bars_are_taken_as_they_are() -> None:
    own = Settings(archive=Path("X.zip"), feed=OWN_FEED)
    assert bar_origin(model(bar_origin=utc("2024-01-01T03:00")), own) == CLOCK
