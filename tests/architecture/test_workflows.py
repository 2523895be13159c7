"""What every workflow has to hold to, whatever linters say."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted([*(ROOT / ".github/workflows").glob("*.yml"), *(ROOT / "examples/consumer/.github").rglob("*.yml")])
GATE = ROOT / ".github/workflows/gate.yml"
_UNTRUSTED = {"pull_request_target", "workflow_run", "issue_comment", "issues", "discussion", "fork", "pull_request"}
_USES = re.compile(r"^\s*(?:- )?uses: (?P<action>\S+)(?P<rest>.*)$", re.MULTILINE)


def _load(path: Path) -> dict[str, Any]:
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on": workflow.pop(True), **workflow}  # YAML 1.1 reads the key "on" as true


def _self_hosted(job: dict[str, Any]) -> bool:
    return "self-hosted" in job.get("runs-on", "")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_actions_are_pinned_to_commits_with_their_version(path: Path) -> None:
    used = list(_USES.finditer(path.read_text(encoding="utf-8")))

    assert used
    for match in used:
        if not match["action"].startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", match["action"]), match[0]
            assert re.fullmatch(r"  # v[0-9]+\.[0-9]+\.[0-9]+", match["rest"]), match[0]


def test_one_action_is_used_in_one_version() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for match in _USES.finditer(path.read_text(encoding="utf-8")):
            name, _, commit = match["action"].partition("@")
            pins.setdefault(name, set()).add(commit + match["rest"] if commit else "")

    assert [name for name, found in pins.items() if len(found) > 1] == []


def test_nothing_is_permitted_by_default_and_every_job_has_an_end(path: Path) -> None:
    workflow = _load(path)

    assert workflow["permissions"] == {}
    assert "concurrency" in workflow
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert "timeout-minutes" in job or "uses" in job, name


def test_no_pull_request_reaches_a_self_hosted_runner_or_a_secret(path: Path) -> None:
    workflow, text = _load(path), path.read_text(encoding="utf-8")
    triggers = set(workflow["on"])
    private = any(_self_hosted(job) for job in workflow["jobs"].values()) or "secrets." in text

    assert not triggers & (_UNTRUSTED - {"pull_request"})
    assert not (private and "pull_request" in triggers)


def test_a_called_gate_lets_only_trusted_events_in() -> None:
    jobs = _load(GATE)["jobs"]

    allowed = re.fullmatch(r"contains\(fromJSON\('(\[.*\])'\), github\.event_name\)", jobs["plan"]["if"])
    assert allowed
    assert not set(yaml.safe_load(allowed[1])) & _UNTRUSTED
    for name, job in jobs.items():  # success() is implied, so whatever needs the plan is skipped with it
        assert name == "plan" or "plan" in job["needs"]
        assert not re.search(r"always|failure|cancelled", str(job.get("if", "")))


def test_both_ways_to_start_the_gate_take_the_same_inputs() -> None:
    started = _load(GATE)["on"]

    assert started["workflow_call"]["inputs"] == started["workflow_dispatch"]["inputs"]
    assert len(started["workflow_dispatch"]["inputs"]) <= 10


def test_a_promotion_waits_for_a_complete_verdict_with_something_in_it_and_a_reviewer() -> None:
    jobs = _load(GATE)["jobs"]

    assert jobs["promote"]["if"] == (
        "needs.verdict.outputs.complete == 'true' && needs.verdict.outputs.promotable != '[]'"
    )
    assert jobs["promote"]["environment"] == "modelgate"
    assert "promote" in jobs["deploy"]["needs"]
    for name in ("promote", "deploy"):
        (script,) = (
            step["run"]
            for step in jobs[name]["steps"]
            if "modelgate" in step.get("run", "") and "--archive" in step["run"]
        )
        assert '--digest "$DIGEST"' in script


def test_self_hosted_machines_attest_nothing() -> None:
    for job in _load(GATE)["jobs"].values():
        if _self_hosted(job):
            assert not {"id-token", "attestations"} & set(job["permissions"])


def test_no_script_is_built_from_an_expression(path: Path) -> None:
    for job in _load(path)["jobs"].values():
        for step in job.get("steps", ()):
            assert "${{" not in step.get("run", ""), step
