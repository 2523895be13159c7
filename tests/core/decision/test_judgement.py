"""Evidence of one model is about one checkpoint on one series of bars, or nothing is decided from it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import judge
from pytest_modelgate.core.evidence.records import (
    BarFigures,
    CheckpointEvidence,
    Evidence,
    IntegrityEvidence,
    MarketEvidence,
    WindowEvidence,
)
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.quality import Quality
from pytest_modelgate.core.planning.plan import INTEGRITY, make_plan
from pytest_modelgate.core.training.run import TrainedModel, TrainingRun

METRICS = Metrics(0.1, 0.05, 0.1, 2.0, 2.0, 0.6, 9, 0.1, 0.2, 4.0, 99_000.0, 864, 8760.0)
CHECKPOINT = CheckpointEvidence("u.pt", "ab" * 32, "2.3.0", None, "f", "tanh", (8,), 100, 53, 3, "proven", "all of it")
QUALITY = Quality(9165, 0, 0, 0, 0, 0, 0.1, "a", (), (), ())
MARKET = MarketEvidence("UNIUSD", "1Hour", "us", "raw", "a", "b", 9165, "cd" * 32, QUALITY)
HISTORY = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.08,)}
PROFILE = load_profile("2.4.5")
RUN = TrainingRun(
    "a.zip",
    pd.Timestamp("2024-12-27", tz="UTC"),
    (TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, HISTORY, None),),
)
(PLAN,) = make_plan(RUN, Settings(archive=Path("a.zip"), output=Path("o"), cassettes=Path("c")), PROFILE).models


BARS = BarFigures(*((0.01, 0.02, 0.03) for _ in range(7)))


def evidence(window: str, checkpoint: CheckpointEvidence, market: MarketEvidence) -> Evidence:
    if window == INTEGRITY:
        return IntegrityEvidence("UNIUSD_1Hour", window, (), ())
    facts = "UNIUSD_1Hour", window, "a", "b", "out-of-sample", checkpoint, market, METRICS
    return WindowEvidence(*facts, (100_000.0, 110_000.0), BARS, FoldResult(0.1, 0.1, 864, 8760.0), {}, (0, 1, 2), 1.0)


@pytest.mark.parametrize(
    ("checkpoint", "market"),
    [(replace(CHECKPOINT, sha256="0" * 64), MARKET), (CHECKPOINT, replace(MARKET, sha256="0" * 64))],
    ids=["checkpoint", "market data"],
)
def test_nothing_is_decided_from_mixed_evidence(checkpoint: CheckpointEvidence, market: MarketEvidence) -> None:
    whole = judge(PLAN, PROFILE, "table", lambda window: evidence(window, CHECKPOINT, MARKET), 1)
    other = {"fold3of5": evidence("fold3of5", checkpoint, market)}

    mixed = judge(PLAN, PROFILE, "table", lambda window: other.get(window) or evidence(window, CHECKPOINT, MARKET), 1)

    assert whole.decision is not None
    assert mixed.decision is None
    assert "different checkpoints or market data" in mixed.incomplete
