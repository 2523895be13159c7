"""The recipes for Slurm and Kubernetes, played: their own scripts, with what a scheduler puts in the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import cheap_gate, cheap_runs

EXAMPLES = Path(__file__).parents[2] / "examples"
SHARDS = 3
Play = Callable[[Sequence[str], Mapping[str, str]], subprocess.CompletedProcess[str]]


def job(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "kubernetes" / name).read_text())
    return document


def container(name: str) -> dict[str, Any]:
    (only,) = job(name)["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run a script in the project's folder, with folds that cost next to nothing."""
    (tmp_path / "told.json").write_text("{}")
    unused = [option for plugin in ("hypothesispytest", "randomly") for option in ("-p", f"no:{plugin}")]

    def run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={
                **kept,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
                "PYTHONPATH": str(Path(cheap_gate.__file__).parents[1]),
                "PYTEST_ADDOPTS": " ".join([*unused, "-p support.cheap_gate"]),
                cheap_gate.INSTRUCTIONS: str(tmp_path / "told.json"),
                "ARCHIVE": str(cheap_runs.cheap_archive(tmp_path)),
                "RESULTS": str(tmp_path / "results"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def slurm(play: Play, tasks: Sequence[int]) -> int:
    for task in tasks:
        told = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(SHARDS)}
        done = play(["bash", str(EXAMPLES / "slurm" / "shards.sbatch")], told)
        assert done.returncode == 0, done.stdout + done.stderr
    return play(["bash", str(EXAMPLES / "slurm" / "merge.sbatch")], {}).returncode


def kubernetes(play: Play, tasks: Sequence[int]) -> int:
    shard, merge = container("shards.yaml"), container("merge.yaml")
    for task in tasks:
        done = play([*shard["command"], *shard["args"]], {"JOB_COMPLETION_INDEX": str(task - 1), "SHARDS": str(SHARDS)})
        assert done.returncode == 0, done.stdout + done.stderr
    return play([*merge["command"], *merge["args"]], {}).returncode


@pytest.mark.long
def test_without_a_shard_nothing_is_promotable(play: Play, tmp_path: Path) -> None:
    assert kubernetes(play, [1, 3]) == 1
    verdict = json.loads((tmp_path / "results" / "merged" / "verdict.json").read_text())
    assert verdict["promotable"] == []


@pytest.mark.long
@pytest.mark.parametrize("cluster", [slurm, kubernetes])
def test_shards_of_a_cluster_give_the_verdict_of_one_machine(
    play: Play, tmp_path: Path, cluster: Callable[[Play, Sequence[int]], int]
) -> None:
    whole = play([sys.executable, "-m", "pytest", f"--model-archive={cheap_runs.cheap_archive(tmp_path)}"], {})

    assert cluster(play, range(1, SHARDS + 1)) == whole.returncode

    of_one, merged = (
        json.loads((folder / "verdict.json").read_text())
        for folder in (tmp_path / "gate-report", tmp_path / "results" / "merged")
    )
    assert merged["digest"] == of_one["digest"]
    assert merged["complete"] is True


@pytest.mark.parametrize("name", ["shards.yaml", "merge.yaml"])
def test_the_jobs_are_whole(name: str) -> None:
    """What the API server would refuse, or nobody would notice before the cluster bill."""
    document, only = job(name), container(name)
    pod = document["spec"]["template"]["spec"]

    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "Job")
    assert pod["restartPolicy"] == "Never"
    assert {mount["name"] for mount in only["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    mounted = [mount["mountPath"] for mount in only["volumeMounts"]]
    paths = [only["workingDir"], *(item["value"] for item in only["env"] if item["name"] != "SHARDS")]
    assert all(path.startswith(tuple(mounted)) for path in paths)
    assert all(isinstance(item["value"], str) for item in only["env"])


def test_there_are_as_many_shards_as_pods() -> None:
    spec = job("shards.yaml")["spec"]
    (shards,) = (item["value"] for item in container("shards.yaml")["env"] if item["name"] == "SHARDS")
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == int(shards)
