"""Trials of an archive: its models, entered in the ledger before anything is judged."""

from __future__ import annotations

from pathlib import Path

from pytest_modelgate.adapters.ledger import LedgerState, Trial, record_trials
from pytest_modelgate.core.planning.plan import Plan
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.services.model_loader import ModelLoader


def enter_trials(ledger: Path, plan: Plan, loader: ModelLoader) -> LedgerState:
    """Enter the archive's models in the ledger: a run broken off has tried them, too.

    Raises:
        SettingsError: the ledger cannot be used.
    """
    trials = []
    for item in plan.models:
        if item.model.checkpoint is None:
            continue
        try:
            sha256 = loader.checkpoint_sha256(item.model)
        except ArchiveError:
            continue  # it is INCOMPLETE, and says why when it is judged
        start, end = (moment.isoformat() for moment in (item.folds[0].start, item.folds[-1].end))
        trials.append(Trial(item.model.id, sha256, start, end))
    return record_trials(ledger, trials)
