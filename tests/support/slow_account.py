"""Accounting by docs/simulation.md in exact arithmetic, one bar after the other: what the real one must show."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from support.simulation_cases import CAPITAL, WatchedCase

from pytest_modelgate.core.policy.actions import Order, Target


@dataclass
class SlowAccount:
    """One window; ``fills`` are row, cause, and the market's price before slippage."""

    case: WatchedCase
    cash: Fraction = Fraction(CAPITAL)
    held: Fraction = Fraction(0)
    entry: Fraction = Fraction(0)
    kept: float | None = None
    equity: list[float] = field(default_factory=lambda: [CAPITAL])
    fills: list[tuple[int, str, float]] = field(default_factory=list)

    def run(self) -> SlowAccount:
        pending, ruined = Fraction(0), False
        for row in range(self.case.n):
            opened, high, low, close = (Fraction(self.case.bars.frame[name].iloc[row]) for name in _PRICES)
            self.trade(row, pending, opened, "order")
            self.within(row, opened, high, low)
            if row == self.case.n - 1:
                self.trade(row, -self.held, close, "order")
            worth = self.cash + self.held * close
            self.equity.append(float(worth))
            ruined = ruined or worth <= 0
            meaning = self.case.meanings[self.case.actions[row]]
            if ruined:
                pending = -self.held
            elif isinstance(meaning, Target):
                pending = self.towards(meaning.exposure, worth, close)
            else:
                pending = self.ordered(meaning, worth, close)
        return self

    def trade(self, row: int, quantity: Fraction, market: Fraction, cause: str) -> None:
        rules = self.case.rules
        price = market * (1 + (1 if quantity > 0 else -1) * Fraction(rules.slippage))
        cost = quantity * price + abs(quantity) * price * Fraction(rules.fee)
        if quantity == 0:
            return
        if quantity > 0 and self.held >= 0 and cost > self.cash:
            self.kept = None
            return
        if self.held * quantity >= 0:
            self.entry = (self.entry * self.held + price * quantity) / (self.held + quantity)
        self.cash, self.held = self.cash - cost, self.held + quantity
        self.fills.append((row, cause, float(market)))

    def within(self, row: int, opened: Fraction, high: Fraction, low: Fraction) -> None:
        stop, gain = Fraction(self.case.rules.stop_loss), Fraction(self.case.rules.take_profit)
        if self.held > 0:
            if stop and low <= self.entry * (1 - stop):
                self.trade(row, -self.held, min(opened, self.entry * (1 - stop)), "stop_loss")
            elif gain and high >= self.entry * (1 + gain):
                self.trade(row, -self.held, self.entry * (1 + gain), "take_profit")
        elif self.held < 0:
            if stop and high >= self.entry * (1 + stop):
                self.trade(row, -self.held, max(opened, self.entry * (1 + stop)), "stop_loss")
            elif gain and low <= self.entry * (1 - gain):
                self.trade(row, -self.held, self.entry * (1 - gain), "take_profit")

    def ordered(self, order: Order, worth: Fraction, close: Fraction) -> Fraction:
        rules, sign = self.case.rules, 1 if order.size > 0 else -1
        most = Fraction(rules.max_position) * worth
        if order.size == 0:
            return Fraction(0)
        self.kept = None
        notional = abs(Fraction(order.size)) * Fraction(rules.position_size) * (1 - Fraction(rules.cash_buffer)) * worth
        if self.held * sign < 0:
            if abs(self.held) * close - notional < max(Fraction(rules.min_order_usd), Fraction(1, 10**30)):
                return -self.held
        elif (sign < 0 and not rules.can_short) or abs(self.held) * close + notional > most:
            return Fraction(0)
        return sign * notional / close if notional >= rules.min_order_usd else Fraction(0)

    def towards(self, exposure: float, worth: Fraction, close: Fraction) -> Fraction:
        rules, sign, held_value = self.case.rules, 1 if exposure > 0 else -1, abs(self.held) * close
        if exposure == 0 or self.held * sign < 0:
            self.kept = exposure
            return -self.held
        if self.held != 0 and self.kept == exposure:
            return Fraction(0)
        self.kept = exposure
        if sign < 0 and not rules.can_short:
            return Fraction(0)
        wanted = abs(Fraction(exposure)) * worth
        allowed = min(Fraction(rules.max_position), 1 - Fraction(rules.cash_buffer)) * worth
        if wanted > allowed and wanted > held_value:
            if held_value >= allowed:
                return Fraction(0)
            wanted = allowed
        if self.held != 0 and wanted < rules.min_order_usd:
            return -self.held
        if abs(wanted - held_value) < rules.min_order_usd:
            self.kept = None
            return Fraction(0)
        return sign * wanted / close - self.held


_PRICES = ("open", "high", "low", "close")
