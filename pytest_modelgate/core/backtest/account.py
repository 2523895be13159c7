"""One account: cash, position, costs and the broker's rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Literal

from pytest_modelgate.core.backtest.fills import (
    BELOW_MINIMUM,
    CUT_TO_CAP,
    INSUFFICIENT_CASH,
    POSITION_CAP,
    SHORT_NOT_ALLOWED,
    Cause,
    Fill,
    Trade,
)
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.policy.account_features import AccountFeature
from pytest_modelgate.core.policy.actions import Action, Target
from pytest_modelgate.errors import SettingsError


@dataclass(slots=True)
class Account:
    """Cash and one position, marked at every bar close.

    ``equity == cash + position_value`` after every ``mark``.

    Attributes:
        rules: costs and limits.
        capital: starting cash, USD.
        cash: USD; proceeds of a short sale are credited.
        quantity: units held, negative when short.
        entry_price: average price of what was added to the position, slippage included, USD; where it is needed.
        position_value: signed market value of the position at the last bar close, USD.
        equity: at the last bar close, USD.
        previous_equity: at the bar close before that, USD.
        peak: highest equity so far, the capital included, USD.
        ruined: whether equity was 0 or less at some bar close.
        winning: closed trades with a P&L above 0.
        fills: executed orders, oldest first.
        trades: closed round trips, oldest first.
        refused: reason to number of orders that were not executed.
    """

    rules: TradingRules
    capital: float
    cash: float = field(init=False)
    quantity: float = field(default=0.0, init=False)
    entry_price: float = field(default=0.0, init=False)
    position_value: float = field(default=0.0, init=False)
    equity: float = field(init=False)
    previous_equity: float = field(init=False)
    peak: float = field(init=False)
    ruined: bool = field(default=False, init=False)
    winning: int = field(default=0, init=False)
    fills: list[Fill] = field(default_factory=list, init=False)
    trades: list[Trade] = field(default_factory=list, init=False)
    refused: dict[str, int] = field(default_factory=dict, init=False)
    _target: float = field(default=0.0, init=False)
    _entry: int = field(default=0, init=False)
    _largest: float = field(default=0.0, init=False)
    _cash_flow: float = field(default=0.0, init=False)
    _costs: float = field(default=0.0, init=False)
    _exits: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Start flat.

        Raises:
            SettingsError: the capital is not a positive finite number.
        """
        if not 0.0 < self.capital < math.inf:
            raise SettingsError("capital", f"is {self.capital!r}, expected a positive number", "Set --gate-capital")
        self.cash = self.equity = self.previous_equity = self.peak = self.capital
        self._exits = self.rules.exits_within_bars

    def fork(self) -> Account:
        """The same account, to try something on."""
        other = copy(self)
        other.fills, other.trades, other.refused = self.fills.copy(), self.trades.copy(), self.refused.copy()
        return other

    def order(self, action: Action, price: float) -> float:
        """Size an order by the broker's rules; a refused one is counted.

        Args:
            price: the bar close at which the decision falls, USD; the equity at it is what sizes refer to.

        Returns:
            Signed quantity for ``fill``; 0 when there is nothing to do.
        """
        if isinstance(action, Target):
            return self._towards(action.exposure, price)
        size = action.size
        if size == 0.0:
            return 0.0
        rules, held, self._target = self.rules, self.quantity, math.nan
        equity = self.cash + held * price
        notional = abs(size) * rules.position_size * (1.0 - rules.cash_buffer) * equity
        quantity = notional / price
        if held != 0.0 and (held > 0.0) != (size > 0.0):
            # Closing out is always allowed: what is left below the minimum could never be sold.
            if (abs(held) - quantity) * price < rules.min_order_usd:
                return -held
        elif size < 0.0 and not rules.can_short:
            return self._refuse(SHORT_NOT_ALLOWED)
        elif abs(held) * price + notional > rules.max_position * equity * (1.0 + 1e-9):  # rounding is no excess
            return self._refuse(POSITION_CAP)
        if notional <= 0.0 or notional < rules.min_order_usd:
            return self._refuse(BELOW_MINIMUM)
        return math.copysign(quantity, size)

    def _towards(self, exposure: float, price: float) -> float:
        """Quantity that leads to an exposure; one across zero closes first, and opens when the target is repeated.

        A target that was reached, or cut to the cap, is kept until another action, whatever prices make of the exposure
        meanwhile: traders do not rebalance.
        """
        rules, held = self.rules, self.quantity
        reached, self._target = exposure == self._target, exposure
        if exposure == 0.0 or (held != 0.0 and (held > 0.0) != (exposure > 0.0)):
            return -held
        if reached and held != 0.0:
            return 0.0
        if exposure < 0.0 and not rules.can_short:
            return self._refuse(SHORT_NOT_ALLOWED)
        equity, size = self.cash + held * price, abs(held) * price
        value, most = abs(exposure) * equity, min(rules.max_position, 1.0 - rules.cash_buffer) * equity
        if value > max(most * (1.0 + 1e-9), size):  # rounding is no excess
            self._refuse(CUT_TO_CAP)
            value = max(most, size)  # the cap limits orders: a position that grew beyond it is kept
        if value == size > 0.0:
            return 0.0
        if value < rules.min_order_usd and held != 0.0:  # what is left could never be sold
            return -held
        quantity = math.copysign(value, exposure) / price - held
        if quantity == 0.0 or abs(quantity) * price < rules.min_order_usd:
            self._target = math.nan  # which was not reached
            return self._refuse(BELOW_MINIMUM)
        return quantity

    def fill(self, quantity: float, market: float, row: int, cause: Cause = "order") -> None:
        """Execute an order, with slippage against the trader and the fee on what is really paid.

        Args:
            quantity: signed, as ``order`` returned it; 0 does nothing. It never crosses from long to short.
            market: the bar's price before slippage, USD.
            row, cause: for the books.
        """
        if quantity == 0.0:
            return
        rules, held, buys = self.rules, self.quantity, quantity > 0.0
        price = market * (1.0 + rules.slippage if buys else 1.0 - rules.slippage)
        paid = quantity * price
        fee = abs(paid) * rules.fee
        total = paid + fee
        # Covering a short is exempt: no broker lets it run because the cash for it is short.
        if buys and held >= 0.0 and total > self.cash:
            self._refuse(INSUFFICIENT_CASH)
            self._target = math.nan  # which was not reached
            return
        if held == 0.0:
            self._entry, self._largest, self._cash_flow, self._costs = row, 0.0, 0.0, 0.0
        self.quantity = left = held + quantity
        if self._exits and abs(left) > abs(held):
            self.entry_price = (self.entry_price * held + paid) / left if held else price
        self.cash -= total
        self._cash_flow -= total
        size = abs(quantity)
        self.fills.append(Fill(row, "buy" if buys else "sell", size, price, fee, cause))
        self._costs += fee + size * abs(price - market)
        self._largest = max(self._largest, abs(left))
        if left == 0.0:
            side: Literal["long", "short"] = "long" if held > 0.0 else "short"
            self.trades.append(Trade(self._entry, row, side, self._largest, self._cash_flow, self._costs))
            self.winning += self._cash_flow > 0.0

    def leave(self, opened: float, high: float, low: float, row: int) -> None:
        """Close the position where the bar reaches its stop or its target; at its stop where it reaches both.

        A stop is filled at its level, or at the open where that lies beyond it; a target at its level, never better.

        Call it when orders were filled at the open. Prices are USD.
        """
        held, rules = self.quantity, self.rules
        if held == 0.0:
            return
        entry, long = self.entry_price, held > 0.0
        worst, best, side = (low, high, 1.0) if long else (high, low, -1.0)
        stop, target = entry * (1.0 - side * rules.stop_loss), entry * (1.0 + side * rules.take_profit)
        if rules.stop_loss > 0.0 and side * worst <= side * stop:
            self.fill(-held, min(opened, stop) if long else max(opened, stop), row, "stop_loss")
        elif rules.take_profit > 0.0 and side * best >= side * target:
            self.fill(-held, target, row, "take_profit")

    def mark(self, close: float) -> None:
        """Value the account at a bar close (USD)."""
        self.previous_equity = self.equity
        self.position_value = value = self.quantity * close
        self.equity = equity = self.cash + value
        self.peak = max(self.peak, equity)
        if equity <= 0.0:
            self.ruined = True

    def _refuse(self, reason: str) -> float:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        return 0.0


def account_features(account: Account, features: Sequence[AccountFeature]) -> tuple[float, ...]:
    """Account features that a policy trained on the real account sees, at the last bar close.

    Call it while equity is positive, as ``simulate`` does.
    """
    return tuple(feature.encoding.encode(_MEASURES[feature.name](account, feature)) for feature in features)


def _win_rate(account: Account, _: AccountFeature) -> float:
    closed = len(account.trades)
    return account.winning / closed if closed else 0.5


def _change(account: Account, _: AccountFeature) -> float:
    return account.equity / account.capital - 1.0


def _available(account: Account, feature: AccountFeature) -> float:
    """Cash over equity, without the part of the starting capital that the trainer keeps in reserve."""
    reserve = (1.0 - feature.encoding.decode(feature.neutral)) * account.capital
    return min(1.0, max(0.0, (account.cash - reserve) / account.equity))


def _sign(account: Account, _: AccountFeature) -> float:
    return float((account.quantity > 0.0) - (account.quantity < 0.0))


_MEASURES: dict[str, Callable[[Account, AccountFeature], float]] = {
    "pnl": _change,
    "win_rate": _win_rate,
    "drawdown": lambda account, _: (account.peak - account.equity) / account.peak,
    "position": lambda account, _: account.position_value / account.equity,
    "position_sign": _sign,
    "available_capital": _available,
    "account_change": _change,
    "last_change": lambda account, _: account.equity / account.previous_equity - 1.0,
}
