"""Accounting over 8,760 bars against backtesting.py and vectorbt: the same orders, and the same equity at every bar.

Slippage is 0, since backtesting.py takes it on entries only, and the account ends flat, since each closes an open
position in its own way. Ours decides the orders' sizes as it goes; the others are given them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rows import Row, make_row, medians, not_measured

from pytest_modelgate.core.backtest.known_actions import simulate_known
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.market.bars import COLUMNS, Bars, Instrument, Timeframe
from pytest_modelgate.core.policy.actions import HALF_ORDERS

BARS, CAPITAL, FEE, UNIT = 8760, 100_000.0, 0.0025, 1e-8
_RULES = TradingRules(FEE, 0.0, 0.10, 0.05, 0.50, 1.0, can_short=False)
_NAMES = ("accounting, 8,760 bars, against backtesting.py", "accounting, 8,760 bars, against vectorbt")


def rows() -> list[Row]:
    """Both comparisons."""
    bars, actions = market()
    ours = trade(bars, actions)
    measured = []
    sides = ((backtesting_py, "its run() includes its statistics"), (vectorbt, "from_orders() and value(), compiled"))
    for name, (make, said) in zip(_NAMES, sides, strict=True):
        try:
            run = make(bars, ours)
        except ImportError as error:
            measured.append(not_measured(name, f"{error}; it comes with the dependency group bench"))
            continue
        apart = float(np.max(np.abs(run() / ours.equity[1:] - 1.0)))
        if apart > 1e-9:
            measured.append(not_measured(name, f"its equity differs by {apart:.1e}"))
            continue
        mine, theirs = medians(9, lambda: trade(bars, actions), run)
        note = f"{len(ours.fills)} fills, equity equal to {apart:.0e}; {said}"
        measured.append(make_row(name, "s", mine, opponent=theirs, note=note))
    return measured


def market() -> tuple[Bars, list[int]]:
    """A year of hours, and what is decided at each; flat long before the end."""
    rng = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.008, BARS)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0.0, 0.001, BARS))
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    frame = pd.DataFrame(dict(zip(COLUMNS, (opened, high, low, close, np.ones(BARS)), strict=True)))
    frame.index = pd.date_range("2023-01-01", periods=BARS, freq="h", tz="UTC", unit="ns")
    actions = rng.choice(3, BARS, p=[0.6, 0.2, 0.2])
    actions[0], actions[-60:] = 0, 0
    actions[-60:-20] = 2  # SELL until nothing is left
    return Bars(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, frame), actions.tolist()


def trade(bars: Bars, actions: list[int]) -> Trajectory:
    """Ours, of bars that are checked anew, and of which nothing is kept from before."""
    return simulate_known(replace(bars), actions, HALF_ORDERS, _RULES, CAPITAL)


def orders(bars: Bars, ours: Trajectory) -> NDArray[np.float64]:
    """Signed quantity that ours filled at each bar's open."""
    filled = np.zeros(len(bars))
    for fill in ours.fills:
        filled[fill.row] += fill.quantity if fill.side == "buy" else -fill.quantity
    assert abs(filled.sum()) < 1e-9
    return filled


def backtesting_py(bars: Bars, ours: Trajectory) -> Callable[[], Any]:
    """Its equity at each close."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy
    import backtesting

    backtesting._tqdm = lambda steps, **_: steps  # noqa: SLF001 - its progress bar is not the point
    units = np.rint(orders(bars, ours) / UNIT).astype(np.int64).tolist()
    data = bars.frame.rename(columns=str.capitalize)
    data[["Open", "High", "Low", "Close"]] *= UNIT  # it takes whole units only

    class Given(Strategy):  # type: ignore[misc]  # it publishes no types
        def init(self) -> None:
            pass

        def next(self) -> None:
            row = len(self.data)  # orders of this close are filled at the open of this row
            if row < len(units) and units[row]:
                (self.buy if units[row] > 0 else self.sell)(size=abs(units[row]))

    def run() -> Any:  # noqa: ANN401 - an array
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            test = Backtest(data, Given, cash=CAPITAL, commission=FEE, exclusive_orders=False)
            return test.run()["_equity_curve"]["Equity"].to_numpy()

    return run


def vectorbt(bars: Bars, ours: Trajectory) -> Callable[[], Any]:
    """Its equity at each close; compiled before it is timed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vectorbt as vbt
    size = orders(bars, ours)

    def run() -> Any:  # noqa: ANN401 - an array
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            portfolio = vbt.Portfolio.from_orders(
                bars.frame["close"], size=size, price=bars.frame["open"], fees=FEE, init_cash=CAPITAL, freq="1h"
            )
            return portfolio.value().to_numpy()

    return run
