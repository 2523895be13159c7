"""The end of the connection in the process that reports: a thread for each worker that may be elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from execnet import RemoteError

from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.errors import GateError, SettingsError
from pytest_modelgate.plugin.options import option_names
from pytest_modelgate.plugin.state import WORKER_KEY
from pytest_modelgate.plugin.xdist.remote.link import told
from pytest_modelgate.plugin.xdist.remote.terms import Terms
from pytest_modelgate.services.errands import Errands, UnfitErrandError
from pytest_modelgate.services.gate import Gate

_PARTS = 3  # of a question: its number, an errand's name, its arguments


class Hosting:
    """Tells workers what to know of this run, and does their errands.

    Args:
        terms: gives what they are told, as soon as market data is recorded.
        remark: takes a sentence to be said at the end of the run.
    """

    def __init__(self, gate: Gate, terms: Callable[[], Terms], remark: Callable[[str], None]) -> None:
        assert isinstance(gate.store, EvidenceStore)
        self._gate, self._store, self._remark = gate, gate.store, remark
        self._make_terms = terms
        self._services: dict[Any, _Service] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, config: pytest.Config, specs: Sequence[Any]) -> None:
        """Leave a mark where workers look for this run's folders.

        Raises:
            pytest.UsageError: xdist would take the value of an option for a test, and find it in none of its folders.
        """
        if any(not spec.popen or spec.chdir for spec in specs):
            for option, value in pairwise(map(str, config.invocation_params.args)):
                if option in option_names() and Path(value).exists():
                    problem = "xdist takes it for a path of tests, which workers elsewhere do not have"
                    raise pytest.UsageError(f"{option} {value}: {problem}. Write {option}={value}.")
        self._terms = self._make_terms()
        self._terms.leave_mark()

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - xdist publishes no type for its nodes
        """Open a channel to a worker, and serve it."""
        if is_beside(node.gateway.spec):
            return
        channel = node.gateway.newchannel()
        node.workerinput[WORKER_KEY].update(self._terms.told(), channel=channel)
        gate, files = self._gate, self._terms.files
        gone = partial(_has_ended, channel)
        errands = Errands(gate.plan, self._store, gate.archive, gate.settings.cassettes, files=files, gone=gone)
        self._services[node] = _Service(channel, errands, node.gateway.id, self._remark)
        self._services[node].start()

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ANN401
        """Let go of what a lost worker held, before anybody acts on its loss."""
        service = self._services.pop(node, None)
        if service is not None and error:
            service.end()


def is_beside(spec: Any) -> bool:  # noqa: ANN401
    """Whether a worker runs as this process does: same machine, same folder, same Python."""
    return bool(spec.popen) and not (spec.chdir or spec.python or spec.via)


def _has_ended(channel: Any) -> bool:  # noqa: ANN401
    """Whether nothing will come any more."""
    try:
        channel.waitclose(0)
    except channel.TimeoutError:
        return False
    except (EOFError, RemoteError):
        pass
    return True


class _Service(threading.Thread):
    """Does the errands of one worker until its connection ends."""

    def __init__(self, channel: Any, errands: Errands, worker: str, remark: Callable[[str], None]) -> None:  # noqa: ANN401
        super().__init__(name=f"modelgate-{worker}", daemon=True)
        self._channel, self._errands, self._worker, self._remark = channel, errands, worker, remark

    def run(self) -> None:
        """Answer one question after the other."""
        try:
            while True:
                self._channel.send(self._answer(self._channel.receive()))
        except (EOFError, OSError, RemoteError):
            pass  # it has ended, or is lost
        except UnfitErrandError:
            self._remark(f"worker {self._worker} asked for what no worker asks for: it was given nothing more")
        finally:
            self._errands.abandon()
            with suppress(OSError):
                self._channel.close()

    def end(self) -> None:
        """Let go of what the worker holds, after the last that it asked for; its connection may be there still."""
        with suppress(OSError):
            self._channel.close()
        self.join()

    def _answer(self, question: object) -> tuple[object, str, object]:
        if not isinstance(question, tuple) or len(question) != _PARTS:
            raise UnfitErrandError
        number, name, arguments = question
        try:
            return number, "", self._errands.do(name, arguments)
        except GateError as error:
            return number, *told(error)
        except OSError as error:
            problem = f"cannot be read or written: {error.strerror}"
            return number, *told(SettingsError("a file of the run", problem, "Check permissions and free space"))
