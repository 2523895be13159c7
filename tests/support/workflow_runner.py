"""Plays workflows from their own YAML on one machine: jobs in order, conditions, matrices, called workflows, artifacts.

What is played for real is every script. Actions are those of ``workflow_actions``; pip, venv and gh are stand-ins that
check what they are given (``workflow_tools``), since what is installed is the package under test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from support import workflow_tools
from support.expressions import as_text, condition, fill
from support.workflow_actions import Service, StepError

_ALL = {"always": True, "cancelled": False}


@dataclass
class Played:
    """One job that ran, or one part of its matrix; ``seconds`` of processor time, installing apart."""

    job: str
    runner: tuple[str, ...]
    result: str
    seconds: float
    text: str
    environment: str
    summary: str
    workspace: Path


@dataclass
class Run:
    """One run of a workflow."""

    id: str
    played: list[Played] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)

    def of(self, job: str) -> Played:
        (found,) = (played for played in self.played if played.job == job)
        return found

    @property
    def jobs(self) -> list[str]:
        return [played.job for played in self.played]

    @property
    def told(self) -> str:
        """What every job printed, for messages of tests."""
        return "\n".join(f"--- {played.job}: {played.result}\n{played.text}" for played in self.played)


@dataclass
class Runner:
    """Machines of every label, and the repository's settings.

    Attributes:
        site: the package as installed.
        variables: of the repository.
        secrets: by environment; the empty one is the repository itself.
        sabotage: gives what replaces a step's script, from the job's name as written, matrix and the step's name;
            None leaves it.
    """

    service: Service
    site: Path
    wheel: Path
    variables: dict[str, str]
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    api: str = ""
    sabotage: Callable[[str, Mapping[str, Any], str], str | None] = lambda *_: None

    def start(self, workflow: str, inputs: Mapping[str, str] | None = None, event: str = "workflow_dispatch") -> Run:
        """Run a workflow of the repository to its end."""
        run = Run(str(len(self.service.runs) + 1))
        self.service.runs[run.id] = {
            "event": event,
            "head_branch": "main",
            "head_repository": {"full_name": "someone/models"},
            "head_sha": "5" * 40,
        }
        document = self._read(workflow)
        declared = (document["on"].get("workflow_dispatch") or {}).get("inputs", {})
        given = {name: (inputs or {}).get(name, facts.get("default", "")) for name, facts in declared.items()}
        github = {
            "event_name": event,
            "run_id": run.id,
            "ref": "refs/heads/main",
            "repository": "someone/models",
            "token": "a-token",
            "workflow": document["name"],
            "event": {"repository": {"default_branch": "main"}},
        }
        base = {"github": github, "inputs": given, "vars": self.variables}
        self._play_jobs(run, document, base, inherit=True, prefix="")
        return run

    def _read(self, workflow: str) -> dict[str, Any]:
        text = (self.service.repository / ".github/workflows" / workflow).read_text(encoding="utf-8")
        document = yaml.safe_load(text)
        return {"on": document.pop(True), **document}

    def _play_jobs(
        self, run: Run, document: Mapping[str, Any], base: Mapping[str, Any], *, inherit: bool, prefix: str
    ) -> dict[str, Any]:
        """Play the jobs of a workflow; what each of them is to those that need it."""
        done: dict[str, dict[str, Any]] = {}
        jobs: dict[str, Any] = dict(document["jobs"])
        while jobs:
            name = next(name for name, job in jobs.items() if set(_needs(job)) <= done.keys())
            job = jobs.pop(name)
            contexts = {**base, "needs": {need: done[need] for need in _needs(job)}}
            before = [done[need]["result"] for need in _ancestors(document["jobs"], name)]
            status = {**_ALL, "success": set(before) <= {"success"}, "failure": "failure" in before}
            if not condition(job.get("if"), contexts, status):
                done[name] = {"result": "skipped", "outputs": {}}
            elif "uses" in job:
                done[name] = self._call(run, name, job, contexts, status)
            else:
                done[name] = self._play_matrix(run, prefix + name, job, contexts, status, inherit=inherit)
            run.results[prefix + name] = done[name]["result"]
        return done

    def _call(
        self, run: Run, name: str, job: Mapping[str, Any], contexts: Mapping[str, Any], status: Mapping[str, bool]
    ) -> dict[str, Any]:
        """Play a workflow of the same repository that a job calls."""
        document = self._read(job["uses"].removeprefix("./.github/workflows/"))
        declared = document["on"]["workflow_call"]["inputs"]
        given = {key: fill(str(value), contexts, status) if isinstance(value, str) else value
                 for key, value in job["with"].items()}  # fmt: skip
        assert given.keys() <= declared.keys()
        inputs = {key: given.get(key, facts["default"]) for key, facts in declared.items()}
        base = {key: contexts[key] for key in ("github", "vars")} | {"inputs": inputs}
        inherit = job.get("secrets") == "inherit"
        done = self._play_jobs(run, document, base, inherit=inherit, prefix=f"{name} / ")
        failed = any(part["result"] == "failure" for part in done.values())
        return {"result": "failure" if failed else "success", "outputs": {}}

    def _play_matrix(
        self,
        run: Run,
        name: str,
        job: Mapping[str, Any],
        contexts: Mapping[str, Any],
        status: Mapping[str, bool],
        *,
        inherit: bool,
    ) -> dict[str, Any]:
        axis = (job.get("strategy") or {}).get("matrix", {})
        values = {key: fill(value, contexts, status) for key, value in axis.items()}
        assert all(values.values()), "a matrix without values is an error"
        parts = [{key: value} for key, column in values.items() for value in column] or [{}]
        outcome: dict[str, Any] = {"result": "success", "outputs": {}}
        for part in parts:
            labels = fill(job["runs-on"], contexts, status)
            environment = as_text(fill(job.get("environment", ""), contexts, status))
            secrets = {**self.secrets.get("", {}), **self.secrets.get(environment, {})} if inherit else {}
            within = {**contexts, "matrix": part, "secrets": secrets, "steps": {}}
            played = self._play_job(run, name, job, within)
            played.runner, played.environment = tuple([labels] if isinstance(labels, str) else labels), environment
            run.played.append(played)
            outcome["result"] = "failure" if played.result == "failure" else outcome["result"]
        done = {**within, "steps": within["steps"]}
        always = {**_ALL, "success": True, "failure": False}
        outcome["outputs"] = {key: as_text(fill(text, done, always)) for key, text in job.get("outputs", {}).items()}
        return outcome

    def _play_job(self, run: Run, name: str, job: Mapping[str, Any], contexts: dict[str, Any]) -> Played:
        place = "-".join([run.id, *name.split(" / "), *map(str, contexts["matrix"].values())])
        machine = _fresh(self.service.folder / "machines" / place)
        workspace, temp = machine / "workspace", machine / "temp"
        for folder in (workspace, temp):
            folder.mkdir(parents=True)
        tools = workflow_tools.install(machine / "tools", self.site, self.wheel)
        contexts["runner"] = {"temp": str(temp)}
        files = {key: machine / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        signer = "someone/models/.github/workflows/gate.yml"
        facts = {
            "GITHUB_ACTIONS": "true",
            "CI": "true",
            "GITHUB_RUN_ID": run.id,
            "GITHUB_REPOSITORY": "someone/models",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_SHA": "5" * 40,
            "GITHUB_API_URL": self.api,
            "RUNNER_TEMP": str(temp),
            "SIGNER": signer,
            "ATTESTED": str(self.service.attested),
            "PATH": f"{tools}:{os.environ['PATH']}",
            **{key: str(path) for key, path in files.items()},
        }
        for path in files.values():
            path.touch()
        result, texts, began = "success", [], _processor_time()
        for step in job["steps"]:
            status = {**_ALL, "success": result == "success", "failure": result == "failure"}
            if not condition(step.get("if"), contexts, status):
                continue
            try:
                texts.append(self._play_step(step, job, contexts, workspace, facts))
            except StepError as error:
                result, _ = "failure", texts.append(f"FAILED {step.get('name', step.get('uses'))}: {error}")
            lines = [line.partition("=") for line in files["GITHUB_OUTPUT"].read_text().splitlines()]
            if "id" in step:
                contexts["steps"][step["id"]] = {"outputs": {key: value for key, _, value in lines}}
            files["GITHUB_OUTPUT"].write_text("")
        summary = files["GITHUB_STEP_SUMMARY"].read_text()
        return Played(name, (), result, _processor_time() - began, "\n".join(texts), "", summary, workspace)

    def _play_step(
        self,
        step: Mapping[str, Any],
        job: Mapping[str, Any],
        contexts: Mapping[str, Any],
        workspace: Path,
        facts: Mapping[str, str],
    ) -> str:
        status = {**_ALL, "success": True, "failure": False}

        def texts(mapping: Mapping[str, Any]) -> dict[str, str]:
            return {key: as_text(fill(str(value).lower() if isinstance(value, bool) else str(value), contexts, status))
                    for key, value in mapping.items()}  # fmt: skip

        if "uses" in step:
            if "actions/attest" in step["uses"]:
                assert job["permissions"] == {"id-token": "write", "attestations": "write"}
            self.service.play(step["uses"], texts(step.get("with", {})), workspace, facts)
            return ""
        assert "${{" not in step["run"]
        script = self.sabotage(job["name"], contexts["matrix"], step.get("name", "")) or step["run"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "APCA"))}
        run = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=fill(step.get("working-directory", str(workspace)), contexts, status),
            env={**environment, **facts, **texts(step.get("env", {}))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise StepError(f"status {run.returncode}\n{run.stdout}")
        return run.stdout


def _processor_time() -> float:
    """Seconds that processes which have ended took."""
    times = os.times()
    return times.children_user + times.children_system


def _needs(job: Mapping[str, Any]) -> Sequence[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def _ancestors(jobs: Mapping[str, Any], name: str) -> set[str]:
    """All that a job waits for: without a status function in its condition, each of them has to have succeeded."""
    found = set(_needs(jobs[name]))
    return found.union(*(_ancestors(jobs, need) for need in found))


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder
