"""Rows of the benchmarks that nothing else checks."""

from __future__ import annotations

from dataclasses import replace

import engine
import prints
from accounting import market

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.market.bars import Instrument


def test_rows_of_the_engine_say_how_far_they_are_from_opponent_and_bound() -> None:
    row = engine.row("work", "s", 2.0, "a note", opponent=6.0, bound=1.6)
    assert (row["ratio"], row["distance"]) == (3.0, 1.25)
    alone = engine.accounting()
    assert (alone["unit"], alone["opponent"], alone["ratio"], alone["bound"], alone["distance"]) == ("ms", *[None] * 4)
    assert 0.0 < alone["ours"] < 1000.0


def test_the_row_of_the_quality_gate_judges_corporate_actions() -> None:
    bars = replace(market()[0], instrument=Instrument.parse("AAPL"))
    found = prints.judged(bars, load_profile("2.4.5").market_data)
    assert (len(found.actions), found.actions_from, found.failures) == (6, "recorded", ())
