"""Net timing by whole days, against the slow and obvious way."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.market.bars import AssetClass
from pytest_modelgate.core.market.sessions import DayPlaces, day_places
from pytest_modelgate.core.statistics.effective_models import DayGains, effective_models
from pytest_modelgate.core.statistics.net_timing import NetTiming, needed_p, net_timing, without_each

seeds = st.integers(0, 10**6)


def drawn(seed: int, days: int, slots: int, missing: float = 0.0) -> tuple[BarAttribution, DayPlaces]:
    """Positions that know nothing, of bars of which some are missing; costs and stops, too."""
    rng = np.random.default_rng(seed)
    there = np.flatnonzero(rng.random(days * slots) >= missing)
    there = there if len(there) else np.arange(1)
    bars = len(there)
    held, carried = rng.choice([0.0, 0.1, -0.2], bars), rng.choice([0.0, 0.1], bars)
    move, gap = rng.standard_t(4, bars) * 0.01, rng.standard_t(4, bars) * 0.005
    fees, forgone = rng.choice([0.0, 0.001], bars), rng.normal(0.0, 0.001, bars)
    returns = carried * gap + held * move - forgone - 2 * fees
    bars_there = BarAttribution(returns, carried, held, gap, move, fees, fees, forgone)
    return bars_there, DayPlaces(there // slots, there % slots)


def slowly(bars: BarAttribution, places: DayPlaces) -> tuple[float, float, float, list[float]]:
    """z, rank, p and gains by the definition, one bar at a time."""
    days = sorted(set(places.days.tolist()))
    at = {
        (days.index(d), s): n for n, (d, s) in enumerate(zip(places.days.tolist(), places.slots.tolist(), strict=True))
    }
    centred = [float(h) - float(np.mean(bars.intraday_weight)) for h in bars.intraday_weight]
    square = sum(h * h for h in centred)
    beta = sum(h * float(m) for h, m in zip(centred, bars.intraday_return, strict=True)) / square if square else 0.0

    def gain(shift: int, edge: float) -> float:
        total = 0.0
        for (day, slot), mine in at.items():
            market = at.get(((day + shift) % len(days), slot))
            if market is not None:
                move = float(bars.intraday_return[market]) - edge * centred[market]
                total += float(bars.overnight_weight[mine] * bars.overnight_return[market])
                total += float(bars.intraday_weight[mine]) * move
        return total

    def beyond_habit() -> list[float]:
        moves = [float(m) - beta * h for m, h in zip(bars.intraday_return, centred, strict=True)]
        found = [0.0] * len(days)
        for position, market in (
            (bars.overnight_weight.tolist(), bars.overnight_return.tolist()),
            (bars.intraday_weight.tolist(), moves),
        ):
            for slot in set(places.slots.tolist()):
                bar = [at.get((day, slot)) for day in range(len(days))]
                shares, returns = ([0.0 if n is None else one[n] for n in bar] for one in (position, market))
                usual, drift = sum(shares) / len(days), sum(returns) / len(days)
                for day, (share, earned) in enumerate(zip(shares, returns, strict=True)):
                    found[day] += (share - usual) * (earned - drift)
        return found

    gains = [gain(shift, 0.0) for shift in range(len(days))]
    scatter = [gain(shift, beta) for shift in range(len(days))]
    own = gains[0] - max(0.0, float(bars.forgone.sum())) - float(bars.fees.sum() + bars.slippage.sum())
    rank = (1 + sum(other >= own - 1e-12 for other in gains[1:])) / len(days)
    deviation = float(np.std(scatter, ddof=1)) if len(days) > 1 else 0.0
    if deviation > 1e-12:
        deviation = max(deviation, float(np.std(beyond_habit(), ddof=1)) * math.sqrt(len(days)))
    z = (own - float(np.mean(gains))) / deviation if deviation > 1e-12 else math.nan
    return z, rank, 1.0 if math.isnan(z) else float(norm.sf(z)), gains


def same(found: NetTiming, bars: BarAttribution, places: DayPlaces) -> None:
    z, rank, p_value, gains = slowly(bars, places)
    assert [found.z, found.rank, found.p_value] == pytest.approx([z, rank, p_value], rel=1e-6, nan_ok=True)
    assert found.gains == pytest.approx(np.array(gains), abs=1e-12)


@given(seed=seeds, days=st.integers(1, 12), slots=st.integers(1, 6), missing=st.sampled_from([0.0, 0.2, 0.6]))
def test_all_days_at_once_are_each_day_by_itself(seed: int, days: int, slots: int, missing: float) -> None:
    bars, places = drawn(seed, days, slots, missing)
    same(net_timing(bars, places), bars, places)


@given(seed=seeds, windows=st.integers(1, 4))
def test_a_window_left_out_is_as_if_its_bars_had_not_been(seed: int, windows: int) -> None:
    bars, places = drawn(seed, 12, 3)
    number = np.arange(len(bars)) * windows // len(bars)
    for window, found in enumerate(without_each(bars, places, number)):
        kept = number != window
        if not kept.any():
            assert math.isnan(found)
            continue
        rest = BarAttribution(*(getattr(bars, field.name)[kept] for field in fields(BarAttribution)))
        assert found == pytest.approx(slowly(rest, places.of(kept))[0], rel=1e-6, nan_ok=True)


@given(seed=seeds, shift=st.integers(0, 8))
def test_whole_day_shifts_of_what_repeats_every_day_change_nothing(seed: int, shift: int) -> None:
    """A habit of the clock, right on every day, is no timing: all copies gain the same."""
    bars, _ = drawn(seed, 1, 5)
    nine = BarAttribution(*(np.tile(getattr(bars, field.name), 9) for field in fields(BarAttribution)))
    days = DayPlaces(np.repeat(np.arange(9), 5), np.tile(np.arange(5), 9))
    timing = net_timing(nine, days)
    assert timing.gains == pytest.approx(np.full(9, timing.gains[0]))
    assert timing.rank == 1.0
    moved = replace(nine, intraday_weight=np.roll(nine.intraday_weight, 5 * shift))
    assert net_timing(moved, days).mean == pytest.approx(timing.mean)


@given(seed=seeds, factor=st.floats(0.1, 10.0), order=st.randoms(use_true_random=False))
def test_neither_size_nor_the_order_of_bars_matters(seed: int, factor: float, order: Any) -> None:
    bars, places = drawn(seed, 10, 4)
    places_in = list(range(len(bars)))
    order.shuffle(places_in)
    scaled = {"returns", "overnight_weight", "intraday_weight", "fees", "slippage", "forgone"}
    columns = {item.name: getattr(bars, item.name) * (factor if item.name in scaled else 1) for item in fields(bars)}
    shuffled = BarAttribution(**{name: values[places_in] for name, values in columns.items()})
    found = net_timing(shuffled, DayPlaces(places.days[places_in], places.slots[places_in]))
    assert found.z == pytest.approx(net_timing(bars, places).z, rel=1e-6)


def test_costs_count_against_the_model_and_not_against_its_copies() -> None:
    bars, places = drawn(1, 30, 4)
    free = replace(bars, fees=np.zeros(len(bars)), slippage=np.zeros(len(bars)))
    paid = float(np.sum(bars.fees + bars.slippage))
    with_costs, without = net_timing(bars, places), net_timing(free, places)
    assert with_costs.own == pytest.approx(without.own - paid)
    assert (with_costs.mean, with_costs.deviation) == (without.mean, without.deviation)
    assert with_costs.z < without.z


def test_luck_of_a_model_that_trades_on_loud_days_is_measured_on_these_days() -> None:
    """Its copies meet quiet days, and would make any coin look like skill: their scatter is a third of its own."""
    rng = np.random.default_rng(6)
    loud, none = np.arange(2000) % 10 == 0, np.zeros(2000)
    figures = []
    for _ in range(200):
        held, move = 0.1 * loud * rng.choice([-1.0, 1.0], 2000), rng.normal(0.0, 0.01, 2000) * np.where(loud, 5.0, 1.0)
        bars = BarAttribution(held * move, none, held, none, move, none, none)
        figures.append(net_timing(bars, DayPlaces(np.arange(2000), np.zeros(2000, dtype=np.int64))).z)
    assert 0.8 < np.std(figures) < 1.2


def test_drift_of_the_market_does_not_help_a_long_position_that_knows_nothing() -> None:
    rng = np.random.default_rng(3)
    held, none, move = rng.choice([0.0, 0.1], 800, p=[0.1, 0.9]), np.zeros(800), rng.standard_t(4, 800) * 0.01
    places = DayPlaces(np.arange(800) // 8, np.arange(800) % 8)
    calm, bull = (BarAttribution(held * m, none, held, none, m, none, none) for m in (move, move + 0.01))
    assert net_timing(bull, places).z == pytest.approx(net_timing(calm, places).z)


def test_holding_overnight_by_habit_is_no_timing_however_well_the_market_pays_for_it() -> None:
    """Shifts by single bars would compare nights with days, and find skill in the hour of the day."""
    rng = np.random.default_rng(4)
    first = np.tile([1.0, 0.0, 0.0], 120)
    carried, gap = 0.1 * first, first * (rng.normal(0.002, 0.01, 360))
    none = np.zeros(360)
    bars = BarAttribution(carried * gap, carried, none, gap, rng.normal(0, 0.01, 360), none, none)
    timing = net_timing(bars, DayPlaces(np.arange(360) // 3, np.arange(360) % 3))
    assert (timing.rank, timing.p_value) == (1.0, 1.0)


def test_who_never_trades_or_never_changes_has_no_timing() -> None:
    none, move = np.zeros(40), np.random.default_rng(5).normal(0.01, 0.01, 40)
    places = DayPlaces(np.arange(40) // 4, np.arange(40) % 4)
    for held in (none, none + 0.3):
        timing = net_timing(BarAttribution(held * move, none, held, none, move, none, none), places)
        assert (math.isnan(timing.z), timing.p_value, timing.rank) == (True, 1.0, 1.0)


def test_without_skill_and_costs_every_p_value_is_as_likely() -> None:
    rng, none = np.random.default_rng(6), np.zeros(90 * 4)
    places = DayPlaces(np.arange(360) // 4, np.arange(360) % 4)
    p_values = []
    for _ in range(1500):
        held, move = np.repeat(rng.choice([0.0, 0.1], 90), 4), rng.standard_t(4, 360)
        p_values.append(net_timing(BarAttribution(held * move, none, held, none, move, none, none), places).p_value)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=3.5 * math.sqrt(level / 1500))


def test_days_of_crypto_are_utc_and_hours_of_stocks_those_of_new_york() -> None:
    def seconds(*texts: str) -> list[int]:
        return [int(pd.Timestamp(text, tz="UTC").timestamp()) for text in texts]

    crypto = day_places(seconds("2024-03-08 23:00", "2024-03-09 00:00", "2024-03-10 23:00"), AssetClass.CRYPTO)
    assert (crypto.days - crypto.days[0]).tolist() == [0, 1, 2]
    assert crypto.slots[0] == crypto.slots[2] != crypto.slots[1]
    # Daylight saving began on 10 March: the same hour of the session, another hour UTC.
    stocks = day_places(seconds("2024-03-08 14:00", "2024-03-11 13:00"), AssetClass.EQUITY)
    assert stocks.slots[0] == stocks.slots[1]


def test_many_trials_need_more_and_one_needs_one_in_fifty() -> None:
    assert needed_p(0.02, 1) == pytest.approx(0.02)
    assert (1 - needed_p(0.02, 20)) ** 20 == pytest.approx(0.98)


def integrated(correlation: float, models: int) -> float:
    """The same count for models that are all equally correlated, by the integral over what they have in common."""

    def below(level: float) -> float:
        def given_common(common: float) -> float:
            apart = (level - math.sqrt(correlation) * common) / math.sqrt(1 - correlation)
            return float(norm.pdf(common) * norm.cdf(apart) ** models)

        return float(quad(given_common, -9, 9)[0])

    quantile = brentq(lambda level: below(level) - 0.98, 0.0, 6.0)
    return math.log(0.98) / math.log(norm.cdf(quantile))


@pytest.mark.parametrize("correlation", [0.0, 0.64, 0.9])
def test_models_that_are_lucky_together_count_less(correlation: float) -> None:
    draws, days = np.random.default_rng(7).standard_normal((365, 21)), np.arange(365)
    common, *apart = np.linalg.qr(draws - draws.mean(axis=0))[0].T  # uncorrelated to the last digit
    rows = [math.sqrt(correlation) * common + math.sqrt(1 - correlation) * row for row in apart]
    gains = {f"m{number:02}": DayGains(days, row) for number, row in enumerate(rows)}
    count = effective_models(gains)
    assert count == pytest.approx(integrated(correlation, 20), rel=0.1)
    assert count == effective_models(dict(reversed(gains.items())))
    assert count == effective_models({name: DayGains(days, 3 * item.gains + 1) for name, item in gains.items()})


def test_the_same_model_twice_is_one_and_what_cannot_be_compared_is_another() -> None:
    days, row = np.arange(100), np.random.default_rng(8).standard_normal(100)
    twice = {"a": DayGains(days, row), "b": DayGains(days, row)}
    assert effective_models(twice) == pytest.approx(1.0, abs=0.1)
    assert effective_models({**twice, "other days": DayGains(days + 1, row)}) == pytest.approx(2.0, abs=0.1)
    assert effective_models({**twice, "flat": DayGains(days, np.zeros(100))}) == pytest.approx(2.0, abs=0.1)
    assert effective_models({}) == 0.0
