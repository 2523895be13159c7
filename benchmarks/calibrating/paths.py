"""What policies earn and pay in their markets, with an edge of the size that their scenario says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from pytest_modelgate.core.typing import Floats

from .grid import Grid
from .market import Prices, draw_prices
from .policy import SIZE
from .scenario import BLIND, EVEN, Scenario
from .series import Series


@dataclass(frozen=True, eq=False)
class Paths:
    """Simulated models, every array (paths, bars): signed shares of equity, and returns per bar.

    Attributes:
        carried: into the bar, over the gap before it.
        held: during the bar.
        gap, move: of the market, to the open and from there to the close.
        costs: paid at the bar.
    """

    carried: Floats
    held: Floats
    gap: Floats
    move: Floats
    costs: Floats

    @property
    def returns(self) -> Floats:
        """Of the account."""
        return self.carried * self.gap + self.held * self.move - self.costs


def simulate(
    scenario: Scenario, grid: Grid, rng: np.random.Generator, paths: int, *, cost: float, series: Sequence[Series] = ()
) -> tuple[list[Paths], float]:
    """Draw markets and models.

    Args:
        cost: fee and slippage of a fill, a fraction of its notional.

    Returns:
        Every candidate, and the first one's true Sharpe ratio: annual, after costs, luck left out.
    """
    prices = draw_prices(scenario.market, grid, rng, paths, series)
    first = scenario.policy.hold(rng, prices, grid)
    leader, sharpe = _trade(scenario, grid, rng, prices, first, cost=cost)
    models = [leader]
    for _ in range(scenario.candidates - 1):
        wanted = scenario.policy.hold(rng, prices, grid)
        alike = (rng.random((paths, int(grid.day[-1]) + 1)) < scenario.alike)[:, grid.day]
        models.append(_trade(scenario, grid, rng, prices, np.where(alike, first, wanted), cost=cost)[0])
    return models, sharpe


def best_of(models: Sequence[Paths]) -> Paths:
    """Of every market the model that earned most."""
    if len(models) == 1:
        return models[0]
    best = np.argmax([np.log1p(model.returns).sum(axis=1) for model in models], axis=0)
    names, rows = [field.name for field in fields(Paths)], range(len(best))
    return Paths(*(np.stack([getattr(models[best[row]], name)[row] for row in rows]) for name in names))


def _trade(
    scenario: Scenario, grid: Grid, rng: np.random.Generator, prices: Prices, wanted: Floats, *, cost: float
) -> tuple[Paths, float]:
    held = wanted.copy()
    held[:, grid.bounds[:-1]] = 0.0  # every fold starts flat
    carried = np.concatenate([np.zeros((len(held), 1)), held[:, :-1]], axis=1)
    carried[:, grid.bounds[:-1]] = 0.0
    costs = np.abs(held - carried) * cost
    costs[:, grid.bounds[1:] - 1] += np.abs(held[:, grid.bounds[1:] - 1]) * cost  # and is liquidated at its last bar
    gap, move, sharpe = _with_edge(scenario, grid, prices, carried, held, costs=costs)
    if scenario.luck:
        lucky = grid.fold == rng.integers(grid.folds, size=(len(held), 1))
        risk = np.sqrt(np.sum(lucky * ((carried * prices.gap) ** 2 + (held * prices.move) ** 2), axis=1, keepdims=True))
        at_risk = np.sum(lucky * np.abs(held), axis=1, keepdims=True)
        gift = scenario.luck * risk / np.where(at_risk > 0.0, at_risk, np.inf)
        move = move + lucky * np.sign(held) * gift
    return Paths(carried, held, gap, move, costs), sharpe


def _with_edge(
    scenario: Scenario, grid: Grid, prices: Prices, carried: Floats, held: Floats, *, costs: Floats
) -> tuple[Floats, Floats, float]:
    """The market, a little better where the model holds than at the same hours of other days, and worse there.

    Of every path it is just as much better as its positions need to earn what the scenario says: counting how much they
    pay and not how much they should on average leaves no luck with costs. The market as a whole gains nothing by it.
    """
    gap_tilt, move_tilt = _tilt(carried, grid) * prices.gap_scale, _tilt(held, grid) * prices.move_scale
    yields = np.sum(carried * gap_tilt + held * move_tilt, axis=1)
    noise = math.sqrt(float(np.mean((carried * prices.gap) ** 2 + (held * prices.move) ** 2)))
    paid = costs.sum(axis=1)
    drift = carried @ prices.gap_drift + held @ prices.move_drift
    if scenario.edge == BLIND:
        needed = np.zeros(len(held))
    elif scenario.edge == EVEN:
        needed = paid
    else:
        needed = paid + float(scenario.edge) * noise / math.sqrt(grid.per_year) * len(grid) - drift
    edge = np.divide(needed, yields, out=np.zeros_like(needed), where=yields > 1e-6 * SIZE)[:, None]
    net = float(np.mean(np.sum(carried * gap_tilt + held * move_tilt, axis=1) * edge[:, 0] + drift - paid))
    sharpe = net / len(grid) / noise * math.sqrt(grid.per_year) if noise else 0.0
    return prices.gap + edge * gap_tilt, prices.move + edge * move_tilt, sharpe


def _tilt(weight: Floats, grid: Grid) -> Floats:
    """Side of the position less its mean in that slot of the day, so that copies on other days gain nothing."""
    side = np.sign(weight)
    for slot in range(grid.slots):
        bars = np.flatnonzero(grid.slot == slot)
        side[:, bars] -= side[:, bars].mean(axis=1, keepdims=True)
    return side
