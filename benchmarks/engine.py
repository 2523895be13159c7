"""The engine against the straightforward way, and against what the arithmetic alone takes.

    python benchmarks/engine.py

One thread (whoever imports this sees to that before numpy is loaded), medians, everything of a row in the same process,
in seconds of CPU time: what others do on the machine meanwhile is left out. The straightforward way computes the
features anew at every bar, from as many bars as they need, and then makes one forward pass in float32; it is timed on
some bars and scaled. A bound is what the matrix products alone take, at the speed this machine shows for large ones.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, "1")

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import evaluate, evaluate_all
from pytest_modelgate.core.backtest.known_actions import simulate_known
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.features.reference import REFERENCE, WARMUP
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.integrity.examination import Examination, examine
from pytest_modelgate.core.integrity.perturbations import FoldReplayer
from pytest_modelgate.core.market.bars import COLUMNS, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.account_features import neutral_account
from pytest_modelgate.core.policy.first_layer import choose_blocking
from pytest_modelgate.core.policy.generations import GENERATIONS
from pytest_modelgate.core.policy.mlp import MlpPolicy

GENERATION = next(item for item in GENERATIONS if item.account and len(item.account) == 6)
WINDOW, ACCOUNT, LARGE, SMALL = 100, 6, (1024, 512, 256), (64, 32)
HISTORY = WARMUP + WINDOW
RULES = TradingRules(0.0025, 0.001, 0.1, 0.05, 0.3, 1.0, can_short=False)
_SAMPLE = 20  # bars on which the straightforward way is timed
Row = dict[str, Any]


def in_turns(rounds: int, *works: Callable[[], object]) -> list[float]:
    """Median seconds of CPU time of each, after one turn that is not counted.

    They take turns, so that whatever disturbs the machine disturbs all of them.
    """
    taken = []
    for _ in range(rounds + 1):
        row = []
        for work in works:
            begun = time.process_time()
            work()
            row.append(time.process_time() - begun)
        taken.append(row)
    return [statistics.median(column) for column in zip(*taken[1:], strict=True)]


def median(work: Callable[[], object], runs: int = 5) -> float:
    """Seconds of one."""
    return in_turns(runs, work)[0]


def market(hours: int) -> Bars:
    """Made-up hours, seven days a week."""
    rng = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, hours)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = 1.0 + np.abs(rng.normal(0.0, 0.002, hours))
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    frame = pd.DataFrame(np.array([opened, high, low, close, rng.integers(1, 900, hours)]).T, columns=list(COLUMNS))
    frame.index = pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC", unit="ns")
    return Bars(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, frame)


def network(hidden: tuple[int, ...], seed: int = 1) -> MlpPolicy:
    """Weights as torch initialises linear layers: margins are smaller than those of a trained policy."""
    rng = np.random.default_rng(seed)
    sizes = (WINDOW * (len(REFERENCE.columns) + ACCOUNT), *hidden, 7)
    shapes = [((outputs, inputs), 1.0 / np.sqrt(inputs)) for inputs, outputs in pairwise(sizes)]
    weights = [rng.uniform(-scale, scale, shape).astype(np.float32) for shape, scale in shapes]
    biases = [rng.uniform(-scale, scale, shape[0]).astype(np.float32) for shape, scale in shapes]
    account = GENERATION.account or ()
    return MlpPolicy(weights, biases, "tanh", len(REFERENCE.columns), account, WINDOW, GENERATION.actions)


def folds_of(bars: Bars, count: int) -> list[Window]:
    """All bars after the history, in so many folds."""
    edges = [int(edge) for edge in np.linspace(HISTORY, len(bars), count + 1)]
    times = [*bars.index, bars.index[-1] + pd.Timedelta(hours=1)]
    return [Window(f"fold{n + 1}of{count}", times[edges[n]], times[edges[n + 1]]) for n in range(count)]


def straightforward(policy: MlpPolicy, bars: Bars) -> Callable[[], object]:
    """Features and actions at ``_SAMPLE`` bars, one after the other."""
    neutral = neutral_account(policy.account)

    def one(row: int) -> int:
        values = REFERENCE.compute(bars.frame.iloc[row + 1 - HISTORY : row + 1]).to_numpy()[-WINDOW:]
        seen = np.hstack([values, np.tile(neutral, (WINDOW, 1))]).ravel().astype(np.float32)
        for weight, bias in zip(policy.weights[:-1], policy.biases[:-1], strict=True):
            seen = np.tanh(weight @ seen + bias)
        return int(np.argmax(policy.weights[-1] @ seen + policy.biases[-1]))

    return lambda: [one(row) for row in range(HISTORY, HISTORY + _SAMPLE)]


def product(rows: int, inner: int, columns: int, kind: type[np.floating]) -> Callable[[], object]:
    """One matrix product of this shape."""
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(rows, inner)).astype(kind), rng.normal(size=(columns, inner)).astype(kind)
    return lambda: left @ right.T


def layers(policy: MlpPolicy, rows: int, kind: type[np.floating] = np.float64) -> Callable[[], object]:
    """The products of the layers after the first."""
    products = [product(rows, weight.shape[1], len(weight), kind) for weight in policy.weights[1:]]
    return lambda: [multiply() for multiply in products]


def transforms(policy: MlpPolicy, count: int) -> float:
    """Multiplications of the first layer by transforms, as a multiple of those of ``CUBE``."""
    blocking = choose_blocking([count], policy.lookback, policy.n_market)
    per_frequency = policy.lookback * policy.n_market + blocking.blocks * (4 * policy.n_market + blocking.outputs)
    return len(policy.weights[0]) * blocking.frequencies * per_frequency / 1024**3


CUBE = product(1024, 1024, 1024, np.float64)


def row(name: str, unit: str, ours: float, note: str, *, opponent: float | None, bound: float | None) -> Row:
    """One row of the table; ratio is how many times sooner, distance how many times the bound."""
    return {
        "name": name,
        "unit": unit,
        "ours": ours,
        "opponent": opponent,
        "ratio": opponent / ours if opponent else None,
        "bound": bound,
        "distance": ours / bound if bound else None,
        "note": note,
    }


def one_fold() -> Row:
    """A fold of 253 bars, features included, nothing known from before."""
    bars, policy = market(HISTORY + 253), network(LARGE)
    fold = folds_of(bars, 1)[0]

    def run() -> object:
        return evaluate(Candidate(policy, compute_features(bars, REFERENCE), RULES), fold, "neutral", 1e5)

    first, others = product(253, policy.obs_dim, LARGE[0], np.float32), layers(policy, 253, np.float32)
    ours, theirs, first_s, others_s, rest, cube = in_turns(
        7, run, straightforward(policy, bars), first, others, layers(policy, 253), CUBE
    )
    least = transforms(policy, 253) * cube + rest
    note = (
        "opponent: features and one forward pass per bar; bound: one matrix product per layer in float32, weights read "
        f"once; the transforms need less: by the next row's bound, {least:.3f} s, the distance is {ours / least:.2f}x"
    )
    name = "fold of 253 bars, (1024, 512, 256), features included"
    return row(name, "s", ours, note, opponent=253 * theirs / _SAMPLE, bound=first_s + others_s)


def five_folds() -> Row:
    """Five folds over 180 days of crypto hours, features included."""
    bars, policy = market(HISTORY + 4320), network(LARGE)
    folds = folds_of(bars, 5)

    def run() -> object:
        candidate = Candidate(policy, compute_features(bars, REFERENCE), RULES, tuple(folds))
        return evaluate_all(candidate, folds, "neutral", 1e5)

    ours, theirs, cube, rest = in_turns(5, run, straightforward(policy, bars), CUBE, layers(policy, 4320))
    note = "opponent: as above; bound: the products of the transforms and of the other layers, in float64"
    name, bound = "five folds over 180 days of hours, (1024, 512, 256)", transforms(policy, 4320) * cube + rest
    return row(name, "s", ours, note, opponent=4320 * theirs / _SAMPLE, bound=bound)


def tracked() -> Row:
    """Ten folds with the real account, one after the other as the gate trades them, features included."""
    bars, policy = market(HISTORY + 2400), network(LARGE)
    folds = folds_of(bars, 10)

    def run() -> object:
        candidate = Candidate(policy, compute_features(bars, REFERENCE), RULES, tracked=tuple(folds))
        return [evaluate(candidate, fold, "tracked", 1e5) for fold in folds]

    ours, theirs, cube, rest = in_turns(3, run, straightforward(policy, bars), CUBE, layers(policy, 2400))
    bound = transforms(policy, 2400) * cube + rest
    note = "opponent: as above; bound: as above, had all accounts been known beforehand"
    name, opponent = "ten folds of 240 bars with a tracked account", 2400 * theirs / _SAMPLE
    return row(name, "s", ours, note, opponent=opponent, bound=bound)


def integrity(hidden: tuple[int, ...]) -> Row:
    """Every integrity check of one model over five folds of 180 days, and noise where that can change a decision."""
    bars, policy = market(HISTORY + 4320), network(hidden)
    series, folds, profile = compute_features(bars, REFERENCE), folds_of(bars, 5), load_profile("2.4.5")

    def run() -> Examination:
        candidate = Candidate(policy, series, RULES, tuple(folds))
        return examine(FoldReplayer(candidate, folds, 1e5), folds[-1], REFERENCE, profile, "0" * 64)

    evaluations = 1 + len(run().noise)
    ours, cube, rest = in_turns(2, run, CUBE, layers(policy, 4320))
    bound = evaluations * (transforms(policy, 4320) * cube + rest)
    note = (
        f"bound: the products of {evaluations} evaluations over all folds: the model's and {evaluations - 1} draws of "
        "noise; a tracked backtest, the accounts and the check in float32 come on top, and for a model with an edge, "
        "unlike this one, one to five evaluations of shuffled weights"
    )
    return row(f"integrity and noise of one model, {hidden}", "s", ours, note, opponent=None, bound=bound)


def accounting() -> Row:
    """The account of one fold, actions given."""
    bars = market(864)
    actions = np.random.default_rng(2).choice(7, 864, p=[0.58, *[0.07] * 6]).tolist()
    ours = median(lambda: simulate_known(replace(bars), actions, GENERATION.actions, RULES, 1e5), 25)
    name, note = "account of one fold of 864 bars", "a plain loop over its orders; bars never seen before"
    return row(name, "ms", 1000 * ours, note, opponent=None, bound=None)


def rows() -> list[Row]:
    """Every row this file measures."""
    return [one_fold(), five_folds(), tracked(), integrity(LARGE), integrity(SMALL), accounting()]


def main() -> None:
    """Print the table, and the rows as JSON on request."""
    measured = rows()
    print(f"{'work':<56}{'ours':>10}{'opponent':>10}{'ratio':>10}{'bound':>10}{'distance':>10}")
    for item in measured:
        cells = [item[name] for name in ("ours", "opponent", "ratio", "bound", "distance")]
        columns = "".join(f"{'-':>10}" if cell is None else f"{cell:>10.3f}" for cell in cells)
        print(f"{item['name']:<56}{columns} {item['unit']}")
    if "--json" in sys.argv:
        print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
