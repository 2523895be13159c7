"""Two workers on another machine, reached by ssh and without a shared folder, against two of this one."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gate_runs import ROOT, gate
from rows import Row, make_row, not_measured

sys.path.insert(0, str(ROOT / "tests"))

from support import elsewhere

ROUNDS = 3
_NAME = "the demo, two workers over ssh against -n 2"


def rows() -> Iterator[Row]:
    """Wall time of whole runs, which take turns."""
    if not elsewhere.has_machines():
        yield not_measured(_NAME, "an sshd in a mount namespace of its own takes root, and Debian's openssh-server")
        return
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        home = Path(place, "home")
        (home / "tmp").mkdir(parents=True)
        shutil.copy(ROOT / "examples" / "demo_archive.zip", home)
        shutil.copytree(ROOT / "cassettes", home / "cassettes")
        os.environ["TMPDIR"] = str(home / "tmp")  # the copies of checkpoints lie there
        variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
        with elsewhere.machine(home, Path(place, "machine")) as machine:
            for _ in range(ROUNDS):
                ways = ((theirs, ["-n2"]), (ours, ["--dist=load", machine.workers(2, **variables)]))
                for costs, options in ways:
                    cost = gate(home, Path("demo_archive.zip"), *options, cassettes=home / "cassettes")
                    assert "complete, promotable: AAPL_1Hour" in cost.text, cost.text
                    costs.append(cost.wall)
    ratios = [ssh / local for ssh, local in zip(ours, theirs, strict=True)]
    note = f"ssh takes {statistics.median(ratios):.2f} of -n 2 (median of {ROUNDS} pairs); target: at most 1.3"
    yield make_row(_NAME, "s wall", statistics.median(ours), opponent=statistics.median(theirs), note=note)
