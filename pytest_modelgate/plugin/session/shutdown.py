"""Unplanned ends: a signal that asks the run to stop, and a full disk."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun

_GREEN = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


class Endings:
    """Lets the process that reports end in order, and say why it ended or what it could not write."""

    def __init__(self, config: pytest.Config, run: GateRun) -> None:
        self._run = run
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else somebody else looks after it
            signal.signal(signal.SIGTERM, _stop)
            config.add_cleanup(lambda: _restore(signal.SIGTERM))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Let an interrupt be one, whatever hook it struck."""
        return (yield from _interrupted())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Let an interrupt be one, whatever hook it struck."""
        return (yield from _interrupted())

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Keep a report that cannot be written from hiding all that is reported after it."""
        result = None
        try:
            result = yield
        except OSError as error:
            report = error.filename or "a report"
            self._run.unwritten = self._run.unwritten or f"{report} cannot be written: {error.strerror}. Make room."
        if self._run.unwritten and session.exitstatus in _GREEN:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what could not be written."""
        if self._run.unwritten:
            terminalreporter.line(f"error: {self._run.unwritten}", red=True)


def _interrupted() -> Generator[None, object, object]:
    """Raise the interrupt itself where warnings are errors.

    One that strikes an old-style hookwrapper, of which hypothesis and pytest-html have some, becomes a warning.
    """
    try:
        return (yield)
    except Warning as warning:
        struck: BaseException | None = warning
        while struck is not None and not isinstance(struck, KeyboardInterrupt):
            struck = struck.__context__
        if struck is None:
            raise
        raise struck from None


def _stop(number: int, _: FrameType | None) -> None:
    """End as Ctrl-C does, with a verdict that says what is missing; a second signal ends at once."""
    _restore(number)
    raise KeyboardInterrupt(f"asked to stop by {signal.Signals(number).name}")


def _restore(number: int) -> None:
    if signal.getsignal(number) is _stop:
        signal.signal(number, signal.SIG_DFL)
