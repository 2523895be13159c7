"""Bar by bar through a period: what was decided from what was really held, what was sent, and what it was worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelgate.core.backtest.account import Account, account_features
from pytest_modelgate.core.policy.actions import NO_ACTION, action_name
from pytest_modelgate.core.watching.account_equity import AccountEquity, AccountShare
from pytest_modelgate.core.watching.attribution import Chain, Owned
from pytest_modelgate.core.watching.evidence import WatchedOrder
from pytest_modelgate.core.watching.fills import NetFill, of_chains
from pytest_modelgate.core.watching.market import RawMarket
from pytest_modelgate.core.watching.matching import (
    Decision,
    Sent,
    compare,
    compare_exit,
    explain,
    foreign_order,
    journal_of,
)
from pytest_modelgate.core.watching.period import Period, by_bar
from pytest_modelgate.core.watching.records import NANOSECONDS, TraderMap
from pytest_modelgate.core.watching.sub_account import SubAccount

if TYPE_CHECKING:
    from pytest_modelgate.core.watching.measuring import WatchSubject

_APART = 1e-3  # relative: what highs and lows of two feeds differ by
_SILENT = 3  # orders in a row that are missing
UNSURE = "NONE"
"""Name of no action: none was sure enough."""


@dataclass
class Walk:
    """What a walk found.

    Attributes:
        orders: oldest first.
        curve: equity of the sub-account at the closes of the period, the first 1.
        actions: how often each was decided, by name.
    """

    orders: list[WatchedOrder] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)


class Walker:
    """Walks a model's sub-account through a period.

    Args:
        fills: all in its symbol.
        capital: USD that the sub-account starts with.
        account: what sizes refer to where the model shares the account; None where it has one of its own.
    """

    def __init__(
        self,
        subject: WatchSubject,
        market: RawMarket,
        period: Period,
        owned: Owned,
        *,
        fills: Sequence[NetFill],
        told: TraderMap,
        capital: float,
        account: AccountEquity | None = None,
    ) -> None:
        self._subject, self._market, self._period, self._told = subject, market, period, told
        price = float(market.closes[period.first])
        self._sub = SubAccount(subject.candidate.rules, capital, period.held, price)
        self._capital, self._account = capital, account
        self._share = AccountShare(self._sub.account) if account else None
        self._seen = self._share.account if self._share else self._sub.account  # by the policy
        self._worth = list[float]()  # of the sub-account, USD at every close so far
        self._own, self._foreign = (by_bar(chains, market, period.first) for chains in (owned.own, owned.foreign))
        self._fills = of_chains(fills, owned.own)
        self._journal = journal_of(told.journal, subject.model.id, subject.model.sha256)
        self._choose = _chooser(subject, period)

    def walk(self) -> Walk:
        """Go through all bars of the period."""
        found, first, last = Walk(), self._period.first, self._period.last
        pending = [fill for fill in self._fills if fill.at >= self._market.ends[first]]
        for row in range(first, last + 1):
            if row > first and self._market.splits[row] != 1.0:
                self._sub.split(float(self._market.splits[row]))
            while pending and pending[0].at < self._market.ends[row]:
                fill = pending.pop(0)
                self._sub.book(fill.quantity, fill.price, fill.coin, fill.usd)
            self._mark(row)
            found.curve.append(self._seen.equity / self._capital)
            if row < last:
                found.orders += self._bar(row, found.actions)
        return found

    def _mark(self, row: int) -> None:
        """Value the model's part at a bar's close."""
        close = float(self._market.closes[row])
        self._sub.account.mark(close)
        self._worth.append(self._sub.account.equity)
        if self._share:
            self._share.mark(close, self._sizes_refer_to(row))

    def _sizes_refer_to(self, row: int) -> float:
        """USD at a bar's close: of a shared account what was known last, and what the model made since."""
        equity, first = self._sub.account.equity, self._period.first
        known = self._account.last(int(self._market.ends[row])) if self._account else None
        if known is None:
            return equity
        at, usd = known
        made = equity - self._worth[max(0, self._market.row_of(at) - first)]
        return usd + made if usd + made > 0.0 else usd

    def _bar(self, row: int, actions: Counter[str]) -> list[WatchedOrder]:
        """Everything expected or sent from a bar's close to the next one's."""
        decision = self._decide(row)
        actions[decision.action] += 1
        chains = self._own.get(row, ())
        main, exits = self._apart(decision, chains)
        orders = [compare(decision, self._sent(main)), self._exit(decision, main, exits)]
        orders += [foreign_order(decision, chain) for chain in self._foreign.get(row, ())]
        line, model = self._journal.get(decision.bar), self._subject.model.id
        return [explain(order, decision, model, line, self._told) for order in orders if order is not None]

    def _decide(self, row: int) -> Decision:
        account, close, or_else = self._sub.account, float(self._market.closes[row]), None
        equity = self._sizes_refer_to(row)
        if self._seen.equity <= 0.0:
            action, quantity = NO_ACTION, -account.quantity
        else:
            action = self._choose(row, self._seen)
            meaning = None if action == NO_ACTION else self._subject.candidate.policy.actions[action]
            if meaning is not None and self._sub.all_but_flat:
                or_else = self._sub.order(meaning, close, equity, flat=True)
            quantity = 0.0 if meaning is None else self._sub.order(meaning, close, equity)
        return Decision(
            bar=int(self._market.starts[row]) // NANOSECONDS,
            action=UNSURE if action == NO_ACTION else action_name(self._subject.candidate.policy.actions[action]),
            quantity=quantity,
            close=close,
            next_open=float(self._market.opens[row + 1]),
            equity=equity,
            late=self._market.late(row),
            or_else=or_else,
            dust=self._sub.dust,
        )

    def _apart(self, decision: Decision, chains: Sequence[Chain]) -> tuple[tuple[Chain, ...], tuple[Chain, ...]]:
        """Orders of the decision, and those that left the position within the bar: legs, and by rules orders, too."""
        legs = tuple(chain for chain in chains if chain.leg)
        main = tuple(chain for chain in chains if not chain.leg)
        if not self._subject.candidate.rules.exits_within_bars or not main:
            return main, legs
        held = self._sub.account.quantity
        wanted = decision.quantity
        if wanted == 0.0:
            leaving = all(chain.sign * held < 0.0 for chain in main) and held != 0.0
            return ((), main + legs) if leaving and self._reached(held, decision)[0] else (main, legs)
        first_other = next((n for n, chain in enumerate(main) if n and chain.sign != main[0].sign), len(main))
        return main[:first_other], main[first_other:] + legs

    def _exit(self, decision: Decision, main: Sequence[Chain], exits: Sequence[Chain]) -> WatchedOrder | None:
        """What the profile's stop or target asks for within the next bar, against what was done."""
        sent = self._sent(exits)
        held = self._sub.account.quantity + sum(fill.net for fill in self._sent(main).fills)
        if not self._subject.candidate.rules.exits_within_bars:
            return compare_exit(decision, held, sent, "", certain=False)
        cause, certain = self._reached(held, decision)
        return compare_exit(decision, held, sent, cause, certain=certain)

    def _reached(self, held: float, decision: Decision) -> tuple[str, bool]:
        """Whether the next bar reaches the stop or the target of a position, and whether beyond doubt."""
        row = int(self._market.starts.searchsorted(decision.bar * NANOSECONDS)) + 1
        rules, entry = self._subject.candidate.rules, self._sub.account.entry_price
        if held == 0.0:
            return "", False
        if self._sub.account.quantity == 0.0:
            entry = decision.next_open
        side, low, high = (1.0 if held > 0.0 else -1.0), float(self._market.lows[row]), float(self._market.highs[row])
        worst, best = (low, high) if held > 0.0 else (high, low)
        for cause, level, price, way in (
            ("stop_loss", rules.stop_loss, worst, -side),
            ("take_profit", rules.take_profit, best, side),
        ):
            target = entry * (1.0 + way * level)
            beyond = way * (price / target - 1.0)
            if level > 0.0 and beyond >= -_APART:
                return cause, beyond >= _APART
        return "", False

    def _sent(self, chains: Sequence[Chain]) -> Sent:
        return Sent(tuple(chains), tuple(of_chains(self._fills, chains)))


def _chooser(subject: WatchSubject, period: Period) -> Callable[[int, Account], int]:
    """The policy's certified action at a row, from what its account really is where it reads that."""
    candidate, rows = subject.candidate, slice(period.first, period.last)
    features = candidate.policy.account
    if subject.account == "neutral" or not features:
        known = candidate.neutral_actions(rows).tolist()
        return lambda row, _: int(known[row - rows.start])
    ask = candidate.ask(rows)
    return lambda row, account: ask(np.array([row]), np.array([account_features(account, features)]))[0]


def outage_bars(orders: Sequence[WatchedOrder], rows: Mapping[int, int]) -> int:
    """Bars over which three and more expected orders in a row were not sent.

    Args:
        rows: of every bar's start.
    """
    bars, run = 0, list[int]()
    for order in [*orders, None]:
        if order is not None and order.outcome == "missing":
            run.append(rows[order.bar])
            continue
        if len(run) >= _SILENT:
            bars += run[-1] - run[0] + 1
        run = []
    return bars
