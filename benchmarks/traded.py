"""An archive whose models a trader trades: its market, the folders they are in force in, its accounts, and the gate.

The exchange is simulated, and so is time; what records, judges and promotes is the gate itself, through the real
client of Alpaca and local servers. Verdicts bear the machine's own clock, so the moment they were written is set to
the simulated one before anything is promoted by them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]

import pandas as pd
from gate_runs import Cost, gate
from marketsim.server import serve
from support.exchange import SECOND, Exchange, Terms
from support.market_factory import series_key
from support.plugin_helpers import HELD_OUT, pack
from support.promotion_factory import write
from support.toy_trader import ToyTrader
from support.trading_server import serve_account

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.alpaca.keys import KEY_ID, SECRET_KEY
from pytest_modelgate.adapters.promotion import Record, Target
from pytest_modelgate.cli.record import needed_series, record_series
from pytest_modelgate.cli.watch import add_watch
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.market.bars import Instrument
from pytest_modelgate.core.watching.records import AccountKind
from pytest_modelgate.services.account_recording import AccountRecorder
from pytest_modelgate.services.promotion import Terms as PromotionTerms
from pytest_modelgate.services.promotion import promote

MAX_AGE = timedelta(days=36_500)
_KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")


@dataclass(frozen=True)
class Judged:
    """What a run of the gate said, and what it took.

    Attributes:
        path: of the verdict.
        models: the verdict's entries by id.
    """

    path: Path
    models: Mapping[str, Mapping[str, Any]]
    cost: Cost


@dataclass
class TradedArchive:
    """Models in one archive, two folders and two accounts.

    Attributes:
        folder: everything is written there.
        models: what is packed.
        frames: hourly bars by the archive's symbol.
        exchanges: accounts that were opened, by kind.
    """

    folder: Path
    models: Sequence[ModelArtifact]
    frames: Mapping[str, pd.DataFrame]
    exchanges: dict[AccountKind, Exchange] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Pack the archive."""
        self.archive = pack(self.folder, *self.models, training_window=HELD_OUT)
        self.cassettes = self.folder / "cassettes"

    @contextmanager
    def market(self) -> Iterator[None]:
        """Serve the bars, and let everything that runs here find them, until the context ends."""
        with serve({series_key(symbol): frame for symbol, frame in self.frames.items()}) as server:
            environ = {"APCA_API_DATA_URL": server.url, KEY_ID: _KEYS[0], SECRET_KEY: _KEYS[1]}
            before = {name: os.environ.get(name) for name in environ}
            os.environ.update(environ)
            try:
                yield
            finally:
                for name, value in before.items():
                    os.environ.pop(name) if value is None else os.environ.update({name: value})

    def in_force(self, kind: AccountKind) -> Path:
        """The folder that a trader reads."""
        return self.folder / "models" / kind

    @contextmanager
    def recorder(self, kind: AccountKind) -> Iterator[tuple[AccountRecorder, Record]]:
        """What records an account as it is now, and what it is to be told; the account is served in the context."""
        promotion = Target(self.in_force(kind)).record()
        assert promotion
        now = pd.Timestamp(self.exchanges[kind].now, tz="UTC")
        with serve_account(self.exchanges[kind], _KEYS) as server:
            environ = {**os.environ, "APCA_API_TRADING_URL": server.url}
            yield (
                AccountRecorder(
                    cassettes=self.cassettes,
                    kind=kind,
                    environ=environ,
                    requests_per_minute=math.inf,
                    now=lambda: now,
                ),
                promotion,
            )

    def record_account(self, kind: AccountKind) -> None:
        """Record what an account did up to now."""
        with self.recorder(kind) as (recorder, promotion):
            recorder.record(promotion)

    def record_market(self, as_of: datetime, kind: AccountKind | None = None) -> None:
        """Record market data up to a day; of models in force on an account also those since they are."""
        promotion = Target(self.in_force(kind)).record() if kind else None
        models = promotion.models if promotion else ()
        since = {model.id: pd.Timestamp(promotion.since_of(model)) for model in models} if promotion else {}
        parser = argparse.ArgumentParser()
        add_watch(parser)
        words = ["nowhere", f"--archive={self.archive}", f"--to={self.cassettes}", f"--as-of={as_of:%Y-%m-%dT%H:%M}"]
        options = parser.parse_args(words)
        options.own, options.models, options.record_mode, options.requests_per_minute = None, None, None, 1e6
        record_series(options, needed_series(options, since))

    def judge(self, as_of: datetime, kind: AccountKind | None = None) -> Judged:
        """Run the gate, with an account's record where there is one.

        Raises:
            RuntimeError: the gate broke.
        """
        paper = [f"--gate-paper={self.in_force(kind)}"] if kind else []
        options = (f"--gate-as-of={as_of:%Y-%m-%dT%H:%M}", "-n0", *paper)
        cost = gate(self.folder, self.archive, *options, cassettes=self.cassettes)
        path = cost.report / "verdict.json"
        body = json.loads(path.read_text())
        body["run"]["written"] = as_of.isoformat()
        write(path, body)
        return Judged(path, {entry["id"]: entry for entry in body["models"]}, cost)

    def promote(self, verdict: Path, kind: AccountKind, at: datetime) -> None:
        """Promote what the verdict releases, and open the account of that kind."""
        minimum = DecisionLevel.LIVE if kind == "live" else DecisionLevel.PAPER
        terms = PromotionTerms(minimum=minimum, max_age=MAX_AGE)
        promote(verdict, self.archive, Target(self.in_force(kind)), terms, at=at, by="somebody", dry_run=False)
        series = {Instrument.parse(symbol).alpaca_symbol: frame for symbol, frame in self.frames.items()}
        terms_of_trade, moment = Terms(half_spread=0.0005), pd.Timestamp(at).value
        self.exchanges[kind] = Exchange(series, moment, 100_000.0, terms_of_trade, seed=len(self.exchanges))

    def trade(self, kind: AccountKind, days: int, fault_after: int | None = None) -> datetime:
        """Let the trader trade, from a day on losing orders where one is given; the moment it ends."""
        exchange = self.exchanges[kind]
        trader = ToyTrader(self.in_force(kind), exchange, self.frames)
        if fault_after is not None:
            trader.fault, trader.fault_from = "lost", exchange.now + fault_after * 86_400 * SECOND
        trader.run(exchange.now + days * 86_400 * SECOND)
        return pd.Timestamp(exchange.now, tz="UTC").to_pydatetime()
