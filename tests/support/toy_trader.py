"""A toy trader: runs promoted models on an account of the simulated exchange, honestly or with a fault by name.

It reads ``promotion.json`` as docs/promotion.md says, decides at every bar's close with the gate's own library from the
position that the account really holds, and sends its orders two seconds later.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import pandas as pd
from support.exchange import SECOND, Exchange, RefusedError, Side

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.rules import rules_for
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe
from pytest_modelgate.core.policy.actions import NO_ACTION, Action, Order, Target, action_name
from pytest_modelgate.core.typing import Actions
from pytest_modelgate.core.watching.order_ids import order_id
from pytest_modelgate.services.champions import read_champions

Fault = Literal[
    "lost",
    "late",
    "inverted",
    "half_size",
    "confidence",
    "stops",
    "stale_bars",
    "outage",
    "foreign",
    "dear_fills",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
_DELAY = 2 * SECOND  # from a bar's close to the order
_LOST = 0.3  # of the orders
_CONFIDENCE = 0.9  # that a trader asks for whose models were judged without
_STOP = 0.01  # below the price of the decision
_OUTAGE = (2, 8)  # days after the fault began
_FOREIGN_HOURS, _FOREIGN_SHARE = 24, 0.02  # somebody else buys every other day, and sells in between
_DEAR = 0.01  # half spread


class Broker(Protocol):
    """What a trader asks of its broker; ``Exchange`` is one, ``HttpBroker`` another."""

    @property
    def equity(self) -> float: ...

    @property
    def held(self) -> Mapping[str, float]: ...

    def submit(
        self,
        symbol: str,
        side: Side,
        quantity: float | None = None,
        *,
        client_order_id: str | None = None,
        stop: float | None = None,
    ) -> Any: ...

    def cancel(self, order_id: str) -> None: ...


class HttpBroker:
    """The same through the real client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def equity(self) -> float:
        return float(self._client.get_account()["equity"])

    @property
    def held(self) -> Mapping[str, float]:
        return {
            Instrument.parse(row["symbol"]).alpaca_symbol: float(row["qty"]) for row in self._client.get_all_positions()
        }

    def submit(
        self,
        symbol: str,
        side: Side,
        quantity: float | None = None,
        *,
        client_order_id: str | None = None,
        stop: float | None = None,
    ) -> Any:
        from alpaca.common.exceptions import APIError

        order = {"symbol": symbol, "side": side, "qty": f"{quantity:.9f}", "time_in_force": "gtc"}
        kind = {"type": "market"} if stop is None else {"type": "stop", "stop_price": stop}
        try:
            return self._client.post("/orders", {**order, **kind, "client_order_id": client_order_id})
        except APIError as error:
            raise RefusedError(int(error.status_code), int(error.code), str(error)) from None

    def cancel(self, order_id: str) -> None:
        self._client.cancel_order_by_id(order_id)


@dataclass
class _Running:
    """A model in force: what it decides at every bar, and the account that sizes its orders."""

    id: str
    sha256: str
    symbol: str
    instrument: Instrument
    bars: Bars
    meanings: tuple[Action, ...]
    actions: Actions
    account: Account
    stop: str | None = None


@dataclass
class ToyTrader:
    """Trades what a folder says is in force.

    Attributes:
        folder: of promotions; read anew by every ``run``.
        exchange: whose time is moved.
        frames: bars by the archive's symbol.
        broker: that orders go to; the exchange itself where it is None.
        fault: what is wrong with it, from a moment on; None for nothing.
        seed: decides which orders are lost.
        profile: by which orders are sized.
        journal: what it says it decided, one object a bar and model.
    """

    folder: Path
    exchange: Exchange
    frames: Mapping[str, pd.DataFrame]
    broker: Broker | None = None
    fault: Fault | None = None
    fault_from: int = 0
    seed: int = 0
    profile: str = "2.4.5"
    journal: list[dict[str, Any]] = field(default_factory=list)

    def run(self, until: int) -> None:
        """Trade every bar that closes before a moment, and let time pass up to it.

        Raises:
            ValueError: a file that is in force does not hold the bytes that were promoted.
        """
        models, rng = list(self._in_force()), random.Random(self.seed)
        broker = self.broker or self.exchange
        for close, model, row in self._closes(models, until):
            if close > self.exchange.now:
                self.exchange.move(close)
            self._decide(model, row, close, rng, broker)
        if until > self.exchange.now:
            self.exchange.move(until)

    def _in_force(self) -> Iterator[_Running]:
        record = json.loads((self.folder / "promotion.json").read_text())  # once, then only the files it names
        for entry in record["models"]:
            if sha256((self.folder / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]:
                raise ValueError(f"{entry['file']} does not hold what was promoted")
        profile, champions = load_profile(self.profile), read_champions(self.folder).by_model
        for entry in record["models"]:
            name, _, timeframe = entry["id"].partition("_")
            instrument = Instrument.parse(name)
            settings = Settings(archive=self.folder, output=self.folder, cassettes=self.folder)
            policy, _ = champions[entry["id"]].load(settings, builtin_formats())
            bars = Bars(instrument, Timeframe(timeframe), self.frames[name])
            rules = rules_for(profile, instrument.asset_class)
            if self.fault == "confidence":
                rules = replace(rules, min_confidence=_CONFIDENCE)
            candidate = Candidate(policy, compute_features(bars, REFERENCE), rules)
            actions = np.full(len(bars), NO_ACTION)
            actions[candidate.history :] = candidate.neutral_actions(slice(candidate.history, len(bars)))
            account = Account(rules, self.exchange.equity)
            yield _Running(
                entry["id"],
                entry["sha256"],
                instrument.alpaca_symbol,
                instrument,
                bars,
                tuple(policy.actions),
                actions,
                account,
            )

    def _closes(self, models: list[_Running], until: int) -> Iterator[tuple[int, _Running, int]]:
        """Moments at which a bar has just closed, with its model and row, in their order."""
        closes = []
        for model in models:
            length = int(model.bars.timeframe.delta.value)
            starts = model.bars.index.as_unit("ns").asi8.tolist()
            closes += [
                (start + length, model.id, row, model)
                for row, start in enumerate(starts)
                if self.exchange.now <= start + length < until
            ]
        return ((close, model, row) for close, _, row, model in sorted(closes, key=lambda item: item[:3]))

    def _decide(self, model: _Running, row: int, close: int, rng: random.Random, broker: Broker) -> None:
        fault = self.fault if close >= self.fault_from else None
        days = (close - self.fault_from) / (86_400 * SECOND)
        if fault == "outage" and _OUTAGE[0] <= days < _OUTAGE[1]:
            return
        self.exchange.terms = (
            replace(self.exchange.terms, half_spread=_DEAR) if fault == "dear_fills" else self.exchange.terms
        )
        if fault == "foreign":
            self._somebody_else(model, row, broker)
        price = float(model.bars.quotes[1][row])
        action = int(model.actions[row - 1 if fault == "stale_bars" and row else row])
        quantity = self._size(model, action, price, broker, inverted=fault == "inverted")
        bar = int(model.bars.index[row].timestamp())
        name = "NONE" if action == NO_ACTION else action_name(model.meanings[action])
        line = {"bar": bar, "model": model.id, "sha256": model.sha256, "action": name, "close": price}
        if quantity == 0.0:
            self.journal.append({**line, "sent": False})
            return
        if fault == "half_size":
            quantity *= 0.5
        if fault == "lost" and rng.random() < _LOST:
            return
        wait = int(model.bars.timeframe.delta.value) // 2 if fault == "late" else _DELAY
        self.exchange.move(max(self.exchange.now, close + wait))
        try:
            if model.stop is not None and quantity < 0.0:
                broker.cancel(model.stop)
                model.stop = None
        except RefusedError:
            model.stop = None  # it was filled
        try:
            side: Side = "buy" if quantity > 0.0 else "sell"
            mine = order_id(model.id, model.sha256, bar)
            broker.submit(model.symbol, side, round(abs(quantity), 9), client_order_id=mine)
            self.journal.append({**line, "sent": True})
        except RefusedError as error:
            self.journal.append({**line, "sent": False, "why": str(error), "code": error.code})
            return
        if fault == "stops" and quantity > 0.0 and model.stop is None:
            self._protect(model, price, bar, broker)

    def _size(self, model: _Running, action: int, price: float, broker: Broker, *, inverted: bool) -> float:
        """Signed units to order, from what the account holds now."""
        if action == NO_ACTION:
            return 0.0
        account, held = model.account, broker.held.get(model.symbol, 0.0)
        account.quantity, account.cash = held, broker.equity - held * price
        meaning = model.meanings[action]
        if inverted:
            meaning = Target(-meaning.exposure) if isinstance(meaning, Target) else Order(-meaning.size)
        return account.order(meaning, price)

    def _protect(self, model: _Running, price: float, bar: int, broker: Broker) -> None:
        """A stop of the trader's own below what was just bought."""
        self.exchange.move(self.exchange.now + 5 * SECOND)
        held = broker.held.get(model.symbol, 0.0)
        if held > 0.0:
            mine = order_id(model.id, model.sha256, bar, 1)
            sent = broker.submit(model.symbol, "sell", held, client_order_id=mine, stop=round(price * (1.0 - _STOP), 6))
            model.stop = sent["id"] if isinstance(sent, dict) else sent.id

    def _somebody_else(self, model: _Running, row: int, broker: Broker) -> None:
        """Orders by hand, in the model's symbol."""
        if row % _FOREIGN_HOURS:
            return
        price = float(model.bars.quotes[1][row])
        size = round(_FOREIGN_SHARE * broker.equity / price, 9)
        buys = (row // _FOREIGN_HOURS) % 2 == 0
        try:
            if buys or broker.held.get(model.symbol, 0.0) > size:
                broker.submit(model.symbol, "buy" if buys else "sell", size)
        except RefusedError:
            return
