"""What the gate looks at, measured for all models at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.decision.proof import FoldAttribution
from pytest_modelgate.core.market.sessions import DayPlaces
from pytest_modelgate.core.typing import Floats

from .grid import Grid, Ints
from .paths import Paths


@dataclass(frozen=True, eq=False)
class Accounts:
    """Figures of all models at once, as the gate measures one after the other.

    Attributes:
        paths: of the models.
        grid: their bars.
        fee_share: of what is paid.
    """

    paths: Paths
    grid: Grid
    fee_share: float

    @cached_property
    def returns(self) -> Floats:
        """Of every bar, (paths, bars)."""
        return self.paths.returns

    @cached_property
    def totals(self) -> Floats:
        """Total return of every fold, (paths, folds)."""
        return np.asarray(np.multiply.reduceat(1.0 + self.returns, self.grid.bounds[:-1], axis=1) - 1.0)

    @cached_property
    def sharpes(self) -> Floats:
        """Per bar, of every fold, (paths, folds); NaN where nothing varies."""
        folds = np.split(self.returns, self.grid.bounds[1:-1], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = [
                np.where(np.ptp(fold, axis=1) > 1e-12, fold.mean(axis=1) / fold.std(axis=1, ddof=1), math.nan)
                for fold in folds
            ]
        return np.stack(columns, axis=1)

    @cached_property
    def entries(self) -> tuple[Ints, Ints]:
        """Path and bar at which each trade begins; every fold starts flat."""
        side = np.sign(self.paths.held)
        before = np.concatenate([np.zeros((len(side), 1)), side[:, :-1]], axis=1)
        before[:, self.grid.bounds[:-1]] = 0.0
        path, bar = np.nonzero((side != 0.0) & (side != before))
        return path.astype(np.int64), bar.astype(np.int64)

    @cached_property
    def profits(self) -> Floats:
        """Of each trade, from its entry to the next."""
        path, bar = self.entries
        starts = path * len(self.grid) + bar
        return np.add.reduceat(self.returns.ravel(), starts) if len(starts) else np.zeros(0)

    @cached_property
    def trades(self) -> Ints:
        """Closed trades of every fold, (paths, folds)."""
        path, bar = self.entries
        folds = self.grid.folds
        counts = np.bincount(path * folds + self.grid.fold[bar], minlength=len(self.returns) * folds)
        return counts.reshape(-1, folds)

    @cached_property
    def won(self) -> Ints:
        """Trades that made a profit, (paths,)."""
        return np.bincount(self.entries[0], self.profits > 0.0, len(self.returns)).astype(np.int64)

    @cached_property
    def backtests(self) -> list[Metrics]:
        """Of the last 30 days, one for every path."""
        first, held = self.grid.backtest, self.paths.held[:, self.grid.backtest :]
        equity = np.cumprod(1.0 + self.returns[:, first:], axis=1)
        equity = np.concatenate([np.ones((len(equity), 1)), equity], axis=1)
        peak = np.maximum.accumulate(equity, axis=1)
        late = self.entries[1] >= first
        path, profits = self.entries[0][late], self.profits[late]
        count, gain, loss, won = (
            np.bincount(path, weights, len(equity))
            for weights in (None, np.maximum(profits, 0.0), np.maximum(-profits, 0.0), profits > 0.0)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            factor, rate = gain / loss, won / count
        columns = {
            "total_return": equity[:, -1] - 1.0,
            "max_drawdown": np.max((peak - equity) / peak, axis=1),
            "profit_factor": factor,
            "win_rate": rate,
            "exposure": np.abs(held).mean(axis=1),
            "time_in_market": (held != 0.0).mean(axis=1),
            "min_equity": equity.min(axis=1),
        }
        rest = {"sharpe": math.nan, "sharpe_annualised": math.nan, "turnover": math.nan}
        return [
            Metrics(
                **{name: float(column[path]) for name, column in columns.items()},
                **rest,
                closed_trades=int(count[path]),
                bars=held.shape[1],
                bars_per_year=self.grid.per_year,
            )
            for path in range(len(equity))
        ]

    def results(self, path: int) -> list[FoldResult]:
        """Of every fold of one model."""
        bars = np.diff(self.grid.bounds)
        return [
            FoldResult(float(total), float(sharpe), int(count), self.grid.per_year)
            for total, sharpe, count in zip(self.totals[path], self.sharpes[path], bars, strict=True)
        ]

    def attributions(self, path: int) -> list[FoldAttribution]:
        """Of every fold of one model."""
        made, bounds = self.paths, self.grid.bounds
        rows = (self.returns, made.carried, made.held, made.gap, made.move)
        found = []
        for fold in range(self.grid.folds):
            part = slice(bounds[fold], bounds[fold + 1])
            paid = made.costs[path, part]
            returns, carried, held, gap, move = (row[path, part] for row in rows)
            fees = paid * self.fee_share
            bars = BarAttribution(returns, carried, held, gap, move, fees, paid - fees)
            places = DayPlaces(self.grid.places.days[part], self.grid.places.slots[part])
            trades = int(self.trades[path, fold])
            found.append(FoldAttribution(f"{fold:02}", "out-of-sample", trades, math.nan, bars, places))
        return found
