"""What the exit status says of each model: pytest's own knows of the tests that were run, and of nothing else."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.plugin.collection import decided_model

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.plugin.session.gate_run import GateRun

_LISTED = 6


class ExitStatus:
    """Names the models below what is required that no test failed for, and lets them fail the run on request."""

    def __init__(self, run: GateRun, *, by_verdict: bool) -> None:
        self._run, self._by_verdict = run, by_verdict
        self._blocked: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """See for which models a decision test fails."""
        if report.failed:
            self._blocked.add(decided_model(report.nodeid))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Speak last, after whatever else ends a run."""
        result = yield
        unheard = self._unheard()
        if not unheard:
            return result
        turned = self._by_verdict and session.exitstatus == pytest.ExitCode.OK
        if turned:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"model gate: {_sentence(unheard, turned=turned)}", yellow=True)
        return result

    def _unheard(self) -> list[Judgement]:
        """Models that a green run would pass over; decisions on the share of a machine are left to a merge."""
        if self._run.settings.shard:
            return []
        require = self._run.settings.require
        below = (judgement for judgement in self._run.judgements if not judgement.reaches(require))
        return [judgement for judgement in below if judgement.plan.model.id not in self._blocked]


def _sentence(unheard: list[Judgement], *, turned: bool) -> str:
    named = [f"{judgement.plan.model.id} ({judgement.label})" for judgement in unheard[:_LISTED]]
    if len(unheard) > _LISTED:
        named.append(f"{len(unheard) - _LISTED} more")
    models = ", ".join(named)
    if turned:
        return f"exit status 1 by the verdict (--gate-exit-by-verdict): no decision test was run of {models}"
    return f"the exit status says nothing about {models}: no decision test of theirs was run"
