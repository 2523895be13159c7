"""What the registration of a model's bytes says of its folds. Shown, and never blocking."""

from __future__ import annotations

import pandas as pd

from pytest_modelgate.core.planning.plan import ModelPlan

_FORMAT = "%Y-%m-%d %H:%M UTC"


def registration_notes(plan: ModelPlan, registered: str | None) -> tuple[str, ...]:
    """Sentences on which folds the model cannot have been trained on, whatever its archive declares.

    Args:
        registered: when its bytes were first known (ISO 8601, with a zone); None when no ledger tells.
    """
    if registered is None:
        unknown = "Its bytes are not registered in the ledger, so each fold rests on the declared training window"
        return (f"{unknown}: modelgate register makes later bars certain to be unseen.",)
    moment = pd.Timestamp(registered)
    later = [fold.name for fold in plan.folds if fold.start >= moment]
    since = f"Registered on {moment.strftime(_FORMAT)}"
    if not later:
        notes = [f"{since}: no fold starts after that, so each rests on the declared training window."]
    else:
        rest = "." if len(later) == len(plan.folds) else "; the others rest on the declared training window."
        notes = [f"{since}: certain to be unseen, since they start after that, are {', '.join(later)}{rest}"]
    declared = plan.model.declared
    for data, window in (("training", declared.training_window), ("selection", declared.selection_window)):
        if window is not None and window.end > moment:
            ended = window.end.strftime(_FORMAT)
            notes.append(f"{since}, while its {data} data are declared to end on {ended}: one of the two is wrong.")
    return tuple(notes)
