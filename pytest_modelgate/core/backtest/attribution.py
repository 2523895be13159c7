"""Positions and earnings at every bar: the figures that proofs are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.typing import Floats


@dataclass(frozen=True, eq=False)
class BarAttribution:
    """One or several windows bar by bar, n bars, every array (n,).

    All shares are fractions of the equity at the close before the bar, and

        returns == overnight_weight * overnight_return + intraday_weight * intraday_return - forgone - fees - slippage

    up to rounding: a position carried over the gap earns the gap, one held during the bar earns the bar's move, or as
    much of it as came before a stop or a target.

    Attributes:
        returns: of the account, after costs; from the close before to the bar's close.
        overnight_weight: signed value of the position at the close before.
        intraday_weight: signed value, at the bar's open, of the position after the fill there.
        overnight_return: of the market, from the close before to the open, which is the price orders are filled at:
            the session's where an hour began before it.
        intraday_return: of the market, from there to the close.
        fees, slippage: what was paid, not negative.
        forgone: what the position would have earned from a stop or a target in the bar to the bar's close; 0 without.
    """

    returns: Floats
    overnight_weight: Floats
    intraday_weight: Floats
    overnight_return: Floats
    intraday_return: Floats
    fees: Floats
    slippage: Floats
    forgone: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """Nothing is forgone where nothing is said of it."""
        if len(self.forgone) == 0:
            object.__setattr__(self, "forgone", np.zeros(len(self.returns)))

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def gross(self) -> Floats:
        """Returns before costs."""
        return self.held_to_close - self.forgone

    @property
    def held_to_close(self) -> Floats:
        """Returns before costs, had the positions of stopped bars been held to the close: what timing alone earns."""
        return self.overnight_weight * self.overnight_return + self.intraday_weight * self.intraday_return

    @property
    def market(self) -> Floats:
        """Returns of the market from close to close."""
        return (1.0 + self.overnight_return) * (1.0 + self.intraday_return) - 1.0

    @property
    def held(self) -> NDArray[np.bool_]:
        """Bars at which there was a position or a fill."""
        paid = self.fees + self.slippage
        return np.asarray((self.overnight_weight != 0.0) | (self.intraday_weight != 0.0) | (paid != 0.0))

    def without(self, bars: NDArray[np.bool_]) -> BarAttribution:
        """The same as if nothing had been held, paid or moved at some bars (n,)."""
        return BarAttribution(*(np.where(bars, 0.0, getattr(self, field.name)) for field in fields(BarAttribution)))

    def total_return(self, fees: float = 1.0, slippage: float = 1.0) -> float:
        """Compounded return, a fraction, had fees and slippage been these multiples of what they were.

        Orders keep their size relative to equity, so the result differs from a simulation anew only by what those
        round. Nothing comes back from a ruin.
        """
        extra = (fees - 1.0) * self.fees + (slippage - 1.0) * self.slippage
        return float(np.prod(np.maximum(0.0, 1.0 + self.returns - extra)) - 1.0)


def concatenate(attributions: Sequence[BarAttribution]) -> BarAttribution:
    """Windows one after the other, in the order given."""
    names = [field.name for field in fields(BarAttribution)]
    return BarAttribution(
        **{name: np.concatenate([getattr(attribution, name) for attribution in attributions]) for name in names}
    )


def attribute(trajectory: Trajectory, bars: Bars, close_before: float, rules: TradingRules) -> BarAttribution:
    """Attribute what a simulated window earned to its bars.

    Args:
        trajectory: of the window.
        bars: the bars of the window.
        close_before: close of the bar before the window, USD.
        rules: what it was simulated with.
    """
    opens, closes = map(np.array, bars.quotes)
    before = np.concatenate([[close_before], closes[:-1]])
    equity = np.where(trajectory.equity > 0.0, trajectory.equity, np.inf)  # of a ruined account nothing has a share
    fees, slippage, forgone = np.zeros(len(bars)), np.zeros(len(bars)), np.zeros(len(bars))
    for fill in trajectory.fills:
        worse = rules.slippage / (1.0 + rules.slippage if fill.side == "buy" else 1.0 - rules.slippage)
        fees[fill.row] += fill.fee
        slippage[fill.row] += fill.quantity * fill.price * worse
        if fill.cause != "order":
            level = fill.price * (1.0 - worse if fill.side == "buy" else 1.0 + worse)
            forgone[fill.row] = trajectory.quantity[fill.row] * (closes[fill.row] - level)
    ruined = ~(trajectory.equity[:-1] > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.where(ruined, 0.0, trajectory.equity[1:] / trajectory.equity[:-1] - 1.0)
    return BarAttribution(
        returns=returns,
        overnight_weight=np.concatenate([[0.0], trajectory.position_value[:-1] / equity[1:-1]]),
        intraday_weight=trajectory.quantity * opens / equity[:-1],
        overnight_return=opens / before - 1.0,
        intraday_return=closes / opens - 1.0,
        fees=fees / equity[:-1],
        slippage=slippage / equity[:-1],
        forgone=forgone / equity[:-1],
    )
