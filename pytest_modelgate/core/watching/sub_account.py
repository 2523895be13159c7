"""The model's part of an account: cash, position and books as its own real fills made them."""

from __future__ import annotations

from typing import Literal

from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.backtest.fills import Trade
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.policy.actions import Action

_DUST = 0.005  # share of a position that fees in kind leave, and nobody sells
_ROUNDING = 1e-9  # relative


class SubAccount:
    """An account to whose books real fills are put, so that ``Account.order`` answers from what is really held.

    Args:
        rules: of the model.
        capital: USD that it starts with.
        held: units of them at ``price`` (USD), all but none.
    """

    def __init__(self, rules: TradingRules, capital: float, held: float = 0.0, price: float = 0.0) -> None:
        self.account: Account = Account(rules, capital)
        self.account.cash -= held * price
        self.account.quantity = held
        self._largest = self._flow = 0.0
        self._most = abs(held) / _DUST
        self._open = False

    def book(self, quantity: float, price: float, coin: float, usd: float) -> None:
        """A fill.

        Args:
            quantity: units, signed, gross of what was taken in kind.
            price: USD.
            coin, usd: fees in kind and in USD, not negative.
        """
        account = self.account
        held, paid = account.quantity, quantity * price + usd
        left = held + quantity - coin
        if abs(left) < _ROUNDING * max(self._most, abs(held)):
            left = 0.0
        account.cash -= paid
        account.quantity = left
        self._flow -= paid
        if held == 0.0 or held * left < 0.0:
            account.entry_price = price
        elif abs(left) > abs(held):
            account.entry_price = (account.entry_price * held + price * (left - held)) / left
        if self._open and (held * left < 0.0 or abs(left) <= _DUST * self._largest):
            self._close("long" if held > 0.0 else "short")
        self._open |= abs(left) > abs(held) or held * left < 0.0
        self._largest, self._most = max(self._largest, abs(left)), max(self._most, abs(left))

    def order(self, action: Action, close: float, equity: float, *, flat: bool = False) -> float:
        """Units, signed, that an action asks for at a close (USD).

        Args:
            equity: USD that sizes refer to.
            flat: as if nothing were held.
        """
        account = self.account.fork() if flat else self.account  # which remembers the target it was asked for
        books = account.cash, account.quantity
        account.quantity = 0.0 if flat else account.quantity
        account.cash = equity - account.quantity * close
        quantity = account.order(action, close)
        account.cash, account.quantity = books
        return quantity

    def split(self, ratio: float) -> None:
        """So many shares for each that is held."""
        self.account.quantity *= ratio
        self.account.entry_price /= ratio
        self._largest *= ratio
        self._most *= ratio

    @property
    def dust(self) -> float:
        """Units that fees in kind leave in doubt, since none of them is tied to an order."""
        return _DUST * self._most

    @property
    def all_but_flat(self) -> bool:
        """Whether the position is no more than that."""
        return 0.0 < abs(self.account.quantity) <= self.dust

    def _close(self, side: Literal["long", "short"]) -> None:
        account = self.account
        account.trades.append(Trade(0, 0, side, self._largest, self._flow, 0.0))
        account.winning += self._flow > 0.0
        self._largest, self._flow, self._open = 0.0, 0.0, False
