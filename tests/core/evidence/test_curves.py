"""What the report draws, computed from evidence."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import report_factory as factory
from support.simulation_cases import WatchedCase, watched_cases

from pytest_modelgate.core.backtest.attribution import BarAttribution, attribute
from pytest_modelgate.core.evidence.curves import Growth, Span, growth, prices, trade_lines
from pytest_modelgate.core.evidence.records import BarFigures
from pytest_modelgate.core.market.windows import Window

MODEL = "UNIUSD_1Hour"
START = pd.Timestamp("2024-07-01T00:00Z")


def window(hours: int, name: str = "fold1of5", start: pd.Timestamp = START) -> Window:
    return Window(name, start, start + pd.Timedelta(hours=hours))


def test_stitched_folds_compound_and_end_where_the_figures_say() -> None:
    first = factory.window_evidence(MODEL, window(100), drift=0.002)
    second = factory.window_evidence(MODEL, window(80, "fold2of5", START + pd.Timedelta(hours=100)), drift=-0.002)

    found = growth([first, second])

    expected = (1 + first.metrics.total_return) * (1 + second.metrics.total_return) - 1
    assert found.model[-1] == pytest.approx(expected)
    assert len(found.times) == len(found.model) == len(found.market) == 181
    assert found.times[0] == START.timestamp()
    assert found.times[-1] == (START + pd.Timedelta(hours=180)).timestamp()
    assert [span.sample for span in found.spans] == ["out-of-sample"] * 2


def test_the_drawdown_of_one_window_is_that_of_its_metrics() -> None:
    evidence = factory.window_evidence(MODEL, window(300), drift=0.0)

    assert growth([evidence]).drawdown.max() == pytest.approx(evidence.metrics.max_drawdown)


@given(st.lists(st.floats(-0.2, 0.25), min_size=40, max_size=300), st.integers(16, 60))
def test_thinning_keeps_ends_extremes_and_order(returns: list[float], most: int) -> None:
    model = np.concatenate([[1.0], np.cumprod(1.0 + np.array(returns))])
    drawdown = 1.0 - model / np.maximum.accumulate(model)
    times = np.arange(len(model))
    whole = Growth(times, model - 1.0, model - 1.0, model - 1.0, drawdown, (Span(0, len(model), "unknown"),))

    thin = whole.thinned(most)

    assert len(thin.times) <= most + 2
    assert thin.times[0] == 0
    assert thin.times[-1] == times[-1]
    assert (np.diff(thin.times) > 0).all()
    assert thin.model.max() == whole.model.max()
    assert thin.model.min() == whole.model.min()
    assert thin.drawdown.max() == drawdown.max()


def test_thinning_keeps_a_fall_from_a_peak_within_one_stretch() -> None:
    model = np.array([1.0, 2.0, 1.5, 3.0, 3.0])
    drawdown = 1.0 - model / np.maximum.accumulate(model)

    thin = Growth(np.arange(5), model - 1.0, model, model, drawdown, (Span(0, 5, "unknown"),)).thinned(4)

    assert thin.drawdown.max() == 0.25


def test_the_table_hides_no_drawdown_between_its_rows() -> None:
    found = growth([factory.window_evidence(MODEL, window(500), drift=-0.001)])

    rows = found.table(12)

    assert len(rows) == 12
    assert max(row[4] for row in rows) == found.drawdown.max()
    assert rows[-1][1] == found.model[-1]


def test_prices_and_round_trips_come_back_from_what_was_held_and_how_the_market_moved() -> None:
    opens = np.array([100.0, 102.0, 101.0, 99.0, 98.0, 103.0])
    close = np.array([101.0, 101.5, 100.0, 98.5, 104.0, 105.0])
    held = np.array([0.0, 0.1, 0.2, 0.0, -0.1, -0.1])
    gap = opens / np.concatenate([[90.0], close[:-1]]) - 1.0
    flat = np.zeros(6)
    attribution = BarAttribution(flat, flat, held, gap, close / opens - 1.0, flat, flat)
    evidence = replace(
        factory.window_evidence(MODEL, window(6), drift=0.0), bars=BarFigures.of(attribution), first_open=100.0
    )

    found = prices(evidence)

    assert found.close == pytest.approx(close)
    bought, sold = found.trips
    assert (bought.entered, bought.left, bought.side) == (1, 3, 1)
    assert (bought.entry, bought.exit) == pytest.approx((102.0, 99.0))
    assert bought.change == pytest.approx(99.0 / 102.0 - 1.0)
    assert (sold.entered, sold.left, sold.side) == (4, 5, -1)  # closed at the last close
    assert (sold.entry, sold.exit) == pytest.approx((98.0, 105.0))
    assert sold.change == pytest.approx(1.0 - 105.0 / 98.0)


@settings(deadline=None, max_examples=60)
@given(watched_cases)
def test_round_trips_are_those_of_the_account_stopped_or_not(case: WatchedCase) -> None:
    path = case.run()
    assume(case.n > 2 and path.equity.min() > 0.0)
    found = attribute(path, case.bars, 90.0, case.rules)
    evidence = replace(
        factory.window_evidence(MODEL, window(case.n), drift=0.0),
        bars=BarFigures.of(found),
        first_open=float(case.bars.frame["open"].iloc[0]),
    )

    trips = prices(evidence).trips
    assert [(trip.entered, trip.left, trip.side) for trip in trips] == [
        (trade.entry_row, trade.exit_row, 1 if trade.side == "long" else -1) for trade in path.trades
    ]
    sold = {fill.row: fill for fill in path.fills if fill.cause != "order"}
    for trip in trips:
        if trip.left in sold:
            slippage = -trip.side * case.rules.slippage
            assert trip.exit * (1.0 + slippage) == pytest.approx(sold[trip.left].price, rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(watched_cases)
def test_listed_trades_are_what_the_account_booked_at_the_prices_of_the_market(case: WatchedCase) -> None:
    path = case.run()
    assume(case.n > 2 and path.equity.min() > 0.0)
    evidence = replace(
        factory.window_evidence(MODEL, window(case.n), drift=0.0),
        bars=BarFigures.of(attribute(path, case.bars, 90.0, case.rules)),
        first_open=float(case.bars.frame["open"].iloc[0]),
        equity=tuple(path.equity.tolist()),
        trades=path.trades,
    )

    lines = trade_lines(evidence)

    assert sum(line.pnl for line in lines) == pytest.approx(path.equity[-1] - path.equity[0], abs=1e-6)
    for line, trade in zip(lines, path.trades, strict=True):
        assert (line.pnl, line.costs, line.bars) == (trade.pnl, trade.costs, trade.exit_row - trade.entry_row)
        assert line.entry == pytest.approx(case.bars.frame["open"].iloc[trade.entry_row])
        assert line.share == pytest.approx(trade.pnl / path.equity[trade.entry_row])
        assert (line.entered, line.left) == (evidence.times[trade.entry_row], evidence.times[trade.exit_row])


def test_evidence_from_before_trades_were_kept_lists_them_without_what_they_earned() -> None:
    evidence = replace(factory.window_evidence(MODEL, window(300), drift=0.001), trades=())

    lines = trade_lines(evidence)

    assert len(lines) == len(prices(evidence).trips) > 0
    assert all(line.entry > 0.0 and line.pnl != line.pnl for line in lines)


def test_equal_exposure_is_the_market_at_the_mean_position() -> None:
    held = [0.3 * (bar % 50 < 30) for bar in range(200)]
    evidence = factory.window_evidence(MODEL, window(200), drift=0.001, held=held)

    found = growth([evidence])

    market = np.diff(1.0 + found.market) / (1.0 + found.market[:-1])
    assert found.equal[-1] == pytest.approx(float(np.prod(1.0 + 0.18 * market) - 1.0))


def test_a_cut_keeps_only_round_trips_that_begin_in_it() -> None:
    held = [0.3 * (bar % 50 < 30) for bar in range(200)]
    every = prices(factory.window_evidence(MODEL, window(200), drift=0.001, held=held))

    last = every.last(120)  # from bar 80: one begins at 50, one at 100, one at 150

    assert len(last.times) == len(last.close) == 120
    assert [trip.entered for trip in last.trips] == [20, 70]
    assert last.times[last.trips[0].entered] == every.times[100]


def test_a_ruined_account_stays_down() -> None:
    evidence = factory.window_evidence(MODEL, window(50), drift=0.0)
    returns = (*(0.0,) * 10, -1.5, *(0.5,) * 39)

    found = growth([replace(evidence, bars=replace(evidence.bars, returns=returns))])

    assert found.model[-1] == -1.0
    assert found.drawdown[-1] == 1.0
