"""The report: what this plugin adds to pytest-html's page. The only file that knows pytest-html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelgate.plugin.collection import STAGES
from pytest_modelgate.plugin.figures import (
    backtest_text,
    champion_text,
    folds_text,
    proof_text,
    record_text,
    spread_text,
)

if TYPE_CHECKING:  # these pull in pandas and jinja, which a run without a report must not pay for
    from pytest_modelgate.core.judgement import Judgement
    from pytest_modelgate.plugin.run import GateRun


def add_report(config: pytest.Config, run: GateRun) -> None:
    """Write a report by default, and add the models to whatever report is written; nothing without pytest-html."""
    if not config.pluginmanager.hasplugin("html") or config.option.collectonly:
        return
    if not config.option.htmlpath:
        config.option.htmlpath = str(run.settings.output / "report.html")
        config.option.self_contained_html = True
    run.report_path = config.invocation_params.dir / config.option.htmlpath
    config.pluginmanager.register(_HtmlReport(run), "modelgate-html")


class _HtmlReport:
    """Opens the page with one row per model, and groups the tests below by model."""

    def __init__(self, run: GateRun) -> None:
        self._run = run
        self._data: Any = None  # pytest-html's ReportData, which has no public type
        self._places: dict[str, tuple[str, int]] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:  # noqa: ANN401 - pytest-html publishes no type
        """Name the report; rows keep their order, and blocking ones are open, unless the user asks for another way."""
        self._data = report
        report.title = f"Model gate: {self._run.archive_name}"
        if report.data["initialSort"] == "result":
            report.set_data("initialSort", "original")
        if report.data["renderCollapsed"] == ["passed"]:
            report.set_data("renderCollapsed", ["passed", "skipped", "xfailed"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add a column for the model."""
        cells.insert(1, '<th class="sortable" data-column-type="model">Model</th>')

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """Say which model a test is about."""
        from markupsafe import escape

        facts = dict(getattr(report, "user_properties", ()))
        model, stage = str(facts.get("model", "")), facts.get("stage", "")
        self._places[report.nodeid] = (model, STAGES.index(stage) if stage in STAGES else len(STAGES))
        cells.insert(1, f'<td class="col-model">{escape(model)}</td>')

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: pytest.TestReport, data: list[str]) -> None:
        """Show why a check was tolerated instead of the lines of its test."""
        from markupsafe import escape

        reason = getattr(report, "wasxfail", "")
        if reason and self._places[report.nodeid][0]:
            data[:] = [str(escape(reason.removeprefix("reason: ")))]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Open with one row per model, and bring the tests of each model together, in the order of the checks."""
        prefix.append(_summary(self._run))
        tests = self._data.data["tests"]
        last = ("\x7f", len(STAGES))  # tests of no model come after those of models
        ordered = sorted(tests, key=lambda nodeid: (self._places.get(nodeid) or last, nodeid))
        rows = {nodeid: tests[nodeid] for nodeid in ordered}
        tests.clear()
        tests.update(rows)


def _summary(run: GateRun) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_modelgate.plugin"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    plan, settings = run.gate.plan, run.settings
    return environment.get_template("summary.html.j2").render(
        verdict=run.verdict,
        profile=run.gate.profile.name,
        as_of=f"{plan.as_of:%Y-%m-%d %H:%M} UTC",
        settings=settings,
        rows=[_row(judgement) for judgement in run.judgements],
    )


def _row(judgement: Judgement) -> dict[str, Any]:
    from pytest_modelgate.core.evidence import WindowEvidence
    from pytest_modelgate.core.robustness import MULTIPLES

    folds = [fold for fold in judgement.folds if isinstance(fold, WindowEvidence)]
    decision, gating, measured = judgement.decision, judgement.plan.gating, judgement.measured
    checkpoint = measured[0].checkpoint if measured else None
    return {
        "id": judgement.plan.model.id,
        "word": judgement.word,
        "table": decision.table.name if decision and decision.table is not None else "",
        "gating": gating.classification.value if gating else "no training summary",
        "flags": [flag.value for flag in gating.flags] if gating else [],
        "advice": gating.recommended_checkpoint if gating else None,
        "backtest": backtest_text(judgement),
        "folds": folds_text(judgement),
        "fold_returns": [f"{fold.metrics.total_return:+.2%} {fold.sample}" for fold in folds],
        "backtest_sample": judgement.backtest.sample if isinstance(judgement.backtest, WindowEvidence) else "",
        "spread": spread_text(judgement),
        "checkpoint": checkpoint,
        "champion": champion_text(judgement),
        "checks": judgement.checks,
        "robustness": judgement.robustness,
        "multiples": MULTIPLES,
        "context": judgement.context,
        "record": record_text(judgement.context) if judgement.context else "",
        "proofs": [(proof, proof_text(proof)) for proof in judgement.proofs],
        "reasons": judgement.reasons,
        "warnings": judgement.warnings,
    }
