"""What an account did with a promoted model, and what the gate makes of it, in whole runs on a simulated exchange."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import market_factory, model_factory
from support.exchange import SECOND, Exchange, Terms, moment_of
from support.plugin_helpers import AS_OF, GOOD, GateResult, RunGate, model, pack
from support.promotion_factory import verdict_of, write
from support.toy_trader import Fault, ToyTrader
from support.trading_server import serve_account

from pytest_modelgate.adapters.alpaca.keys import KEY_ID, SECRET_KEY
from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.market.bars import Instrument
from pytest_modelgate.services.account_recording import AccountRecorder
from pytest_modelgate.services.promotion import Terms as PromotionTerms
from pytest_modelgate.services.promotion import promote

KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")
SINCE = pd.Timestamp("2024-09-01T00:00:30Z")
TESTS = ("record", "orders_match", "costs", "tracking", "drift", "promotion")
IN_REVIEW = replace(GOOD, history=model_factory.REVIEW)
PROOF_FREE = "--gate-decision=table"


@dataclass(frozen=True)
class Traded:
    """A folder with a model in force, and the recordings of the account that trades it, beside those of the market."""

    archive: Path
    models: Path
    cassettes: Path

    @property
    def options(self) -> tuple[str, ...]:
        return f"--gate-paper={self.models}", f"--gate-cassettes={self.cassettes}", PROOF_FREE


def _trade(folder: Path, market: Path, fault: Fault | None = None, until: Any = AS_OF) -> Traded:
    archive = pack(folder, IN_REVIEW)
    path = verdict_of(archive, {"WAVUSD": "PAPER"}, folder / "verdict.json")
    body = json.loads(path.read_text())
    body["models"][0]["checkpoint"] |= {"feature_set": "reference-v1", "activation": "tanh"}
    body["models"][0]["account_mode"] = "neutral"
    body["settings"]["as_of"] = body["run"]["written"] = SINCE.isoformat()
    target, terms = Target(folder / "models"), PromotionTerms(minimum=DecisionLevel.PAPER)
    at = SINCE.to_pydatetime()
    promote(write(path, body), archive, target, terms, at=at, by="somebody", dry_run=False)
    frame, cassettes = market_factory.waves(), shutil.copytree(market, folder / "cassettes")
    series = {Instrument.parse("WAVUSD").alpaca_symbol: frame}
    exchange = Exchange(series, moment_of(SINCE.isoformat()), 100_000.0, Terms(half_spread=0.0005), 0)
    trader = ToyTrader(folder / "models", exchange, {"WAVUSD": frame}, fault=fault, fault_from=exchange.now)
    record = target.record()
    assert record
    for moment in (SINCE + pd.Timedelta(days=1), pd.Timestamp(until)):
        trader.run(exchange.now + (moment.value - exchange.now) // SECOND * SECOND)
        with serve_account(exchange, KEYS) as server:
            environ = {"APCA_API_TRADING_URL": server.url, KEY_ID: KEYS[0], SECRET_KEY: KEYS[1]}
            now = pd.Timestamp(exchange.now, tz="UTC")
            recorder = AccountRecorder(
                cassettes=cassettes, environ=environ, requests_per_minute=math.inf, now=lambda now=now: now
            )
            recorder.record(record)
    return Traded(archive, folder / "models", cassettes)


@pytest.fixture(scope="module")
def traded(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Traded:
    """A model in the REVIEW band that an honest trader traded for four months."""
    return _trade(tmp_path_factory.mktemp("honest"), market_folder)


@pytest.fixture(scope="module")
def shared() -> dict[str, GateResult]:
    return {}


@pytest.fixture
def honest(shared: dict[str, GateResult], run_gate: RunGate, traded: Traded) -> GateResult:
    if "honest" not in shared:
        shared["honest"] = run_gate(traded.archive, *traded.options, "-v", "-rxsf", drawn=True)
    return shared["honest"]


def test_debug(honest: GateResult) -> None:
    print(honest.text[-6000:])
    print(json.dumps(honest.verdict["models"][0].get("paper"), indent=1))
    assert 0
