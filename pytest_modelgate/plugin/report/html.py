"""The report: what this plugin adds to pytest-html's page. The only file that knows pytest-html."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelgate.plugin.collection import STAGES
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # these pull in pandas and jinja, which a run without a report must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun

_LACKS = "lacks the models' cards and pictures"


def add_report(config: pytest.Config, run: GateRun) -> None:
    """Write a report by default, and add the models to whatever report is written; nothing without pytest-html."""
    if not config.pluginmanager.hasplugin("html"):
        return
    if not config.option.htmlpath:
        if not config.pluginmanager.hasplugin("metadata"):
            run.remarks.append("the HTML report is not written: pytest-html needs the plugin metadata, which is off")
            return
        config.option.htmlpath = str(run.settings.output / "report.html")
        config.option.self_contained_html = True
    run.report_path = config.invocation_params.dir / Path(os.path.expandvars(config.option.htmlpath)).expanduser()
    config.pluginmanager.register(_HtmlReport(config, run), "modelgate-html")


class _HtmlReport:
    """Opens the page with what was decided and why, and groups the tests below by model."""

    def __init__(self, config: pytest.Config, run: GateRun) -> None:
        self._config, self._run = config, run
        self._data: Any = None  # pytest-html's ReportData, which has no public type
        self._places: dict[str, tuple[str, int]] = {}
        self._mark = f"<!-- model gate {run.run_id} -->"  # nobody else can know it, and texts of others have no "<"
        self._flaw = ""

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:  # noqa: ANN401 - pytest-html publishes no type
        """Name the report; rows keep their order, and blocking ones are open, unless the user asks for another way."""
        self._data = report
        report.title = f"Model gate: {self._run.archive_name}"
        if report.data["initialSort"] == "result":
            report.set_data("initialSort", "original")
        if report.data["renderCollapsed"] == ["passed"]:
            report.set_data("renderCollapsed", ["passed", "skipped", "xfailed"])

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> Generator[None, object, object]:
        """Add a column for the model. It is asked for while the session starts, which others need to go on."""
        result = None
        cells.insert(1, '<th class="sortable" data-column-type="model">Model</th>')
        try:
            result = yield
        except Exception as error:  # noqa: BLE001 - whatever others raise
            self._leave(error)
        return result

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
        """Show why a check was tolerated, or a test skipped, instead of lines and places of its code."""
        from markupsafe import escape

        reason = getattr(report, "wasxfail", "")
        if reason and self._places[report.nodeid][0]:
            data[:] = [str(escape(reason.removeprefix("reason: ")))]
        elif report.skipped and isinstance(report.longrepr, tuple):
            data[:] = [str(escape(report.longrepr[2].removeprefix("Skipped: ")))]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Leave room for cards and figures, and bring the tests of each model together, in the order of the checks."""
        prefix.append(self._mark)
        tests = self._data.data["tests"]
        last = ("\x7f", len(STAGES))  # tests of no model come after those of models
        ordered = sorted(tests, key=lambda nodeid: (self._places.get(nodeid) or last, nodeid))
        rows = {nodeid: tests[nodeid] for nodeid in ordered}
        tests.clear()
        tests.update(rows)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, object, object]:
        """Give the page up where pytest-html, or somebody who adds to it, cannot take in a test: the run goes on."""
        try:
            return (yield)
        except Exception as error:
            if not _is_of_pytest_html(error):
                raise
            self._leave(error)
            return None

    @pytest.hookimpl(wrapper=True, trylast=True)  # within the one that tells what cannot be written
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Fill the page; let one that pytest-html cannot put together cost nothing but the page."""
        result = None
        try:
            result = yield
        except OSError:
            raise  # told as what cannot be written
        except Exception as error:
            if not _is_of_pytest_html(error):
                raise
            self._give_up(error)
        if self._run.report_path:
            try:
                self._fill()
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever breaks the page must not cost the rest
                self._give_up(error)
        return result

    def _leave(self, error: Exception) -> None:
        """Let pytest-html see no further test, nor the end."""
        self._give_up(error)
        for plugin in self._config.pluginmanager.get_plugins():
            if _top(type(plugin).__module__) == "pytest_html":
                self._config.pluginmanager.unregister(plugin)

    def _give_up(self, error: Exception) -> None:
        self._flaw, self._run.report_path = _told("was not written", error), None

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what the page lacks."""
        if self._flaw:
            terminalreporter.line(f"warning: {self._flaw}", yellow=True)

    def _fill(self) -> None:
        """Put the gate's part where room was left, piece by piece: whole pages of many models take much memory.

        Raises:
            OSError: the page cannot be read or written.
        """
        from markupsafe import escape

        assert self._run.report_path
        head, room, tail = self._run.report_path.read_text(encoding="utf-8").partition(self._mark)
        if not room:
            self._flaw = _told(_LACKS, ValueError("another plugin took their place"))
            return
        with self._run.report_path.open("w", encoding="utf-8") as page:
            try:
                page.writelines(self._whole(head, tail))
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever breaks the page must not cost the rest
                page.seek(0)
                page.truncate()
                self._flaw = _told(_LACKS, error)
                page.writelines((head, f"<p>{escape(self._flaw)}</p>", tail))

    def _whole(self, head: str, tail: str) -> Iterator[str]:
        from pytest_modelgate.plugin.report.carrier import carried
        from pytest_modelgate.plugin.report.page import pieces

        assert self._run.report_path
        part = pieces(self._config, self._run, self._run.report_path)
        yield from carried(head, part, tail, tests=len(self._data.data["tests"]))


def _is_of_pytest_html(error: Exception) -> bool:
    """Whether pytest-html failed, or whoever it asked."""
    return any(_top(frame.f_globals.get("__name__", "")) == "pytest_html" for frame, _ in walk_tb(error.__traceback__))


def _top(module: str) -> str:
    return module.partition(".")[0]


def _told(lack: str, error: Exception) -> str:
    cause = terminal_safe(f"{type(error).__name__}: {error}"[:200])
    return f"the HTML report {lack} ({cause}). Table, summary and verdict are whole; report this."
