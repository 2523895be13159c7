"""Evidence of a verdict that was reached before, from the folder beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.verdict.schema import Verdict, WindowPart
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.errors import GateError
from pytest_modelgate.report.facts import Windows
from pytest_modelgate.report.formats import to_float
from pytest_modelgate.text import plain

_RUN, _MODEL = re.compile(r"[0-9a-f]{16}"), re.compile(r"[\w.-]+", re.ASCII)


def recorded(verdict: Verdict, folder: Path) -> Callable[[str], Windows]:
    """What ``PageFacts.windows`` takes, for a verdict that was read from its file.

    Args:
        folder: with the evidence of runs, ``evidence`` beside the verdict. What is no longer there is left out.

    Raises:
        GateError: by the result, when a record is not what the verdict was reached on.
    """
    run = verdict.run.get("id", "")
    store = EvidenceStore(folder, run) if _RUN.fullmatch(run) else None
    models = {model.id: model for model in verdict.models}

    def windows(name: str) -> Windows:
        model, found = models[name], {}
        if store is None or not _MODEL.fullmatch(name):  # no such run or model has records: these would be paths
            return {}
        parts: dict[str, WindowPart] = {f"fold{f.index}of{verdict.settings['folds']}": f for f in model.folds}
        if model.backtest:
            parts["backtest"] = model.backtest
        for window, part in parts.items():
            evidence = store.read(name, window)
            if not isinstance(evidence, WindowEvidence):
                continue
            same = math.isclose(evidence.metrics.total_return, to_float(part.total_return), rel_tol=1e-9, abs_tol=1e-12)
            if (evidence.start, evidence.end) != (part.start, part.end) or not same:
                where = f"evidence of {plain(name)} {plain(window)} in {folder / run}"
                raise GateError(where, "is not what the verdict was reached on", "Fetch the folder of that run")
            found[window] = evidence
        return found

    return windows
