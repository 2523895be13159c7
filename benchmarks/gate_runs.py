"""Whole runs of pytest as other processes, and what they cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
# A process of its own, since the memory of whoever starts a program counts as the program's most memory on Linux.
_STARTER = """
import json, os, subprocess, sys, time
with open(sys.argv[1], "w") as log:
    begun = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:], stdout=log, stderr=log)
    _, status, used = os.wait4(process.pid, 0)
print(json.dumps([status, time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
_OURS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE")
# By the names under which they look for each other: under any other the report would be missing, and its cost.
PLUGINS = tuple(word for name in ("modelgate", "html", "metadata", "xdist") for word in ("-p", name))


@dataclass(frozen=True)
class Cost:
    """Of one process and the children it waited for.

    Attributes:
        wall, cpu: seconds.
        peak: most memory that one of the processes had at a time, MB.
        text: what it printed.
        report: folder of the gate's results, where it was the gate.
    """

    wall: float
    cpu: float
    peak: float
    text: str
    report: Path = Path()


def python(folder: Path, *arguments: str, root: Path = ROOT) -> Cost:
    """Run Python in a folder, on this checkout or another one, with as many threads as a user's would have.

    Other people's plugins are not loaded.
    """
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(paths)}
    log = folder / "output.txt"
    command = [sys.executable, "-I", "-c", _STARTER, str(log), sys.executable, *arguments]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    status, wall, cpu, peak = json.loads(found.stdout)
    text = log.read_text()
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise RuntimeError((text.strip().splitlines() or ["no output"])[-1])
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return Cost(wall, cpu, peak * unit / 2**20, text)


def bare(folder: Path, tests: int, imports: str = "", *options: str) -> Cost:
    """Plain pytest on so many empty tests, importing so much."""
    body = f"{imports}\nimport pytest\n\n@pytest.mark.parametrize('n', range({tests}))\ndef test_nothing(n): pass\n"
    (folder / "test_bare.py").write_text(body)
    return python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_bare.py", *options)


def gate(folder: Path, archive: Path, *options: str, cassettes: Path = ROOT / "cassettes", root: Path = ROOT) -> Cost:
    """The gate on an archive; nothing of an earlier run is used again."""
    report = Path(tempfile.mkdtemp(prefix="report", dir=folder))
    chosen: Sequence[str] = (f"--gate-output={report}", f"--gate-cassettes={cassettes}", *options)
    command = ("-m", "pytest", f"--model-archive={archive}", "-q", "-p", "no:cacheprovider", *PLUGINS, *chosen)
    cost = replace(python(folder, *command, root=root), report=report)
    assert "--collect-only" in options or (report / "report.html").exists(), "its cost would lack that of the report"
    return cost
