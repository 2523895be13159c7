"""Two checkouts in turns on one machine: what a change of the gate's code gains or costs.

    python benchmarks/versions.py ../before [--pairs 3] [--only demo] [--small 10] [--gated 1000] [--large 3]

Seconds of whole processes with their children, as a user starts them: on a machine that others use at the same time
these grow, too, so only the ratio of runs in turns tells anything. Both judge the same archives and market. Whether
their verdicts have one digest is in the note: they need not where what is decided, or how it is written, was changed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gate_runs import ROOT, Cost, gate
from rows import Row, make_row
from table import text_table

_FEW = 1  # large models of an archive that tells what does not grow with their number


def demos(other: Path, pairs: int) -> Iterator[Row]:
    """The demo, without workers and with two."""
    archive, cassettes = ROOT / "examples" / "demo_archive.zip", ROOT / "cassettes"
    for workers in ("-n0", "-n2"):
        runs = _in_turns(archive, cassettes, other, pairs, workers)
        yield from _costs(f"the demo, {workers}", runs)


def small(other: Path, pairs: int, models: int) -> Iterator[Row]:
    """Models of (64, 32) units."""
    from large_models import pack, record

    with tempfile.TemporaryDirectory() as place:
        symbols = [f"{chr(65 + number // 26)}{chr(65 + number % 26)}XUSD" for number in range(models)]
        record(Path(place) / "cassettes", symbols)
        archive = pack(Path(place), symbols, (64, 32))
        yield from _costs(f"{models} small models, -n0", _in_turns(archive, Path(place) / "cassettes", other, pairs))


def gated(other: Path, pairs: int, models: int) -> Iterator[Row]:
    """Models that only their training metrics are asked about."""
    from collecting import archive_of

    with tempfile.TemporaryDirectory() as place:
        archive = archive_of(Path(place), models)
        runs = _in_turns(archive, ROOT / "cassettes", other, pairs, "-n0", "-m", "gating")
        yield _row(f"{models} models gated", "s CPU", runs, [tuple(cost.cpu for cost in pair) for pair in runs])


def large(other: Path, pairs: int, models: int) -> Iterator[Row]:
    """Models of 80 MB, beyond what one of them takes."""
    from large_models import _80_MB, pack, record

    with tempfile.TemporaryDirectory() as place:
        symbols = [f"{chr(65 + number)}{chr(65 + number)}XUSD" for number in range(_FEW + models)]
        record(Path(place) / "cassettes", symbols)
        few, many = (
            _in_turns(pack(Path(place), symbols[:count], _80_MB), Path(place) / "cassettes", other, pairs)
            for count in (_FEW, _FEW + models)
        )
        each = [
            tuple((b.cpu - a.cpu) / models for a, b in zip(one, all_, strict=True))
            for one, all_ in zip(few, many, strict=True)
        ]
        yield _row("a model of 80 MB, beyond the first", "s CPU", many, each)


def _in_turns(archive: Path, cassettes: Path, other: Path, pairs: int, *options: str) -> list[tuple[Cost, Cost]]:
    """Ours and the other checkout's."""
    with tempfile.TemporaryDirectory() as place:
        runs = []
        for _ in range(pairs):
            ours, theirs = (
                gate(Path(place), archive, *(options or ("-n0",)), cassettes=cassettes, root=root)
                for root in (ROOT, other)
            )
            runs.append((_read(ours), _read(theirs)))
        return runs


def _read(cost: Cost) -> Cost:
    """The same with what its files tell, which are about to be removed."""
    digest = json.loads((cost.report / "verdict.json").read_text())["digest"]
    size = sum(path.stat().st_size for path in (cost.report / "evidence").rglob("*.json")) / 1e6
    return replace(cost, text=json.dumps([digest, size]))


def _costs(name: str, runs: Sequence[tuple[Cost, Cost]]) -> Iterator[Row]:
    yield _row(name, "s CPU", runs, [tuple(cost.cpu for cost in pair) for pair in runs])
    yield _row(f"{name}: wall", "s", runs, [tuple(cost.wall for cost in pair) for pair in runs])
    yield _row(f"{name}: memory", "MB", runs, [tuple(cost.peak for cost in pair) for pair in runs])
    yield _row(f"{name}: evidence", "MB", runs, [tuple(json.loads(cost.text)[1] for cost in pair) for pair in runs])


def _row(name: str, unit: str, runs: Sequence[tuple[Cost, Cost]], figures: Sequence[tuple[float, ...]]) -> Row:
    ours, theirs = (statistics.median(column) for column in zip(*figures, strict=True))
    ratio = statistics.median(before / now for now, before in figures)
    digests = {json.loads(cost.text)[0] for pair in runs for cost in pair}
    note = f"{len(figures)} pairs in turns; {'one digest' if len(digests) == 1 else 'other verdicts'}"
    return {**make_row(name, unit, ours, opponent=theirs, note=note), "ratio": ratio}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", choices=("demo", "small", "gated", "large"))
    parser.add_argument("--small", type=int, default=10, metavar="N", help="small models of an archive of its own")
    parser.add_argument("--gated", type=int, default=1000, metavar="N", help="models of which metrics alone are asked")
    parser.add_argument("--large", type=int, default=3, metavar="N", help="models of 80 MB")
    options = parser.parse_args()
    other, pairs = options.other.resolve(), options.pairs
    sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests")]
    parts = {
        "demo": demos(other, pairs),
        "small": small(other, pairs, options.small),
        "gated": gated(other, pairs, options.gated),
        "large": large(other, pairs, options.large),
    }
    for name, rows in parts.items():
        for row in rows if options.only in (None, name) else ():
            print(text_table({"rows": [row]}), flush=True)


if __name__ == "__main__":
    main()
