"""Workers that may see none of the run's folders: how they take part, and how this process serves them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.plugin.state import WORKER_KEY
from pytest_modelgate.plugin.xdist.placement import is_distributed

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun
    from pytest_modelgate.plugin.xdist.remote.arrival import Elsewhere


def take_part(config: pytest.Config) -> Elsewhere | None:
    """Give a worker that may be elsewhere the options of the run, before they are read.

    Returns:
        What a worker has that sees none of the run's folders; None for every other process.

    Raises:
        SettingsError: what it needs cannot be had or written.
    """
    if "channel" not in getattr(config, "workerinput", {}).get(WORKER_KEY, {}):
        return None
    from pytest_modelgate.plugin.xdist.remote.arrival import arrive

    elsewhere = arrive(config)
    if elsewhere:
        config.add_cleanup(elsewhere.close)
    return elsewhere


def serve(config: pytest.Config, run: GateRun) -> None:
    """Serve workers that may be elsewhere; those of ``-n`` are not."""
    if not is_distributed(config) or config.getoption("numprocesses", None):
        return
    from pytest_modelgate.plugin.session.start import surroundings
    from pytest_modelgate.plugin.xdist.remote.hosting import Hosting
    from pytest_modelgate.plugin.xdist.remote.terms import Terms

    folders, around = (run.folder, run.scratch), partial(surroundings, config)
    terms = partial(Terms, config, run.settings, run.gate.archive, folders=folders, surroundings=around)
    config.pluginmanager.register(Hosting(run.gate, terms, run.remarks.append), "modelgate-hosting")
