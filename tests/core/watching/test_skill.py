"""Evidence, against naive loops and integrals in numbers; and what makes it evidence: nobody expects it to grow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.core.watching.skill import (
    SHARPES,
    against_claim,
    claim_of,
    e_process,
    for_skill,
    miss_evidence,
    standardised,
    timing_gains,
)

gains = st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=40)


@given(gains, st.floats(1e-4, 0.1), st.sampled_from([365.0, 252.0]))
@settings(max_examples=60)
def test_evidence_is_what_the_formula_says_day_by_day(values: list[float], deviation: float, per_year: float) -> None:
    units, total, square, found = [], 0.0, 0.0, []
    for day, gain in enumerate(values, start=1):
        size = math.sqrt((30 * deviation**2 + sum(x * x for x in values[: day - 1])) / (29 + day))
        units.append(gain / size)
        total, square = total + units[-1], square + units[-1] ** 2
        deltas = [sharpe / math.sqrt(per_year) for sharpe in (2, 3, 4.5, 6, 9)]
        found.append(sum(math.exp(delta * total - delta * delta * square / 2) for delta in deltas) / 5)
    assert standardised(np.array(values), deviation).tolist() == pytest.approx(units, rel=1e-9)
    assert e_process(np.array(units), per_year).tolist() == pytest.approx(found, rel=1e-9)


@given(gains, st.floats(1e-4, 0.1), st.integers(1, 39))
@settings(max_examples=40)
def test_what_is_known_of_a_day_does_not_change_by_looking_later(
    values: list[float], deviation: float, day: int
) -> None:
    early, late = (e_process(standardised(np.array(part), deviation), 365.0) for part in (values[:day], values))
    assert late[: len(early)].tolist() == early.tolist()


def unit_days(paths: int, days: int, shift: float = 0.0) -> Floats:
    """Heavy-tailed and of changing size, yet symmetric about ``shift`` given the past."""
    rng = np.random.default_rng(3)
    return np.asarray(rng.standard_t(3, (paths, days)) * np.exp(rng.normal(0, 0.5, (paths, days))) + shift)


@pytest.mark.parametrize("against", [False, True])
def test_nobody_expects_evidence_to_grow_under_what_it_bets_against(against: bool) -> None:
    claim = 3.0 if against else 0.0
    units = unit_days(20_000, 100, claim / math.sqrt(365.0))
    found = against_claim(units, claim, 365.0) if against else e_process(units, 365.0)
    for day in (0, 9, 99):
        mean, error = float(np.mean(found[:, day])), float(np.std(found[:, day]) / math.sqrt(len(found)))
        assert mean <= 1.0 + 4.0 * error
    assert np.mean(found.max(axis=1) >= 50.0) <= 0.02
    assert np.mean(found.max(axis=1) >= 5.0) <= 0.2


@pytest.mark.parametrize("wins", [0.9, 0.96, 0.99, 0.1])
def test_many_small_gains_that_rare_losses_take_back_are_no_skill(wins: float) -> None:
    won = np.random.default_rng(5).random((2000, 365)) < wins
    gain = 0.01 * math.sqrt((1.0 - wins) / wins)
    gains = np.where(won, gain, -gain * wins / (1.0 - wins))  # nothing on average, with a deviation of 0.01
    found = for_skill(gains, 0.01, 365.0)
    assert np.mean(found.max(axis=1) >= 50.0) <= 0.02
    assert (found <= e_process(standardised(gains, 0.01), 365.0)).all()


def test_skill_becomes_evidence_for_it_and_its_lack_against_the_claim() -> None:
    skilled = unit_days(200, 2000, 6.0 / math.sqrt(365.0))
    assert np.median(e_process(skilled, 365.0)[:, -1]) > 50.0
    assert np.median(against_claim(unit_days(200, 2000), 6.0, 365.0)[:, -1]) > 50.0
    assert np.median(against_claim(skilled, 1.0, 365.0)[:, -1]) < 1.0


@given(st.permutations(list(range(12))), st.integers(0, 2**32))
@settings(max_examples=30)
def test_the_order_of_standardised_days_does_not_matter(order: list[int], seed: int) -> None:
    units = np.random.default_rng(seed).normal(size=12)
    one, other = (float(e_process(values, 365.0)[-1]) for values in (units, units[order]))
    assert one == pytest.approx(other, rel=1e-12)


@given(gains, st.floats(1e-3, 0.1), st.floats(0.01, 100.0))
@settings(max_examples=30)
def test_the_size_of_a_position_is_no_evidence(values: list[float], deviation: float, scale: float) -> None:
    one, other = (standardised(np.array(values) * size, deviation * size) for size in (1.0, scale))
    assert one.tolist() == pytest.approx(other.tolist(), rel=1e-9, abs=1e-12)


def test_evidence_overflows_nowhere() -> None:
    assert math.isfinite(e_process(np.full(3, 1.0) * 1e3, 1e-6)[-1])
    assert math.isfinite(miss_evidence(3000, 3000, 0.02))


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.005, 0.02, 0.1]))
@settings(max_examples=60, deadline=None)
def test_evidence_of_misses_is_the_integral_of_likelihood_ratios(misses: int, hits: int, rate: float) -> None:
    def ratio(p: float) -> float:
        return (p / rate) ** misses * ((1 - p) / (1 - rate)) ** hits / (1 - rate)

    mode = misses / max(1, misses + hits)
    points = [point for point in (mode,) if rate < point < 1.0]
    expected, _ = quad(ratio, rate, 1.0, points=points or None, limit=400, epsrel=1e-10, epsabs=0.0)
    assert miss_evidence(misses, misses + hits, rate) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("rate", [0.005, 0.02])
def test_nobody_expects_evidence_of_misses_to_grow_while_no_more_go_wrong(rate: float) -> None:
    """By all numbers of misses there can be, exactly."""
    for orders in (1, 7, 60):
        chances = [math.comb(orders, n) * rate**n * (1 - rate) ** (orders - n) for n in range(orders + 1)]
        mean = sum(chance * miss_evidence(n, orders, 0.02) for n, chance in enumerate(chances))
        assert mean <= 1.0 + 1e-9
        if rate == 0.02:
            assert mean == pytest.approx(1.0)


@given(st.integers(1, 100), st.data())
@settings(max_examples=40)
def test_more_misses_are_more_evidence_and_more_hits_less(orders: int, data: st.DataObject) -> None:
    misses = data.draw(st.integers(0, orders - 1))
    assert miss_evidence(misses + 1, orders, 0.02) > miss_evidence(misses, orders, 0.02)
    assert miss_evidence(misses, orders + 1, 0.02) < miss_evidence(misses, orders, 0.02)


def attribution(held: Floats, overnight: Floats, moves: Floats, costs: Floats) -> BarAttribution:
    zero = np.zeros(len(held))
    carried = np.concatenate([[0.0], held[:-1]])
    returns = carried * overnight + held * moves - costs
    return BarAttribution(returns, carried, held, overnight, moves, costs, zero)


@given(st.integers(1, 60), st.integers(0, 2**32))
@settings(max_examples=30)
def test_timing_is_what_is_beyond_the_mean_of_earlier_positions(bars: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    held, gap, move = rng.normal(0, 0.1, bars), rng.normal(0, 0.01, bars), rng.normal(0, 0.02, bars)
    made = attribution(held, gap, move, np.full(bars, 0.001))
    expected = []
    for bar in range(bars):
        usual = sum(held[:bar]) / bar if bar else 0.0
        carried = held[bar - 1] if bar else 0.0
        expected.append((carried - usual) * gap[bar] + (held[bar] - usual) * move[bar] - 0.001)
    assert timing_gains(made).tolist() == pytest.approx(expected, abs=1e-12)


def test_holding_the_market_is_no_timing() -> None:
    rng = np.random.default_rng(1)
    bars = 5000
    made = attribution(np.full(bars, 0.3), np.zeros(bars), rng.normal(0.01, 0.01, bars), np.zeros(bars))
    assert timing_gains(made)[1:] == pytest.approx(np.zeros(bars - 1))


def test_the_claim_is_the_sharpe_ratio_of_days() -> None:
    rng = np.random.default_rng(1)
    sign = rng.choice([-1.0, 1.0], 24 * 400)
    moves = sign * 0.0005 + rng.normal(0, 0.01, len(sign))
    found = claim_of(attribution(0.1 * sign, np.zeros(len(sign)), moves, np.zeros(len(sign))), 8760.0, 365.0)
    assert found.sharpe == pytest.approx(0.0005 / 0.01 * math.sqrt(8760), rel=0.4)
    assert found.deviation == pytest.approx(0.1 * 0.01 * math.sqrt(24), rel=0.1)
    lost = claim_of(attribution(-0.1 * sign, np.zeros(len(sign)), moves, np.zeros(len(sign))), 8760.0, 365.0)
    assert lost.sharpe == 0.0


def test_the_bets_are_those_that_the_table_of_errors_was_measured_with() -> None:
    assert SHARPES == (2.0, 3.0, 4.5, 6.0, 9.0)
