"""The engine on a GPU against the same machine's CPU: the same action hashes, and how much sooner.

    python benchmarks/gpu.py [--device cuda] [--models 20] [--out benchmarks/out/bench.json]

Needs numpy, pandas and torch, and the package beside this folder; nothing of the gate has to be installed. First random
networks, near-ties made on purpose and spikes: action hashes of the device against those of the CPU, and of the
definition where that is quick. Then 20 models of (1024, 512, 256) hidden units, 53 + 6 features and 100 bars per window
over 10 folds of 365 days of hourly bars: once the actions alone, once with the accounts of all folds. Last, several
processes share the device. The CPU gets one thread, as a worker of the gate does, and once all of them.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    for _name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, "1")

import argparse
import hashlib
import json
import multiprocessing
import platform
import statistics
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from rows import Row, make_row, not_measured

from pytest_modelgate.adapters.gpu.torch_device import TorchDevice, cuda_problem
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import evaluate_all
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.features.series import FeatureSeries
from pytest_modelgate.core.market.bars import COLUMNS, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.account_features import neutral_account
from pytest_modelgate.core.policy.definition import reference_logits
from pytest_modelgate.core.policy.generations import GENERATIONS
from pytest_modelgate.core.policy.inference import choose_actions
from pytest_modelgate.core.policy.mlp import MlpPolicy, greedy
from pytest_modelgate.core.typing import Floats

DAYS, FOLDS, WINDOW, MARKET, ACCOUNT = 365, 10, 100, 53, 6
HIDDEN = (1024, 512, 256)
SHARERS = 4
RULES = TradingRules(0.0025, 0.001, 0.1, 0.05, 0.3, 1.0, can_short=False)
ACCOUNTS = {len(item.account or ()): item.account or () for item in GENERATIONS}
SPACES = {len(item.actions): item.actions for item in GENERATIONS}
NEUTRAL = neutral_account(ACCOUNTS[6])


def network(  # noqa: PLR0917 - the shape of a network in the order in which data takes it
    seed: int, hidden: tuple[int, ...], window: int, market: int, account: int, actions: int, activation: str
) -> MlpPolicy:
    """A random policy in float32, scaled as torch initialises linear layers, with a livelier head."""
    rng = np.random.default_rng(seed)
    sizes = (window * (market + account), *hidden, actions)
    weights, biases = [], []
    for inputs, outputs in pairwise(sizes):
        scale = 1.0 / np.sqrt(inputs)
        weights.append(rng.uniform(-scale, scale, (outputs, inputs)).astype(np.float32))
        biases.append(rng.uniform(-scale, scale, outputs).astype(np.float32))
    weights[-1] *= np.float32(3.0)
    return MlpPolicy(weights, biases, activation, market, ACCOUNTS[account], window, SPACES[actions])


def tied(policy: MlpPolicy, margin: float) -> MlpPolicy:
    """The same policy with all outputs within a relative margin of each other."""
    rng = np.random.default_rng(7)
    head, bias = policy.weights[-1].astype(np.float64), policy.biases[-1].astype(np.float64)
    near = head[:1] * (1.0 + margin * rng.standard_normal(head.shape))
    close = bias[:1] * (1.0 + margin * rng.standard_normal(bias.shape))
    weights, biases = [*policy.weights[:-1], near], [*policy.biases[:-1], close]
    return replace(policy, weights=weights, biases=biases)


def digest(actions: list[np.ndarray[Any, Any]]) -> str:
    """Digest of actions, one after the other."""
    return hashlib.sha256(np.concatenate(actions).astype("<i8").tobytes()).hexdigest()[:16]


def by_definition(policy: MlpPolicy, market: Floats, account: Floats) -> np.ndarray[Any, Any]:
    """Every bar by itself."""
    logits = []
    for row in range(len(market) - policy.lookback + 1):
        seen = market[row : row + policy.lookback]
        logits.append(reference_logits(policy, np.hstack([seen, np.tile(account, (len(seen), 1))]).ravel()))
    return greedy(np.array(logits))


def check(device: TorchDevice) -> bool:
    """Print a line per kind of network; whether all hashes agree."""
    rng, same = np.random.default_rng(1), True
    print(f"{'actions of':<34}{'networks':>9}{'bars':>8}  {'CPU':<18}{device.name:<18}definition")
    cases: dict[str, list[tuple[MlpPolicy, Floats]]] = {"random": [], "spikes of 1e6": [], "exact ties": []}
    cases |= {f"near-ties of {margin:g}": [] for margin in (1e-7, 1e-10, 1e-13, 1e-15)}
    for seed in range(12):
        hidden = tuple(int(size) for size in rng.integers(3, 80, int(rng.integers(0, 5))))
        window, account = int(rng.integers(1, 120)), (0, 3, 6)[seed % 3]
        shape = (hidden, window, int(rng.integers(1, 12)), account, (3, 7)[seed % 2])
        policy = network(seed, *shape, ("tanh", "relu", "elu")[seed % 3])
        market = rng.normal(size=(window + int(rng.integers(20, 300)), policy.n_market))
        spiky = market.copy()
        spiky[rng.integers(0, len(market), 3)] *= 1e6
        cases["random"].append((policy, market))
        cases["spikes of 1e6"].append((policy, spiky))
        cases["exact ties"].append((tied(policy, 0.0), market))
        for margin in (1e-7, 1e-10, 1e-13, 1e-15):
            cases[f"near-ties of {margin:g}"].append((tied(policy, margin), market))
    for name, made in cases.items():
        hashes = [
            digest([find(policy, market, NEUTRAL[: policy.n_account]) for policy, market in made])
            for find in (choose_actions, partial(choose_actions, device=device), by_definition)
        ]
        same &= len(set(hashes)) == 1
        bars = sum(len(market) - policy.lookback + 1 for policy, market in made)
        print(f"{name:<34}{len(made):>9}{bars:>8}  {hashes[0]:<18}{hashes[1]:<18}{hashes[2]}")
    return same


def market() -> tuple[FeatureSeries, list[Window]]:
    """A year of made-up hours with made-up features, and its folds."""
    rng, hours = np.random.default_rng(3), 24 * DAYS + WINDOW
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, hours)))
    opened = np.concatenate([[100.0], close[:-1]])
    frame = pd.DataFrame([opened, np.maximum(opened, close), np.minimum(opened, close), close, np.ones(hours)]).T
    frame.columns = pd.Index(COLUMNS)
    frame.index = pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC", unit="ns")
    bars = Bars(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, frame)
    values = np.tanh(rng.normal(size=(hours, MARKET)))
    edges = [frame.index[WINDOW] + fold * pd.Timedelta(hours=24 * DAYS / FOLDS) for fold in range(FOLDS + 1)]
    folds = [Window(f"fold{n + 1}of{FOLDS}", edges[n], edges[n + 1]) for n in range(FOLDS)]
    return FeatureSeries(bars, values, 0, tuple(f"f{n}" for n in range(MARKET))), folds


def model(number: int) -> MlpPolicy:
    """One of the timed ones."""
    return network(100 + number, HIDDEN, WINDOW, MARKET, ACCOUNT, 7, "tanh")


def judge(models: list[MlpPolicy], device: TorchDevice | None, *, accounts: bool) -> str:
    """Hash of the actions of all models at all bars, or of what all their accounts did in all folds."""
    series, folds = market()
    if not accounts:
        return digest([choose_actions(policy, series.matrix[1:], NEUTRAL, device) for policy in models])
    hashed = hashlib.sha256()
    for policy in models:
        candidate = Candidate(policy, series, RULES, tuple(folds), device)
        for trajectory, _ in evaluate_all(candidate, folds, "neutral", 1e5):
            hashed.update(trajectory.actions.tobytes() + trajectory.equity.tobytes())
    return hashed.hexdigest()[:16]


def timed(models: list[MlpPolicy], device: TorchDevice | None, *, accounts: bool) -> tuple[float, str]:
    """Seconds of ``judge``, and its hash."""
    begun = time.perf_counter()
    action_hash = judge(models, device, accounts=accounts)
    return time.perf_counter() - begun, action_hash


def _share(name: str, numbers: list[int], ready: Any, answers: Any) -> None:  # noqa: ANN401 - of multiprocessing
    device, models = TorchDevice(name), [model(number) for number in numbers]
    judge(models[:1], device, accounts=False)
    ready.wait()
    begun = time.perf_counter()
    judge(models, device, accounts=True)
    answers.put((begun, time.perf_counter()))


def shared(name: str, count: int) -> float:
    """Seconds until several processes on one device are through with all models."""
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Barrier(SHARERS), context.Queue()
    lots = [list(range(first, count, SHARERS)) or [0] for first in range(SHARERS)]
    workers = [context.Process(target=_share, args=(name, lot, ready, answers), daemon=True) for lot in lots]
    for worker in workers:
        worker.start()
    spans: list[tuple[float, float]] = [answers.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(30)
    return max(end for _, end in spans) - min(begin for begin, _ in spans)


def all_threads(count: int, *, accounts: bool) -> float | None:
    """Seconds of the CPU with all its cores, in a process of its own."""
    import subprocess

    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {name: str(os.cpu_count()) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, str(Path(__file__).resolve()), "--only-cpu", str(count)]
    command += ["--accounts"] if accounts else []
    try:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=40)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return float(run.stdout.split()[-1])


def write(rows: list[Row], target: Path) -> None:
    """Put rows into the file of all benchmarks; those of the same name are replaced."""
    names = {row["name"] for row in rows}
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else []
    others = known["rows"] if isinstance(known, dict) else known
    kept = [row for row in others if row["name"] not in names] + rows
    target.parent.mkdir(parents=True, exist_ok=True)
    content = {**known, "rows": kept} if isinstance(known, dict) else kept
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Print the tables, write the rows; 1 when a hash differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script without a GPU")
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "bench.json", metavar="FILE")
    parser.add_argument("--only-cpu", type=int, metavar="N", help="print the seconds of N models, nothing else")
    parser.add_argument("--accounts", action="store_true", help="with --only-cpu: of the accounts, too")
    options = parser.parse_args()
    if options.only_cpu:
        models = [model(number) for number in range(options.only_cpu)]
        judge(models[:1], None, accounts=False)
        print(timed(models, None, accounts=options.accounts)[0])
        return 0
    if options.device == "cuda" and (problem := cuda_problem()):
        print(f"not measured: {problem}")
        return 2
    rows, same = measure(options.device, options.models)
    write(rows, options.out)
    print(f"\naction hashes {'agree everywhere' if same else 'DIFFER'}; rows written to {options.out}")
    return 0 if same else 1


def rows() -> list[Row]:
    """Rows for the table; a hash that differs ends it."""
    if problem := cuda_problem():
        return [{**not_measured("the engine on a GPU", problem), "note": f"not run: no GPU here ({problem})"}]
    measured, same = measure("cuda", 20)
    if not same:
        raise AssertionError("a GPU's actions differ from the CPU's")
    return measured


def measure(name: str, count: int) -> tuple[list[Row], bool]:
    """Print the tables; the rows, and whether all hashes are equal."""
    import torch

    card = torch.cuda.get_device_name() if name == "cuda" else platform.processor() or platform.machine()
    versions = f"python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    print(f"device {name}: {card}; {os.cpu_count()} cores; {versions}, pandas {pd.__version__}\n")
    same = check(device := TorchDevice(name))
    models = [model(number) for number in range(count)]
    begun = time.perf_counter()
    judge(models[:1], device, accounts=False)
    print(f"\nfirst use of the device {time.perf_counter() - begun:.2f} s; then {count} models, each over")
    print(f"{FOLDS} folds of {DAYS} days of hours, {'-'.join(map(str, HIDDEN))} units, {MARKET}+{ACCOUNT} features:\n")
    rows: list[Row] = []
    print(f"{'work':<44}{name + ' s':>9}{'1 core s':>10}{'ratio':>7}{'all cores s':>13}  same hashes")
    for work, accounts in (("actions", False), ("actions and accounts of all folds", True)):
        runs = [timed(models, device, accounts=accounts) for _ in range(3)]
        ours = statistics.median(seconds for seconds, _ in runs)
        theirs, expected = timed(models, None, accounts=accounts)
        everything = all_threads(count, accounts=accounts)
        equal = {action_hash for _, action_hash in runs} == {expected}
        same &= equal
        all_cores = f"{everything:>13.2f}" if everything else f"{'-':>13}"
        print(f"{work:<44}{ours:>9.2f}{theirs:>10.2f}{theirs / ours:>7.1f}{all_cores}  {'yes' if equal else 'NO'}")
        title = f"GPU: {work}, {count} models x {FOLDS} folds x {DAYS} days"
        rows.append(
            make_row(
                title, "s", ours, opponent=theirs, note=f"{card}, one core of the same machine, hashes equal: {equal}"
            )
        )
        if everything:
            note = f"{card}, all {os.cpu_count()} cores in one process"
            rows.append(make_row(f"{title}, against all cores", "s", ours, opponent=everything, note=note))
        alone = ours
    several = shared(name, count)
    print(f"{f'the same, {SHARERS} processes on one device':<44}{several:>9.2f}{theirs:>10.2f}{theirs / several:>7.1f}")
    rows.append(
        make_row(f"GPU: {SHARERS} processes on one device against one", "s", several, opponent=alone, note=card)
    )
    return rows, same


if __name__ == "__main__":
    sys.exit(main())
