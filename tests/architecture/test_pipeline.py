"""The whole pipeline, played from the workflows' own steps, from an empty repository to a promoted model and back.

One repository lives through it all, in the order of the tests: trained and promoted, its recordings kept, judged again
with a machine that breaks, asked for by a pull request, given an archive with nothing in it, and judged a week later.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from marketsim.demo import demo_series
from marketsim.server import MarketServer, serve
from support.archives import pack_unopened
from support.workflow_actions import Service
from support.workflow_runner import Run, Runner

from pytest_modelgate import ModelArtifact
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.services.champions import deployed, read_champions

ROOT = Path(__file__).parents[2]
HOSTED, GPU, TRADER = ("ubuntu-24.04",), ("self-hosted", "gpu"), ("self-hosted", "trader")
KEYS = {"APCA_API_KEY_ID": "PKTESTKEY", "APCA_API_SECRET_KEY": "s3cr3t-s3cr3t"}
AS_OF = "2024-12-27T21:18:19Z"
LONG_AGO = {"max-age": "36500d"}
SYMBOLS = "UNIUSD BTCUSD"  # the first has a pattern that lasts, the second none
DROPPED = {"fitness_score": [0.1], "profit_factor": [0.9], "consistency": [0.2], "max_drawdown": [0.6]}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        sys.platform == "win32" or not all(map(shutil.which, ("bash", "git", "sha256sum"))),
        reason="the workflows' scripts need what Ubuntu's runners have",
    ),
]


def _git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    run = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout


def _repository(folder: Path) -> Path:
    """What modelgate init writes, committed, with a remote to push to."""
    repository = folder / "repository"
    assert main(["init", str(repository)]) == 0
    _git(folder, "init", "--quiet", "--bare", "remote.git")
    _git(repository, "init", "--quiet", "--initial-branch=main")
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message=What modelgate init wrote")
    _git(repository, "remote", "add", "origin", str(folder / "remote.git"))
    return repository


@contextmanager
def _api(service: Service) -> Iterator[str]:
    """GitHub's API about runs and artifacts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/repos/someone/models/actions/")
            listed = service.listed("promoted")
            answer: Any = {"total_count": len(listed), "artifacts": listed}
            if path.startswith("runs/"):
                answer = service.runs[path.removeprefix("runs/")]
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def market() -> Iterator[MarketServer]:
    keys = KEYS["APCA_API_KEY_ID"], KEYS["APCA_API_SECRET_KEY"]
    with serve(demo_series(), keys=keys, crypto_page_size=10_000) as server:
        yield server


@pytest.fixture(scope="module")
def runner(site: Path, wheel: Path, market: MarketServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = tmp_path_factory.mktemp("github")
    service = Service(folder, _repository(folder))
    variables = {
        "APCA_API_DATA_URL": market.url,
        "MODELGATE_GATE_RUNNER": '["self-hosted", "gpu"]',
        "MODELGATE_DEPLOY_TO": str(folder / "trader/models"),
        "MODELGATE_ATTEST": "true",
    }
    secrets = {"alpaca": KEYS, "alpaca-schedule": KEYS}
    with _api(service) as api:
        yield Runner(service, site, wheel, variables, secrets, api)


@pytest.fixture(scope="module")
def first(runner: Runner) -> Run:
    """Trained, judged, promoted, deployed; nothing was recorded before."""
    return runner.start("models.yml", {"as-of": AS_OF, "symbols": SYMBOLS, **LONG_AGO})


@pytest.fixture(scope="module")
def recorded(runner: Runner, first: Run) -> Run:
    """The market data of the first run, proposed as a pull request, and merged."""
    assert first
    run = runner.start("record.yml", {"run-id": first.id})
    _git(runner.service.repository, "pull", "--quiet", "origin", f"cassettes/run-{run.id}")
    return run


def _verdict(runner: Runner, run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((runner.service.artifact(run.id, "verdict") / "verdict.json").read_text())
    return document


def test_an_empty_repository_trains_records_judges_and_promotes(
    runner: Runner, first: Run, request: pytest.FixtureRequest
) -> None:
    costs = [(f"{place} {played.job}", f"{played.outcome.seconds:.1f} s") for place, played in enumerate(first.played)]
    request.node.user_properties.extend(costs)  # processor time; --junitxml shows it, docs/ci.md tells it
    assert set(first.results.values()) == {"success"}, first.told
    assert [(played.job.removeprefix("gate / "), played.runner) for played in first.played] == [
        ("train", HOSTED),
        ("plan", HOSTED),
        ("record", HOSTED),
        ("gate", GPU),
        ("gate", GPU),
        ("verdict", HOSTED),
        ("judged", HOSTED),
        ("attest", HOSTED),
        ("promote", HOSTED),
        ("attest-files", HOSTED),
        ("deploy", TRADER),
    ]
    verdict = _verdict(runner, first)
    checkpoints = {f"{model['id']}.pt": model["checkpoint"]["sha256"] for model in verdict["models"]}
    deployed = Path(runner.variables["MODELGATE_DEPLOY_TO"])
    in_force = {path.name: sha256(path.read_bytes()).hexdigest() for path in deployed.glob("*.pt")}
    assert verdict["complete"] is True
    assert verdict["promotable"]
    assert in_force == {name: checkpoints[name] for name in (f"{model}.pt" for model in verdict["promotable"])}


def test_only_what_records_waits_for_keys_and_only_what_promotes_for_a_reviewer(first: Run) -> None:
    environments = {played.job: played.environment for played in first.played if played.environment}

    assert environments == {"gate / record": "alpaca", "gate / promote": "modelgate"}


def test_the_summary_is_told_once_and_what_is_uploaded_is_the_whole_verdict(runner: Runner, first: Run) -> None:
    told = {played.job: played.outcome.summary for played in first.played if played.outcome.summary}
    artifact = runner.service.artifact(first.id, "verdict")

    assert list(told) == ["gate / verdict"]
    assert told["gate / verdict"].count("# Model gate:") == 1
    assert {path.name for path in artifact.iterdir()} == {"evidence", "report.html", "summary.md", "verdict.json"}
    (evidence,) = (champion.evidence for champion in read_champions(deployed(artifact)).by_model.values())
    assert evidence
    assert isinstance(evidence.read("UNIUSD_1Hour", "fold1of5"), WindowEvidence)
    assert main(["compare", str(artifact), str(artifact)]) == 0


def test_the_machines_that_evaluate_share_the_windows_of_what_is_not_dropped(runner: Runner, first: Run) -> None:
    plan = json.loads((runner.service.artifact(first.id, "plan") / "plan.json").read_text())
    pieces = [len(model["work"]) for model in plan["models"]]

    records = [len(list(runner.service.artifact(first.id, f"evidence-{shard}").rglob("*.json"))) for shard in (1, 2)]
    assert sum(records) == sum(pieces)
    assert all(records)
    assert 0 in pieces  # one was dropped


def test_recordings_are_proposed_by_a_job_that_has_seen_no_keys(runner: Runner, recorded: Run) -> None:
    assert recorded.results == {"plan": "success", "record": "success", "propose": "success"}, recorded.told
    assert [played.environment for played in recorded.played] == ["", "alpaca", ""]
    manifest = json.loads((runner.service.repository / "cassettes/manifest.json").read_text())
    assert manifest
    assert not any(KEYS["APCA_API_SECRET_KEY"] in played.text for played in recorded.played)


def test_a_machine_that_breaks_leaves_a_report_and_an_incomplete_verdict(
    runner: Runner, first: Run, recorded: Run
) -> None:
    assert recorded
    runner.sabotage = _Sabotage(
        _evaluated(runner, first), {("Gate, shard 2", "Evaluate this shard's windows"): "kill -9 $$"}
    )
    run = runner.start("models.yml", {"run-id": first.id, **LONG_AGO})
    runner.sabotage = lambda *_: None

    assert run.results["gate / plan"] == "success", run.told
    assert run.results["gate / record"] == "skipped"  # the recordings are in the repository by now
    assert [played.result for played in run.played if played.job == "gate / gate"] == ["success", "failure"]
    assert run.results["gate / verdict"] == "success", run.told
    assert run.results["gate / judged"] == "failure"
    assert "The verdict is incomplete." in run.of("gate / judged").text
    assert {run.results[f"gate / {job}"] for job in ("attest", "promote", "attest-files", "deploy")} == {"skipped"}
    artifact = runner.service.artifact(run.id, "verdict")
    assert "INCOMPLETE" in (artifact / "summary.md").read_text()
    assert "report.html" in {path.name for path in artifact.iterdir()}


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "workflow_run"])
@pytest.mark.parametrize("trained", [True, False])
def test_what_anybody_can_start_trains_and_judges_nothing_and_is_not_green(
    runner: Runner, first: Run, event: str, *, trained: bool
) -> None:
    run = runner.start("models.yml", {"run-id": first.id} if trained else {}, event=event)

    assert run.jobs == ["gate / judged"]
    assert run.results["gate / judged"] == "failure"
    assert f"Nothing is judged for the event {event}." in run.of("gate / judged").text


def test_an_archive_of_which_all_is_dropped_takes_no_keys_and_no_gpu(runner: Runner, tmp_path: Path) -> None:
    models = [ModelArtifact(symbol, "1Hour", b"x", DROPPED) for symbol in ("BTCUSD", "ETHUSD")]
    archive = pack_unopened(tmp_path, models, trained_at=datetime(2024, 12, 27, tzinfo=UTC))
    trained = str(len(runner.service.runs) + 1)
    runner.service.runs[trained] = dict(runner.service.runs["1"])
    upload = runner.service.artifact(trained, "training-archive")
    upload.mkdir(parents=True)
    shutil.copy(archive, upload)

    run = runner.start("models.yml", {"run-id": trained, **LONG_AGO})

    assert run.jobs == ["gate / plan", "gate / verdict", "gate / judged"], run.told
    assert {played.runner for played in run.played} == {HOSTED}
    assert {model["decision"] for model in _verdict(runner, run)["models"]} == {"DROP"}
    assert "No model may be promoted." in run.of("gate / judged").text


def test_an_archive_from_a_run_of_a_fork_is_not_taken(runner: Runner, first: Run) -> None:
    forked = str(len(runner.service.runs) + 1)
    runner.service.runs[forked] = {**runner.service.runs["1"], "head_repository": {"full_name": "anybody/models"}}
    shutil.copytree(
        runner.service.artifact(first.id, "training-archive"), runner.service.artifact(forked, "training-archive")
    )

    run = runner.start("models.yml", {"run-id": forked, **LONG_AGO})

    assert run.results["gate / plan"] == "failure"
    assert "comes from 'anybody/models', not from this repository" in run.of("gate / plan").text
    assert run.results["gate / judged"] == "failure"


def test_evidence_altered_on_its_way_promotes_nothing(runner: Runner, first: Run, recorded: Run) -> None:
    assert recorded
    (script,) = (step["run"] for step in _steps("verdict") if step.get("name") == "Decide from the evidence alone")
    alter = "find modelgate-ci/evidence -name '*.integrity.json' -exec sed -i 's/pass/fail/' {} +"
    runner.sabotage = _Sabotage(
        _evaluated(runner, first), {("Verdict", "Decide from the evidence alone"): f"{alter}\n{script}"}
    )
    run = runner.start("models.yml", {"run-id": first.id, **LONG_AGO})
    runner.sabotage = lambda *_: None

    verdict = _verdict(runner, run)
    assert "INCOMPLETE" in {model["decision"] for model in verdict["models"]}
    assert run.results["gate / judged"] == "failure"


def _steps(job: str) -> list[dict[str, Any]]:
    workflow = yaml.safe_load((ROOT / ".github/workflows/gate.yml").read_text(encoding="utf-8"))
    steps: list[dict[str, Any]] = workflow["jobs"][job]["steps"]
    return steps


def _evaluated(runner: Runner, first: Run) -> dict[tuple[str, str], str]:
    """Machines that leave the evidence they left in the first run, on the same archive and recordings."""
    scripts = {}
    for shard in (1, 2):
        left = runner.service.artifact(first.id, f"evidence-{shard}")
        script = f"mkdir modelgate-ci/shard && cp -r {left} modelgate-ci/shard/evidence"
        scripts[f"Gate, shard {shard}", "Evaluate this shard's windows"] = script
    return scripts


class _Sabotage:
    """Scripts in place of those of the workflow, by job and step."""

    def __init__(self, *scripts: dict[tuple[str, str], str]) -> None:
        self._scripts = {key: script for given in scripts for key, script in given.items()}

    def __call__(self, job: str, matrix: Mapping[str, Any], step: str) -> str | None:
        return self._scripts.get((job.replace("${{ matrix.shard }}", str(matrix.get("shard"))), step))


def test_a_week_later_what_is_deployed_is_judged_without_a_reviewer(runner: Runner, recorded: Run) -> None:
    assert recorded
    run = runner.start("regate.yml", {"as-of": "2024-12-28"}, event="schedule")

    assert run.results.items() >= {"look": "success", "plan": "success", "record": "success"}.items(), run.told
    assert run.of("look").runner == TRADER
    assert {played.environment for played in run.played} == {"", "alpaca-schedule"}
    assert "UNIUSD_1Hour: promoted as PAPER on 20" in run.of("judge").text, run.told
    assert "as of 2024-12-28" in run.of("judge").outcome.summary


def test_without_a_trader_it_is_the_newest_promotion_that_is_judged_again(
    runner: Runner, first: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(runner.variables, "MODELGATE_DEPLOY_TO")
    runner.sabotage = _Sabotage({("See what is missing since then", "See what is missing"): "exit 1"})
    run = runner.start("regate.yml", event="schedule")
    runner.sabotage = lambda *_: None

    assert (run.results["look"], run.of("look").runner) == ("success", HOSTED), run.told
    promoted, in_force = (runner.service.artifact(*one) for one in ((first.id, "promoted"), (run.id, "in-force")))
    assert (in_force / "promotion.json").read_bytes() == (promoted / "promotion.json").read_bytes()
    assert run.results["judge"] == "skipped"
