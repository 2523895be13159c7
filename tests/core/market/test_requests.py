"""Which recordings together hold a request."""

from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest, Span, cover

START = pd.Timestamp("2024-01-01", tz="UTC")
HOURS = st.integers(0, 60)
SPANS = st.lists(st.tuples(HOURS, HOURS).map(sorted), max_size=8).map(
    lambda pairs: [span(first, last) for first, last in pairs]
)
WINDOWS = st.tuples(HOURS, HOURS).map(sorted)


def hour(number: int) -> pd.Timestamp:
    return START + pd.Timedelta(hours=number)


def span(first: int, last: int) -> Span:
    return Span(hour(last), hour(first))


def request(first: int, last: int, symbol: str = "BTCUSD", adjustment: str = "all") -> MarketRequest:
    return MarketRequest(Instrument.parse(symbol), Timeframe.HOUR_1, hour(first), hour(last), "sip", adjustment)


def test_a_tail_continues_what_was_recorded_before() -> None:
    assert cover(request(5, 30), [span(0, 20), span(20, 30)]) == (span(0, 20), span(20, 30))


def test_recordings_that_do_not_overlap_cannot_be_put_together() -> None:
    assert cover(request(0, 30), [span(0, 20), span(21, 30)]) is None


def test_a_later_recording_does_not_answer_an_earlier_request() -> None:
    assert cover(request(0, 20), [span(0, 50), span(0, 20)]) == (span(0, 20),)


def test_adjusted_prices_come_from_one_recording_that_ends_with_the_request() -> None:
    recorded = [span(0, 20), span(20, 30), span(0, 40)]

    assert cover(request(5, 30, "AAPL"), recorded) is None
    assert cover(request(5, 20, "AAPL"), recorded) == (span(0, 20),)
    assert cover(request(5, 30, "AAPL", "raw"), recorded) == (span(0, 20), span(20, 30))


def test_a_tail_follows_the_recording_it_was_held_against_and_no_other() -> None:
    stale, corrected = span(0, 19), span(0, 20)
    tail = replace(span(10, 30), continues=hour(20))

    assert cover(request(0, 30), [stale, corrected, tail]) == (corrected, tail)
    assert cover(request(0, 30), [stale, tail]) is None
    assert cover(request(0, 19), [stale, corrected, tail]) == (stale,)


def test_a_recording_answers_for_the_company_that_its_symbol_meant() -> None:
    later = replace(span(0, 60), asof="2024-01-03")
    asked = request(0, 20, "META", "raw")

    assert asked.asof == "2024-01-01"
    assert cover(asked, [later]) is None
    assert cover(asked, [replace(later, asof="")]) == (later,)  # of old, when nobody said
    assert cover(request(0, 60, "META", "raw"), [later]) == (later,)
    assert cover(request(0, 60, "META", "raw"), [span(0, 30), replace(later, first=hour(30))]) is not None
    other = replace(span(0, 30), asof="2024-01-02")
    assert cover(request(0, 60, "META", "raw"), [other, replace(later, first=hour(30))]) is None


@pytest.mark.parametrize(
    ("symbol", "asof", "final"),
    [("BTCUSD", "", "2024-01-02T00:05:00Z"), ("AAPL", "2024-01-02", "2024-01-02T00:16:00Z")],
)
def test_a_request_says_as_of_when_it_is_meant_and_when_its_last_bar_is_final(
    symbol: str, asof: str, final: str
) -> None:
    asked = request(0, 23, symbol)

    assert asked.asof == asof
    assert asked.final_at == pd.Timestamp(final)


@given(WINDOWS, SPANS)
def test_a_cover_is_found_exactly_when_every_moment_and_every_border_was_recorded(
    window: list[int], recorded: list[Span]
) -> None:
    first, last = window
    moments = [hour(first) + pd.Timedelta(minutes=30) * step for step in range(2 * (last - first) + 1)]
    held = all(any(one.holds(moment) for one in recorded) for moment in moments)

    assert (cover(request(first, last), recorded) is not None) == held


@given(WINDOWS, SPANS)
def test_neighbours_in_a_cover_overlap_and_none_is_idle(window: list[int], recorded: list[Span]) -> None:
    spans = cover(request(window[0], window[1]), recorded)

    if spans is not None:
        assert spans[0].first <= hour(window[0])
        assert spans[-1].last >= hour(window[1])
        assert all(before.last >= after.first > before.first for before, after in pairwise(spans))


@given(WINDOWS, SPANS, st.integers(0, 60), st.integers(1, 30))
def test_what_is_recorded_later_does_not_change_an_answer(
    window: list[int], recorded: list[Span], first: int, beyond: int
) -> None:
    spans = cover(request(window[0], window[1]), recorded)
    latest = max((int((one.last - START) / pd.Timedelta(hours=1)) for one in recorded), default=0)

    if spans is not None:
        later = span(first, max(latest, first) + beyond)
        assert cover(request(window[0], window[1]), [*recorded, later]) == spans


def test_crypto_is_the_same_whatever_is_asked_for_stocks() -> None:
    asked = {
        MarketRequest(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, START, START, feed, adjustment)
        for feed, adjustment in (("sip", "all"), ("iex", "raw"))
    }

    assert [(one.feed, one.adjustment) for one in asked] == [("us", "raw")]


@pytest.mark.parametrize(("symbol", "pages"), [("BTCUSD", 30), ("AAPL", 1)])
def test_the_pages_of_a_year_are_estimated(symbol: str, pages: int) -> None:
    assert request(0, 8760, symbol).estimated_pages == pages
