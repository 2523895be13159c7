"""Every StashKey of the plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.adapters.gpu.nvidia_smi import Device
    from pytest_modelgate.plugin.session.completeness import Completeness
    from pytest_modelgate.plugin.session.gate_run import GateRun

WORKER_KEY = "modelgate"
"""Where ``workerinput`` says what an xdist worker has to know of the run."""

RUN: pytest.StashKey[GateRun] = pytest.StashKey()
COMPLETENESS: pytest.StashKey[Completeness] = pytest.StashKey()
DEVICES: pytest.StashKey[tuple[Device, ...]] = pytest.StashKey()
NAMED: pytest.StashKey[bool] = pytest.StashKey()  # whether tests to run were named on the command line
FOREIGN: pytest.StashKey[tuple[Path, ...]] = pytest.StashKey()  # folders from which nothing is collected
