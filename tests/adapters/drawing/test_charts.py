"""Pictures as SVG: alike in every run, small, in the page's colours, whatever the figures."""

import math
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from support import report_factory as factory

from pytest_modelgate.adapters.drawing.canvas import COLOURS
from pytest_modelgate.adapters.drawing.charts import Pictures, pictures
from pytest_modelgate.core.decision.robustness import MULTIPLES, CostPoint
from pytest_modelgate.core.evidence.curves import Growth, Prices, Span, growth, prices

MODEL = "UNIUSD_1Hour"
PLAN = factory.plan_of("UNIUSD")
SURFACE = [
    CostPoint(fees, slippage, 0.3 - 0.1 * fees - 0.05 * slippage) for fees in MULTIPLES for slippage in MULTIPLES
]
LIMITS = dict.fromkeys(factory.HISTORY, (0.7, 0.5))


@pytest.fixture(scope="module")
def draw() -> Iterator[Pictures]:
    with pictures() as artist:
        yield artist


def folds() -> Growth:
    return growth([factory.window_evidence(MODEL, fold, drift=0.001) for fold in PLAN.folds])


def every(draw: Pictures) -> list[str]:
    backtest = factory.window_evidence(MODEL, PLAN.backtest, drift=0.001)
    return [
        draw.growth(folds(), "growth", "Growth."),
        draw.prices(prices(backtest), "prices", "Prices."),
        draw.costs(SURFACE, "costs", "Costs."),
        draw.training(factory.HISTORY, LIMITS, 3, "training", "Training."),
        draw.spark([0.1, -0.05, None, 0.0], "spark", "Folds."),
    ]


def test_pictures_are_alike_in_every_run_whatever_the_user_set_up(draw: Pictures) -> None:
    first = every(draw)
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30.0, "svg.fonttype": "path"}), pictures() as other:
        again = every(other)

    assert first == again
    assert first == every(draw)


def test_ids_are_unique_in_a_page_that_shows_two_models_alike(draw: Pictures) -> None:
    both = "".join(draw.growth(folds(), name, "Growth.") for name in ("a-folds", "b-folds"))

    ids = re.findall(r'\bid="([^"]+)"', both)
    assert ids
    assert len(ids) == len(set(ids))


def test_a_picture_has_no_colour_of_its_own_no_link_and_its_text_as_text(draw: Pictures) -> None:
    for svg in every(draw):
        root = ET.fromstring(svg)
        assert (root.get("role"), bool(root.get("aria-label"))) == ("img", True)
        assert not [colour for colour in COLOURS.values() if colour in svg]
        assert set(re.findall(r"(?:fill|stroke):(?!none|var\()[^;\"]+", svg)) == set()
        assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', svg))
        assert "http" not in svg
    assert ">slippage</text>" in every(draw)[2]


def test_an_alternative_text_is_escaped(draw: Pictures) -> None:
    svg = draw.spark([0.1], "spark", '"><script>alert(1)</script>')

    assert "<script" not in svg
    assert ET.fromstring(svg).get("aria-label") == '"><script>alert(1)</script>'


def test_a_year_of_minutes_stays_small(draw: Pictures) -> None:
    bars = 200_000
    model = np.cumsum(np.random.default_rng(1).normal(0.0, 0.001, bars + 1))
    span = Span(0, 60 * bars, "in-sample")
    minutes = Growth(60 * np.arange(bars + 1), model, -model, np.abs(model), (span,))

    assert len(draw.growth(minutes, "long", "Long.")) < 40_000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0])
def test_a_training_that_diverged_is_drawn(draw: Pictures, value: float) -> None:
    for history in ((value,), (0.5, value, 0.7), (value,) * 5):
        svg = draw.training(dict.fromkeys(factory.HISTORY, history), LIMITS, None, "odd", "Odd.")
        assert not re.search(r"\bnan\b|\binf\b", svg)
        ET.fromstring(svg)


def test_a_ruin_and_a_window_without_trades_are_drawn(draw: Pictures) -> None:
    flat = np.zeros(3)
    ruin = Growth(np.array([0, 3600, 7200]), np.array([0.0, -1.0, -1.0]), flat, -flat, (Span(0, 7200, "gap"),))

    ET.fromstring(draw.growth(ruin, "ruin", "Ruin."))
    ET.fromstring(draw.prices(Prices(np.array([0, 3600]), np.array([5.0, 5.0]), ()), "still", "Still."))
    ET.fromstring(draw.costs([CostPoint(1.0, 1.0, 0.0)], "free", "Free."))
    ET.fromstring(draw.spark([None, None], "none", "None."))
