"""The 30-day backtest as a sanity check: it can hold a model back, it never promotes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_modelgate.core.backtest.metrics import Metrics
from pytest_modelgate.core.config.profiles import Profile


@dataclass(frozen=True)
class Sanity:
    """Judgement of a backtest; ``findings`` are half sentences, those that fail it first, empty when it passes."""

    status: Literal["pass", "warn", "fail"]
    findings: tuple[str, ...]


def judge_backtest(metrics: Metrics, training_max_drawdown: float, profile: Profile) -> Sanity:
    """Judge a completed backtest.

    Every comparison asks for the good side, so that NaN is a finding.

    Args:
        metrics: of the backtest window.
        training_max_drawdown: the drawdown proxy of the last validation, a fraction. It measures the volatility of
            rewards, and the real drawdown should lie far below it.
        profile: its ``backtest`` holds the limits.
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
    warned = {
        f"it made no money: total return {metrics.total_return:.2%}": traded and not metrics.total_return > 0.0,
        f"profit factor {metrics.profit_factor:.2f}, expected at least 1": traded and not metrics.profit_factor >= 1.0,
        f"{metrics.closed_trades} closed trades are fewer than {limits.min_closed_trades}": (
            traded and not metrics.closed_trades >= limits.min_closed_trades
        ),
        f"{drawdown} is above {limits.max_proxy_share:.0%} of the {training_max_drawdown:.2%} seen in training": (
            not beyond_proxy and not metrics.max_drawdown <= proxy_share
        ),
        f"it held a position in {metrics.time_in_market:.1%} of the bars: an index fund, not a model": (
            not metrics.time_in_market <= limits.max_time_in_market
        ),
    }
    findings = tuple(text for text, applies in (failed | warned).items() if applies)
    if any(failed.values()):
        return Sanity("fail", findings)
    return Sanity("warn" if findings else "pass", findings)
