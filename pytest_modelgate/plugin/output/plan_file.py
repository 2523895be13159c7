"""The plan, written for whoever deals work to machines: ``--gate-plan``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.adapters.plan_file import PlanFile, PlannedModel
from pytest_modelgate.errors import GateError
from pytest_modelgate.plugin.session.record_first import needed
from pytest_modelgate.services.recording import Recorder, estimate

if TYPE_CHECKING:
    from pytest_modelgate.plugin.session.gate_run import GateRun


def write_plan(run: GateRun, recording: Sequence[str], path: Path) -> None:
    """Write the plan of a run, and which series it lacks.

    Args:
        recording: options of ``modelgate record`` for what it replays.

    Raises:
        pytest.UsageError: the manifest of the cassettes is unusable, or the file cannot be written.
    """
    plan, settings = run.gate.plan, run.settings
    names: dict[str, list[str]] = {item.model.id: [] for item in plan.models}
    for work in (*plan.work, *sorted(run.informing)):
        names[work.model].append(work.name)
    requests = needed(plan, [item for item in plan.models if names[item.model.id]], settings)
    try:
        missing, _ = estimate(Recorder(settings.cassettes), requests)
        PlanFile(
            archive=plan.run.name,
            sha256=run.gate.archive.sha256(),
            as_of=plan.as_of.isoformat(),
            models=tuple(
                PlannedModel(
                    id=item.model.id,
                    classification=item.gating.classification.value if item.gating else None,
                    work=tuple(names[item.model.id]),
                )
                for item in plan.models
            ),
            missing=tuple(map(str, missing)),
            recording=tuple(recording),
        ).write(path)
    except GateError as error:
        raise pytest.UsageError(str(error)) from None
