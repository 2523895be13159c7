"""What an account writes into its books: fills, round trips, and why an order was not executed."""

from __future__ import annotations

from typing import Literal, NamedTuple

# Why an order was not executed; the words of Trajectory.refused.
BELOW_MINIMUM = "below_minimum"
INSUFFICIENT_CASH = "insufficient_cash"
POSITION_CAP = "position_cap"
SHORT_NOT_ALLOWED = "short_not_allowed"
CUT_TO_CAP = "cut_to_cap"  # executed, but for less than the policy asked
LOW_CONFIDENCE = "low_confidence"  # no order: no action was as probable as the rules ask

Cause = Literal["order", "stop_loss", "take_profit"]


class Fill(NamedTuple):
    """One executed order.

    Attributes:
        row: bar at whose open it was filled (within which, for a stop or a target; at whose close, for the final
            liquidation), counted in the window.
        side: what was done.
        quantity: units, positive.
        price: USD, slippage included.
        fee: USD.
        cause: a stop or a target of the rules, or else an order: of the policy, or what the end and a ruin bring about.
    """

    row: int
    side: Literal["buy", "sell"]
    quantity: float
    price: float
    fee: float
    cause: Cause = "order"


class Trade(NamedTuple):
    """One round trip from flat to flat, whatever was added or taken off in between.

    Attributes:
        entry_row: bar of the first fill, counted in the window.
        exit_row: bar of the last fill.
        side: direction of the position.
        quantity: largest position held, units, positive.
        pnl: cash that came out of the trade less cash that went in, after all costs, USD.
        costs: fees plus slippage, USD.
    """

    entry_row: int
    exit_row: int
    side: Literal["long", "short"]
    quantity: float
    pnl: float
    costs: float
