"""Whether folds are out-of-sample, said before anything runs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from support.plugin_helpers import DROPPED, GOOD, HELD_OUT, IN_SAMPLE, RunGate, pack

from pytest_modelgate.core.market.bars import Timeframe
from pytest_modelgate.core.market.windows import Sample, sample_of, walk_forward_windows


def header(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith("model gate: ") and "fold" in line)


def test_an_archive_judged_right_after_training_is_told_when_it_could_prove_itself(
    run_gate: RunGate, tmp_path: Path
) -> None:
    result = run_gate(pack(tmp_path, GOOD, training_window=IN_SAMPLE), "--collect-only", "-q")
    assert "no fold is out-of-sample" not in result.text  # -q has no header

    text = header(run_gate(pack(tmp_path, GOOD, training_window=IN_SAMPLE), "--collect-only").text)

    assert "no fold is out-of-sample, so LIVE is out of reach" in text
    assert "as of 2025-07-01" in text  # 180 days and an embargo of 100 hours after training ended
    assert "holds out the last 185 days" in text


def test_as_of_the_day_named_every_fold_is_out_of_sample() -> None:
    index = pd.date_range("2024-01-01", "2025-07-10", freq="h", tz="UTC")
    for day, expected in (("2025-07-01", True), ("2025-06-30", False)):
        folds = walk_forward_windows(pd.Timestamp(day, tz="UTC"), Timeframe.HOUR_1, 180, 5)
        samples = {sample_of(fold, IN_SAMPLE, index, 100) for fold in folds}
        assert (samples == {Sample.OUT_OF_SAMPLE}) == expected


def test_an_undeclared_training_window_is_said_to_be(run_gate: RunGate, tmp_path: Path) -> None:
    text = header(run_gate(pack(tmp_path, GOOD), "--collect-only").text)

    assert "no training window is declared" in text
    assert "185 days" in text


@pytest.mark.parametrize("facts", [{"training_window": HELD_OUT}, {}], ids=["held out", "dropped"])
def test_nothing_is_said_when_folds_are_out_of_sample_or_never_reached(
    run_gate: RunGate, tmp_path: Path, facts: dict[str, object]
) -> None:
    models = (GOOD, DROPPED) if facts else (DROPPED,)
    text = header(run_gate(pack(tmp_path, *models, **facts), "--collect-only").text)

    assert not re.search("hold|window is declared", text)


def test_under_the_table_the_header_does_not_speak_of_live(run_gate: RunGate, tmp_path: Path) -> None:
    archive = pack(tmp_path, GOOD, training_window=IN_SAMPLE)
    text = header(run_gate(archive, "--collect-only", "--gate-decision=table").text)

    assert "the folds prove nothing about new data" in text
    assert "LIVE" not in text


def test_every_fold_and_the_backtest_are_labelled(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, training_window=IN_SAMPLE), "-v", drawn=True)

    (found,) = result.verdict["models"]
    assert [part["sample"] for part in (found["backtest"], *found["folds"])] == ["in-sample"] * 6
    assert "backtest in-sample, folds 5 in-sample" in result.text
    page = (result.output / "report.html").read_text(encoding="utf-8")
    assert page.count("in-sample") >= 6
