"""How often does a record promote a model that knows nothing, and how soon one that does?

    python benchmarks/watching.py [--paths 2000] [--rows costs] [--seed 1] [--json FILE]

Simulates records of models whose true skill, execution and costs are known, at the level of days and orders, and lets
the gate's own code (``core/watching``) judge them every night. A row is a line of the table of decisions.

Days: a model has a tenth of its equity in the market, in spells of two days on average, and two days out. The market is
fat-tailed (Student t, 5 degrees of freedom), its volatility clusters (log-normal, autocorrelation 0.97 a day), has no
drift, and moves with the model as far as its true Sharpe ratio after costs says. What skill is measured on has half of
that position and of its noise, hence 1.4 times its Sharpe ratio. Crypto has 365 days a year, stocks 252; days in the
table are calendar days, and 730 is what would be if no model were given up after 365.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import numpy as np

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.typing import Floats, Integers, Mask
from pytest_modelgate.core.watching.drawdown import drawdown_by_chance
from pytest_modelgate.core.watching.evidence import DayFigures, FeeFigures, WatchedOrder, WatchEvidence
from pytest_modelgate.core.watching.findings import judge_costs, judge_orders
from pytest_modelgate.core.watching.judging import Forward, judge_days
from pytest_modelgate.core.watching.skill import Claim, against_claim, for_skill, standardised

LIMITS = WatchLimits()
YEARS = {"crypto": 365.0, "stocks": 252.0}
HORIZONS = (90, 180, 365, 730)
MARKET = {"crypto": 0.042, "stocks": 0.019}  # deviation of a day's move: 80 % and 30 % a year
_POSITION = 0.10  # of equity, while in the market
_SPELL = 2.0  # days in the market, and out of it
_LOUD = 0.4  # deviation of the logarithm of volatility
ASSUMED = {"crypto": 0.0035, "stocks": 0.0005}
_WALK_FORWARD = 180  # days from which the deviation is known
_NET = 3.0  # Sharpe ratio that is claimed
_CLAIM = _NET * math.sqrt(2.0)  # in excess: half of the position is no timing, and half of its noise none either
_MATCH = WatchedOrder(0, 0.1, 0.1, "match")
_MISS = WatchedOrder(0, 0.1, 0.0, "missing")
_LOOKS = (20, 40, 60, 120, 180, 300)  # orders at which costs are looked at
_DAYS_APART = 30  # between two looks at the drawdown that chance makes likely
_FOLD = 36
_FORWARDS = 20
_FIVE_PERCENT = 1.645  # of a normal distribution lies beyond so many deviations


@dataclass(frozen=True)
class Row:
    """Share of paths to which something happened by some time: days, or orders; ``median`` of those it happened to."""

    name: str
    what: str
    by: tuple[int, ...]
    shares: tuple[float, ...]
    median: float
    paths: int


def blank(days_per_year: float) -> WatchEvidence:
    """Evidence of a record at PAPER in which nothing happened."""
    return WatchEvidence(
        model="UNIUSD_1Hour", window="paper", problem="", remedy="", of_model=True, account="a1b2c3d4", kind="paper",
        since="", start="", end="", bars=1000, decision="PAPER", orders=(), unexplained_notional=0.0, explained=0.0,
        slippage=(), fees=FeeFigures(0.0, 0.0), assumed_cost=0.0035, closure=0.0, days=(), outages=0, drift=0.0,
        times=(), price=(), curve=(1.0, 1.01), simulated_curve=(1.0, 1.01), actions={}, record_sha256="",
        days_per_year=days_per_year,
    )  # fmt: skip


def daily(rng: np.random.Generator, paths: int, days: int, sharpe: float, venue: str) -> tuple[Floats, Floats]:
    """(paths, days) timing gains, and returns of the account, whose true annual Sharpe ratio after costs is given."""
    sigma, position, cost = MARKET[venue], _position(rng, paths, days), _POSITION * ASSUMED[venue]
    shocks = rng.standard_normal((paths, days))
    level = np.empty_like(shocks)
    level[:, 0] = shocks[:, 0]
    for day in range(1, days):
        level[:, day] = 0.97 * level[:, day - 1] + math.sqrt(1.0 - 0.97**2) * shocks[:, day]
    scale = np.exp(_LOUD * level - _LOUD**2)  # squares average 1
    net = sharpe / math.sqrt(YEARS[venue]) * _POSITION * sigma * math.sqrt(0.5)
    edge = 2.0 * (net + cost / _SPELL) / _POSITION / math.exp(-0.5 * _LOUD**2)
    noise = sigma * rng.standard_t(5, (paths, days)) / math.sqrt(5.0 / 3.0)
    moves = scale * (noise + edge * (2.0 * position - 1.0))  # who is right earns as far as the market moves
    held = _POSITION * position
    paid = cost * np.abs(np.diff(position, axis=1, prepend=0.0))
    usual = (np.cumsum(held, axis=1) - held) / np.maximum(1.0, np.arange(days))
    return (held - usual) * moves - paid, held * moves - paid


def _position(rng: np.random.Generator, paths: int, days: int) -> Floats:
    """(paths, days) 1 in the market, 0 out of it, in spells of two days on average."""
    changes = rng.random((paths, days)) < 1.0 / _SPELL
    position: Floats = (np.cumsum(changes, axis=1) % 2).astype(np.float64)
    return position


def known_deviation(rng: np.random.Generator, paths: int, venue: str) -> Floats:
    """(paths, 1) what a walk-forward says of the deviation of a day's timing gain."""
    true = 0.5 * _POSITION * MARKET[venue]
    return true * np.exp(rng.normal(0.0, 1.0 / math.sqrt(2.0 * _WALK_FORWARD), (paths, 1)))


def skill(rng: np.random.Generator, paths: int, venue: str, sharpe: float, *, against: bool) -> Row:
    """By when a model of some true Sharpe ratio is promoted; or withdrawn, had it claimed 3."""
    per_year = YEARS[venue]
    days = round(HORIZONS[-1] * per_year / 365.0)
    gains, account = daily(rng, paths, days, sharpe, venue)
    deviations = known_deviation(rng, paths, venue)
    if against:
        reached = against_claim(standardised(gains, deviations), _CLAIM, per_year) >= LIMITS.evidence
    else:
        enough = np.arange(1, days + 1) >= LIMITS.min_days
        reached = (
            (for_skill(gains, deviations, per_year) >= LIMITS.evidence) & enough & (np.cumprod(1.0 + account, 1) > 1.0)
        )
    when = first_time(reached)
    level = DecisionLevel.RETRAIN if against else DecisionLevel.LIVE
    for path in np.flatnonzero(when < days).tolist():
        night = int(when[path]) + 1
        evidence = record_of(gains[path, :night], account[path, :night], per_year)
        if judge_days(evidence, forward(deviations[path, 0]), LIMITS).limit is not level:  # a drawdown, or a loss
            when[path] = days
    name = f"{venue}: true net Sharpe {sharpe:g}"
    what = f"withdrawn against a claim of {_NET:g}" if against else "promoted"
    return row_of(name, what, np.ceil((when + 1) * 365.0 / per_year), HORIZONS[: 3 if against else 4], paths)


def looking(rng: np.random.Generator, paths: int, apart: int) -> Row:
    """By when a model that knows nothing shows a t-value of the 5 % level, looked at so many days apart from day 30."""
    gains, _ = daily(rng, paths, HORIZONS[2], 0.0, "crypto")
    days = np.arange(1, gains.shape[1] + 1)
    mean = np.cumsum(gains, axis=1) / days
    variance = np.cumsum(gains**2, axis=1) / days - mean**2
    looks = (days >= LIMITS.min_days) & (days % apart == 0)
    when = first_time((mean * np.sqrt(days) > _FIVE_PERCENT * np.sqrt(variance)) & looks)
    return row_of(f"crypto: true net Sharpe 0, a t-test every {apart} days", "promoted", when + 1, HORIZONS[:3], paths)


def forward(deviation: float) -> Forward:
    """What the walk-forward of a model says, but for its drawdowns, which have rows of their own."""
    return Forward(Claim(_CLAIM, float(deviation)), np.zeros(0), 0)


def record_of(gains: Floats, account: Floats, per_year: float) -> WatchEvidence:
    """Evidence of some days, with sixty orders as they should be."""
    days = tuple(
        DayFigures(0, made, made, gain, 0.05) for gain, made in zip(gains.tolist(), account.tolist(), strict=True)
    )
    filled = replace(_MATCH, slippage=0.001)
    curve = tuple(np.concatenate([[1.0], np.cumprod(1.0 + account)]).tolist())
    return replace(blank(per_year), days=days, orders=(filled,) * 60, curve=curve, simulated_curve=curve)


def execution(rng: np.random.Generator, paths: int, rate: float) -> Row:
    """By how many orders a trader that loses some of them is an alarm."""
    orders = np.arange(1, 301)
    least = [fewest_misses(count) for count in orders.tolist()]
    misses = np.cumsum(rng.random((paths, len(orders))) < rate, axis=1)
    when = first_time(misses >= np.array(least))
    return row_of(f"orders that go wrong: {rate:.0%}", "alarm", when + 1, (60, 120, 300), paths)


def fewest_misses(count: int) -> int:
    """Of so many orders, how many must go wrong for an alarm."""
    for misses in range(count + 1):
        orders = (_MISS,) * misses + (_MATCH,) * (count - misses)
        if judge_orders(replace(blank(365.0), orders=orders), LIMITS).status == "alarm":
            return misses
    return count + 1


def costs(rng: np.random.Generator, paths: int, venue: str, multiple: float, status: str) -> Row:
    """By how many orders costs of so many times the assumed ones are met, or an alarm."""
    assumed, looks = ASSUMED[venue], _LOOKS
    reached = np.zeros((paths, len(looks)), dtype=np.bool_)
    for path in range(paths):
        paid = multiple * assumed + 0.002 * rng.standard_t(5, looks[-1])
        orders = tuple(replace(_MATCH, slippage=one) for one in paid.tolist())
        for place, count in enumerate(looks):
            evidence = replace(blank(365.0), orders=orders[:count], assumed_cost=assumed)
            reached[path, place] = judge_costs(evidence, LIMITS).status == status
            if reached[path, place]:
                break
    when = np.where(reached.any(axis=1), np.array(looks)[reached.argmax(axis=1)], 10**6)
    return row_of(f"{venue}: costs {multiple:g} times the assumed", status, when, (60, 120, 300), paths)


def drawdown(rng: np.random.Generator, paths: int, sharpe: float) -> Row:
    """By when a model that claims 3 and truly has some Sharpe ratio lost more than the walk-forward makes likely."""
    looks = np.arange(_DAYS_APART, HORIZONS[2] + _DAYS_APART, _DAYS_APART)
    when = []
    for _ in range(_FORWARDS):
        past = daily(rng, 1, 365, _NET, "crypto")[1][0]
        chance = [drawdown_by_chance(past, max(_FOLD, days), LIMITS.drawdown_quantile) for days in looks.tolist()]
        allowed = np.minimum(LIMITS.drawdown_factor * np.repeat(chance, _DAYS_APART), LIMITS.max_drawdown)
        made = np.cumprod(1.0 + daily(rng, max(1, paths // _FORWARDS), len(allowed), sharpe, "crypto")[1], axis=1)
        peak = np.maximum(1.0, np.maximum.accumulate(made, axis=1))
        when.append(first_time(np.maximum.accumulate(1.0 - made / peak, axis=1) > allowed))
    found = np.concatenate(when)
    return row_of(f"crypto: drawdown, true net Sharpe {sharpe:g}", "alarm", found + 1, HORIZONS[:3], len(found))


def first_time(reached: Mask) -> Integers:
    """(paths,) column of the first that is true; the number of columns where none is."""
    first: Integers = np.where(reached.any(axis=1), reached.argmax(axis=1), reached.shape[1]).astype(np.int64)
    return first


def row_of(name: str, what: str, when: Floats | Integers, by: Sequence[int], paths: int) -> Row:
    """Shares of paths to which it happened by each time."""
    shares = tuple(float(np.mean(when <= most)) for most in by)
    happened = when[when <= by[-1]]
    return Row(name, what, tuple(by), shares, float(np.median(happened)) if len(happened) else math.nan, paths)


Maker = Callable[[np.random.Generator, int], Row]


def makers() -> dict[str, Maker]:
    """Every row by its name."""
    found: dict[str, Maker] = {}
    for venue in YEARS:
        for sharpe in (0.0, 2.0, 3.0):
            found[f"promoted {venue} {sharpe:g}"] = partial(skill, venue=venue, sharpe=sharpe, against=False)
            found[f"withdrawn {venue} {sharpe:g}"] = partial(skill, venue=venue, sharpe=sharpe, against=True)
    found["looking nightly"], found["looking monthly"] = partial(looking, apart=1), partial(looking, apart=30)
    for rate in (0.02, 0.05, 0.10):
        found[f"execution {rate:g}"] = partial(execution, rate=rate)
    for venue in YEARS:
        for multiple, status in ((1.0, "met"), (1.0, "alarm"), (2.0, "alarm"), (3.0, "alarm")):
            found[f"costs {venue} {multiple:g} {status}"] = partial(
                costs, venue=venue, multiple=multiple, status=status
            )
    for sharpe in (3.0, 0.0, -3.0):
        found[f"drawdown {sharpe:g}"] = partial(drawdown, sharpe=sharpe)
    return found


def measure(patterns: Sequence[str], paths: int, seed: int) -> Iterator[Row]:
    """The rows whose name fits one of the patterns; each has its own random numbers, whichever others are asked for."""
    for name, make in makers().items():
        if any(fnmatch(name, f"*{pattern}*") for pattern in patterns):
            yield make(np.random.default_rng([seed, *name.encode()]), paths)


def line(row: Row) -> str:
    """A row of a Markdown table."""
    shares = " / ".join(f"{100.0 * share:.1f}" for share in row.shares)
    by = " / ".join(map(str, row.by))
    return f"| {row.name} | {row.what} | {by} | {shares} % | {row.median:.0f} |"


def main() -> None:
    """Print a line for every row, and write them as JSON where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--paths", type=int, default=2000, metavar="N", help="simulated paths per row")
    parser.add_argument("--rows", action="append", metavar="PATTERN", help="of a row's name; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, too")
    options = parser.parse_args()
    if options.paths < 1:
        parser.error("--paths must be at least 1")
    begun, found = time.perf_counter(), []
    print("| true | event | by days or orders | share of paths | median |\n|---|---|---|---|---|")
    for row in measure(options.rows or [""], options.paths, options.seed):
        found.append(row)
        print(line(row), flush=True)
    print(f"{len(found)} rows, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    if not found:
        parser.error(f"no row is like {' or '.join(options.rows)}; rows: {', '.join(makers())}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
