"""Growth of cost with the work: straight lines through measured times, and how well they fit."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from gate_runs import ROOT, gate
from rows import Row, make_row, seconds

from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import evaluate
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.features.series import FeatureSeries, compute_features
from pytest_modelgate.core.market.bars import COLUMNS, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.actions import HALF_ORDERS
from pytest_modelgate.core.policy.mlp import MlpPolicy

ROUNDS, LAYERS, WINDOW = 5, (256, 128, 64, 3), 100
_RULES = TradingRules(0.0025, 0.001, 0.10, 0.05, 0.50, 1.0, can_short=False)
_MODELS = ("LTCUSD", "ETHUSD", "UNIUSD", "AAPL")


def rows() -> list[Row]:
    """One row per kind of work: what one more of it costs."""
    series, policy = market(9000), network()
    start = series.warmup + WINDOW
    bars = (500, 1000, 2000, 4000, 8000)
    one = [fastest(series, policy, [slice(start, start + count)]) for count in bars]
    folds = (1, 2, 4, 8)
    several = [
        fastest(series, policy, [slice(start + 800 * part, start + 800 * (part + 1)) for part in range(count)])
        for count in folds
    ]
    counts, costs = [], []
    with tempfile.TemporaryDirectory() as place:
        for count in (1, 2, 3, 4):
            archive, chosen = ROOT / "examples" / "demo_archive.zip", " or ".join(_MODELS[:count])
            runs = [gate(Path(place), archive, "-n0", "-k", chosen, "-m", "not decision") for _ in range(2)]
            assert all(re.search("passed", run.text) for run in runs)
            counts.append(count)
            costs.append(min(run.cpu for run in runs))
    return [
        fitted("cost against bars: one window", "us / bar", bars, one, 1e6),
        fitted("cost against folds of 800 bars", "ms / fold", folds, several, 1e3),
        fitted("cost against models: the gate on the demo", "s / model", counts, costs, 1.0),
    ]


def fitted(name: str, unit: str, sizes: Sequence[int], taken: Sequence[float], scale: float) -> Row:
    """The slope of a straight line through the times, and what it leaves unexplained."""
    slope, fixed = np.polyfit(sizes, taken, 1)
    left = np.asarray(taken) - (fixed + slope * np.asarray(sizes))
    share = 1.0 - float(np.sum(left**2) / np.sum((np.asarray(taken) - np.mean(taken)) ** 2))
    growth = float(np.polyfit(np.log(sizes), np.log(taken), 1)[0])
    points = ", ".join(f"{size}: {scale * spent:.3g}" for size, spent in zip(sizes, taken, strict=True))
    note = f"R2 {share:.4f}, exponent {growth:.2f}, fixed {scale * fixed:.3g}; measured {points}"
    return make_row(name, unit, scale * float(slope), note=note)


def fastest(series: FeatureSeries, policy: MlpPolicy, ranges: Sequence[slice]) -> float:
    """Seconds to trade each range of bars from flat."""
    index = series.bars.index
    windows = [Window("fold", index[part.start], index[part.stop]) for part in ranges]

    def work() -> None:
        candidate = Candidate(policy, series, _RULES)
        for window in windows:
            evaluate(candidate, window, "neutral", 100_000.0)

    return min(seconds(work) for _ in range(ROUNDS))


def market(count: int) -> FeatureSeries:
    """Hours of a random walk, and their features."""
    rng = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.008, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    volume = rng.integers(1, 900, count).astype(float)
    values = (opened, np.maximum(opened, close), np.minimum(opened, close), close, volume)
    frame = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
    frame.index = pd.date_range("2023-01-01", periods=count, freq="h", tz="UTC", unit="ns")
    return compute_features(Bars(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, frame), REFERENCE)


def network() -> MlpPolicy:
    """Random weights."""
    rng, width, weights = np.random.default_rng(2), WINDOW * len(REFERENCE.columns), []
    for size in LAYERS:
        weights.append(rng.normal(0.0, 1.0 / np.sqrt(width), (size, width)))
        width = size
    return MlpPolicy(
        weights, [np.zeros(size) for size in LAYERS], "tanh", len(REFERENCE.columns), (), WINDOW, HALF_ORDERS
    )
