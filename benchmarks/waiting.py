"""Where users wait: the demo, fifty small models, a thousand that only their training metrics are asked about."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from collecting import MANY as GATED
from collecting import archive_of
from gate_runs import ROOT, Cost, gate
from large_models import pack, record
from rows import Row, make_row

ROUNDS, SMALL_MODELS = 3, 50
_DEMO = ROOT / "examples" / "demo_archive.zip"


def rows() -> Iterator[Row]:
    """Whole runs, reports included."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        yield from both("the demo", folder, _DEMO, (), rounds=ROUNDS, note="target at most 3.2")
        cost = gate(folder, archive_of(folder, GATED), "-n0", "-m", "gating")
        yield make_row(
            f"{GATED} models gated, -m gating", "s CPU", cost.cpu, note="no model is opened; target at most 10"
        )
        symbols = [f"{chr(65 + number // 26)}{chr(65 + number % 26)}XUSD" for number in range(SMALL_MODELS)]
        record(folder / "cassettes", symbols)
        archive, options = pack(folder, symbols, (64, 32)), (f"--gate-cassettes={folder / 'cassettes'}",)
        name = f"{SMALL_MODELS} small models"
        note = "(64, 32), 180 days of hours; target at most 24"
        yield from both(name, folder, archive, options, rounds=1, note=note)


def both(name: str, folder: Path, archive: Path, options: Sequence[str], *, rounds: int, note: str) -> Iterator[Row]:
    """CPU time without workers, and two of them against none by the wall clock, in turns."""
    alone, pair = [], []
    for _ in range(rounds):
        alone.append(complete(gate(folder, archive, "-n0", *options)))
        pair.append(complete(gate(folder, archive, "-n2", *options)))
    yield make_row(f"{name}, -n 0", "s CPU", statistics.median(cost.cpu for cost in alone), note=note)
    yield make_row(f"{name}, peak memory of either", "MB", max(cost.peak for cost in (*alone, *pair)))
    walls = [statistics.median(cost.wall for cost in costs) for costs in (alone, pair)]
    note = f"wall clock, {os.cpu_count()} cores, which have to be idle; of the demo either below 3"
    yield make_row(f"{name}, -n 2 against -n 0", "s", walls[1], opponent=walls[0], note=note)


def complete(cost: Cost) -> Cost:
    """A run whose every window was evaluated."""
    verdict = json.loads((cost.report / "verdict.json").read_text())
    assert verdict["complete"] is True, verdict["complete"]
    return cost
