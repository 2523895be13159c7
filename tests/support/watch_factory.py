"""A trader on a made-up account: it trades a model bar by bar, honestly or with a fault, and leaves a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pandas as pd
from support.market_factory import hourly_bars, random_walk
from support.policies import mlp

from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.rules import TradingRules
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.market.bars import Bars, Instrument
from pytest_modelgate.core.policy.actions import NO_ACTION, action_name
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.core.watching.evidence import DayFigures, FeeFigures, WatchedOrder, WatchEvidence
from pytest_modelgate.core.watching.measuring import InForce, WatchSubject, measure_watch
from pytest_modelgate.core.watching.order_ids import order_id
from pytest_modelgate.core.watching.records import (
    NANOSECONDS,
    AccountFee,
    AccountFill,
    AccountRecord,
    JournalLine,
    Order,
    OrderSide,
    Snapshot,
    TraderMap,
)

CRYPTO = TradingRules(0.0025, 0.001, 0.2, 0.05, 0.6, 1.0, can_short=False)
STOCKS = TradingRules(0.0, 0.0005, 0.2, 0.05, 0.6, 1.0, can_short=True)
CAPITAL = 100_000.0
SHA256 = "5e" * 32
SECOND = NANOSECONDS
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def _features(frame: pd.DataFrame) -> pd.DataFrame:
    change = np.log(frame["close"]).diff()
    return pd.DataFrame({"change": 100 * change, "day": 30 * change.rolling(5).sum()})


FEATURES = FeatureSet("two-1", ("change", "day"), 5, _features)


@cache
def market(symbol: str = "BTCUSD", hours: int = 24 * 60, seed: int = 1) -> Bars:
    """Hours around the clock; of a stock the six from 14:00 UTC of every weekday."""
    frame = random_walk("2024-01-01", hours, seed)
    if not symbol.endswith("USD"):
        days = pd.DatetimeIndex(frame.index)
        frame = frame[(days.day_of_week < 5) & (days.hour >= 14) & (days.hour < 20)]
    return hourly_bars(symbol, frame)


def candidate(bars: Bars, rules: TradingRules, *, seed: int = 1, account: int = 0) -> Candidate:
    """A policy that trades at about every third bar."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(6, 4 * (2 + account)))
    policy = mlp([first, rng.normal(size=(3, 6))], [rng.normal(size=6), np.zeros(3)], "tanh", 2, account, 4)
    return Candidate(policy, compute_features(bars, FEATURES), rules)


@dataclass
class Trader:
    """One model's trader.

    Attributes:
        raw: bars as traded; those of the model where None.
        spread: fraction that fills are worse than the open.
        fee: fraction of a coin bought taken in kind, of USD of one sold; ``lag`` until it is posted.
        account: how many account features the policy reads.
        actions: what it decides from ``since_row`` on; by default what it does with a neutral account.
        alter: row and order (signed quantity, 0 for none) to what the trader sends instead, its delay and its parts.
        beside: USD that the rest of the account has gained by a moment; sizes refer to it, too.
    """

    bars: Bars
    rules: TradingRules = CRYPTO
    model: str = "BTCUSD_1Hour"
    seed: int = 1
    raw: Bars | None = None
    spread: float = 0.001
    fee: float = 0.0025
    lag: int = 60 * SECOND
    since_row: int = 240
    last_row: int | None = None
    sha256: str = SHA256
    ids: bool = True
    alter: Callable[[int, float], Sent | float] = field(default=lambda _, quantity: quantity)
    account: int = 0
    actions: Sequence[int] | None = None
    beside: Callable[[int], float] = field(default=lambda _: 0.0)

    def __post_init__(self) -> None:
        self.candidate = candidate(self.bars, self.rules, seed=self.seed, account=self.account)
        self.orders: list[Order] = []
        self.fills: list[AccountFill] = []
        self.fees: list[AccountFee] = []
        self.journal: list[JournalLine] = []
        self.wanted: dict[int, float] = {}
        self.held, self.cash = 0.0, CAPITAL
        self.course: list[tuple[int, float, float, float]] = []  # at, cash, held, equity: at every close

    @property
    def symbol(self) -> str:
        return self.model.partition("_")[0]

    @property
    def in_force(self) -> InForce:
        since = self.bars.index[self.since_row] + pd.Timedelta(minutes=1)
        return InForce(self.model, self.sha256, Instrument.parse(self.symbol), since, "PAPER")

    def trade(self) -> Trader:
        """Go through the bars."""
        traded = self.raw or self.bars
        opens, closes = traded.quotes
        starts, length = self.bars.index.asi8.tolist(), self.bars.timeframe.delta.value
        last = len(starts) - 1 if self.last_row is None else self.last_row
        actions = self.actions or self.candidate.neutral_actions(slice(self.since_row, last)).tolist()
        for row in range(self.since_row, last):
            close = starts[row] + length
            self.course.append((close, self.cash, self.held, self.cash + self.held * closes[row]))
            account = Account(self.rules, CAPITAL)
            account.cash, account.quantity = self.cash + self.beside(close), self.held
            action = actions[row - self.since_row]
            meaning = self.candidate.policy.actions[action]
            quantity = 0.0 if action == NO_ACTION else round(account.order(meaning, closes[row]), 6)
            quantity = quantity if abs(quantity) * closes[row] >= self.rules.min_order_usd else 0.0
            self.wanted[row] = quantity
            sent = self.alter(row, quantity)
            sent = sent if isinstance(sent, Sent) else Sent(sent)
            self.journal.append(
                JournalLine(
                    starts[row] // SECOND,
                    self.model,
                    self.sha256,
                    action_name(meaning),
                    0.5,
                    sent.quantity != 0.0,
                    sent.why,
                    sent.code,
                    None,
                )
            )
            if sent.quantity:
                self._send(row, sent, close, opens[row + 1])
        end = starts[last] + length
        self.course.append((end, self.cash, self.held, self.cash + self.held * closes[last]))
        return self

    def _send(self, row: int, sent: Sent, close: int, opened: float) -> None:
        key, number = f"{self.model}-{row}", len(self.orders)
        side: OrderSide = "buy" if sent.quantity > 0.0 else "sell"
        price = opened * (1.0 + self.spread * (1.0 if side == "buy" else -1.0))
        units = abs(sent.quantity)
        filled = units * sent.filled
        at = close + sent.delay + SECOND
        told = order_id(self.model, self.sha256, int(self.bars.index[row].timestamp()))
        for part in range(sent.parts if filled else 0):
            self.fill(key, side, filled / sent.parts, price, at + part * SECOND)
        self.orders.append(
            Order(
                key,
                told if self.ids else f"other-{number}",
                self.symbol,
                side,
                None if sent.notional else units,
                units * opened if sent.notional else None,
                close + sent.delay,
                at + sent.parts * SECOND,
                sent.status,
                filled,
                price if filled else None,
            )
        )

    def fill(self, order: str, side: OrderSide, units: float, price: float, at: int) -> None:
        """One fill, and its fee."""
        key = f"{order}/{len(self.fills)}"
        self.fills.append(AccountFill(key, order, self.symbol, side, units, price, at))
        sign = 1.0 if side == "buy" else -1.0
        self.held = round(self.held + sign * units, 6)
        self.cash -= sign * units * price
        if not self.fee:
            return
        coin, usd = (round(self.fee * units, 6), 0.0) if side == "buy" else (0.0, self.fee * units * price)
        self.held, self.cash = round(self.held - coin, 6), self.cash - usd
        self.held = self.held if abs(self.held) * price >= self.rules.min_order_usd else 0.0
        self.fees.append(AccountFee(f"fee-{key}", "CFEE", self.symbol, coin, usd, price, at + self.lag))

    def record(self, **changes: object) -> AccountRecord:
        """What is on record of the account when this trader alone trades it."""
        return record_of([self], **changes)

    def subject(self, **changes: object) -> WatchSubject:
        """The model in front of its market."""
        last = len(self.bars) - 1 if self.last_row is None else self.last_row
        as_of = self.bars.index[last] + self.bars.timeframe.delta
        fresh = candidate(self.bars, self.rules, seed=self.seed, account=self.account)
        made = WatchSubject(self.in_force, fresh, self.raw, "neutral", CAPITAL, as_of)
        return replace(made, **changes)  # type: ignore[arg-type]

    def measure(self, told: TraderMap | None = None, **changes: object) -> WatchEvidence:
        """The evidence of its record."""
        return measure_watch(self.subject(), [], self.record(**changes), told or TraderMap())


@dataclass(frozen=True)
class Sent:
    """What is sent: signed units, nanoseconds after the close, the share that is filled, in so many parts."""

    quantity: float
    delay: int = 2 * SECOND
    filled: float = 1.0
    parts: int = 1
    status: str = "filled"
    notional: bool = False
    why: str = ""
    code: int | None = None


def record_of(traders: Sequence[Trader], **changes: object) -> AccountRecord:
    """What is on record of an account that some trade: hours by their beginnings, snapshots once a day."""
    one, courses = traders[0], [trader.course for trader in traders]
    begin, end = one.course[0][0], one.course[-1][0]
    worth = [CAPITAL + sum(state[3] - CAPITAL for state in states) for states in zip(*courses, strict=True)]
    snapshots = []
    for place in [*range(0, len(one.course) - 1, 24), len(one.course) - 1]:
        states = [course[place] for course in courses]
        positions: dict[str, float] = {}
        for trader, state in zip(traders, states, strict=True):
            positions[trader.symbol] = positions.get(trader.symbol, 0.0) + state[2]
        cash = CAPITAL + sum(state[1] - CAPITAL for state in states)
        snapshots.append(Snapshot(states[0][0], worth[place], cash, positions))
    made = AccountRecord(
        account="a1b2c3d4",
        kind="paper",
        spans=((begin - HOUR, end),),
        orders=tuple(order for trader in traders for order in trader.orders),
        fills=tuple(fill for trader in traders for fill in trader.fills),
        fees=tuple(fee for trader in traders for fee in trader.fees),
        equity=tuple((state[0] - HOUR, usd) for state, usd in zip(one.course, worth, strict=True)),
        snapshots=tuple(snapshots),
        promotions=(),
        sha256="ab" * 32,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def outcomes(evidence: WatchEvidence) -> Mapping[str, int]:
    """How many orders have each outcome."""
    kinds = [order.outcome for order in evidence.orders]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def evidence_of_days(timing: Floats) -> WatchEvidence:
    """Evidence of a record at PAPER that meets everything but, perhaps, skill; the account made 2 %."""
    order = WatchedOrder(0, 0.1, 0.1, "match", slippage=0.001)
    return WatchEvidence(
        model="UNIUSD_1Hour", window="paper", problem="", remedy="", of_model=True, account="a1b2c3d4", kind="paper",
        since="2024-01-01T00:00:00+00:00", start="2024-01-01T00:00:00+00:00", end="2024-03-01T00:00:00+00:00",
        bars=24 * len(timing), decision="PAPER", orders=(order,) * 60, unexplained_notional=0.0, explained=0.0,
        slippage=(0.001,) * 60, fees=FeeFigures(0.0025, 0.0), assumed_cost=0.0035, closure=0.0,
        days=tuple(DayFigures(0, gain, gain, gain, 0.05) for gain in timing.tolist()), outages=0, drift=0.0,
        times=(0, 3600), price=(1.0, 1.0), curve=(1.0, 0.99, 1.02), simulated_curve=(1.0, 0.99, 1.02),
        actions={"HOLD": 1}, record_sha256="ab" * 32,
    )  # fmt: skip
