"""The measurement of records simulates what it says, and its rows are what it promises; few paths, so no rates."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import watching

from pytest_modelgate.core.watching.skill import miss_evidence


@pytest.mark.parametrize("venue", ["crypto", "stocks"])
@pytest.mark.parametrize("sharpe", [0.0, 3.0])
def test_the_true_sharpe_ratio_is_the_one_named_and_timing_shows_more_of_it(venue: str, sharpe: float) -> None:
    days = round(10 * watching.YEARS[venue])
    gains, account = watching.daily(np.random.default_rng(1), 60, days, sharpe, venue)
    annual = math.sqrt(watching.YEARS[venue])
    net, excess = (float(np.mean(one) / np.std(one)) * annual for one in (account, gains))
    assert net == pytest.approx(sharpe, abs=3.5 / math.sqrt(600))
    assert excess == pytest.approx(math.sqrt(2.0) * sharpe, abs=0.35)


def test_an_alarm_of_execution_needs_two_misses_and_odds_of_twenty() -> None:
    assert watching.fewest_misses(1) == 2, "more than there are"
    assert watching.fewest_misses(2) == 2
    for count in (30, 120):
        least = watching.fewest_misses(count)
        assert miss_evidence(least, count, 0.02) >= 20.0 > miss_evidence(least - 1, count, 0.02)


def test_a_row_counts_what_happened_by_each_time() -> None:
    row = watching.row_of("x", "y", np.array([10.0, 20.0, 400.0, 95.0]), (15, 100), 4)
    assert (row.shares, row.median) == ((0.25, 0.75), 20.0)


def test_rows_are_chosen_by_name_and_have_their_own_random_numbers() -> None:
    alone = list(watching.measure(["execution 0.1"], 50, 1))
    among = list(watching.measure(["execution"], 50, 1))
    assert alone[0] == among[-1]
    assert [row.name for row in among] == [f"orders that go wrong: {rate}%" for rate in (2, 5, 10)]


def test_lines_are_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "rows.json"
    arguments = ["watching.py", "--paths", "20", "--rows", "promoted crypto 3", "--rows", "withdrawn stocks 0"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--json", str(target)])
    watching.main()
    rows = json.loads(target.read_text())
    assert [row["what"] for row in rows] == ["promoted", "withdrawn against a claim of 3"]
    assert rows[0]["shares"] == sorted(rows[0]["shares"])
    assert rows[0]["shares"][-1] > 0.5
    assert "crypto: true net Sharpe 3" in capsys.readouterr().out
