"""Python's garbage collector, which need not look through what is imported: that lasts as long as the run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def lasting(config: pytest.Config) -> Iterator[None]:
    """Import without collecting garbage, and let no collection look at what there is then, until pytest ends.

    Imports make some hundred thousand objects that stay; every full collection, and there are several in a run and at
    pytest's end, would follow all their references.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        config.add_cleanup(gc.unfreeze)  # the last that is done: pytest may run in a process that goes on
        if collects:
            gc.enable()
