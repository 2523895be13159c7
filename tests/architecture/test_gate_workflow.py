"""The scripts of the gate's workflow, played in their order on one machine, with the wheel in empty folders."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/gate.yml").read_text(encoding="utf-8"))
INPUTS = {"shards": "2", "minimum": "paper", "max-age": "36500d", "others": "refuse", "all-or-nothing": False}
PASSING = ["AAPL_1Hour", "ETHUSD_1Hour", "UNIUSD_1Hour"]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        sys.platform == "win32" or not all(map(shutil.which, ("bash", "jq", "openssl", "sha256sum"))),
        reason="the workflow's scripts need what Ubuntu's runners have",
    ),
]


class Runner:
    """Plays steps: a fresh folder per job, outputs handed on, artifacts copied."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder, self.outputs = folder, dict[str, dict[str, str]]()
        self._tools = folder / "tools"
        for place in (self._tools, folder / "temp/gate/bin"):
            place.mkdir(parents=True)
            launch = f"PYTHONPATH={site} exec {sys.executable}"
            _script(place / "python", f'{launch} "$@"')
            code = "from pytest_modelgate.cli.main import main; raise SystemExit(main())"
            _script(place / "modelgate", f'{launch} -c "{code}" "$@"')

    def workspace(self, job: str) -> Path:
        """What checkout and the archive's download leave."""
        folder = self.folder / job
        (folder / "archive").mkdir(parents=True)
        shutil.copy(ROOT / "examples/demo_archive.zip", folder / "archive")
        (folder / "cassettes").symlink_to(ROOT / "cassettes")
        return folder

    def play(self, job: str, name: str, workspace: Path, **matrix: str) -> subprocess.CompletedProcess[str]:
        """Run one step's script as the runner does."""
        (step,) = (step for step in WORKFLOW["jobs"][job]["steps"] if step.get("name") == name)
        output = self.folder / "output"
        output.write_text("")
        environment = {key: self._value(str(text), matrix) for key, text in step.get("env", {}).items()}
        environment |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(workspace / "summary.md")}
        environment |= {"RUNNER_TEMP": str(self.folder / "temp"), "PATH": f"{self._tools}:{os.environ['PATH']}"}
        command = ["bash", "-e", "-c", step["run"]]
        run = subprocess.run(
            command, cwd=workspace, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        pairs = (line.split("=", 1) for line in output.read_text().splitlines())
        self.outputs.setdefault(job, {}).update(dict(pairs))
        return run

    def _value(self, text: str, matrix: dict[str, str]) -> str:
        def resolve(match: re.Match[str]) -> str:
            expression = match[1].strip()
            if "&&" in expression:  # the one conditional, on a boolean input
                name, _, word = expression.split(" || ")[0].partition(" && ")
                return word.strip("'") if INPUTS[name.removeprefix("inputs.")] else ""
            where, *path = expression.split(".")
            if where == "inputs":
                return str(INPUTS.get(path[0], ""))
            if where == "matrix":
                return matrix[path[0]]
            job = path[0]
            return self.outputs[job][path[-1]]

        return re.sub(r"\$\{\{(.*?)\}\}", resolve, text)


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture(scope="module")
def judged(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Plan, and two shards whose evidence is uploaded."""
    runner = Runner(tmp_path_factory.mktemp("runner"), site)
    plan = runner.play("plan", "Read the archive, list the tests", runner.workspace("plan"))
    assert plan.returncode == 0, plan.stdout + plan.stderr
    for shard in json.loads(runner.outputs["plan"]["shards"]):
        workspace = runner.workspace(f"gate{shard}")
        run = runner.play("gate", "Evaluate this shard's windows", workspace, shard=str(shard))
        assert run.returncode == 0, run.stdout + run.stderr
        shutil.copytree(workspace / "shard/evidence", runner.folder / f"uploads/evidence-{shard}")
    return runner


def _decide(runner: Runner, name: str, *shards: int) -> tuple[Path, subprocess.CompletedProcess[str]]:
    workspace = runner.workspace(name)
    for shard in shards:
        shutil.copytree(runner.folder / f"uploads/evidence-{shard}", workspace / f"evidence/evidence-{shard}")
    decided = runner.play("verdict", "Decide from the evidence alone", workspace)
    assert decided.returncode == 0, decided.stdout + decided.stderr
    told = runner.play("verdict", "Tell", workspace)
    assert told.returncode == 0, told.stderr
    return workspace, runner.play("verdict", "Blocked unless complete, with a model to promote", workspace)


def test_the_plan_names_archive_digest_and_shards(judged: Runner) -> None:
    plan = judged.outputs["plan"]

    assert plan["shards"] == "[1,2]"
    content = (ROOT / "examples/demo_archive.zip").read_bytes()
    assert (plan["archive"], plan["sha256"]) == ("archive/demo_archive.zip", sha256(content).hexdigest())


def test_two_shards_a_merge_and_a_promotion_release_what_passes(judged: Runner) -> None:
    workspace, blocked = _decide(judged, "verdict", 1, 2)

    verdict: dict[str, Any] = json.loads((workspace / "gate-report/verdict.json").read_text())
    assert (verdict["complete"], verdict["promotable"]) == (True, PASSING)
    assert blocked.returncode == 0, blocked.stdout
    assert judged.outputs["verdict"]["digest"] == verdict["digest"]
    assert "| AAPL_1Hour | PAPER | yes |" in (workspace / "summary.md").read_text()
    assert "| BTCUSD_1Hour | DROP | no |" in (workspace / "summary.md").read_text()

    promoting = judged.workspace("promote")
    shutil.copytree(workspace / "gate-report", promoting / "verdict")
    run = judged.play("promote", "Copy the judged bytes", promoting)
    assert run.returncode == 0, run.stderr
    files = {path.name: sha256(path.read_bytes()).hexdigest() for path in (promoting / "files").glob("*.pt")}
    checkpoints = {f"{model['id']}.pt": model["checkpoint"]["sha256"] for model in verdict["models"]}
    assert files == {name: checkpoints[name] for name in (f"{model}.pt" for model in PASSING)}

    other = promoting / "verdict/verdict.json"
    other.write_bytes(other.read_bytes().replace(b'"PAPER"', b'"LIVE"'))
    assert judged.play("promote", "Copy the judged bytes", promoting).returncode == 1


def test_a_shard_that_is_missing_blocks_everything(judged: Runner) -> None:
    workspace, blocked = _decide(judged, "missing", 1)

    assert blocked.returncode == 1
    assert "The verdict is incomplete." in blocked.stdout
    assert judged.outputs["verdict"]["promotable"] == "[]"
    promoting = judged.workspace("refused")
    shutil.copytree(workspace / "gate-report", promoting / "verdict")
    run = judged.play("promote", "Copy the judged bytes", promoting)
    assert run.returncode == 1
    assert "is incomplete" in run.stderr
    assert not (promoting / "promoted").exists()


def test_an_altered_byte_of_evidence_blocks_its_model(judged: Runner) -> None:
    uploads = judged.folder / "uploads"
    record = next(path for path in sorted(uploads.rglob("AAPL_1Hour.*.json")))
    whole = record.read_bytes()
    middle = len(whole) // 2
    record.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    try:
        workspace, blocked = _decide(judged, "altered", 1, 2)
    finally:
        record.write_bytes(whole)

    assert blocked.returncode == 1
    decisions = {
        m["id"]: m["decision"] for m in json.loads((workspace / "gate-report/verdict.json").read_text())["models"]
    }
    assert decisions["AAPL_1Hour"] == "INCOMPLETE"
