"""Counts the decisions on a scenario, in pieces that processes share among them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.settings import DecisionRule

from .accounts import Accounts
from .grid import lay_out
from .intervals import wilson
from .judging import Terms, count_models, judge
from .paths import best_of, simulate
from .scenario import COUNTED, Kind, Scenario
from .series import Series

CHUNK = 200  # paths at once: some 200 MB
RULES: tuple[DecisionRule, ...] = ("table", "proven", "pooled")
Shape = tuple[int, int]  # days and folds


@dataclass(frozen=True)
class Rate:
    """A frequency with its 95 % interval."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """How often one rule gives which decision.

    Attributes:
        market, model: what was simulated.
        kind: null: LIVE is wrong; concealed: it is, and more were tried than declared; skill: LIVE is right.
        sharpe: true, annual, after costs, without the luck of a lucky fold.
        days, folds, trials, rule: what was asked of it.
        paths: simulated.
        levels: by name of the decision.
    """

    market: str
    model: str
    kind: Kind
    sharpe: float
    days: int
    folds: int
    rule: DecisionRule
    trials: int
    paths: int
    levels: dict[str, Rate]


@dataclass(frozen=True)
class Piece:
    """Some of the paths of a scenario; what is drawn depends on nothing else."""

    scenario: Scenario
    shape: Shape
    seed: int
    first: int
    paths: int


@dataclass(frozen=True)
class Counted:
    """Decisions by terms, and the sum of the true Sharpe ratios of all paths."""

    levels: Counter[tuple[Terms, DecisionLevel]]
    sharpe: float


def pieces(scenario: Scenario, shape: Shape, paths: int, seed: int) -> list[Piece]:
    """The work of one scenario."""
    chunk = max(1, CHUNK // scenario.candidates)
    return [Piece(scenario, shape, seed, first, min(chunk, paths - first)) for first in range(0, paths, chunk)]


def terms_of(scenario: Scenario) -> list[Terms]:
    """The table once, every other rule for every number of trials."""
    return [("table", scenario.trials[0]), *product((rule for rule in RULES if rule != "table"), scenario.trials)]


def count(piece: Piece, series: Sequence[Series] = ()) -> Counted:
    """Simulate and decide."""
    scenario, profile = piece.scenario, load_profile("2.4.5")
    grid = lay_out(scenario.market.venue, *piece.shape)
    named = zlib.crc32(f"{scenario.market.name}/{scenario.model}".encode())
    rng = np.random.default_rng([piece.seed, *piece.shape, named, piece.first])
    trading = profile.trading.crypto if scenario.market.venue == "crypto" else profile.trading.us_equity
    cost = trading.fee + trading.slippage
    own = [one for one in series if one.venue == scenario.market.venue]
    models, sharpe = simulate(scenario, grid, rng, piece.paths, cost=cost, series=own)
    counts = [1.0] * piece.paths
    if COUNTED in scenario.trials:
        seen = [Accounts(model, grid, trading.fee / cost) for model in models]
        counts = [count_models(seen, path) for path in range(piece.paths)]
    accounts = Accounts(best_of(models), grid, trading.fee / cost)
    levels: Counter[tuple[Terms, DecisionLevel]] = Counter()
    for decided in judge(accounts, profile, terms_of(scenario), counts):
        levels.update(decided.items())
    return Counted(levels, sharpe * piece.paths)


def rows(scenario: Scenario, shape: Shape, counted: Sequence[Counted], paths: int) -> list[Row]:
    """Put the pieces of a scenario together."""
    levels: Counter[tuple[Terms, DecisionLevel]] = sum((one.levels for one in counted), Counter())
    sharpe = sum(one.sharpe for one in counted) / paths
    return [
        Row(
            scenario.market.name,
            scenario.model,
            scenario.kind(terms[1]),
            round(sharpe, 3),
            *shape,
            *terms,
            paths,
            {level.name: _rate(levels[terms, level], paths) for level in DecisionLevel},
        )
        for terms in terms_of(scenario)
    ]


def _rate(successes: int, paths: int) -> Rate:
    return Rate(successes / paths, *wilson(successes, paths))
