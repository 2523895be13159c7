"""How often is a model called LIVE that should not be, and how often is one missed that should?

    python benchmarks/calibration.py [--paths 10000] [--shape 180/5] [--json rows.json]

Simulates hourly markets and policies whose true skill is known, and lets the gate's own code decide on them: sanity
backtest, walk-forward table, caps and proofs, with the default profile and crypto costs. Only gating is left out (every
model counts as APPROVED), and the account is replaced by its result, so that thousands of paths are simulated at once.

The market: fat-tailed innovations (Student t, 5 degrees of freedom), volatility that clusters and averages 80 % a year,
no drift but that of the skill (``bull``: a Sharpe ratio of 1.5 for holding it). The policy: 10 % of its equity in the
market, in spells of two days on average, two days out; the long-biased one is in nine tenths of the time.

The skill is the true Sharpe ratio *after costs*. ``none`` is therefore the hardest case of no edge: a model that earns
what it pays; one that knows nothing at all would lose its costs, too. ``lucky fold`` earns nothing but in one fold,
where it earns four times the fold's standard deviation; ``best of 20`` is the one of twenty with the highest return.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics, sharpe_ratio
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.decision.backtest_sanity import Sanity, judge_backtest
from pytest_modelgate.core.decision.decision import decide
from pytest_modelgate.core.decision.model_case import ModelCase
from pytest_modelgate.core.decision.plausibility import TradeCount
from pytest_modelgate.core.decision.proof import FoldAttribution
from pytest_modelgate.core.decision.proofs import prove
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.market.sessions import DayPlaces
from pytest_modelgate.core.training.gating import Classification

Floats = NDArray[np.float64]

HOURS = 8760
BACKTEST_BARS = 30 * 24
SIZE = 0.10  # of equity in the market
VOLATILITY = 0.80  # of the market, annual
TRAINING_DRAWDOWN = 0.08  # APPROVED at most
BULL = 1.5  # Sharpe ratio of holding the market, annual
LUCK = 4.0  # standard deviations of a fold's return
CHUNK = 250  # paths at once: some 100 MB
SHAPES = ((180, 5), (365, 10))
Rule = Literal["table", "pooled", "proven"]
RULES: tuple[Rule, ...] = ("table", "pooled", "proven")
PROVEN = Parity("proven", "nothing is simulated that could differ")


@dataclass(frozen=True)
class Scenario:
    """A kind of market and policy.

    Attributes:
        skill: as shown.
        sharpe: true, annual, after costs.
        trials: numbers of models declared to have been tried; each is judged on the same paths.
        candidates: models simulated, of which the best is judged.
        drift: Sharpe ratio of holding the market, annual.
        inside, outside: mean length of a spell in and out of the market, bars.
    """

    market: str
    skill: str
    sharpe: float = 0.0
    trials: tuple[int, ...] = (1,)
    candidates: int = 1
    drift: float = 0.0
    inside: float = 48.0
    outside: float = 48.0
    lucky: bool = False


SCENARIOS = (
    Scenario("flat", "none"),
    Scenario("bull", "long-biased", drift=BULL, inside=96.0, outside=10.7),
    Scenario("flat", "lucky fold", lucky=True),
    Scenario("flat", "best of 20", trials=(1, 20), candidates=20),
    Scenario("flat", "1", sharpe=1.0),
    Scenario("flat", "2", sharpe=2.0),
    Scenario("flat", "3", sharpe=3.0, trials=(1, 8, 20)),
)


@dataclass(frozen=True)
class Row:
    """Frequency with which one rule says LIVE; ``low`` and ``high`` are Wilson's 95 % interval."""

    market: str
    skill: str
    rule: Rule
    days: int
    folds: int
    trials: int
    live_rate: float
    low: float
    high: float
    paths: int


@dataclass(frozen=True, eq=False)
class Paths:
    """Simulated models, every array (paths, bars): shares of equity, and returns per bar."""

    held: Floats
    market: Floats
    costs: Floats

    @property
    def returns(self) -> Floats:
        """Of the account."""
        return self.held * self.market - self.costs


def simulate(scenario: Scenario, rng: np.random.Generator, paths: int, shape: tuple[int, int], cost: float) -> Paths:
    """Draw markets and the positions of policies in them, over ``shape``: days and folds."""
    bars, folds = shape[0] * 24, shape[1]
    volatility = VOLATILITY / math.sqrt(HOURS)
    base = _innovations(rng, paths, bars) * volatility + scenario.drift * VOLATILITY / HOURS
    best = _candidate(scenario, rng, base, cost, folds)
    for _ in range(scenario.candidates - 1):
        other = _candidate(scenario, rng, base, cost, folds)
        better = np.log1p(other.returns).sum(axis=1) > np.log1p(best.returns).sum(axis=1)
        best = Paths(*(np.where(better[:, None], getattr(other, name), getattr(best, name)) for name in vars(best)))
    return best


def _innovations(rng: np.random.Generator, paths: int, bars: int) -> Floats:
    """Unit variance; fat tails, and a volatility that wanders by a third around its mean over about four days."""
    shocks = rng.standard_t(5, (paths, bars)) / math.sqrt(5 / 3)
    memory, wander = math.exp(-1 / 96), 0.35
    drive = rng.normal(0.0, wander * math.sqrt(1 - memory**2), (paths, bars))
    drive[:, 0] = rng.normal(0.0, wander, paths)
    state = np.empty_like(drive)
    level = np.zeros(paths)
    for bar in range(bars):
        level = memory * level + drive[:, bar]
        state[:, bar] = level
    return shocks * np.exp(state - wander**2)


def _candidate(scenario: Scenario, rng: np.random.Generator, base: Floats, cost: float, folds: int) -> Paths:
    paths, bars = base.shape
    inside = _spells(rng, paths, bars, scenario.inside, scenario.outside)
    share = scenario.inside / (scenario.inside + scenario.outside)
    market = base
    if not scenario.drift:
        paid = 2.0 * SIZE * cost / (scenario.inside + scenario.outside)
        noise = SIZE * math.sqrt(share) * VOLATILITY / math.sqrt(HOURS)
        edge = (scenario.sharpe / math.sqrt(HOURS) * noise + paid) / (SIZE * share)
        market = base + edge * np.where(inside, 1.0, -share / (1.0 - share))
    held = np.where(inside, SIZE, 0.0)
    starts = [bars * fold // folds for fold in range(folds)]
    held[:, starts] = 0.0  # every fold starts flat, and is liquidated at its last bar
    before = np.concatenate([np.zeros((paths, 1)), held[:, :-1]], axis=1)
    costs = np.where(held != before, SIZE * cost, 0.0)
    for start in starts:
        costs[:, start] = 0.0
        costs[:, start - 1] += np.where(held[:, start - 1] > 0, SIZE * cost, 0.0)
    if scenario.lucky:
        fold = bars // folds
        gift = LUCK * SIZE * math.sqrt(share * fold) * VOLATILITY / math.sqrt(HOURS)
        lucky = rng.integers(folds, size=(paths, 1))
        there = np.arange(bars) * folds // bars == lucky
        market = market + there * (held > 0) * gift / (SIZE * share * fold)
    return Paths(held, market, costs)


def _spells(rng: np.random.Generator, paths: int, bars: int, inside: float, outside: float) -> NDArray[np.bool_]:
    """Two states with geometric spells, begun in equilibrium."""
    draws = rng.random((paths, bars))
    state = np.empty((paths, bars), dtype=np.bool_)
    now = draws[:, 0] < inside / (inside + outside)
    for bar in range(bars):
        leave = draws[:, bar] < np.where(now, 1.0 / inside, 1.0 / outside)
        now = now ^ leave if bar else now
        state[:, bar] = now
    return state


@dataclass(frozen=True, eq=False)
class Shown:
    """View of one simulated model, as the gate has it."""

    results: list[FoldResult]
    attributions: list[FoldAttribution]
    sanity: Sanity
    trades: TradeCount


def show(paths: Paths, path: int, folds: int, profile: Profile) -> Shown:
    """Measure one simulated model as the gate measures a real one."""
    held, market, costs = paths.held[path], paths.market[path], paths.costs[path]
    returns = held * market - costs
    bars = len(returns)
    results, attributions, measured = [], [], []
    for number, (start, end) in enumerate(pairwise(bars * fold // folds for fold in range(folds + 1))):
        part = slice(start, end)
        measured.append(_backtest(returns[part], held[part]))
        attribution = _attribution(returns[part], held[part], market[part], costs[part], profile)
        results.append(FoldResult(attribution.total_return(), sharpe_ratio(attribution.returns), end - start, HOURS))
        late = np.concatenate([[0.0], attribution.intraday_weight[:-1]]) * attribution.intraday_return - costs[part]
        trades = _exits(held[part])
        places = DayPlaces(np.arange(start, end) // 24, np.arange(start, end) % 24)
        attributions.append(
            FoldAttribution(f"{number:02}", "out-of-sample", trades, float(np.prod(1 + late) - 1), attribution, places)
        )
    last = slice(bars - BACKTEST_BARS, bars)
    sane = _backtest(returns[last], held[last])
    return Shown(
        results,
        attributions,
        judge_backtest(sane, TRAINING_DRAWDOWN, profile, one_side=sane.time_in_market, in_folds=True),
        TradeCount.over(measured),
    )


def is_live(shown: Shown, profile: Profile, rule: Rule, trials: int) -> bool:
    """Whether the gate calls a model LIVE."""
    proofs = prove(shown.attributions, profile, trials) if rule != "table" else ()
    approved, trades = Classification.APPROVED, shown.trades
    case = ModelCase(approved, shown.sanity, shown.results, profile, rule, proofs=proofs, parity=PROVEN, trades=trades)
    return decide(case).level is DecisionLevel.LIVE


def _attribution(returns: Floats, held: Floats, market: Floats, costs: Floats, profile: Profile) -> BarAttribution:
    fee, slippage = profile.trading.crypto.fee, profile.trading.crypto.slippage
    none, share = np.zeros(len(returns)), fee / (fee + slippage)
    return BarAttribution(
        returns, np.concatenate([[0.0], held[:-1]]), held, none, market, costs * share, costs * (1 - share)
    )


def _exits(held: Floats) -> int:
    return int(np.count_nonzero((held[:-1] > 0) & (held[1:] == 0)) + (held[-1] > 0))


def _backtest(returns: Floats, held: Floats) -> Metrics:
    """Metrics that the sanity check looks at; trades are spells in the market."""
    equity = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    peak = np.maximum.accumulate(equity)
    inside = held > 0
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    profits = np.add.reduceat(returns, starts) if len(starts) else np.zeros(0)
    gain, loss = float(profits[profits > 0].sum()), -float(profits[profits < 0].sum())
    return Metrics(
        total_return=float(equity[-1] - 1.0),
        max_drawdown=float(np.max((peak - equity) / peak)),
        sharpe=math.nan,
        sharpe_annualised=math.nan,
        profit_factor=gain / loss if loss else math.inf,
        win_rate=float(np.mean(profits > 0)) if len(profits) else math.nan,
        closed_trades=len(profits),
        exposure=float(np.mean(held)),
        time_in_market=float(np.mean(inside)),
        turnover=math.nan,
        min_equity=float(equity.min()),
        bars=len(returns),
        bars_per_year=float(HOURS),
    )


def measure(scenario: Scenario, shape: tuple[int, int], paths: int, profile: Profile, seed: int) -> Iterator[Row]:
    """Rates of LIVE over many paths: under ``table``, and under ``proven`` for every number of trials."""
    days, folds = shape
    rng = np.random.default_rng([seed, days, folds, *scenario.skill.encode(), scenario.candidates])
    cost = profile.trading.crypto.fee + profile.trading.crypto.slippage
    live: dict[tuple[Rule, int], int] = {(rule, trials): 0 for trials in scenario.trials for rule in RULES}
    for first in range(0, paths, CHUNK):
        count = min(CHUNK, paths - first)
        drawn = simulate(scenario, rng, count, shape, cost)
        for path in range(count):
            shown = show(drawn, path, folds, profile)
            table = is_live(shown, profile, "table", 1)
            for rule, trials in live:  # the proofs only lower what the table says
                judged = table if rule != "pooled" else True
                live[rule, trials] += judged and (rule == "table" or is_live(shown, profile, rule, trials))
    for (rule, trials), count in live.items():
        interval = wilson(count, paths)
        yield Row(scenario.market, scenario.skill, rule, days, folds, trials, count / paths, *interval, paths)


def wilson(successes: int, paths: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927)."""
    z, rate = 1.959963984540054, successes / paths
    middle = rate + z * z / (2 * paths)
    half = z * math.sqrt(rate * (1 - rate) / paths + z * z / (4 * paths * paths))
    scale = 1 + z * z / paths
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def rows(shapes: Sequence[tuple[int, int]], paths: int, seed: int) -> Iterator[Row]:
    """Every scenario over every shape: days and folds."""
    profile = load_profile("2.4.5")
    for shape in shapes:
        for scenario in SCENARIOS:
            yield from measure(scenario, shape, paths, profile, seed)


def main() -> None:
    """Print the table, and write it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=10_000, metavar="N", help="simulated paths per row")
    parser.add_argument("--seed", type=int, default=1)
    known = {f"{days}/{folds}": (days, folds) for days, folds in SHAPES}
    parser.add_argument("--shape", choices=known, help="days/folds (default: both)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, too")
    options = parser.parse_args()
    if options.paths < 1:
        parser.error("--paths must be at least 1")
    begun, measured = time.perf_counter(), []
    print(f"{'market':<7}{'skill':<13}{'rule':<8}{'days/folds':>10}{'trials':>8}{'LIVE':>8}   95 % interval")
    for row in rows([known[options.shape]] if options.shape else SHAPES, options.paths, options.seed):
        measured.append(asdict(row))
        print(
            f"{row.market:<7}{row.skill:<13}{row.rule:<8}{f'{row.days}/{row.folds}':>10}{row.trials:>8}"
            f"{row.live_rate:>8.1%}   {row.low:.1%} to {row.high:.1%}",
            flush=True,
        )
    print(f"{options.paths} paths per row, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
