"""Evidence of one model, put together and decided."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.config.waivers import Waiver
from pytest_modelgate.core.decision.judgement import Judgement, judge
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

METRICS = Metrics(0.1, 0.03, 0.1, 2.0, 2.0, 0.6, 9, 0.1, 0.2, 4.0, 99_000.0, 864, 8760.0)
CHECKPOINT = CheckpointEvidence(
    "u.pt",
    "ab" * 32,
    "2.3.0",
    None,
    "f",
    "tanh",
    (8,),
    ("trunk", "head"),
    100,
    53,
    ("HOLD", "BUY_50", "SELL_50"),
    (),
    "proven",
    "all of it",
)
QUALITY = Quality(9165, 0, 0, 0, 0, 0, 0.1, "a", (), (), ())
MARKET = MarketEvidence("UNIUSD", "1Hour", "us", "raw", "a", "b", 9165, "cd" * 32, QUALITY)
HISTORY = {"fitness_score": (0.8,), "profit_factor": (2.0,), "consistency": (0.9,), "max_drawdown": (0.08,)}
PROFILE = load_profile("2.4.5")
RUN = TrainingRun(
    "a.zip",
    pd.Timestamp("2024-12-27", tz="UTC"),
    (TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, HISTORY, None),),
)
SETTINGS = Settings(archive=Path("a.zip"), output=Path("o"), cassettes=Path("c"))
(PLAN,) = make_plan(RUN, SETTINGS, PROFILE).models
BARS = BarFigures(*((0.01, 0.02, 0.03) for _ in range(7)))


def evidence(window: str, checkpoint: CheckpointEvidence, market: MarketEvidence) -> Evidence:
    if window == INTEGRITY:
        return IntegrityEvidence("UNIUSD_1Hour", window, (), ())
    facts = "UNIUSD_1Hour", window, "a", "b", "out-of-sample", checkpoint, market, METRICS
    return WindowEvidence(*facts, (100_000.0, 110_000.0), BARS, FoldResult(0.1, 0.1, 864, 8760.0), {}, (0, 1, 2), 1.0)


def whole(window: str) -> Evidence:
    return evidence(window, CHECKPOINT, MARKET)


@pytest.fixture(scope="module")
def judged() -> Judgement:
    """A flawless model, decided by the table and the caps that always apply."""
    return judge(PLAN, PROFILE, "table", whole, 1)


def without(missing: str) -> Judgement:
    return judge(PLAN, PROFILE, "table", lambda window: None if window == missing else whole(window), 1)


def in_review(**waived: str) -> Judgement:
    """A model whose training metrics are in the REVIEW band, with a waiver for that."""
    model = replace(RUN.models[0], history=HISTORY | {"consistency": (0.7,)})
    (plan,) = make_plan(replace(RUN, models=(model,)), SETTINGS, PROFILE).models
    waivers = [Waiver(waived["model"], "gating", "It is known", "ada", date(2025, 1, 1))] if waived else []
    return judge(plan, PROFILE, "table", whole, 1, waivers=waivers)


def test_a_model_with_all_its_evidence_is_decided(judged: Judgement) -> None:
    assert (judged.outcome, judged.label) == (DecisionLevel.LIVE, "LIVE")


@pytest.mark.parametrize("missing", ["backtest", "fold3of5", INTEGRITY])
def test_a_model_without_some_of_its_evidence_is_incomplete(missing: str) -> None:
    assert (without(missing).outcome, without(missing).label) == (None, "INCOMPLETE")


def test_what_is_missing_is_named() -> None:
    assert without("fold3of5").incomplete == "fold3of5 was not evaluated in this run"


@pytest.mark.parametrize("level", DecisionLevel)
def test_a_model_reaches_its_own_level_and_none_above(level: DecisionLevel) -> None:
    assert in_review().reaches(level) == (level <= DecisionLevel.PAPER)


def test_an_incomplete_model_reaches_nothing() -> None:
    assert not without("backtest").reaches(DecisionLevel.DROP)


def test_a_decided_model_is_put_in_context(judged: Judgement) -> None:
    assert judged.context is not None


def test_an_incomplete_model_is_not_put_in_context() -> None:
    assert without("backtest").context is None


def test_disturbances_start_from_the_decision_by_the_table(judged: Judgement) -> None:
    assert judged.robustness is not None
    assert judged.robustness.undisturbed is DecisionLevel.LIVE


def test_a_waiver_of_the_model_lifts_its_cap() -> None:
    assert in_review(model="UNIUSD_1Hour").outcome is DecisionLevel.LIVE


def test_a_waiver_of_another_model_lifts_nothing() -> None:
    assert in_review(model="AAPL_1Hour").outcome is DecisionLevel.PAPER


@pytest.mark.parametrize(
    ("checkpoint", "market"),
    [(replace(CHECKPOINT, sha256="0" * 64), MARKET), (CHECKPOINT, replace(MARKET, sha256="0" * 64))],
    ids=["checkpoint", "market data"],
)
def test_nothing_is_decided_from_mixed_evidence(checkpoint: CheckpointEvidence, market: MarketEvidence) -> None:
    """Evidence of one model is about one checkpoint on one series of bars."""
    other = {"fold3of5": evidence("fold3of5", checkpoint, market)}

    mixed = judge(PLAN, PROFILE, "table", lambda window: other.get(window) or whole(window), 1)

    assert "different checkpoints or market data" in mixed.incomplete


@pytest.mark.parametrize(
    ("stamp", "told"),
    [(PLAN.folds[3].start, True), (PLAN.folds[3].start + pd.Timedelta(hours=1), False), (None, False)],
    ids=["two folds after it", "one fold after it", "no stamp"],
)
def test_an_edge_lost_on_the_folds_after_the_stamp_is_told(stamp: pd.Timestamp | None, *, told: bool) -> None:
    """The last fold is flat: only with the one before it, which loses, is there a loss after the stamp."""
    results = {"fold4of5": (-0.05, -0.1), "fold5of5": (0.01, 0.001)}

    def find(name: str) -> Evidence:
        item = whole(name)
        if name in results and isinstance(item, WindowEvidence):
            total_return, sharpe = results[name]
            return replace(item, metrics=replace(METRICS, total_return=total_return, sharpe=sharpe))
        return item

    judged = judge(PLAN, PROFILE, "table", find, 1, stamp=stamp)

    assert any("lost entirely on the bars after" in reason for reason in judged.reasons) == told


def test_notes_are_told_among_the_warnings() -> None:
    assert judge(PLAN, PROFILE, "table", whole, 1, notes=("A note.",)).warnings[-1] == "A note."


def test_folds_shown_for_information_change_nothing_but_what_is_told() -> None:
    history = {**HISTORY, "fitness_score": (0.1,)}
    model = TrainedModel(Instrument.parse("UNIUSD"), Timeframe.HOUR_1, history, None)
    (plan,) = make_plan(replace(RUN, models=(model,)), SETTINGS, PROFILE).models
    dropped = judge(plan, PROFILE, "table", whole, 1)
    folds = [whole(fold.name) for fold in plan.folds]

    shown = dropped.informed(folds)

    assert dropped.measured_folds == ()
    assert shown.measured_folds == tuple(folds)
    assert (shown.decision, shown.label, shown.reasons) == (dropped.decision, "DROP", dropped.reasons)
    assert shown.warnings[-1] == "For information, decided without it: 5 of 5 folds made money, +61.05% together."
    assert shown.folds_not_out_of_sample == ()
