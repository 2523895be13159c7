"""Workers over a real sshd that lives where nothing of the project is: one verdict, wherever workers are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import cheap_gate, cheap_runs, elsewhere
from support.cheap_runs import RND, WAV, WINDOWS
from support.elsewhere import Machine

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(
    not elsewhere.has_machines(),
    reason="an sshd in a mount namespace of its own takes root, and Debian's openssh-server",
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine of its own, as far as files go."""
    (tmp_path / "home" / "tmp").mkdir(parents=True)
    with elsewhere.machine(tmp_path / "home", tmp_path / "machine") as there:
        yield there


@pytest.mark.long
def test_one_verdict_on_one_machine_and_on_several(machine: Machine) -> None:
    """The demo itself, with its real checkpoints and cassettes."""
    shutil.copy(ROOT / "examples" / "demo_archive.zip", machine.home)
    shutil.copytree(ROOT / "cassettes", machine.home / "cassettes")
    spread = {"n": ["-n2"], "popen": ["--tx=2*popen"], "ssh": [machine.workers(2)]}
    ways = {"alone": ["-n0"], **{name: ["--dist=load", *options] for name, options in spread.items()}}
    digests = {}
    for name, options in ways.items():
        command = [sys.executable, "-m", "pytest", "-q", "--model-archive=demo_archive.zip", *options]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        done = subprocess.run(
            [*command, f"--gate-output={name}", "-p", "no:cacheprovider"],
            cwd=machine.home,
            env={**environment, "TMPDIR": str(machine.home / "tmp")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "INTERNALERROR" not in done.stdout, done.stdout
        verdict = json.loads((machine.home / name / "verdict.json").read_text())
        assert verdict["complete"] is True
        digests[name] = verdict["digest"]

    assert digests == dict.fromkeys(ways, digests["alone"])
    assert machine.left() == []
    assert not list(machine.own.rglob("*.zip"))


@pytest.mark.long
def test_a_machine_s_worker_that_is_killed_leaves_its_model_incomplete(machine: Machine) -> None:
    archive = cheap_runs.cheap_archive(machine.home)
    (machine.own / "told.json").write_text(
        json.dumps({"log": str(machine.own / "evaluated"), "mishap": {f"{WAV}.fold2of5": "kill"}})
    )
    told = {cheap_gate.INSTRUCTIONS: f"{machine.own}/told.json", "PYTHONPATH": str(ROOT / "tests")}
    run = cheap_runs.run(
        machine.home,
        Path(archive.name),
        machine.workers(2, **told),
        "--dist=load",
        environment={"TMPDIR": str(machine.home / "tmp")},
    )

    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.decisions[RND] == "DROP"
    assert "came to a sudden end" in run.text
    assert "asked for what no worker asks for" not in run.text
    evaluated = sorted(line.split()[2] for line in (machine.own / "evaluated").read_text().splitlines())
    assert evaluated == sorted(f"{model}.{window}" for model in (RND, WAV) for window in WINDOWS)
    assert machine.left() == [], "who replaced it, or ended after it, has removed what it left"
