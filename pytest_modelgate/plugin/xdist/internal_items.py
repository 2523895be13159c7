"""Items that a worker runs besides the collected tests: a fence, and work that a decision needs but nobody selected.

They are appended after collection was reported, so that no id, count or report ever shows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.plugin.pytest_privates import tear_down
from pytest_modelgate.plugin.state import RUN
from pytest_modelgate.plugin.xdist.units import lay_out

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.planning.plan import WorkId


class InternalItem(pytest.Item):
    """Something to run that is no test."""

    def runtest(self) -> None:
        """Nothing: the protocol is replaced as a whole."""

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands, for plugins that ask every item."""
        return self.path, None, self.name

    def run(self, nextitem: pytest.Item | None) -> None:
        """Do what it is there for, in place of setup, call and teardown."""
        raise NotImplementedError


class Fence(InternalItem):
    """Keeps a worker waiting: a worker runs a test only once it knows the next one, or that there is none."""

    def run(self, nextitem: pytest.Item | None) -> None:
        """Nothing; at the very end what the session's fixtures have to say when they are torn down."""
        if nextitem is not None:
            return
        # What pytest itself does at the end of a session, where an error could not be reported any more. Its hook for
        # teardown is for tests: other plugins would look for what they set up.
        call = pytest.CallInfo.from_call(
            lambda: tear_down(self.session),
            when="teardown",
            reraise=(KeyboardInterrupt, pytest.exit.Exception),
        )
        if call.excinfo is not None:
            report = self.ihook.pytest_runtest_makereport(item=self, call=call)
            self.ihook.pytest_runtest_logreport(report=report)


class HiddenWork(InternalItem):
    """Gains evidence; what comes of it is on record."""

    work: WorkId

    def run(self, nextitem: pytest.Item | None) -> None:  # noqa: ARG002 - nothing of the session is set up for it
        """Gain the evidence; whatever else ends it, such as a time limit, leaves a failure."""
        from pytest_modelgate.core.evidence.records import WindowFailure

        gate = self.config.stash[RUN].gate
        try:
            gate.evidence(*self.work)
        except pytest.fail.Exception:
            gate.store.fail(WindowFailure.of_test(*self.work))


class InternalItems:
    """Adds them to a worker's list, and runs them."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Put the fence and the hidden work behind the collected tests, which have been reported by now."""
        layout = lay_out([item.nodeid for item in session.items], session.config.stash[RUN].gate.plan)
        session.items.append(Fence.from_parent(session, name="end-of-session"))
        for work in layout.hidden:
            item = HiddenWork.from_parent(session, name=f"{work.model}-{work.name}")
            item.work = work
            session.items.append(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run what is no test without any of the phases that a test has."""
        if not isinstance(item, InternalItem):
            return None
        item.run(nextitem)
        return True
