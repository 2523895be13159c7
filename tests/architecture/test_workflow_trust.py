"""What keeps keys, caches, machines and verdicts of the workflows from each other, whatever linters say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.workflows import EVENTS, GATE, ROOT, WORKFLOWS, load, one_line


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_what_has_no_hash_comes_out_of_no_cache(path: Path) -> None:
    """Whoever trains on a branch can write the cache that its later jobs read, those with keys among them."""
    for name, job in load(path)["jobs"].items():
        steps = job.get("steps", ())
        if not any(step.get("with", {}).get("cache") for step in steps):
            continue
        for line in "\n".join(one_line(step.get("run", "")) for step in steps).splitlines():
            if re.search(r"pip (install|download)", line) and "--require-hashes" not in line:
                assert "--no-cache-dir" in line, f"{name}: {line}"


_RUNS_THE_REPOSITORY = re.compile(
    r"\bci (plan|plan-again|shard|merge|judge-again|judge-watched)\b|pytest\b(?!-)|\.py\b|\bmake\b"
)


def test_nothing_of_the_repository_runs_on_a_machine_that_has_keys(path: Path) -> None:
    """Not in a step before, either: it could leave a process that waits for them."""
    for name, job in load(path)["jobs"].items():
        if "secrets.APCA" not in str(job):
            continue
        scripts = "\n".join(step.get("run", "") for step in job["steps"])
        assert not _RUNS_THE_REPOSITORY.search(scripts), name
        assert "further.txt" not in scripts, name


def test_what_is_installed_is_fixed_before_anything_of_it_runs() -> None:
    """Else a package for the conftest could put another one onto the machines with keys, and the trader's."""
    steps = load(GATE)["jobs"]["plan"]["steps"]
    (fixed,) = (place for place, step in enumerate(steps) if step.get("id") == "manifest")

    assert not any("--requirement modelgate-ci/plan" in step.get("run", "") for step in steps[:fixed])
    assert not any("modelgate ci" in step.get("run", "") for step in steps[:fixed])
    assert not any(re.search(r"> modelgate-ci/plan", step.get("run", "")) for step in steps[fixed:])


@pytest.mark.parametrize("name", ["promote", "deploy"])
def test_a_verdict_is_held_against_its_digest_also_where_nothing_is_attested(name: str) -> None:
    steps = load(GATE)["jobs"][name]["steps"]
    (checks,) = (step for step in steps if "verdict/verdict.json" in step.get("run", "") and "sha256sum" in step["run"])

    assert "if" not in checks
    assert checks["env"] == {"SHA256": "${{ needs.verdict.outputs.sha256 }}"}


def test_a_schedule_which_tells_nothing_of_the_repository_is_not_asked_about_it(path: Path) -> None:
    if "schedule" in load(path)["on"]:
        for asked in re.findall(r"\$\{\{ github\.event\.repository.*?\}\}", path.read_text(encoding="utf-8")):
            assert "|| github.ref_name" in asked


_JUDGED = {"PLAN": "success", "VERDICT": "success", "COMPLETE": "true", "PROMOTABLE": '["A_1Hour"]'}


@pytest.mark.skipif(sys.platform == "win32", reason="runners have to be Linux")
@pytest.mark.parametrize(
    ("step", "given", "refusal"),
    [
        (("judged", -1), _JUDGED, ""),
        (("judged", -1), _JUDGED | {"VERDICT": "cancelled"}, "There is no verdict."),
        (("judged", -1), _JUDGED | {"PROMOTABLE": "[]"}, "No model may be promoted."),
        (("judged", -1), _JUDGED | {"PROMOTABLE": ""}, "No model may be promoted."),
        (("plan", 1), {}, ""),
        (("plan", 1), {"ARCHIVE_URL": "https://example.org/X.zip"}, "archive-url needs archive-sha256."),
        (("plan", 1), {"planted": "modelgate-ci"}, "modelgate-ci is the workflow's own folder"),
    ],
)
def test_a_check_in_a_script_refuses_what_it_should(
    tmp_path: Path, step: tuple[str, int], given: dict[str, str], refusal: str
) -> None:
    job, place = step
    script = load(GATE)["jobs"][job]["steps"][place]
    if planted := given.get("planted"):
        (tmp_path / planted).mkdir()
    environment = dict.fromkeys(script["env"], "") | given | {"PATH": os.environ["PATH"]}

    run = subprocess.run(
        ["bash", "-e", "-c", script["run"]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert (run.returncode, refusal in run.stdout) == (bool(refusal), True)


def test_training_lets_in_what_the_gate_lets_in() -> None:
    train = load(ROOT / "examples/consumer/.github/workflows/models.yml")["jobs"]["train"]
    gate = load(GATE)["jobs"]["plan"]["if"]

    allowed = [EVENTS.search(text) for text in (train["if"], gate)]
    assert all(allowed)
    assert len({match[0] for match in allowed if match}) == 1
    assert "||" not in train["if"]
