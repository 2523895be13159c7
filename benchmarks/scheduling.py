"""How long until the last verdict, against the best that any schedule could do and against xdist's own.

    python benchmarks/scheduling.py

Every run is a real one, with real workers. A fold sleeps for a time that grows with its bars instead of computing, so
that the schedule is measured and not the machine. The clock runs from the first evaluation to the report of the last
decision; the bound is max(longest fold, total / workers), below which no schedule can get.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import cheap_gate, cheap_runs, model_factory
from support.plugin_helpers import pack


@dataclass(frozen=True)
class Workload:
    """Models by symbol and timeframe, and how long their windows take, compared with each other.

    Longer windows take longer, since bars are all that the schedule knows of them.
    """

    name: str
    folds: int
    models: tuple[tuple[str, str], ...]
    backtest: dict[str, float]
    fold: dict[str, float]

    def costs(self, total: float) -> dict[str, float]:
        """Seconds per window, ``total`` in all."""
        found = {}
        for symbol, timeframe in self.models:
            found[f"{symbol}_{timeframe}.backtest"] = self.backtest[timeframe]
            for number in range(1, self.folds + 1):
                found[f"{symbol}_{timeframe}.fold{number}of{self.folds}"] = self.fold[timeframe]
            found[f"{symbol}_{timeframe}.integrity"] = 1.5 * self.fold[timeframe]
        unit = total / sum(found.values())
        return {name: cost * unit for name, cost in found.items()}


WORKLOADS = (
    Workload(
        "4 models, 28 windows, cost by bars",
        5,
        (("AAAUSD", "4Hour"), ("BBBUSD", "1Hour"), ("CCCUSD", "4Hour"), ("DDDUSD", "1Hour")),
        {"1Hour": 720.0, "4Hour": 180.0},
        {"1Hour": 864.0, "4Hour": 216.0},
    ),
    Workload(
        "2 models, 10 unequal windows",
        3,
        (("AAAUSD", "4Hour"), ("BBBUSD", "1Hour")),
        {"1Hour": 6.0, "4Hour": 0.1},
        {"1Hour": 12.0, "4Hour": 2.0},
    ),
)
PROBE = """
import time
import pytest

def pytest_runtest_logreport(report):
    if "test_decision" in report.nodeid and report.when == "call":
        with open("decided", "a") as file:
            file.write(f"{time.time()}\\n")
"""
STOCK = (
    PROBE
    + """
@pytest.hookimpl(wrapper=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScheduling
    yield
    return LoadScheduling(config, log)
"""
)


def measure(archive: Path, workload: Workload, workers: int, probe: str, total: float) -> tuple[float, str]:
    """Seconds from the first evaluation to the last decision, and the verdict's digest."""
    with tempfile.TemporaryDirectory(prefix="modelgate-bench-") as place:
        folder = Path(place)
        (folder / "probe.py").write_text(probe)
        costs, options = workload.costs(total), ("-p", "probe", f"-n{workers}", f"--gate-folds={workload.folds}")
        run = cheap_runs.run(folder, archive, *options, sleep=costs, clock=str(folder / "begun"))
        assert sorted(run.evaluations) == sorted(costs), run.text
        scheduler = "LoadScheduling" if probe is STOCK else "GateScheduling"
        assert f"scheduling tests via {scheduler}" in run.text, run.text
        begun = min(float(line) for line in (folder / "begun").read_text().split())
        decided = max(float(line) for line in (folder / "decided").read_text().split())
        return decided - begun, run.digest


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--total", type=float, default=60.0, help="seconds of sleep in all folds together")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", metavar="TEXT", default="", help="workloads whose name holds it")
    options = parser.parse_args()
    print(f"{options.total:.0f} s of folds in all, medians of {options.repeat}")
    print(
        f"{'workers':>7}  {'bound s':>7}  {'ours s':>6}  {'over bound':>10}  {'stock s':>7}  {'stock / ours':>12}  work"
    )
    for workload in (item for item in WORKLOADS if options.only in item.name):
        for workers in options.workers:
            print(row(workload, workers, options.total, options.repeat), flush=True)


def row(workload: Workload, workers: int, total: float, repeat: int) -> str:
    """One line of the table; the two schedules take turns."""
    models = [cheap_gate.artifact(symbol, model_factory.APPROVED, timeframe=frame) for symbol, frame in workload.models]
    with tempfile.TemporaryDirectory(prefix="modelgate-bench-") as place:
        archive = pack(Path(place), *models)
        pairs = [[measure(archive, workload, workers, probe, total) for probe in (PROBE, STOCK)] for _ in range(repeat)]
    assert len({digest for pair in pairs for _, digest in pair}) == 1, "the verdicts differ"
    costs = workload.costs(total).values()
    bound = max(*costs, sum(costs) / workers)
    ours, stock = (statistics.median(pair[which][0] for pair in pairs) for which in (0, 1))
    ratio = statistics.median(theirs / mine for (mine, _), (theirs, _) in pairs)
    figures = f"{workers:>7}  {bound:>7.2f}  {ours:>6.2f}  {ours / bound - 1:>10.1%}  {stock:>7.2f}  {ratio:>12.2f}"
    return f"{figures}  {workload.name}"


if __name__ == "__main__":
    main()
