"""Tests about one piece of evidence: each claims it, and an error that keeps one from its evidence goes on record."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.plugin.collection import case_of

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun

_STAGES = ("backtest", "walk_forward", "watch")
_SETUP_FAILED: pytest.StashKey[bool] = pytest.StashKey()
_RETRIES: pytest.StashKey[bool] = pytest.StashKey()


class WindowTests:
    """Ties tests to the evidence they are about, in whatever process runs them."""

    def __init__(self, run: GateRun) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which evidence has a test: of it only what this run finds out counts."""
        self._run.select(item.nodeid for item in session.items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Hold the claim as long as the test runs, with all its repetitions: a crash anywhere in it is seen."""
        case = case_of(item)
        if case is None or not case.window:
            return (yield)
        from pytest_modelgate.core.evidence.records import WindowFailure
        from pytest_modelgate.errors import SettingsError

        store, window = self._run.gate.store, (case.model, case.window)
        with ExitStack() as held:
            try:
                held.enter_context(store.claim(*window))
            except SettingsError:
                return (yield)  # nothing can be written: the test itself tells, and nothing counts
            item.stash[_RETRIES] = not isinstance(store.read(*window), WindowFailure)
            result = yield
            shipped = any(item.get_closest_marker(stage) for stage in _STAGES)
            if shipped and item.stash.get(_SETUP_FAILED, False) and not isinstance(store.read(*window), WindowFailure):
                store.fail(WindowFailure.of_test(*window))
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A repetition asks for another try of what failed in this very test."""
        if item.stash.get(_SETUP_FAILED, False) and item.stash.get(_RETRIES, False):
            case = case_of(item)
            assert case is not None
            self._run.gate.store.forget(case.model, case.window)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note whether the test got what it asked for."""
        report = yield
        if call.when == "setup" and _RETRIES in item.stash:
            item.stash[_SETUP_FAILED] = report.failed
        return report
