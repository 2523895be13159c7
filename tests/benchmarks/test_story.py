"""The way of a model, played to its end."""

from pathlib import Path

import pytest
import story

pytestmark = pytest.mark.long


def test_a_model_earns_live_on_paper_and_is_withdrawn_for_a_fault_of_its_trader(tmp_path: Path) -> None:
    steps = {what: came for what, came, _ in story.play(tmp_path)}

    decisions = [came.partition(":")[0] for what, came in steps.items() if what.startswith("judged")]
    assert decisions == ["PAPER", "LIVE", "PAPER"]
    assert steps["withdrawn from live"] == "0 models stay"
