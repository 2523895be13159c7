"""What every workflow has to hold to, whatever linters say."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.workflows import EVENTS, GATE, ROOT, WORKFLOWS, load, one_line

from pytest_modelgate.cli.ci.moving import TRUSTED_EVENTS

_UNTRUSTED = {"pull_request_target", "workflow_run", "issue_comment", "issues", "discussion", "fork", "pull_request"}
_USES = re.compile(r"^\s*(?:- )?uses: (?P<action>\S+)(?P<rest>.*)$", re.MULTILINE)


def _self_hosted(job: dict[str, Any]) -> bool:
    return any(word in str(job.get("runs-on", "")) for word in ("self-hosted", "gate-runner", "trader-runner"))


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
    workflow = load(path)

    assert workflow["permissions"] == {}
    assert "concurrency" in workflow
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert "timeout-minutes" in job or "uses" in job, name


def test_no_pull_request_reaches_a_self_hosted_runner_or_a_secret(path: Path) -> None:
    workflow, text = load(path), path.read_text(encoding="utf-8")
    triggers = set(workflow["on"])
    private = any(_self_hosted(job) for job in workflow["jobs"].values()) or "secrets." in text

    assert not triggers & (_UNTRUSTED - {"pull_request"})
    assert not (private and "pull_request" in triggers)


_STATUS = re.compile(r"\b(success|failure|always|cancelled)\(\)")


def test_a_called_gate_lets_only_trusted_events_in() -> None:
    jobs = load(GATE)["jobs"]

    allowed = EVENTS.search(jobs["plan"]["if"])
    assert allowed
    assert tuple(yaml.safe_load(allowed[1])) == TRUSTED_EVENTS
    assert not set(TRUSTED_EVENTS) & _UNTRUSTED
    assert not re.search(r"\|\|", jobs["plan"]["if"])


@pytest.mark.parametrize("name", [name for name in load(GATE)["jobs"] if name not in ("plan", "judged")])
def test_a_job_of_the_gate_needs_the_success_of_one_that_needs_the_plan(name: str) -> None:
    """With a status function, since GitHub skips a job without one wherever a job long before it was skipped."""
    job = load(GATE)["jobs"][name]

    assert _STATUS.findall(job["if"]) == ["cancelled"]
    assert "!cancelled()" in job["if"]
    succeeded = re.findall(r"needs\.([\w-]+)\.result == 'success'", job["if"].partition("(needs.")[0])
    assert succeeded
    assert {*succeeded} <= {*([job["needs"]] if isinstance(job["needs"], str) else job["needs"])}


def test_the_check_to_require_is_never_skipped_and_can_do_nothing() -> None:
    judged = load(GATE)["jobs"]["judged"]

    assert (judged["if"], judged["permissions"]) == ("always()", {})
    assert not any("uses" in step or "if" in step for step in judged["steps"])


def test_a_promotion_waits_for_a_complete_verdict_with_something_in_it_and_a_reviewer() -> None:
    jobs = load(GATE)["jobs"]

    attests = jobs["attest"]["if"]
    assert "needs.verdict.outputs.complete == 'true' && needs.verdict.outputs.promotable != '[]'" in attests
    assert "needs.attest.result == 'success' && github.event_name != 'merge_group'" in jobs["promote"]["if"]
    assert jobs["promote"]["environment"] == "modelgate"
    assert "needs.attest-files.result == 'success'" in jobs["deploy"]["if"]
    for name in ("promote", "deploy"):
        (script,) = (
            step["run"]
            for step in jobs[name]["steps"]
            if "modelgate" in step.get("run", "") and "--archive" in step["run"]
        )
        assert '--digest "$DIGEST"' in script


def test_secrets_are_given_to_single_steps_and_keys_to_jobs_of_an_environment(path: Path) -> None:
    workflow = load(path)
    for job in workflow["jobs"].values():
        outside = {key: value for key, value in job.items() if key != "steps"}
        assert "secrets." not in str(outside)
        for step in job.get("steps", ()):
            within = {key: value for key, value in step.items() if key != "env"}
            assert "secrets." not in str(within)
            if "secrets.APCA" in str(step):
                assert job["environment"] != "modelgate"
                assert re.search(
                    r"modelgate ci record(-again|-watched)? ", step["run"]
                )  # which runs no code of the repository


@pytest.mark.parametrize("name", [name for name in load(GATE)["jobs"] if name not in ("plan", "judged")])
def test_what_a_job_takes_is_held_against_a_digest_before_anything_is_installed(name: str) -> None:
    steps = load(GATE)["jobs"][name]["steps"]
    named = [step.get("name", step.get("with", {}).get("name", "")) for step in steps]
    taken = [
        place for place, step in enumerate(steps) if step.get("with", {}).get("name") in ("plan", "promoted", "verdict")
    ]
    checks = [place for place, step in enumerate(steps) if "sha256sum --check" in step.get("run", "")]

    taken = [place for place in taken if "download-artifact" in steps[place]["uses"]]
    assert taken
    assert min(checks) == min(taken) + 1
    installs = [place for place, step in enumerate(steps) if "pip install" in step.get("run", "")]
    assert not installs or min(checks) < min(installs), named


def test_the_page_about_ci_lists_every_input_with_its_default() -> None:
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    table = page[page.index("## Inputs") : page.index("## A check")]

    assert set(re.findall(r"`([a-z0-9-]+)`", "".join(re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE)))) == set(
        load(GATE)["on"]["workflow_call"]["inputs"]
    )


def test_a_new_repository_installs_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert (ROOT / "examples/consumer/.github/modelgate.in").read_text() == f"pytest-modelgate=={version}\n"


def test_self_hosted_machines_attest_nothing() -> None:
    for job in load(GATE)["jobs"].values():
        if _self_hosted(job):
            assert "id-token" not in job["permissions"]
            assert job["permissions"].get("attestations", "read") == "read"


_ATTESTS = {"id-token": "write", "attestations": "write"}
_HASHED = re.compile(r"-m pip install --require-hashes (--no-deps )?(--only-binary :all: )?(--requirement \S+ ?)+$")
_LOCAL = re.compile(r"-m pip install --no-deps (--no-build-isolation --editable \.|dist/\*\.whl)$")
_WITHOUT_HASHES = {
    '--index-url "$CPU_TORCH_INDEX"} torch': "torch's files differ by index under one version",
    '"$TORCH"': "likewise",
    "--no-deps --only-binary :all: --requirement .github/modelgate.in": "a no-op where the lock pins it, as it should",
    "python -m pip install dist/*.whl": "tries whether the wheel itself asks for all it needs",
}


def _scripts(path: Path) -> list[str]:
    jobs = load(path)["jobs"].values()
    return [step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step]


def test_whatever_is_installed_is_pinned_by_hash_or_has_a_reason_why_not(path: Path) -> None:
    lines = [line.strip() for script in _scripts(path) for line in one_line(script).splitlines()]

    for line in lines:
        if "pip install" in line and not (_HASHED.search(line) or _LOCAL.search(line)):
            assert any(known in line for known in _WITHOUT_HASHES), line
    assert not [line for line in lines if re.search(r"\b(pipx|easy_install|ensurepip)\b", line)]
    assert not [line for line in lines if "-m build" in line and "--no-isolation" not in line]  # it fetches hatchling


def test_every_exception_from_hashes_is_needed() -> None:
    scripts = "\n".join(one_line(script) for path in WORKFLOWS for script in _scripts(path))

    assert [known for known in _WITHOUT_HASHES if known not in scripts] == []


def test_requirements_of_workflows_are_there_hashed_and_of_the_versions_pinned() -> None:
    used = set(re.findall(r"--requirement (\.github/requirements/\S+)", "\n".join(map(Path.read_text, WORKFLOWS))))
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())

    assert used
    for name in used:
        blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
        packages = [block for block in blocks if not block.startswith("#")]
        assert packages
        for block in packages:
            match = re.match(r"([a-z0-9-]+)==(\S+)", block)
            assert match
            assert "--hash=sha256:" in block, name
            assert pinned.get(match[1], match[2]) == match[2], f"{name}: run make lock"


def test_torch_is_of_the_version_pinned(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    (pinned,) = re.findall(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)

    assert set(re.findall(r"default: (torch\S+)", text)) in (set(), {pinned})
    for line in one_line(text).splitlines():
        assert not re.search(r"pip install .* torch\b", line) or "--constraint constraints.txt" in line, line


def test_users_leave_out_of_their_hashes_what_this_project_leaves_out() -> None:
    theirs = tomllib.loads((ROOT / "examples/consumer/uv.toml").read_text())["pip"]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["pip"]

    assert theirs == {key: value for key, value in ours.items() if key != "custom-compile-command"}


def test_what_attests_does_nothing_else(path: Path) -> None:
    for name, job in load(path)["jobs"].items():
        steps = job.get("steps", ())
        attesting = [step for step in steps if "actions/attest" in step.get("uses", "")]
        others = [step for step in steps if step not in attesting]
        if not attesting:
            assert "uses" in job or job["permissions"].get("attestations") != "write", name
            assert "uses" in job or name in ("publish", "pages") or "id-token" not in job["permissions"], name
            continue
        assert job["permissions"] == _ATTESTS, name
        for step in others:
            assert "actions/download-artifact" in step.get("uses", "") or "sha256sum --check" in step.get("run", ""), (
                name
            )
        assert any("sha256sum --check" in step.get("run", "") for step in others), name


@pytest.mark.parametrize(
    ("path", "job", "before"),
    [
        (GATE, "promote", "modelgate promote"),
        (GATE, "deploy", 'modelgate" promote'),
        (ROOT / ".github/workflows/release.yml", "publish", "pypi-publish"),
    ],
    ids=["promote", "deploy", "publish"],
)
def test_what_is_released_is_verified_before_by_workflow_and_ref(path: Path, job: str, before: str) -> None:
    steps = [step.get("run", step.get("uses", "")) for step in load(path)["jobs"][job]["steps"]]

    (verifies,) = (place for place, step in enumerate(steps) if "gh attestation verify" in step)
    (releases,) = (place for place, step in enumerate(steps) if before in step)
    assert verifies < releases
    needed = ("--repo ", "--signer-workflow ", '--source-ref "$GITHUB_REF"', '--source-digest "$GITHUB_SHA"')
    assert all(option in steps[verifies] for option in needed)
    assert "--deny-self-hosted-runners" in steps[verifies]


def test_an_audit_that_could_not_ask_is_tried_to_fail() -> None:
    scripts = [script for script in _scripts(ROOT / ".github/workflows/ci.yml") if "pip-audit --" in script]
    proof = next(place for place, script in enumerate(scripts) if "HTTPS_PROXY=http://127.0.0.1:9" in script)

    assert "PYSEC-|GHSA-|CVE-" in scripts[proof]
    assert all("--strict" in script for script in scripts)
    assert len(scripts) > proof + 1


def test_no_script_is_built_from_an_expression(path: Path) -> None:
    for job in load(path)["jobs"].values():
        for step in job.get("steps", ()):
            assert "${{" not in step.get("run", ""), step
