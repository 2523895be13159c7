"""Two checkouts in turns on one machine: what a change of the gate's code gains or costs.

    python benchmarks/versions.py ../before [--pairs 3] [--models 10]

CPU seconds of whole processes with their children: on a machine that others use at the same time these grow, too, so
only the ratio of runs in turns tells anything. Both judge the same archives and market; their digests must agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gate_runs import ROOT, Cost, gate, python
from rows import Row, make_row
from table import text_table

_FEATURES = """
import sys
sys.path.insert(0, {benchmarks!r})
from engine import HISTORY, market
from pytest_modelgate.core.features.reference import REFERENCE
frame = market(HISTORY + 4320).frame
for _ in range(40):
    REFERENCE.compute(frame)
"""


def rows(other: Path, pairs: int, models: int) -> Iterator[Row]:
    """Ours against the other checkout's, as *opponent*."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        code = _FEATURES.format(benchmarks=str(ROOT / "benchmarks"))
        costs = [tuple(python(folder, "-c", code, root=root) for root in (ROOT, other)) for _ in range(pairs)]
        yield _row("features of 4,320 bars, forty times", "s CPU", [tuple(c.cpu for c in pair) for pair in costs])
        demo = ROOT / "examples" / "demo_archive.zip", ROOT / "cassettes"
        yield from _gated("the demo, -n 0", *demo, other, pairs)
        if models:
            sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests")]
            from large_models import pack, record

            symbols = [f"{chr(65 + number // 26)}{chr(65 + number % 26)}XUSD" for number in range(models)]
            record(folder / "cassettes", symbols)
            small = pack(folder, symbols, (64, 32)), folder / "cassettes"
            yield from _gated(f"{models} small models, -n 0", *small, other, pairs)


def _gated(name: str, archive: Path, cassettes: Path, other: Path, pairs: int) -> Iterator[Row]:
    def run(root: Path) -> Cost:
        return gate(Path(place), archive, "-n0", cassettes=cassettes, root=root)

    with tempfile.TemporaryDirectory() as place:
        runs = [(run(ROOT), run(other)) for _ in range(pairs)]
        digests = {json.loads((cost.report / "verdict.json").read_text())["digest"] for pair in runs for cost in pair}
        assert len(digests) == 1, digests
        yield _row(name, "s CPU", [tuple(cost.cpu for cost in pair) for pair in runs])
        yield _row(f"{name}: memory", "MB", [tuple(cost.peak for cost in pair) for pair in runs])
        yield _row(f"{name}: evidence", "MB", [tuple(_size(cost) for cost in pair) for pair in runs])


def _row(name: str, unit: str, pairs: list[tuple[float, ...]]) -> Row:
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(before / now for now, before in pairs)
    return {**make_row(name, unit, ours, opponent=theirs, note=f"{len(pairs)} pairs in turns"), "ratio": ratio}


def _size(cost: Cost) -> float:
    return sum(path.stat().st_size for path in (cost.report / "evidence").rglob("*.json")) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--models", type=int, default=10, help="small models of an archive of its own; 0 for none")
    options = parser.parse_args()
    for row in rows(options.other.resolve(), options.pairs, options.models):
        print(text_table({"rows": [row]}), flush=True)


if __name__ == "__main__":
    main()
