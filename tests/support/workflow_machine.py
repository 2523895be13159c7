"""One machine that plays the steps of one job, in folders that nobody used before."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import workflow_tools
from support.expressions import as_text, condition, fill
from support.workflow_actions import Service, StepError

STATUS = {"always": True, "cancelled": False, "success": True, "failure": False}
"""What the status functions say as long as nothing has failed."""

Sabotage = Callable[[str, Mapping[str, Any], str], str | None]


@dataclass(frozen=True)
class Outcome:
    """What became of a job; ``seconds`` of processor time, installing apart."""

    result: str
    text: str
    summary: str
    seconds: float


@dataclass
class Machine:
    """A machine with the package installed.

    Attributes:
        facts: variables of the run.
        sabotage: gives what replaces a step's script, from the job's name as written, matrix and the step's name; None
            leaves it.
    """

    folder: Path
    service: Service
    site: Path
    wheel: Path
    facts: Mapping[str, str]
    sabotage: Sabotage

    def play(self, job: Mapping[str, Any], contexts: dict[str, Any]) -> Outcome:
        """Play a job's steps; their outputs are put into the context ``steps``."""
        shutil.rmtree(self.folder, ignore_errors=True)
        workspace, temp = self.folder / "workspace", self.folder / "temp"
        for folder in (workspace, temp):
            folder.mkdir(parents=True)
        tools = workflow_tools.install(self.folder / "tools", self.site, self.wheel)
        output, summary = self.folder / "GITHUB_OUTPUT", self.folder / "GITHUB_STEP_SUMMARY"
        contexts["runner"] = {"temp": str(temp)}
        facts = {
            **self.facts,
            "RUNNER_TEMP": str(temp),
            "ATTESTED": str(self.service.attested),
            "PATH": f"{tools}:{os.environ['PATH']}",
            **{path.name: str(path) for path in (output, summary)},
        }
        summary.touch()
        result, texts, began = "success", [], _processor_time()
        for step in job["steps"]:
            status = {**STATUS, "success": result == "success", "failure": result == "failure"}
            if not condition(step.get("if"), contexts, status):
                continue
            output.write_text("")
            try:
                texts.append(self._play_step(step, job, contexts, workspace, facts))
            except StepError as error:
                result = "failure"
                texts.append(f"FAILED {step.get('name', step.get('uses'))}: {error}")
            handed_on = (line.partition("=") for line in output.read_text().splitlines())
            if "id" in step:
                contexts["steps"][step["id"]] = {"outputs": {key: value for key, _, value in handed_on}}
        return Outcome(result, "\n".join(texts), summary.read_text(), _processor_time() - began)

    def _play_step(
        self,
        step: Mapping[str, Any],
        job: Mapping[str, Any],
        contexts: Mapping[str, Any],
        workspace: Path,
        facts: Mapping[str, str],
    ) -> str:
        if "uses" in step:
            if "actions/attest" in step["uses"]:
                assert job["permissions"] == {"id-token": "write", "attestations": "write"}
            self.service.play(step["uses"], _texts(step.get("with", {}), contexts), workspace, facts)
            return ""
        assert "${{" not in step["run"]
        script = self.sabotage(job["name"], contexts["matrix"], step.get("name", "")) or step["run"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "APCA"))}
        run = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=fill(step.get("working-directory", str(workspace)), contexts, STATUS),
            env={**environment, **facts, **_texts(step.get("env", {}), contexts)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise StepError(f"status {run.returncode}\n{run.stdout}")
        return run.stdout


def _texts(mapping: Mapping[str, Any], contexts: Mapping[str, Any]) -> dict[str, str]:
    """Inputs of an action or variables of a step, as texts."""
    return {
        key: as_text(fill(value, contexts, STATUS) if isinstance(value, str) else value)
        for key, value in mapping.items()
    }


def _processor_time() -> float:
    """Seconds that processes which have ended took."""
    times = os.times()
    return times.children_user + times.children_system
