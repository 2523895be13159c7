"""The way of a model, played: judged, on paper, watched until it has earned LIVE, live, at fault, withdrawn.

    python benchmarks/story.py

The market is generated, the exchange is simulated, and so is time; what records, judges, promotes and withdraws is the
gate itself, through the real client of Alpaca and local servers. Verdicts bear the machine's own clock, so the moment
they were written is set to the simulated one before anything is promoted by them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]

import numpy as np
import pandas as pd
from marketsim.server import serve
from support import model_factory
from support.exchange import SECOND, Exchange, Terms
from support.market_factory import random_walk, series_key
from support.plugin_helpers import AS_OF, GOOD, HELD_OUT, pack
from support.promotion_factory import write
from support.toy_trader import ToyTrader
from support.trading_server import serve_account

from pytest_modelgate.adapters.alpaca.keys import KEY_ID, SECRET_KEY
from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.cli.record import record_series
from pytest_modelgate.cli.watch import add_watch
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.watching.records import AccountKind
from pytest_modelgate.services.account_recording import AccountRecorder
from pytest_modelgate.services.promotion import Terms as PromotionTerms
from pytest_modelgate.services.promotion import promote
from pytest_modelgate.services.withdrawal import Because, withdraw

SYMBOL, MODEL = "WAVUSD", "WAVUSD_1Hour"
KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")
_HOURS = 24 * 730  # from 2023-11 on
_PAPER_DAYS, _LIVE_DAYS = 200, 40
_MAX_AGE = timedelta(days=36_500)


def market() -> pd.DataFrame:
    """Trends up and down in turn, with enough noise that following them is no sure thing."""
    frame = random_walk("2023-11-01", _HOURS, seed=7)
    returns = model_factory.waves(_HOURS) + np.random.default_rng(7).normal(0.0, 0.009, _HOURS)
    close = np.round(100.0 * np.exp(np.cumsum(returns - returns.mean())), 4)
    opened = np.concatenate([[100.0], close[:-1]])
    return frame.assign(open=opened, high=np.maximum(opened, close), low=np.minimum(opened, close), close=close)


@dataclass
class Story:
    """One model, its two folders and its two accounts.

    Attributes:
        folder: everything is written there.
        data_url: where bars are served.
    """

    folder: Path
    frame: pd.DataFrame
    data_url: str
    exchanges: dict[AccountKind, Exchange] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Pack the archive: training left the model in the REVIEW band, so PAPER is the most it can have."""
        self.archive = pack(self.folder, replace(GOOD, history=model_factory.REVIEW), training_window=HELD_OUT)
        self.cassettes = self.folder / "cassettes"
        (self.folder / "pytest.ini").write_text("[pytest]\n")
        self.environ = {"APCA_API_DATA_URL": self.data_url, KEY_ID: KEYS[0], SECRET_KEY: KEYS[1]}

    def models(self, kind: AccountKind) -> Path:
        """The folder that a trader reads."""
        return self.folder / "models" / kind

    def record(self, as_of: datetime, kind: AccountKind | None = None) -> None:
        """Record market data up to a day, and what the account did."""
        since = {}
        if kind:
            promotion = Target(self.models(kind)).record()
            assert promotion
            with serve_account(self.exchanges[kind], KEYS) as server:
                now = pd.Timestamp(self.exchanges[kind].now, tz="UTC")
                AccountRecorder(
                    cassettes=self.cassettes,
                    kind=kind,
                    environ={**self.environ, "APCA_API_TRADING_URL": server.url},
                    requests_per_minute=math.inf,
                    now=lambda: now,
                ).record(promotion)
            since = {model.id: pd.Timestamp(promotion.since_of(model)) for model in promotion.models}
        parser = argparse.ArgumentParser()
        add_watch(parser)
        words = ["nowhere", f"--archive={self.archive}", f"--to={self.cassettes}", f"--as-of={as_of:%Y-%m-%dT%H:%M}"]
        options = parser.parse_args(words)
        options.own, options.models, options.record_mode, options.requests_per_minute = None, None, None, 1e6
        record_series(options, since)

    def judge(self, name: str, as_of: datetime, kind: AccountKind | None = None) -> tuple[Path, dict[str, Any]]:
        """Run the gate, with an account's record where there is one; the verdict and what it says of the model."""
        output = self.folder / name
        paper = [f"--gate-paper={self.models(kind)}"] if kind else []
        words = [
            f"--gate-as-of={as_of:%Y-%m-%dT%H:%M}",
            f"--gate-cassettes={self.cassettes}",
            f"--gate-output={output}",
        ]
        command = [sys.executable, "-m", "pytest", "model_tests", f"--model-archive={self.archive}"]
        run = subprocess.run(
            [*command, *words, *paper, "-q"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        path = output / "verdict.json"
        if run.returncode not in (0, 1) or not path.exists():
            raise RuntimeError(run.stdout + run.stderr)
        body = json.loads(path.read_text())
        body["run"]["written"] = as_of.isoformat()
        write(path, body)
        (model,) = (entry for entry in body["models"] if entry["id"] == MODEL)
        return path, model

    def promote(self, verdict: Path, kind: AccountKind, at: datetime) -> None:
        """Promote what the verdict releases, and open the account of that kind."""
        minimum = DecisionLevel.LIVE if kind == "live" else DecisionLevel.PAPER
        terms = PromotionTerms(minimum=minimum, max_age=_MAX_AGE)
        promote(verdict, self.archive, Target(self.models(kind)), terms, at=at, by="story", dry_run=False)
        moment = pd.Timestamp(at).value
        series = {"WAV/USD": self.frame}
        self.exchanges[kind] = Exchange(series, moment, 100_000.0, Terms(half_spread=0.0005), seed=len(self.exchanges))

    def trade(self, kind: AccountKind, days: int, fault_after: int | None = None) -> datetime:
        """Let the trader trade; the moment it ends, a little after midnight."""
        exchange = self.exchanges[kind]
        trader = ToyTrader(self.models(kind), exchange, {SYMBOL: self.frame})
        if fault_after is not None:
            trader.fault, trader.fault_from = "lost", exchange.now + fault_after * 86_400 * SECOND
        trader.run(exchange.now + days * 86_400 * SECOND)
        return pd.Timestamp(exchange.now, tz="UTC").to_pydatetime()


def play(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Play it step by step.

    Yields:
        What was done, what came of it, and how many seconds it took.

    Raises:
        RuntimeError: the gate broke.
    """
    frame, begun = market(), time.perf_counter()

    def took() -> float:
        nonlocal begun
        before, begun = begun, time.perf_counter()
        return begun - before

    with serve({series_key(SYMBOL): frame}) as server:
        os.environ.update({"APCA_API_DATA_URL": server.url, KEY_ID: KEYS[0], SECRET_KEY: KEYS[1]})
        story, day = Story(folder, frame, server.url), AS_OF
        story.record(day)
        verdict, model = story.judge("first", day)
        yield "judged", _said(model), took()
        day += timedelta(hours=3)
        story.promote(verdict, "paper", day)
        yield "promoted to paper", "", took()
        story.trade("paper", 1)
        story.record(pd.Timestamp(story.exchanges["paper"].now, tz="UTC").to_pydatetime(), "paper")
        day = story.trade("paper", _PAPER_DAYS - 1)
        story.record(day, "paper")
        yield f"traded on paper for {_PAPER_DAYS} days, and watched", "", took()
        verdict, model = story.judge("second", day, "paper")
        yield "judged with its paper record", _said(model), took()
        day += timedelta(hours=3)
        story.promote(verdict, "live", day)
        yield "promoted to live", "", took()
        story.trade("live", 1)
        story.record(pd.Timestamp(story.exchanges["live"].now, tz="UTC").to_pydatetime(), "live")
        day = story.trade("live", _LIVE_DAYS - 1, fault_after=10)
        story.record(day, "live")
        yield f"traded live for {_LIVE_DAYS} days, from the tenth on losing orders, and watched", "", took()
        verdict, model = story.judge("third", day, "live")
        yield "judged with its live record", _said(model), took()
        because = Because(verdict=verdict, max_age=_MAX_AGE)
        done = withdraw(MODEL, Target(story.models("live")), because, at=day, by="story", dry_run=False)
        yield "withdrawn from live", f"{len(done.stays)} models stay", took()


def _said(model: Mapping[str, Any]) -> str:
    return f"{model['decision']}: {' '.join(model['reasons'])[:300]}"


def main() -> None:
    """Play it in a folder that is removed, and print what came of each step."""
    with tempfile.TemporaryDirectory() as folder:
        for what, came, seconds in play(Path(folder)):
            print(f"{seconds:7.1f} s  {what}{f': {came}' if came else ''}", flush=True)


if __name__ == "__main__":
    main()
