"""Progress of a long run, and the time that the rest will take. Only the terminal hears of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.planning.plan import WorkId
    from pytest_modelgate.plugin.session.gate_run import GateRun

_FIRST, _AGAIN = 10.0, 30.0  # seconds; shorter work needs no estimate


class Estimate:
    """Work done and left, by what it costs.

    Attributes:
        costs: what is to be done, and what each part costs in bars.
    """

    def __init__(self, costs: Mapping[WorkId, int], clock: Callable[[], float]) -> None:
        self._todo, self._clock = dict(costs), clock
        self._all, self._count = sum(costs.values()), len(costs)
        self._left = self._all
        self._start = clock()
        self._next = self._start + _FIRST

    def done(self, *windows: WorkId) -> str:
        """Note what is done; a line when it is time for one, else empty."""
        for window in windows:
            self._left -= self._todo.pop(window, 0)
        now = self._clock()
        if not self._left or self._left == self._all or now < self._next:
            return ""
        self._next = now + _AGAIN
        rest = (now - self._start) * self._left / (self._all - self._left)
        return f"{self._count - len(self._todo)} of {self._count} windows, about {duration(rest)} left"


class Progress:
    """Tells the terminal, on lines of their own between those of pytest."""

    def __init__(self, config: pytest.Config, run: GateRun, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._run, self._clock = config, run, clock
        self._estimate: Estimate | None = None
        self._of_model: dict[str, list[WorkId]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """See which windows are through."""
        from pytest_modelgate.plugin.collection import TestIds

        plan = self._run.gate.plan
        if self._estimate is None:
            self._ids = TestIds(plan)
            todo = (self._run.selected or frozenset(self._run.work)) - self._run.reusable
            self._estimate = Estimate({window: plan.cost(window) for window in sorted(todo)}, self._clock)
            for item in plan.work:  # once: it takes longer than the report of a test that only reads metrics
                self._of_model.setdefault(item.model, []).append(item)
        if report.when != "teardown":
            return
        labels = dict(report.user_properties)
        window = self._ids.of(report.nodeid).work
        whole = self._of_model.get(str(labels.get("model")), [])
        through = whole if labels.get("stage") == "decision" else [window] if window else []
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if (line := self._estimate.done(*through)) and reporter and reporter.verbosity >= 0:
            say(reporter, f"model gate: {line}")


def say(reporter: pytest.TerminalReporter, line: str) -> None:
    """Write a line that shares the screen's with nobody: pytest forgets that it wrote letters for xdist's workers."""
    reporter.ensure_newline()
    if reporter.config.get_terminal_writer().width_of_current_line:
        reporter.line("")
    reporter.line(line)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
