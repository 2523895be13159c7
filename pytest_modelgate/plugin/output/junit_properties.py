"""Properties of a test's report, for JUnit's XML and whatever else reads them: texts only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.evidence.records import WindowEvidence


def facts(fixtures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Facts of a model that the fixtures of a test hold.

    Args:
        fixtures: their values, by name; those of other plugins, of users, and ours by their short names are left alone.
    """
    from pytest_modelgate.core.decision.backtest_sanity import Sanity
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.core.evidence.records import CheckpointEvidence, WindowEvidence
    from pytest_modelgate.core.training.gating import Gating
    from pytest_modelgate.core.watching.findings import Finding
    from pytest_modelgate.core.watching.judging import WatchCase

    properties: list[tuple[str, str]] = []
    metric = str(fixtures.get("gate_metric"))
    for value in (value for name, value in fixtures.items() if name.startswith("gate_")):
        if isinstance(value, Gating) and metric in value.metrics:
            properties += [
                ("metric", metric),
                ("value", _figure(value.metrics[metric])),
                ("band", f"{value.bands[metric]}"),
            ]
        elif isinstance(value, Gating):
            properties += [("classification", f"{value.classification}"), ("flags", ", ".join(map(str, value.flags)))]
        elif isinstance(value, WindowEvidence):
            properties += _window(value)
        elif isinstance(value, Sanity):
            properties += [("status", value.status)]
        elif isinstance(value, CheckpointEvidence):
            properties += [("checkpoint_sha256", value.sha256), ("parity", value.parity)]
        elif isinstance(value, Finding):
            properties += [("record", value.status)]
        elif isinstance(value, WatchCase):
            odds = {"evidence_for": value.e_for, "evidence_against": value.e_against}
            properties += [("account", value.brief), *((name, _figure(figure)) for name, figure in odds.items())]
        elif isinstance(value, Judgement):
            table = value.decision.table if value.decision else None
            properties += [("table_decision", table.name if table is not None else ""), ("reason", value.reasons[0])]
    return properties


def _window(evidence: WindowEvidence) -> list[tuple[str, str]]:
    metrics = evidence.metrics
    figures = {
        "return": metrics.total_return,
        "sharpe": metrics.sharpe_annualised,
        "max_drawdown": metrics.max_drawdown,
        "trades": metrics.closed_trades,
        "win_rate": metrics.win_rate,
        "profit_factor": metrics.profit_factor,
    }
    period = [
        ("window", evidence.window),
        ("start", evidence.start),
        ("end", evidence.end),
        ("sample", evidence.sample),
    ]
    return [*period, *((name, _figure(value)) for name, value in figures.items())]


def _figure(value: float) -> str:
    return f"{value:.6g}"
