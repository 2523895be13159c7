"""Plays workflows from their own YAML on one machine: jobs in order, conditions, matrices, called workflows, artifacts.

What is played for real is every script. Actions are those of ``workflow_actions``; pip, venv and gh are stand-ins that
check what they are given (``workflow_tools``), since what is installed is the package under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from support.expressions import as_text, condition, fill
from support.workflow_actions import Service
from support.workflow_machine import STATUS, Machine, Outcome, Sabotage


@dataclass(frozen=True)
class Played:
    """One job that ran, or one part of its matrix."""

    job: str
    runner: tuple[str, ...]
    environment: str
    outcome: Outcome

    @property
    def result(self) -> str:
        return self.outcome.result

    @property
    def text(self) -> str:
        return self.outcome.text


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
        sabotage: as of ``Machine``.
    """

    service: Service
    site: Path
    wheel: Path
    variables: dict[str, str]
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    api: str = ""
    sabotage: Sabotage = lambda *_: None

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
            "ref_name": "main",
            "event": {} if event == "schedule" else {"repository": {"default_branch": "main"}},
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
            status = {**STATUS, "success": set(before) <= {"success"}, "failure": "failure" in before}
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
            played = self._machine(run, name, part).play(job, within)
            run.played.append(Played(name, tuple([labels] if isinstance(labels, str) else labels), environment, played))
            outcome["result"] = "failure" if played.result == "failure" else outcome["result"]
        outputs: Mapping[str, str] = job.get("outputs", {})
        outcome["outputs"] = {key: as_text(fill(text, within, STATUS)) for key, text in outputs.items()}
        return outcome

    def _machine(self, run: Run, job: str, part: Mapping[str, Any]) -> Machine:
        """A machine that nobody used before."""
        place = "-".join([run.id, *job.split(" / "), *map(str, part.values())])
        facts = {
            "GITHUB_ACTIONS": "true",
            "CI": "true",
            "GITHUB_RUN_ID": run.id,
            "GITHUB_REPOSITORY": "someone/models",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_SHA": "5" * 40,
            "GITHUB_API_URL": self.api,
            "SIGNER": "someone/models/.github/workflows/gate.yml",
        }
        folder = self.service.folder / "machines" / place
        return Machine(folder, self.service, self.site, self.wheel, facts, self.sabotage)


def _needs(job: Mapping[str, Any]) -> Sequence[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def _ancestors(jobs: Mapping[str, Any], name: str) -> set[str]:
    """All that a job waits for: without a status function in its condition, each of them has to have succeeded."""
    found = set(_needs(jobs[name]))
    return found.union(*(_ancestors(jobs, need) for need in found))
