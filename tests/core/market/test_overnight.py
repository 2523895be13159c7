"""Nights of a stock: what fails, what is news, with and without the list of a company's actions."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market_factory import hourly_bars, random_walk

from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.corporate_actions import ActionKind, CorporateAction
from pytest_modelgate.core.market.overnight import Overnight, judge_nights

DAY = date(2024, 6, 10)
WALK = random_walk("2024-05-01 13:00", 24 * 60)


def stock(factor: float, shares: float = 1.0, crowd: float = 1.0) -> Bars:
    """Sixty days of sessions; from one day on prices and shares are multiplied, and on that day the crowd."""
    index = pd.DatetimeIndex(WALK.index)
    frame = WALK[(index.hour >= 13) & (index.hour < 20) & (index.day_of_week < 5)].copy()
    days = pd.DatetimeIndex(frame.index).normalize()
    after, on = np.asarray(days >= pd.Timestamp(DAY, tz="UTC")), np.asarray(days == pd.Timestamp(DAY, tz="UTC"))
    frame.loc[after, list(frame.columns[:4])] *= factor
    frame.loc[after, "volume"] *= shares
    frame.loc[on, "volume"] *= crowd
    return hourly_bars("AAPL", frame)


def split(new: float, old: float, day: date = DAY) -> CorporateAction:
    return CorporateAction(day, ActionKind.SPLIT, "AAPL", new=new, old=old)


@pytest.mark.parametrize("ratio", [1 / 12, 1 / 35, 1 / 80, 0.01, 100.0, 20.0])
@pytest.mark.parametrize("crowd", [1.0, 6.0])
def test_beyond_three_times_every_night_fails_that_nobody_can_explain(ratio: float, crowd: float) -> None:
    named = f"{ratio:g}:1" if ratio > 1 else f"1:{1 / ratio:.0f}"

    assert judge_nights(stock(1 / ratio, ratio, crowd), None, "all").unadjusted == (f"{named} on 2024-06-10",)


@pytest.mark.parametrize(
    ("factor", "crowd", "said"),
    [
        (0.8, 1.0, "as a 5:4 split that prices were not adjusted for would"),
        (0.75, 1.0, "as a 4:3 split that prices were not adjusted for would"),
        (0.8, 4.0, "the ratio of a 5:4 split, but traded like news"),
        (1000 / 1231, 1.0, "as a 5:4 split that prices were not adjusted for would"),
        (1.52, 1.0, "whether by news or by an action that prices were not adjusted for, nothing tells"),
        (0.57, 9.0, "whether by news or by an action that prices were not adjusted for, nothing tells"),
    ],
)
def test_smaller_nights_are_said_with_what_tells_for_and_against(factor: float, crowd: float, said: str) -> None:
    found = judge_nights(stock(factor, 1 / factor, crowd), None, "raw")

    (warning,) = found.warnings
    assert found.failures == ()
    assert "2024-06-10" in warning
    assert said in warning


def test_earnings_say_nothing_below_a_fifth() -> None:
    assert judge_nights(stock(0.86), None, "all") == Overnight((), (), ())
    assert judge_nights(stock(1.18), [], "all") == Overnight((), (), ())


def test_a_hole_of_months_is_no_night() -> None:
    bars = stock(1 / 4)
    whole = bars.frame
    gone = hourly_bars("AAPL", whole[(whole.index < "2024-05-20") | (whole.index >= "2024-06-10")])

    found = judge_nights(gone, None, "raw")

    assert found.failures == ()
    assert found.warnings[0].startswith("no bars between 2024-05-17 and 2024-06-10 (24 days), over which the price")


@pytest.mark.parametrize("adjustment", ["raw", "all"])
@pytest.mark.parametrize(("new", "old"), [(5, 4), (4, 3), (2, 1), (1, 35), (1231, 1000)])
def test_a_known_split_is_in_the_prices_or_it_is_not(new: int, old: int, adjustment: str) -> None:
    unadjusted = judge_nights(stock(old / new, new / old), [split(new, old)], adjustment)

    assert unadjusted.failures == (f"prices are not adjusted for the {new}:{old} split of 2024-06-10",)
    assert unadjusted.unadjusted == (f"{new}:{old} on 2024-06-10",)
    assert judge_nights(stock(1.0), [split(new, old)], adjustment) == Overnight((), (), ())


@pytest.mark.parametrize("day", [date(2024, 6, 7), date(2024, 6, 9), date(2024, 6, 11)])
def test_a_list_may_be_a_day_off(day: date) -> None:
    assert judge_nights(stock(0.25), [split(4, 1, day)], "all").failures


@given(st.floats(1.2, 9.0), st.booleans())
def test_with_a_list_what_is_not_on_it_is_news(size: float, up: bool) -> None:
    found = judge_nights(stock(size if up else 1 / size), [split(5, 4, date(2024, 5, 20))], "all")

    assert found.failures == ()
    assert all("Alpaca lists no split for it: taken for news" in warning for warning in found.warnings)


def test_what_does_not_show_is_as_it_was_asked_for() -> None:
    dividend = CorporateAction(DAY, ActionKind.STOCK_DIVIDEND, "AAPL", new=0.005)

    assert judge_nights(stock(1 / 1.005), [dividend], "all").failures == ()
    assert judge_nights(stock(1 / 1.005), [dividend], "raw").failures == (
        "prices are not adjusted for the stock dividend (0.005 per share) of 2024-06-10",
    )


def test_a_spin_off_fails_where_the_price_fell_and_it_was_not_asked_to_be_adjusted() -> None:
    spin_off = CorporateAction(DAY, ActionKind.SPIN_OFF, "AAPL", "NEW")

    fell, stayed = (judge_nights(stock(factor), [spin_off], "split") for factor in (0.75, 1.0))

    assert fell.unadjusted == ("spin-off NEW on 2024-06-10",)
    assert (stayed.failures, len(stayed.warnings)) == ((), 1)
    for adjustment in ("all", "split,spin-off"):
        assert judge_nights(stock(0.75), [spin_off], adjustment).failures == ()


def test_a_large_dividend_is_said_in_dollars_of_its_day() -> None:
    bars = stock(1.0)
    before = float(bars.frame["close"][: pd.Timestamp("2024-06-08", tz="UTC")].iloc[-1])
    paid = CorporateAction(DAY, ActionKind.CASH_DIVIDEND, "AAPL", dollars=round(0.06 * before * 4, 2))
    later = split(4, 1, date(2024, 6, 20))

    (said,) = judge_nights(bars, [paid, later], "split").warnings

    assert "6.0% of the price" in said
    assert judge_nights(bars, [paid, later], "all").warnings == ()
    small = CorporateAction(DAY, ActionKind.CASH_DIVIDEND, "AAPL", dollars=0.04 * before)
    assert judge_nights(bars, [small], "raw").warnings == ()


def test_many_nights_are_counted_and_not_told_one_by_one() -> None:
    bars = stock(1.0)
    wild = bars.frame.copy()
    days = pd.DatetimeIndex(wild.index).normalize()
    for number, day in enumerate(sorted(set(days))[5:15]):
        wild.loc[days >= day, list(wild.columns[:4])] *= 1.4 if number % 2 else 1 / 1.4

    found = judge_nights(hourly_bars("AAPL", wild), [], "all")

    assert len(found.warnings) == 4
    assert found.warnings[-1] == "7 more nights moved the price by a fifth or more"
    assert math.isclose(float(wild["close"].iloc[-1]), float(bars.frame["close"].iloc[-1]))
