"""Rows of the benchmarks that nothing else checks."""

from __future__ import annotations

import engine


def test_rows_of_the_engine_say_how_far_they_are_from_opponent_and_bound() -> None:
    row = engine.row("work", "s", 2.0, "a note", opponent=6.0, bound=1.6)
    assert (row["ratio"], row["distance"]) == (3.0, 1.25)
    alone = engine.accounting()
    assert (alone["unit"], alone["opponent"], alone["ratio"], alone["bound"], alone["distance"]) == ("ms", *[None] * 4)
    assert 0.0 < alone["ours"] < 1000.0
