"""Pictures as SVG: true to the figures, small, in the page's colours, whatever the figures."""

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import report_factory as factory

from pytest_modelgate.adapters.drawing import panel
from pytest_modelgate.adapters.drawing.charts import (
    Line,
    bin_edges,
    draw_growth,
    draw_histogram,
    draw_overlay,
    draw_prices,
    draw_rolling,
    draw_spark,
    draw_training,
)
from pytest_modelgate.core.evidence.curves import Growth, Prices, Span, growth, prices

MODEL = "UNIUSD_1Hour"
PLAN = factory.plan_of("UNIUSD")
LIMITS = dict.fromkeys(factory.HISTORY, (0.7, 0.5))


def folds() -> Growth:
    return growth([factory.window_evidence(MODEL, fold, drift=0.001) for fold in PLAN.folds])


def every() -> list[str]:
    backtest = factory.window_evidence(MODEL, PLAN.backtest, drift=0.001)
    return [
        draw_growth(folds(), "Growth."),
        draw_overlay(
            [Line(folds().times, folds().model, "c0"), Line(folds().times, folds().market, "c1", "5 2")], "All."
        ),
        draw_rolling(folds().times, folds().model, folds().market, "Rolling."),
        draw_histogram(np.array([-0.02, 0.01, 0.03]), "a trade", "Trades."),
        draw_prices(prices(backtest), "Prices."),
        draw_training(factory.HISTORY, LIMITS, 3, "Training."),
        draw_spark([0.1, -0.05, None, 0.0], "Folds."),
    ]


def test_marks_are_where_the_figures_are() -> None:
    """Two folds that won and lost alike, and one that won half: bars from the middle, as long as the returns."""
    svg = draw_spark([0.2, -0.2, 0.1], "Folds.")
    bars = re.findall(r'd="M\S+ ([\d.]+)H\S+V([\d.]+)H\S+z" style="fill:var\(--mg-(\w+)\)', svg)

    assert [(float(zero), colour) for zero, _, colour in bars] == [(16.0, "good"), (16.0, "bad"), (16.0, "good")]
    assert [float(end) - 16.0 for _, end, _ in bars] == pytest.approx([-14.5, 14.5, -7.3], abs=0.05)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(2, 5))
@example(low=5e-324, relative=2001.0, count=2)
def test_an_axis_has_a_few_round_numbers_within_its_range(low: float, relative: float, count: int) -> None:
    length = relative * max(1e-3, abs(low))
    ticks = panel._ticks(panel.Range(low, low + length), count)

    assert 2 <= len(ticks) <= 2 * count + 1
    rounding = 1e-9 * (abs(low) + length)
    assert low - rounding <= ticks[0] < ticks[-1] <= low + length + rounding


def test_a_picture_has_no_colour_of_its_own_no_id_no_link_and_its_text_as_text() -> None:
    for svg in every():
        root = ET.fromstring(svg)
        assert (root.get("role"), bool(root.get("aria-label"))) == ("img", True)
        assert "#" not in svg
        assert set(re.findall(r"(?:fill|stroke):(?!none|var\()[^;\"]+", svg)) == set()
        assert not re.search(r"\bid=|href|url|http", svg)
    assert ">position, of equity</text>" in every()[2]


def test_an_alternative_text_is_escaped() -> None:
    svg = draw_spark([0.1], '"><script>alert(1)</script>')

    assert "<script" not in svg
    assert ET.fromstring(svg).get("aria-label") == '"><script>alert(1)</script>'


def test_a_year_of_minutes_stays_small() -> None:
    bars = 200_000
    model = np.cumsum(np.random.default_rng(1).normal(0.0, 0.001, bars + 1))
    span = Span(0, 60 * bars, "in-sample")
    minutes = Growth(60 * np.arange(bars + 1), model, -model, 0.1 * model, np.abs(model), (span,)).thinned(240)

    assert len(draw_growth(minutes, "Long.")) < 40_000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0])
def test_a_training_that_diverged_is_drawn(value: float) -> None:
    for history in ((value,), (0.5, value, 0.7), (value,) * 5):
        svg = draw_training(dict.fromkeys(factory.HISTORY, history), LIMITS, None, "Odd.")
        assert not re.search(r"\bnan\b|\binf\b", svg)
        ET.fromstring(svg)


def test_a_ruin_and_a_window_without_trades_are_drawn() -> None:
    flat = np.zeros(3)
    ruin = Growth(np.array([0, 3600, 7200]), np.array([0.0, -1.0, -1.0]), flat, flat, -flat, (Span(0, 7200, "gap"),))

    ET.fromstring(draw_growth(ruin, "Ruin."))
    ET.fromstring(draw_prices(Prices(np.array([0, 3600]), np.array([5.0, 5.0]), ()), "Still."))
    ET.fromstring(draw_rolling(np.array([0, 3600]), np.full(2, math.nan), np.zeros(2), "Still."))
    ET.fromstring(draw_histogram(np.zeros(1), "a trade", "Even."))
    ET.fromstring(draw_spark([None, None], "None."))


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=300))
def test_bins_hold_every_value_end_at_zero_and_are_few(values: list[float]) -> None:
    edges = bin_edges(100 * np.array(values))

    assert np.histogram(100 * np.array(values), edges)[0].sum() == len(values)
    assert np.abs(edges).min() == 0.0
    assert 2 <= len(edges) <= 42
    assert np.ptp(np.diff(edges)) < 1e-9


def test_a_bin_says_what_it_holds() -> None:
    svg = draw_histogram(np.array([0.011, 0.012, -0.011]), "a trade", "Trades.")

    hints = [title.text for title in ET.fromstring(svg).iter("title")]
    assert [text and text.split()[0] for text in hints] == ["1", "2"]
