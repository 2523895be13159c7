"""Orders of a closed session are filled at its open, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.market_factory import halves_of, hourly_bars, random_walk, request_for

from pytest_modelgate.core.config.settings import Sessions
from pytest_modelgate.core.market.bars import Bars, Timeframe
from pytest_modelgate.core.market.session_opens import open_with_sessions, opens_request
from pytest_modelgate.core.market.sessions import SessionTimes, within_sessions

DAYS = pd.date_range("2024-03-04 14:30", "2024-03-15 14:30", freq="B", tz="UTC", unit="ns")
# New York's clocks go forward on the 10th.
OPENS = DAYS.where(DAYS.day < 10, DAYS - pd.Timedelta(hours=1))
SESSIONS = SessionTimes(OPENS, OPENS + pd.Timedelta(hours=6.5))
FRAME = random_walk("2024-03-04", 24 * 12, seed=5)
HOURS = within_sessions(hourly_bars("AAPL", FRAME), SESSIONS)
HALVES = Bars(HOURS.instrument, Timeframe.MIN_30, halves_of(FRAME))


def test_each_session_opens_at_the_price_of_half_past_nine() -> None:
    opened = open_with_sessions(HOURS, HALVES, SESSIONS)

    assert (opened.sessions, opened.unknown) == (10, 0)
    nine = np.flatnonzero(HOURS.index.tz_convert("America/New_York").hour == 9)
    assert np.flatnonzero(opened.bars.waits).tolist() == nine.tolist()
    opens, closes = opened.bars.quotes
    half_past = HALVES.frame.loc[OPENS]
    assert [opens[row] for row in nine] == half_past["open"].tolist()
    assert [opened.bars.extremes[0][row] for row in nine] == half_past[["open", "high", "low", "close"]].max(
        axis=1
    ).tolist()
    assert closes == HOURS.quotes[1]
    assert opened.bars.frame is HOURS.frame, "what a model observes is not touched"
    assert opened.bars.sha256 == HOURS.sha256
    assert opened.bars.traded_sha256 != ""


def test_a_window_trades_at_the_prices_of_the_whole() -> None:
    bars = open_with_sessions(HOURS, HALVES, SESSIONS).bars

    assert bars.rows(slice(7, 21)).quotes == tuple(prices[7:21] for prices in bars.quotes)


def test_half_hours_are_looked_up_for_all_sessions_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, search = list[int](), pd.DatetimeIndex.searchsorted

    def counted(index: pd.DatetimeIndex, *arguments: Any, **options: Any) -> Any:
        calls.append(len(index))
        return search(index, *arguments, **options)

    monkeypatch.setattr(pd.DatetimeIndex, "searchsorted", counted)

    assert open_with_sessions(HOURS, HALVES, SESSIONS).unknown == 0
    assert calls.count(len(HALVES)) < len(OPENS)


def test_half_hours_adjusted_otherwise_say_nothing() -> None:
    dearer = replace(HALVES, frame=HALVES.frame * 1.004)

    opened = open_with_sessions(HOURS, dearer, SESSIONS)

    assert opened.unknown == 10
    assert not opened.bars.waits.any()


def test_a_session_without_a_trade_in_its_first_hour_opens_with_its_first_trade() -> None:
    frame = HALVES.frame.drop(pd.DatetimeIndex([OPENS[3], OPENS[3] + pd.Timedelta(minutes=30)]))

    opened = open_with_sessions(HOURS, replace(HALVES, frame=frame), SESSIONS)

    row = HOURS.index.get_loc(OPENS[3].floor("h"))
    assert opened.unknown == 0
    assert opened.bars.quotes[0][row] == HALVES.frame["open"].loc[OPENS[3] + pd.Timedelta(hours=1)]


def test_a_session_without_any_half_hour_is_unknown() -> None:
    frame = HALVES.frame[HALVES.index.normalize() != OPENS[3].normalize()]

    assert open_with_sessions(HOURS, replace(HALVES, frame=frame), SESSIONS).unknown == 1


@pytest.mark.parametrize(
    ("symbol", "feed", "timeframe", "sessions", "asked"),
    [
        ("AAPL", "sip", Timeframe.HOUR_1, "regular", True),
        ("AAPL", "own", Timeframe.HOUR_1, "regular", True),
        ("AAPL", "sip", Timeframe.HOUR_1, "extended", False),
        ("AAPL", "overnight", Timeframe.HOUR_1, "regular", False),
        ("AAPL", "sip", Timeframe.MIN_30, "regular", False),
        ("AAPL", "sip", Timeframe.HOUR_4, "regular", False),
        ("BTCUSD", "sip", Timeframe.HOUR_1, "regular", False),
    ],
)
def test_half_hours_are_asked_for_where_an_hour_begins_before_its_session(
    symbol: str, feed: str, timeframe: Timeframe, sessions: Sessions, *, asked: bool
) -> None:
    request = replace(request_for(symbol, FRAME, timeframe), feed=feed)

    halves = opens_request(request, timeframe, sessions)

    assert (halves is not None) is asked
    if halves:
        assert (halves.timeframe, halves.closes_at) == (Timeframe.MIN_30, request.closes_at)
