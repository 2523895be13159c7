"""Judge the demo in every surrounding that must not matter, for real, and compare the digests of the verdicts.

    python tests/fuzz/demo_matrix.py
    python tests/fuzz/demo_matrix.py --python .venvs/pinned/bin/python --python .venvs/newest/bin/python

The second judges it once in each of these environments.
The tests do the same with folds that cost nothing; this takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo_archive.zip"
_RANDOM = ("-p", "randomly", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Run:
    """One run, and what is to be done to it."""

    options: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    umask: int = -1
    python: str = sys.executable
    interrupt_at: int = 0  # records of evidence


MATRIX: dict[str, tuple[Run, ...]] = {
    "one process": (Run(("-n0",)),),
    "one worker": (Run(("-n1",)),),
    "two workers, hash seed 1": (Run(("-n2",), {"PYTHONHASHSEED": "1"}),),
    "four workers, hash seed 4711": (Run(("-n4",), {"PYTHONHASHSEED": "4711"}),),
    "a random order": (Run(("-n0", *_RANDOM)),),
    "a random order, two workers": (Run(("-n2", *_RANDOM)),),
    "Turkish, umask 077, Kathmandu": (Run(("-n0",), {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"}, 0o077),),
    "C, umask 0, St. John's": (Run(("-n2",), {"LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "America/St_Johns"}, 0),),
    "interrupted, last failed, the rest": (Run(("-n0",), interrupt_at=20), Run(("-n0", "--lf")), Run(("-n2",))),
    "two shards, merged": (
        Run(("-n0", "--gate-shard=1/2", "--gate-output=one")),
        Run(("-n2", "--gate-shard=2/2", "--gate-output=two")),
        Run(("-n0", "--gate-merge", "--gate-evidence=one", "--gate-evidence=two")),
    ),
}


def digests(matrix: Mapping[str, tuple[Run, ...]]) -> Iterator[tuple[str, str]]:
    """Digest of the verdict that each surrounding ends in."""
    for name, runs in matrix.items():
        with tempfile.TemporaryDirectory(prefix="modelgate-matrix-") as folder:
            for run in runs:
                _play(run, Path(folder))
            verdict = json.loads((Path(folder) / "gate-report" / "verdict.json").read_text())
            yield name, verdict["digest"] if verdict["complete"] is True else f"incomplete: {verdict['complete']}"


def _play(run: Run, folder: Path) -> None:
    arguments = [f"--model-archive={DEMO}", f"--gate-cassettes={ROOT / 'cassettes'}", "-q", *run.options]
    process = subprocess.Popen(
        [run.python, "-m", "pytest", *([] if "randomly" in run.options else ["-p", "no:randomly"]), *arguments],
        cwd=folder,
        env={**os.environ, **run.environment},
        umask=run.umask,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if run.interrupt_at:
        while process.poll() is None and len(list(folder.glob("gate-report/evidence/*/*.json"))) < run.interrupt_at:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
    status = process.wait(timeout=900)
    if run.interrupt_at and status != pytest.ExitCode.INTERRUPTED:
        sys.exit(f"the run that was to be interrupted ended with status {status}")


def main() -> int:
    """Print a line per surrounding; the exit status tells whether all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[], help="an environment's interpreter; may be repeated")
    given = parser.parse_args().python
    # Not resolved: the interpreter of an environment is a link to one that knows nothing of it.
    matrix = {python: (Run(("-n0",), python=os.path.abspath(python)),) for python in given} or MATRIX  # noqa: PTH100
    # A job in the background ignores Ctrl-C, and so would the run that is interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = set()
    for name, digest in digests(matrix):
        print(f"{name:36} {digest[:80]}", flush=True)
        seen.add(digest)
    return 0 if len(seen) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
