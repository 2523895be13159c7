"""A promoted model, the account that trades it, its recording through the real client, and what is made of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from support import market_factory, model_factory
from support.exchange import SECOND, Exchange, Terms, moment_of
from support.promotion_factory import archive_of, released
from support.toy_trader import Fault, ToyTrader
from support.trading_server import Quirks, serve_account

from pytest_modelgate.adapters.alpaca.keys import KEY_ID, SECRET_KEY
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.rules import rules_for
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.market.bars import Instrument
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.core.watching.measuring import InForce, WatchSubject, measure_watch
from pytest_modelgate.services.account_recording import AccountRecorder
from pytest_modelgate.services.account_replaying import replay_account
from pytest_modelgate.services.champions import read_champions
from pytest_modelgate.services.promotion import Terms as PromotionTerms
from pytest_modelgate.services.promotion import promote

SYMBOL, MODEL = "WAVUSD", "WAVUSD_1Hour"
CAPITAL = 100_000.0
KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")
START = "2024-03-01T00:00:30Z"
"""When the model is promoted: the market of ``market_factory.waves`` began four months before."""


class WatchedAccount:
    """One model at PAPER on one account of a simulated exchange.

    Args:
        folder: everything is put in there.
        fault, after: what is wrong with the trader, and how many days after the start that begins.
    """

    def __init__(
        self, folder: Path, fault: Fault | None = None, *, after: float = 0.0, terms: Terms | None = None, seed: int = 0
    ) -> None:
        self.folder, self.models, self.cassettes = folder, folder / "models", folder / "cassettes"
        self.cassettes.mkdir(parents=True)
        self.frame = market_factory.waves()
        self.profile = load_profile("2.4.5")
        self.target = Target(self.models)
        self.start = moment_of(START)
        self.promote(pd.Timestamp(START).to_pydatetime())
        series = {Instrument.parse(SYMBOL).alpaca_symbol: self.frame}
        self.exchange = Exchange(series, self.start, CAPITAL, terms or Terms(half_spread=0.0005), seed)
        faulty = self.start + int(after * 86_400) * SECOND
        self.trader = ToyTrader(
            self.models, self.exchange, {SYMBOL: self.frame}, fault=fault, fault_from=faulty, seed=seed
        )

    def promote(self, at: datetime) -> None:
        """Promote a model that follows trends."""
        policy = model_factory.follow("momentum_24")
        archive = archive_of(self.folder / "X.zip", {SYMBOL: model_factory.checkpoint(policy)})
        promote(
            released(archive, [SYMBOL], self.folder / "verdict.json", at),
            archive,
            self.target,
            PromotionTerms(minimum=DecisionLevel.PAPER),
            at=at.astimezone(UTC),
            by="somebody",
            dry_run=False,
        )

    def trade(self, days: float) -> None:
        """Let time pass, and the trader trade."""
        self.trader.run(self.exchange.now + int(days * 86_400) * SECOND)

    def watch(self, quirks: Quirks | None = None) -> None:
        """Record the account up to now, as ``modelgate watch`` does."""
        record = self.target.record()
        assert record
        with serve_account(self.exchange, KEYS, quirks) as server:
            environ = {"APCA_API_TRADING_URL": server.url, KEY_ID: KEYS[0], SECRET_KEY: KEYS[1]}
            now = pd.Timestamp(self.exchange.now, tz="UTC")
            recorder = AccountRecorder(
                cassettes=self.cassettes, environ=environ, requests_per_minute=math.inf, now=lambda: now
            )
            recorder.record(record)

    def measure(self) -> WatchEvidence:
        """What the record shows of the model."""
        record = self.target.record()
        assert record
        watched = replay_account(self.cassettes, record)
        (promoted,) = record.models
        settings = Settings(archive=self.folder, output=self.folder, cassettes=self.cassettes)
        policy, _ = read_champions(self.models).by_model[MODEL].load(settings, builtin_formats())
        as_of = pd.Timestamp(self.exchange.now, tz="UTC")
        instrument = Instrument.parse(SYMBOL)
        known = self.frame[self.frame.index < as_of - pd.Timedelta(minutes=59)]  # bars that have closed
        bars = market_factory.hourly_bars(SYMBOL, known)
        candidate = Candidate(
            policy, compute_features(bars, REFERENCE), rules_for(self.profile, instrument.asset_class)
        )
        since = pd.Timestamp(record.since_of(promoted))
        model = InForce(MODEL, promoted.sha256, instrument, since, promoted.decision)
        subject = WatchSubject(model, candidate, None, "neutral", CAPITAL, as_of)
        return measure_watch(subject, [], watched.record, watched.told)
