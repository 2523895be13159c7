"""What this process is tuned to while it imports what a run needs: garbage, and threads that wait for work."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_TIMEOUT, _CYCLES = "OPENBLAS_THREAD_TIMEOUT", "20"  # 2**20 cycles, half a millisecond; OpenBLAS has 2**26
_FEW = 2_000  # objects: Python 3.12 begins with some hundred frozen ones


@contextmanager
def tuned(config: pytest.Config) -> Iterator[None]:
    """Import with these settings; numpy's BLAS reads its own as it is loaded, and keeps them.

    Between two products a thread of OpenBLAS waits at full speed, for longer than a small network takes: that costs
    processor time and, where it keeps others from working, time.
    """
    given = os.environ.get(_TIMEOUT)
    os.environ.setdefault(_TIMEOUT, _CYCLES)
    try:
        with _lasting(config):
            yield
    finally:
        if given is None:
            os.environ.pop(_TIMEOUT, None)  # other people's processes have settings of their own


@contextmanager
def _lasting(config: pytest.Config) -> Iterator[None]:
    """Import without collecting garbage, and let no collection look at what there is then, until pytest ends.

    Imports make some hundred thousand objects that stay; every full collection, and there are several in a run and at
    pytest's end, would follow all their references.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() < _FEW:  # else somebody else did, and will undo it
            gc.freeze()
            config.add_cleanup(gc.unfreeze)  # the last that is done: pytest may run in a process that goes on
        if collects:
            gc.enable()
