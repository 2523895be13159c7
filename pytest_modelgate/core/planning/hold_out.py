"""Hold-out that a trainer must leave, and from when an archive could prove itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.windows import calendar_span
from pytest_modelgate.core.planning.plan import ModelPlan, Plan

_OBSERVATION_BARS = 100  # the usual window; a checkpoint's own is known only once it is read
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class HoldOut:
    """Changes that would make every fold out-of-sample.

    Attributes:
        provable_from: as of this day (UTC) the same archive could prove itself; None when some model declares no
            training window.
        days: what a trainer must leave out at the end of its data, so that its models can prove themselves at once.
    """

    provable_from: pd.Timestamp | None
    days: int


def advise(plan: Plan, settings: Settings) -> HoldOut | None:
    """Advice for an archive of which no fold is out-of-sample; None when some fold is, or no model gets that far.

    Embargos are estimated from an observation of 100 bars; the label of each fold is counted in bars, later.
    """
    models = [model for model in plan.models if not model.dropped and model.model.fault is None]
    if not models or any(_has_clean_fold(model) for model in models):
        return None
    walk_forward = settings.walk_forward_days * _DAY
    days = max(math.ceil((walk_forward + _embargo(model)) / _DAY) for model in models)
    moments = [clean + walk_forward for model in models if (clean := _clean_from(model)) is not None]
    return HoldOut(max(moments).ceil("D") if len(moments) == len(models) else None, days)


def _has_clean_fold(plan: ModelPlan) -> bool:
    clean = _clean_from(plan)
    return clean is not None and any(fold.start >= clean for fold in plan.folds)


def _clean_from(plan: ModelPlan) -> pd.Timestamp | None:
    """The first bar after training and selection data and embargo; None without a declared training window."""
    window = plan.model.declared.seen
    return None if window is None else window.end + _embargo(plan)


def _embargo(plan: ModelPlan) -> pd.Timedelta:
    return calendar_span(_OBSERVATION_BARS + 1, plan.model.timeframe, plan.model.instrument.asset_class)
