"""Limits for the record of what an account did with a model: the profile's section ``[watch]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pytest_modelgate.core.config.ranges import Count, Level, Multiple, Positive, Share, Switch, Within

Odds = Annotated[float, Within(1.0, 1e9)]


@dataclass(frozen=True)
class WatchLimits:
    """Limits at which a record promotes, withdraws, or is not enough yet; fractions unless stated otherwise.

    Attributes:
        required: 1 makes a complete record that met everything a condition of LIVE, 0 does not.
        min_orders: expected or sent, of which execution and costs are judged.
        min_match: least share of them that are as expected.
        max_unexplained_notional: most of their notional that neither a match nor an explanation covers.
        miss_rate: share of orders that may go wrong unexplained before a trader counts as faulty.
        miss_alarm: evidence (odds to 1) that more of them do, at which execution is an alarm.
        cost_multiple: of the assumed costs, which the realised ones may reach; what the costs proof has shown the
            model to survive, so no more than ``proofs.cost_multiple``.
        cost_confidence: of the one-sided bounds of realised costs.
        evidence: odds to 1, for skill before LIVE, and against the claim before a model is withdrawn.
        min_days: of the period before LIVE.
        max_explained: share of orders that may need an explanation; beyond it PAPER at most.
        give_up_days: at PAPER without LIVE, after which the model is no longer worth watching.
        drawdown_factor: of the drawdown quantile that the walk-forward's own days give by chance.
        drawdown_quantile: which one.
        max_drawdown: of the model's part of the account, whatever the walk-forward gives.
        max_silence_days: since the last complete recording, after which a LIVE model has no record.
        closure: largest difference between the account's change of equity and the sum of its parts.
    """

    required: Switch = 0
    min_orders: Count = 60
    min_match: Share = 0.95
    max_unexplained_notional: Share = 0.05
    miss_rate: Annotated[float, Within(1e-6, 0.5)] = 0.02
    miss_alarm: Odds = 20.0
    cost_multiple: Multiple = 2.0
    cost_confidence: Annotated[float, Within(0.5, 0.9999)] = 0.90
    evidence: Odds = 50.0
    min_days: Count = 30
    max_explained: Share = 0.30
    give_up_days: Count = 365
    drawdown_factor: Positive = 1.5
    drawdown_quantile: Annotated[float, Within(0.5, 0.9999)] = 0.99
    max_drawdown: Level = 0.15
    max_silence_days: Count = 3
    closure: Share = 0.001
