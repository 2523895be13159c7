"""Whether a sign or a decision hangs on bars with doubtful prices: both are found anew without these bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics, sharpe_ratio
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.decision import decide
from pytest_modelgate.core.decision.model_case import Hanging, ModelCase
from pytest_modelgate.core.decision.proof import FoldAttribution, Proof
from pytest_modelgate.core.evidence.records import FlaggedBars, WindowEvidence

_NAMED = 3  # bars of a window that a sentence names


def find_hanging(
    case: ModelCase,
    backtest: WindowEvidence,
    folds: Sequence[WindowEvidence],
    *,
    later: Sequence[int],
    attributions: Sequence[FoldAttribution],
    prove: Callable[[Sequence[FoldAttribution]], Sequence[Proof]],
    judge: Callable[[Metrics], Sanity],
) -> Hanging | None:
    """Windows whose sign, and a decision that, would be another without flagged bars; None where nothing would.

    What orders and observations came of such a price is not undone: only what was earned at the bar itself is.

    Args:
        case: with all its folds.
        backtest, folds: their evidence, the folds in the order of the case.
        later: places of the folds that make up ``case.later``.
        attributions: of the folds, in the same order.
        prove: the proofs of other attributions.
        judge: the sanity of other metrics of the backtest.
    """
    if not any(window.flagged for window in (backtest, *folds)):
        return None
    cleaned = [
        replace(whole, attribution=_without(fold)) if fold.flagged else whole
        for fold, whole in zip(folds, attributions, strict=True)
    ]
    results = [
        _result(clean.attribution, result) if fold.flagged else result
        for fold, clean, result in zip(folds, cleaned, case.folds, strict=True)
    ]
    clean_case = replace(
        case,
        folds=results,
        later=[results[place] for place in later],
        proofs=prove(cleaned),
        sanity=judge(_clean_metrics(backtest)),
    )
    decision, clean_decision = decide(case).level, decide(clean_case).level
    findings = list(_windows((backtest, *folds), all_of_them=decision is not clean_decision))
    if decision is not clean_decision:
        findings.insert(0, f"without them the decision would be {clean_decision} and not {decision}")
    return Hanging(tuple(findings), clean_decision) if findings else None


def _windows(windows: Sequence[WindowEvidence], *, all_of_them: bool) -> Iterator[str]:
    """Windows whose sign turns without their flagged bars; or all that have any."""
    for window in windows:
        flagged, earned = window.flagged, window.metrics.total_return
        if flagged and (all_of_them or (earned > 0.0) != (flagged.rest_return > 0.0)):
            share = (
                "" if np.isnan(flagged.share) else f" ({flagged.share:.0%} of its {'gain' if earned > 0 else 'loss'})"
            )
            rest = f"{flagged.rest_return:+.2%} without {_named(flagged)}{share}"
            yield f"{window.window} returns {earned:+.2%}, and {rest}"


def _named(flagged: FlaggedBars) -> str:
    times = [f"{pd.Timestamp(second, unit='s'):%Y-%m-%d %H:%M}" for second in flagged.times[:_NAMED]]
    more = f" and {len(flagged.times) - _NAMED} more" if len(flagged.times) > _NAMED else ""
    return f"the bar{'s' if len(flagged.times) > 1 else ''} of {', '.join(times)} UTC{more}"


def _without(window: WindowEvidence) -> BarAttribution:
    attribution = window.bars.attribution()
    return attribution.without(np.isin(window.times, window.flagged.times)) if window.flagged else attribution


def _result(attribution: BarAttribution, result: FoldResult) -> FoldResult:
    return replace(result, total_return=attribution.total_return(), sharpe=sharpe_ratio(attribution.returns))


def _clean_metrics(backtest: WindowEvidence) -> Metrics:
    """Return and drawdown without flagged bars; trades are counted as they were."""
    if backtest.flagged is None:
        return backtest.metrics
    attribution = _without(backtest)
    growth = np.cumprod(np.concatenate([[1.0], np.maximum(0.0, 1.0 + attribution.returns)]))
    drawdown = float(np.max(1.0 - growth / np.maximum.accumulate(growth)))
    return replace(backtest.metrics, total_return=attribution.total_return(), max_drawdown=drawdown)
