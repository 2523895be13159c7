"""Completeness: every collected test ends in a report, or the run does not end green. For the process that reports."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_modelgate.plugin.collection import decided_model, properties

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun

_CRASHED = "modelgate_crashed"
_OWN_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class Completeness:
    """Compares what was collected with what was reported, and completes the reports of crashed workers.

    xdist reports a crash with a phase that neither JUnit's nor pytest-html's report knows, and without the teardown
    that makes pytest-html show a test at all.

    Attributes:
        crash_was_reported: called after the report of a crash has gone to everybody.
    """

    def __init__(self, config: pytest.Config, run: GateRun) -> None:
        self._config, self._run = config, run
        self._collected: dict[str, None] = {}
        self._finished: set[str] = set()
        self._decided: dict[str, str] = {}
        self.crash_was_reported: Callable[[], None] = lambda: None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what this process itself is going to run."""
        self._collected.update(dict.fromkeys(item.nodeid for item in session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note what workers are going to run."""
        self._collected.update(dict.fromkeys(ids))
        self._run.select(self._collected)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:  # noqa: ANN401 - its phase is none of pytest's
        """Make the report of a crash one of a failed call."""
        ours = self._report(crashitem, "call", f"INCOMPLETE: {report.longrepr}")
        vars(report).update(vars(ours) | {"node": report.node, _CRASHED: True})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        """See which tests are through, and let one that crashed its worker end like any other."""
        result = yield
        if report.when == "teardown":
            self._finished.add(report.nodeid)
        elif report.when == "call" and report.passed and (model := decided_model(report.nodeid)):
            self._decided[report.nodeid] = model
        if getattr(report, _CRASHED, False):
            if report.outcome == "failed":
                ending = self._report(report.nodeid, "teardown", None)
                vars(ending)["node"] = vars(report)["node"]  # or else JUnit's report takes it for another test
                self._log(ending)
            else:  # a plugin wants it to be run again
                self._run.forget(report.nodeid)
            self.crash_was_reported()
        return result

    def report_missing(self, session: pytest.Session, exitstatus: int) -> None:
        """Report an error for every collected test that did not end, unless somebody asked to stop early.

        A green or empty end with anything missing becomes exit status 1.
        """
        missing = [nodeid for nodeid in self._collected if nodeid not in self._finished]
        if missing and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if exitstatus not in _OWN_END or session.shouldfail or session.shouldstop:
            return
        for nodeid in missing:
            self._log(
                self._report(nodeid, "setup", "INCOMPLETE: it was collected, and then no worker was left to run it")
            )
            self._log(self._report(nodeid, "teardown", None))

    def report_unfounded(self, session: pytest.Session) -> None:
        """Report an error for every decision that passed, and of whose evidence the verdict knows nothing.

        It was gained where this process cannot see it, or is gone since; a green end becomes exit status 1.
        """
        incomplete = {item.plan.model.id for item in self._run.judgements if item.outcome is None}
        for nodeid in (nodeid for nodeid, model in self._decided.items() if model in incomplete):
            problem = "INCOMPLETE: it passed, but the evidence that it rested on is not there at the end of the run"
            self._log(self._report(nodeid, "teardown", problem))
            if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _log(self, report: pytest.TestReport) -> None:
        self._config.hook.pytest_runtest_logreport(report=report)

    def _report(
        self, nodeid: str, when: Literal["setup", "call", "teardown"], failure: str | None
    ) -> pytest.TestReport:
        file, _, name = nodeid.partition("::")
        return pytest.TestReport(
            nodeid=nodeid,
            location=(file, None, name),
            keywords={},
            outcome="failed" if failure else "passed",
            longrepr=failure,
            when=when,
            user_properties=properties(nodeid, self._run.gate.plan),
        )
