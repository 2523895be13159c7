"""The four training metrics of one validation run, for trainers that have no definitions of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pytest_modelgate.core.backtest.metrics import profit_factor
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import SettingsError

PERIODS = 10
MOST_PROFIT_FACTOR = 10.0  # archives hold finite numbers, and no profile asks for more


def validation_metrics(equity: ArrayLike, trades: Sequence[float], *, periods: int = PERIODS) -> dict[str, float]:
    """Measure one validation run: what ``ModelArtifact.history`` holds of each validation.

    The run is cut into ``periods`` stretches of equal length, up to a bar; a period's return is its last equity over
    its first, less 1. From these:

    - ``fitness_score`` = tanh(t / 2), with t the mean of the periods' returns over its standard error: the one-sample
      t statistic (Student 1908), squeezed into -1 to 1. 0.50, which REVIEW of profile 2.4.5 asks for, is t = 1.1; 0.70,
      which APPROVED asks for, t = 1.7. Where all periods return the same, it is the sign of that.
    - ``consistency``: share of periods that did not lose; 0 without a trade.
    - ``profit_factor``: gross profit over gross loss of the trades, 10 at most, and where none lost; 0 where none won.
    - ``max_drawdown``: largest (peak - equity) / peak. The known trainer reports a proxy made of rewards instead,
      mostly five to ten times as large: the profile's limit on this one is easily kept.

    Once equity is 0 or less it stays 0: every later period returns -1. A run with equity that is not finite gives NaN
    for all four, as a training that diverged; the gate drops such a model.

    Args:
        equity: (n + 1,) USD or any unit, at the start and at each of n bars, positions marked to the market.
        trades: profit or loss of every closed trade after costs, in the same unit.
        periods: at least 2, at most n.

    Returns:
        The metrics by name.

    Raises:
        SettingsError: equity is not one series of at least ``periods`` + 1 numbers, or does not start above 0, or a
            trade is not a finite number.
    """
    curve = _curve(equity, periods)
    profits = [float(pnl) for pnl in trades]
    if not np.isfinite(curve).all():
        return dict.fromkeys(("fitness_score", "profit_factor", "consistency", "max_drawdown"), math.nan)
    if not all(map(math.isfinite, profits)):
        raise SettingsError("validation_metrics: trades", "one is not a finite number", "Pass profits after costs")
    alive = np.where(np.minimum.accumulate(curve) > 0.0, curve, 0.0)
    marks = alive[np.linspace(0, len(alive) - 1, periods + 1).round().astype(int)]
    returns = np.divide(marks[1:], marks[:-1], out=np.zeros(periods), where=marks[:-1] > 0.0) - 1.0
    peak = np.maximum.accumulate(alive)
    factor = profit_factor(profits)
    return {
        "fitness_score": _fitness(returns),
        "profit_factor": 0.0 if math.isnan(factor) else min(factor, MOST_PROFIT_FACTOR),
        "consistency": float(np.mean(returns >= 0.0)) if profits else 0.0,
        "max_drawdown": float(np.max((peak - alive) / peak)),
    }


def _curve(equity: ArrayLike, periods: int) -> Floats:
    where, remedy = "validation_metrics: equity", "Pass the account's value at the start and at every bar"
    try:
        curve = np.asarray(equity, dtype=np.float64)
    except (TypeError, ValueError):
        raise SettingsError(where, "is not a series of numbers", remedy) from None
    if periods < 2:
        raise SettingsError("validation_metrics: periods", f"is {periods}, expected at least 2", "Choose a larger one")
    if curve.ndim != 1 or len(curve) <= periods:
        problem = f"has shape {curve.shape}, expected one series of at least {periods + 1} values"
        raise SettingsError(where, problem, remedy)
    if curve[0] <= 0.0:
        raise SettingsError(where, f"starts at {curve[0]:g}, expected more than 0", remedy)
    return curve


def _fitness(returns: Floats) -> float:
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    if spread <= 1e-12:  # no more than rounding
        return float(np.sign(mean)) if abs(mean) > 1e-12 else 0.0
    return math.tanh(mean / spread * math.sqrt(len(returns)) / 2.0)
