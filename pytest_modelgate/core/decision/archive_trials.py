"""The models of an archive seen together: what their evidence says of how many independent looks they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pytest_modelgate.core.decision.judgement import fold_attribution
from pytest_modelgate.core.decision.proofs import pool
from pytest_modelgate.core.evidence.records import Evidence, WindowEvidence
from pytest_modelgate.core.planning.looks import TrialCount
from pytest_modelgate.core.planning.plan import ModelPlan
from pytest_modelgate.core.statistics.effective_models import DayGains, effective_models
from pytest_modelgate.core.statistics.net_timing import net_timing


def independent_trials(
    count: TrialCount, plans: Iterable[ModelPlan], find: Callable[[str, str], Evidence | None]
) -> float:
    """Independent looks, once models that are lucky together are counted as fewer.

    Models without complete folds - dropped, failed, or judged elsewhere - count as one each, so a part of a run never
    asks for less than all of it. Only a few hundred numbers of each model are kept.

    Args:
        find: gives the evidence by model and name, None where there is none.
    """
    gains: dict[str, DayGains] = {}
    for plan in plans:
        folds = [] if plan.dropped else [find(plan.model.id, fold.name) for fold in plan.folds]
        measured = [fold for fold in folds if isinstance(fold, WindowEvidence)]
        if not measured or len(measured) < len(folds):
            continue
        if len({fold.checkpoint.sha256 for fold in measured}) == 1:
            _, attribution, places = pool([fold_attribution(plan, fold) for fold in measured])
            timing = net_timing(attribution, places)
            gains[plan.model.id] = DayGains(timing.days, timing.gains)
    return count.total(len(gains), effective_models(gains))
