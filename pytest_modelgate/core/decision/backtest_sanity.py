"""The 30-day backtest as a sanity check: it can hold a model back, it never promotes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pytest_modelgate.core.backtest.metrics import Metrics
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.typing import Floats


@dataclass(frozen=True)
class Sanity:
    """Judgement of a backtest, in half sentences.

    Attributes:
        findings: those that fail it first; empty when it passes.
        shown: findings that hold nothing back, since the folds judge the same bars.
    """

    status: Literal["pass", "warn", "fail"]
    findings: tuple[str, ...]
    shown: tuple[str, ...] = ()


def judge_backtest(
    metrics: Metrics, training_max_drawdown: float, profile: Profile, *, one_side: float, in_folds: bool
) -> Sanity:
    """Judge a completed backtest.

    Every comparison asks for the good side, so that NaN is a finding.

    Args:
        metrics: of the backtest window.
        training_max_drawdown: the drawdown proxy of the last validation, a fraction. It measures the volatility of
            rewards, and the real drawdown should lie far below it.
        profile: its ``backtest`` holds the limits.
        one_side: share of the bars with a position on the side where it is more often; see ``one_sided``.
        in_folds: whether its bars lie in folds that are all out-of-sample. What it earned, and from how many trades, is
            judged there, over more bars, and is not held against the model twice.
    """
    limits = profile.backtest
    proxy_share = limits.max_proxy_share * training_max_drawdown
    drawdown = f"max drawdown {metrics.max_drawdown:.2%}"
    beyond_proxy = not metrics.max_drawdown <= training_max_drawdown
    failed = {
        f"the account was wiped out: equity fell to {metrics.min_equity:,.2f} USD": not metrics.min_equity > 0.0,
        "it did not close a single trade": metrics.closed_trades == 0,
        f"{drawdown} is above the limit of {limits.max_drawdown:.2%}": not metrics.max_drawdown <= limits.max_drawdown,
        f"{drawdown} is above the {training_max_drawdown:.2%} seen in training": beyond_proxy,
    }
    traded = metrics.closed_trades > 0
    judged_in_folds = {
        f"it made no money: total return {metrics.total_return:.2%}": traded and not metrics.total_return > 0.0,
        f"profit factor {metrics.profit_factor:.2f}, expected at least 1": traded and not metrics.profit_factor >= 1.0,
        f"{metrics.closed_trades} closed trades are fewer than {limits.min_closed_trades}": (
            traded and not metrics.closed_trades >= limits.min_closed_trades
        ),
    }
    warned = ({} if in_folds else judged_in_folds) | {
        f"{drawdown} is above {limits.max_proxy_share:.0%} of the {training_max_drawdown:.2%} seen in training": (
            not beyond_proxy and not metrics.max_drawdown <= proxy_share
        ),
        f"it held a position on one side in {one_side:.1%} of the bars: an index fund, not a model": (
            not one_side <= limits.max_time_in_market
        ),
    }
    findings = _that_apply(failed | warned)
    shown = _that_apply(judged_in_folds) if in_folds else ()
    if any(failed.values()):
        return Sanity("fail", findings, shown)
    return Sanity("warn" if findings else "pass", findings, shown)


def one_sided(metrics: Metrics, weights: Floats) -> float:
    """Time in the market on the side, long or short, where a model was more often: one that changes sides decides.

    Args:
        metrics: of the backtest.
        weights: (n,) signed positions in its bars.
    """
    long, short = int(np.count_nonzero(weights > 0.0)), int(np.count_nonzero(weights < 0.0))
    return metrics.time_in_market * max(long, short) / (long + short) if long + short else metrics.time_in_market


def _that_apply(findings: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(text for text, applies in findings.items() if applies)
