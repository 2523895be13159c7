"""How often is a model called LIVE that should not be, and how often is one missed that should?

    python benchmarks/calibration.py [--paths 10000] [--shape 180/5] [--rows 'no edge'] [--series FOLDER] [--json FILE]

Simulates hourly markets and models whose true skill is known, and lets the gate's own code decide on them: sanity
backtest, walk-forward table, caps and proofs, with the default profile and the costs of the venue. Only gating is
left out (every model counts as APPROVED), and the account is replaced by its result, so that many paths are simulated
at once.

The market: fat-tailed innovations (Student t, 5 degrees of freedom), volatility that clusters and averages 80 % a year
(stocks: 30 %, in the sessions of New York, a third of it overnight), no drift but that in its name. The model: 10 % of
its equity in the market, in spells of two days on average, two days out. The rows vary that
(``calibrating/scenarios.py``).

The skill is the true Sharpe ratio *after costs*, and a *null* has none in its timing. Most nulls earn exactly what they
pay, path by path: the hardest case, for one that knows nothing at all loses its costs, too. Rows of real series, drawn
in blocks of days, need a folder of your own: CSV files of hourly bars, timestamp (UTC), open, high, low, close.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

from calibrating import tables
from calibrating.measuring import Row, Shape, count, pieces, rows
from calibrating.scenario import Scenario
from calibrating.scenarios import SCENARIOS
from calibrating.series import Series, read_series

SHAPES: dict[str, Shape] = {"180/5": (180, 5), "365/5": (365, 5), "365/10": (365, 10)}


def chosen(patterns: Sequence[str], series: Sequence[Series]) -> list[Scenario]:
    """Scenarios whose "market: model" fits one of the patterns; those of real series where there are such."""
    names = {f"{scenario.market.name}: {scenario.model}": scenario for scenario in SCENARIOS}
    venues = {one.venue for one in series}
    return [
        scenario
        for name, scenario in names.items()
        if any(fnmatch(name, f"*{pattern}*") for pattern in patterns)
        and (not scenario.market.real or scenario.market.venue in venues)
    ]


def measure(
    scenarios: Sequence[Scenario],
    shapes: Sequence[Shape],
    paths: int,
    seed: int,
    *,
    jobs: int,
    series: Sequence[Series] = (),
) -> Iterator[list[Row]]:
    """The rows of every scenario over every shape, in that order whatever the number of processes."""
    with ProcessPoolExecutor(jobs) as pool:
        work = [
            (scenario, shape, [pool.submit(count, piece, own) for piece in pieces(scenario, shape, paths, seed)])
            for shape in shapes
            for scenario in scenarios
            for own in [series if scenario.market.real else ()]
        ]
        for scenario, shape, futures in work:
            yield rows(scenario, shape, [future.result() for future in futures], paths)


def main() -> None:
    """Print a line for every row, and write them as JSON and Markdown where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=10_000, metavar="N", help="simulated paths per row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", action="append", choices=SHAPES, help="days/folds; may be repeated (default: all)")
    parser.add_argument("--rows", action="append", metavar="PATTERN", help="of 'market: model'; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--series", type=Path, metavar="FOLDER", help="real series for the rows that need them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a table of LIVE, too")
    options = parser.parse_args()
    if options.paths < 1:
        parser.error("--paths must be at least 1")
    series = read_series(options.series) if options.series else ()
    scenarios = chosen(options.rows or [""], series)
    if not scenarios:
        parser.error(f"no row is like {' or '.join(options.rows)}")
    shapes = [SHAPES[name] for name in options.shape or SHAPES]
    begun, measured = time.perf_counter(), []
    print(tables.HEAD)
    for found in measure(scenarios, shapes, options.paths, options.seed, jobs=options.jobs, series=series):
        measured += found
        print("\n".join(map(tables.line, found)), flush=True)
        print(f"{len(measured)} rows, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
        if options.json:
            options.json.write_text(json.dumps([asdict(row) for row in measured], indent=1) + "\n", encoding="utf-8")
        if options.markdown:
            options.markdown.write_text(tables.markdown(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
