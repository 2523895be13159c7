"""The whole gate on four models of the demo, against importing pytest, torch and pandas and running empty tests."""

from __future__ import annotations

import re
import statistics
import tempfile
from pathlib import Path

from gate_runs import ROOT, bare, gate
from rows import Row, make_row

ROUNDS = 3
_MODELS = "AAPL or ETHUSD or LTCUSD or UNIUSD"  # those that gating lets through


def rows() -> list[Row]:
    """CPU time of the whole process, reports included."""
    ours, again, theirs, least = [], [], [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for _ in range(ROUNDS):
            archive = ROOT / "examples" / "demo_archive.zip"
            cost = gate(folder, archive, "-n0", "-k", _MODELS)
            tests = sum(int(found) for found in re.findall(r"(\d+) (?:passed|failed|xfailed|skipped)", cost.text))
            assert "skipped" not in cost.text.strip().splitlines()[-1], "all four models are to be evaluated"
            ours.append(cost.cpu)
            known = f"--gate-evidence={cost.report / 'evidence'}"
            again.append(gate(folder, archive, "-n0", "-k", _MODELS, known).cpu)
            theirs.append(bare(folder, tests, "import pandas, torch").cpu)
            least.append(bare(folder, tests, "import pandas").cpu)
    opponent, bound = statistics.median(theirs), statistics.median(least)
    note = f"{tests} tests; target: ratio at least 0.5; the bound imports pandas but not torch"
    name = "whole gate, 4 small models, against imports and empty tests"
    return [
        make_row(name, "s CPU", statistics.median(ours), opponent=opponent, bound=bound, note=note),
        make_row(
            "the same, with the evidence of an earlier run",
            "s CPU",
            statistics.median(again),
            opponent=opponent,
            bound=bound,
            note="what the gate costs besides evaluating",
        ),
    ]
