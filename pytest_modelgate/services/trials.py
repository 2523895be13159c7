"""Looks at an archive's models, entered in the ledger before anything is judged; and archives registered there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.ledger import LedgerState, Registration, record_trials, register
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.grid import name_of
from pytest_modelgate.core.planning.looks import Trial
from pytest_modelgate.core.planning.plan import ModelPlan, Plan, bar_origin
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import ArchiveError, CheckpointError
from pytest_modelgate.services.model_loader import ModelLoader


def enter_trials(ledger: Path, plan: Plan, settings: Settings, profile: Profile, loader: ModelLoader) -> LedgerState:
    """Enter the archive's models in the ledger: a run broken off has tried them, too.

    A checkpoint that does not load is no model, and gets no decision that luck could raise.

    Raises:
        SettingsError: the ledger cannot be used.
    """
    trials = []
    for item in plan.models:
        try:
            sha256 = loader.loadable_sha256(item.model)
        except (ArchiveError, CheckpointError):
            continue  # it is INCOMPLETE, and says why when it is judged
        start, end = (moment.isoformat() for moment in (item.folds[0].start, item.folds[-1].end))
        trials.append(Trial(item.model.id, sha256, start, end, len(item.folds), terms_of(item, settings, profile)))
    return record_trials(ledger, trials)


def terms_of(plan: ModelPlan, settings: Settings, profile: Profile) -> str:
    """Sha256 over what can be varied to look at the same bytes and bars again, in the hope of a better decision.

    Windows, costs, account and bars change the figures; limits and the decision rule change what they are held against;
    what the archive declares changes the function, or which folds count. As-of is no part: it is the look's own date.
    Nor are waivers and the champion, which lift no proof, nor what no decision depends on.
    """
    declared = plan.model.declared
    training, selection = declared.training_window, declared.selection_window
    chosen = {"selection": [selection.start.isoformat(), selection.end.isoformat()]} if selection else {}
    origin = name_of(bar_origin(plan.model, settings))
    joined = {"bar_origin": origin} if origin else {}
    return json_sha256(
        {
            **chosen,  # where it is declared: looks entered before it could be keep their terms
            **joined,
            "account": plan.account,
            "activation": settings.activation or declared.activation,
            "adjustment": settings.adjustment,
            "backtest_days": settings.backtest_days,
            "capital": settings.capital,
            "decision": settings.decision,
            "feature_set": settings.feature_set or declared.feature_set,
            "feed": settings.feed,
            "folds": settings.folds,
            "profile": profile.sha256,
            "sessions": settings.sessions,
            "meanings": [settings.model_version, *declared.meanings],
            "training": [training.start.isoformat(), training.end.isoformat()] if training else None,
            "walk_forward_days": settings.walk_forward_days,
        }
    )


def register_archive(archive: Path, ledger: Path, clock: Callable[[], datetime]) -> Registration:
    """Enter an archive's bytes, and those of its checkpoints, in the ledger; once there, they keep their moment.

    Args:
        clock: gives the present moment, with a zone.

    Raises:
        ArchiveError: the archive cannot be read.
        SettingsError: the ledger cannot be used.
    """
    with open_archive(archive) as opened:
        models = [model for model in opened.run.models if model.checkpoint and not model.fault]
        checkpoints = [opened.checkpoint_sha256(model.checkpoint) for model in models if model.checkpoint]
        return register(ledger, opened.sha256(), checkpoints, clock)
