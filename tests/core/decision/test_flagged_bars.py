"""What hangs on bars with doubtful prices is said, and no decision does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import report_factory as factory

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.judgement import Judgement, judge
from pytest_modelgate.core.evidence.records import BarFigures, Evidence, FlaggedBars, WindowEvidence

ROW = 100  # a bar at which something is held
PLAN = factory.plan_of("AAAUSD")


def with_print(evidence: Evidence | None, gain: float) -> WindowEvidence:
    """A window that earned so much, of its equity, at one more bar, whose price is doubtful."""
    assert isinstance(evidence, WindowEvidence)
    whole = evidence.bars.attribution()
    returns, moves = whole.returns.copy(), whole.intraday_return.copy()
    returns[ROW], moves[ROW] = gain, gain / 0.3
    changed = replace(whole, returns=returns, intraday_return=moves)
    sharpe = float(returns.mean() / returns.std(ddof=1))
    metrics = replace(
        evidence.metrics,
        total_return=changed.total_return(),
        sharpe=sharpe,
        sharpe_annualised=sharpe * math.sqrt(8760.0),
    )
    flagged = FlaggedBars.of(changed, evidence.times, [evidence.times[ROW]])
    return replace(evidence, metrics=metrics, bars=BarFigures.of(changed), flagged=flagged)


def judged(drift: float, trials: float = 1, **gains: float) -> Judgement:
    found = factory.evidence_of(PLAN, drift=drift)
    changed: dict[str, Evidence] = {name: with_print(found[name], gain) for name, gain in gains.items()}
    return judge(PLAN, factory.PROFILE, "proven", {**found, **changed}.get, trials)


def said(judgement: Judgement) -> str:
    assert judgement.decision
    caps = [cap.reason for cap in judgement.decision.caps if cap.source.kind is CapKind.FLAGGED_BARS]
    return "".join(caps)


def test_a_sign_that_hangs_on_a_flagged_bar_allows_paper_at_most_and_names_the_bar() -> None:
    losing = judged(-0.0008, fold2of5=0.5)

    assert "fold2of5 returns +" in said(losing)
    assert losing.folds[1] is not None
    when = np.datetime64(losing.measured_folds[1].times[ROW], "s").item()
    assert f"{when:%Y-%m-%d %H:%M} UTC" in said(losing)
    assert "% of its gain)" in said(losing)
    assert "fold1of5" not in said(losing)


def test_a_decision_that_hangs_on_flagged_bars_is_what_it_would_be_without_them() -> None:
    """Every fold lost, and such a bar in each makes a winner of it."""
    gains = {f"fold{number}of5": 0.5 for number in range(1, 6)}

    clean, with_prints = judged(-0.0008), judged(-0.0008, **gains)

    assert clean.outcome is DecisionLevel.DROP
    assert with_prints.decision
    assert with_prints.decision.table is not DecisionLevel.DROP
    assert with_prints.outcome is DecisionLevel.DROP
    assert "without them the decision would be DROP and not " in said(with_prints)


def test_what_does_not_hang_on_flagged_bars_is_not_held_back() -> None:
    """A model that earns as much without them stays LIVE; the figure is there all the same."""
    clean, with_prints = judged(0.0008), judged(0.0008, fold2of5=0.0005)

    assert (clean.outcome, with_prints.outcome) == (DecisionLevel.LIVE, DecisionLevel.LIVE)
    assert said(with_prints) == ""
    flagged = with_prints.measured_folds[1].flagged
    assert flagged
    assert flagged.total_return == pytest.approx(0.0005)


def test_what_hangs_on_flagged_bars_at_many_trials_alone_is_judged_again_at_fewer() -> None:
    """Without the bar its timing passes, with it only at fewer trials: a decision told too early would be too low."""
    many, few = (judged(0.0007, trials, fold2of5=-0.03) for trials in (10_000, 100))

    assert "without them the decision would be LIVE and not PAPER" in said(many)
    assert (many.outcome, few.outcome) == (DecisionLevel.PAPER, DecisionLevel.LIVE)
    assert many.decision
    assert many.decision.hangs_on_trials


def test_the_sign_of_the_backtest_counts_too() -> None:
    judgement = judged(0.0008, **{PLAN.backtest.name: -0.6})

    assert f"{PLAN.backtest.name} returns -" in said(judgement)


def test_a_backtest_is_sane_without_them_too() -> None:
    """One that lost a tenth but for such a bar, in a model that would be LIVE."""
    found = factory.evidence_of(PLAN, drift=0.0008)
    lost = factory.window_evidence(PLAN.model.id, PLAN.backtest, drift=-0.0008)
    backtest = with_print(lost, 0.5)
    earned = replace(backtest, metrics=replace(backtest.metrics, profit_factor=1.8, max_drawdown=0.01))

    judgement = factory.judgement_of(PLAN, {**found, PLAN.backtest.name: earned})

    assert judgement.sanity
    assert judgement.sanity.status == "pass"
    assert judgement.outcome is DecisionLevel.RETRAIN
    assert "without them the decision would be RETRAIN and not LIVE" in said(judgement)


@given(returns=st.lists(st.floats(-0.2, 0.2), min_size=4, max_size=12), marked=st.sets(st.integers(0, 11)))
def test_flagged_bars_and_the_rest_make_up_the_whole(returns: list[float], marked: set[int]) -> None:
    count, ones = len(returns), np.ones(len(returns))
    whole = BarAttribution(np.array(returns), ones, ones, np.array(returns), 0 * ones, 0 * ones, 0 * ones)
    times = [3600 * row for row in range(count)]

    flagged = FlaggedBars.of(whole, times, [3600 * row for row in marked])

    inside = sorted(row for row in marked if row < count)
    assert (flagged is None) == (not inside)
    if flagged:
        assert flagged.times == tuple(3600 * row for row in inside)
        product = (1.0 + flagged.total_return) * (1.0 + flagged.rest_return)
        assert product == pytest.approx(1.0 + whole.total_return(), abs=1e-12)
        growth = math.log1p(whole.total_return())
        if abs(growth) > 1e-6:
            assert flagged.share == pytest.approx(math.log1p(flagged.total_return) / growth, rel=1e-6)


def test_a_flagged_bar_at_which_nothing_was_held_is_nobodys() -> None:
    zeros, moves = np.zeros(3), np.full(3, 0.5)

    assert FlaggedBars.of(BarAttribution(zeros, zeros, zeros, moves, moves, zeros, zeros), [0, 1, 2], [1]) is None
