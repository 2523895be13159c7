"""What the plugin costs where nobody asks for it, and what a process of a run imports before it does anything."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gate_runs import Cost, bare, python
from rows import Row, make_row

ROUNDS = 7
_WORKER = "import pytest_modelgate.plugin.session.start"  # what each worker of xdist imports for its part in a run
_LIBRARIES = "import filelock, numpy, pandas, pydantic, pytest"


def rows() -> Iterator[Row]:
    """CPU time of short processes, in turns."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ours, bound = _in_turns(lambda: bare(folder, 1, "", "-p", "modelgate"), lambda: bare(folder, 1))
        note = "no archive; the bound is pytest without the plugin; target at most 1.25"
        yield make_row("pytest -q on one empty test", "s CPU", ours, bound=bound, note=note)
        ours, bound = _in_turns(lambda: python(folder, "-c", _WORKER), lambda: python(folder, "-c", _LIBRARIES))
        note = "the bound is numpy, pandas, pydantic, filelock and pytest alone"
        yield make_row("imports of a worker", "s CPU", ours, bound=bound, note=note)


def _in_turns(*works: Callable[[], Cost]) -> list[float]:
    """Median of each: whatever disturbs the machine disturbs all of them."""
    taken = [[work().cpu for work in works] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]
