"""Evidence of models made up for reports: no torch, no cassettes, no run of the gate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.adapters.verdict.writer import make_verdict
from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.fills import Trade
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import Judgement, judge
from pytest_modelgate.core.evidence.records import (
    BarFigures,
    CheckpointEvidence,
    Evidence,
    IntegrityEvidence,
    MarketEvidence,
    WindowEvidence,
)
from pytest_modelgate.core.integrity.check import CHECKS, Check, NoiseDraw
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.quality import Quality
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.planning.looks import TrialCount
from pytest_modelgate.core.planning.plan import INTEGRITY, PAPER, ModelPlan, OnAccount, Plan, make_plan
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel, TrainingRun
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.report.facts import PageFacts, Windows

AS_OF = pd.Timestamp("2024-12-27T21:00Z")
PROFILE = load_profile("2.4.5")
QUALITY = Quality(9165, 0, 0, 3, 0, 0, 0.1, "2024-08-05T00:00:00+00:00", (), (), ())
HISTORY = {
    "fitness_score": (0.2, 0.9, 0.95, 0.8),
    "profit_factor": (1.0, 2.0, 2.2, 2.1),
    "consistency": (0.5, 0.9, 0.9, 0.9),
    "max_drawdown": (0.2, 0.1, 0.07, 0.06),
}


def plan_of(symbol: str, history: Mapping[str, tuple[float, ...]] | None = None) -> ModelPlan:
    model = TrainedModel(
        Instrument.parse(symbol), Timeframe.HOUR_1, history or HISTORY, CheckpointRef(f"models/{symbol}.pt", 9)
    )
    run = TrainingRun("a.zip", AS_OF, (model,))
    (plan,) = make_plan(run, Settings(archive=Path("a.zip"), output=Path("o"), cassettes=Path("c")), PROFILE).models
    return plan


def window_evidence(
    model: str, window: Window, *, drift: float, sample: str = "out-of-sample", held: Sequence[float] | None = None
) -> WindowEvidence:
    """Hourly bars, by default with a position in spells of 25, in which the market earns ``drift`` a bar."""
    bars = int((window.end - window.start) / pd.Timedelta(hours=1))
    rng = np.random.default_rng(int(hashlib.sha256(f"{model}{window.name}".encode()).hexdigest()[:8], 16))
    spells = np.random.default_rng(bars + int(window.start.timestamp())).random(bars // 25 + 1) < 0.35
    spells[4:5] = True  # somebody holds at bar 100
    pattern = 0.3 * np.repeat(spells, 25)[:bars] if held is None else held
    position = np.array(pattern, dtype=np.float64)
    move = np.asarray(rng.normal(0.0, 0.004, bars) + drift * np.sign(position), dtype=np.float64)
    costs = 0.0005 * np.abs(np.diff(np.sign(position), prepend=0.0))
    zeros = np.zeros(bars)
    carried = np.concatenate([[0.0], position[:-1]])
    returns = np.asarray(position * move - 2 * costs, dtype=np.float64)
    attribution = BarAttribution(returns, carried, position, zeros, move, costs, costs)
    equity = 100_000.0 * np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    sharpe = float(returns.mean() / returns.std(ddof=1)) if returns.any() else float("nan")
    peak = np.maximum.accumulate(equity)
    trades = int(np.sum(np.diff(np.sign(position), prepend=0.0) > 0))
    metrics = Metrics(
        float(equity[-1] / equity[0] - 1.0),
        float(((peak - equity) / peak).max()),
        sharpe,
        sharpe * 8760**0.5,
        1.8 if drift > 0 else 0.6,
        0.6,
        trades,
        0.2,
        0.6,
        12.0,
        float(equity.min()),
        bars,
        8760.0,
    )
    start = int(window.start.timestamp())
    return WindowEvidence(
        model=model,
        window=window.name,
        start=window.start.isoformat(),
        end=window.end.isoformat(),
        sample=sample,
        checkpoint=CheckpointEvidence(
            f"models/rl_symbols/{model}.pt", "ab" * 32, "2.3.0", None, "reference-v1", "tanh", (8,), ("net.0", "out"),
            100, 53, ("HOLD", "BUY_50", "SELL_50"), (), "proven", "all of it",
        ),
        market=MarketEvidence(
            model.partition("_")[0], "1Hour", "us", "raw", "2023-11-01T00:00:00+00:00", "2024-12-27T20:00:00+00:00",
            9165, "cd" * 32, QUALITY,
        ),
        metrics=metrics,
        equity=tuple(equity.tolist()),
        bars=BarFigures.of(attribution),
        delayed=FoldResult.of(metrics),
        refused={},
        times=tuple(range(start, start + 3600 * bars, 3600)),
        first_open=100.0,
        trades=_trades(position, equity),
    )  # fmt: skip


def _trades(position: Floats, equity: Floats) -> tuple[Trade, ...]:
    """From flat to flat; what is left is sold at the end."""
    signs = np.sign(np.concatenate([[0.0], position, [0.0]]))
    last, found, entry = len(position) - 1, [], -1
    for row in np.flatnonzero(np.diff(signs)).tolist():
        if entry >= 0:
            leaving = min(row, last)
            pnl = float(equity[leaving + 1] - equity[entry])
            side: Literal["long", "short"] = "long" if position[entry] > 0.0 else "short"
            found.append(Trade(entry, leaving, side, 1.0, pnl, 10.0))
        entry = row if row <= last and position[row] else -1
    return tuple(found)


def evidence_of(plan: ModelPlan, *, drift: float, sample: str = "out-of-sample") -> dict[str, Evidence]:
    """Of every window a plan asks for."""
    model = plan.model.id
    windows = (plan.backtest, *plan.folds)
    found: dict[str, Evidence] = {
        window.name: window_evidence(model, window, drift=drift, sample=sample) for window in windows
    }
    folds = tuple(FoldResult.of(item.metrics) for item in found.values() if isinstance(item, WindowEvidence))[1:]
    noise = (NoiseDraw("prices", 0.1, folds), NoiseDraw("weights", 0.05, folds))
    checks = tuple(Check(name, "pass", "Fine.") for name in CHECKS)
    return {**found, INTEGRITY: IntegrityEvidence(model, INTEGRITY, checks, noise)}


def judgement_of(plan: ModelPlan, found: dict[str, Evidence]) -> Judgement:
    return judge(plan, PROFILE, "proven", found.get, 1)


def judged(symbol: str, *, drift: float, sample: str = "out-of-sample") -> Judgement:
    plan = plan_of(symbol)
    return judgement_of(plan, evidence_of(plan, drift=drift, sample=sample))


def traded(symbol: str, *, drift: float, watched: WatchEvidence) -> Judgement:
    """A model that an account trades."""
    plan = replace(plan_of(symbol), watched=OnAccount("ef" * 32, AS_OF))
    return judgement_of(plan, {**evidence_of(plan, drift=drift), PAPER: watched})


def incomplete(symbol: str) -> Judgement:
    plan = plan_of(symbol)
    found = evidence_of(plan, drift=0.001)
    found.pop("fold3of5")
    return judgement_of(plan, found)


def renamed(evidence: WindowEvidence, **facts: str) -> WindowEvidence:
    """With other texts in its checkpoint, as a stranger might choose them."""
    return replace(evidence, checkpoint=replace(evidence.checkpoint, **facts))  # type: ignore[arg-type]


def verdict_of(judgements: Sequence[Judgement], name: str = "a.zip", **settings: Any) -> tuple[Plan, Settings, Verdict]:
    """The verdict on some models, and what it was reached on."""
    chosen = Settings(archive=Path(name), output=Path("o"), cassettes=Path("c"), **settings)
    training = TrainingRun(name, AS_OF, tuple(item.plan.model for item in judgements))
    plan = Plan(training, AS_OF, tuple(item.plan for item in judgements), TrialCount(1))
    verdict = make_verdict(
        archive_sha256="ab" * 32,
        plan=plan,
        settings=chosen,
        profile=PROFILE,
        judgements=judgements,
        ledger=None,
        champion=None,
        unfinished="",
        run={},
    )
    return plan, chosen, verdict


def facts_of(judgements: Sequence[Judgement], name: str = "a.zip", **facts: Any) -> PageFacts:
    """What a page about some models is made from."""
    by_id = {item.plan.model.id: item for item in judgements}

    def windows(model: str) -> Windows:
        return {window.window: window for window in by_id[model].measured}

    def watched(model: str) -> WatchEvidence | None:
        case = by_id[model].watch
        return case.evidence if case else None

    known: dict[str, Any] = {
        "verdict": verdict_of(judgements, name)[2],
        "profile": PROFILE,
        "windows": windows,
        "watched": watched,
        "histories": {key: item.plan.model.history for key, item in by_id.items() if item.plan.model.history},
    }
    return PageFacts(**{**known, **facts})
