"""What the proofs of one model cost, next to simulating its account once.

    python benchmarks/proofs.py [--json rows.json]

One model over 180 days of hourly crypto bars in 5 folds: the five proofs, what is shown beside them, and for comparison
the plain account simulation of the same folds, in the same process; medians of 15 runs each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.attribution import attribute, concatenate
from pytest_modelgate.core.backtest.metrics import FoldResult, measure
from pytest_modelgate.core.backtest.rules import rules_for
from pytest_modelgate.core.backtest.simulation import Trajectory, simulate
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.context import put_in_context
from pytest_modelgate.core.decision.proof import FoldAttribution
from pytest_modelgate.core.decision.proofs import prove
from pytest_modelgate.core.decision.robustness import disturb
from pytest_modelgate.core.market.bars import AssetClass, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.sessions import day_places
from pytest_modelgate.core.policy.actions import HALF_ORDERS

FOLDS, BARS, RUNS = 5, 864, 15


def _market() -> list[Bars]:
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.008, FOLDS * BARS)))
    opened = np.concatenate([[100.0], close[:-1]])
    low, high = np.minimum(opened, close), np.maximum(opened, close)
    frame = pd.DataFrame({"open": opened, "high": high, "low": low, "close": close, "volume": 1.0})
    frame.index = pd.date_range("2024-06-30", periods=len(frame), freq="h", tz="UTC", unit="ns")
    whole = Bars(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, frame)
    return [whole.rows(slice(BARS * fold, BARS * (fold + 1))) for fold in range(FOLDS)]


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    """Print the table, and write it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, too")
    options = parser.parse_args()
    profile = load_profile("2.4.5")
    rules, market = rules_for(profile, AssetClass.CRYPTO), _market()
    actions = np.random.default_rng(2).choice(3, BARS, p=[0.6, 0.2, 0.2]).tolist()

    def trade() -> list[Trajectory]:
        return [simulate(bars, lambda row, _: actions[row], HALF_ORDERS, rules, 1e5) for bars in market]

    traded = trade()
    attributions = [attribute(one, bars, 100.0, rules) for one, bars in zip(traded, market, strict=True)]
    folds = [
        FoldAttribution(
            str(n), "out-of-sample", 9, 0.0, attribution, day_places(bars.index.as_unit("s").asi8, AssetClass.CRYPTO)
        )
        for n, (attribution, bars) in enumerate(zip(attributions, market, strict=True))
    ]
    results = [FoldResult.of(measure(one, 8760.0)) for one in traded]
    simulation = _median(trade)
    work: dict[str, Callable[[], object]] = {
        "five proofs": lambda: prove(folds, profile, 20),
        "robustness surface": lambda: disturb(folds, results, results, (), lambda _: DecisionLevel.LIVE),
        "context": lambda: put_in_context(concatenate(attributions), 180.0, 50.0, 20),
    }
    seconds = {"account simulation": simulation, **{name: _median(run) for name, run in work.items()}}
    print(f"{'work':<22}{'ms':>8}{'of the simulation':>20}")
    for name, value in seconds.items():
        print(f"{name:<22}{1000 * value:>8.1f}{value / simulation:>20.2f}")
    if options.json:
        rows = [{"work": name, "seconds": value, "ratio": value / simulation} for name, value in seconds.items()]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
