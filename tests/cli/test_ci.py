"""``modelgate ci``: what the workflows' steps do, and what they refuse."""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from marketsim.server import serve
from support.archives import pack_unopened
from support.market_factory import random_walk, served
from support.plugin_helpers import AS_OF, DROPPED, GOOD, pack

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.plan_file import PlanFile, PlannedModel
from pytest_modelgate.cli.ci import judging
from pytest_modelgate.cli.main import main

CONTENT = b"an archive"
DIGEST = sha256(CONTENT).hexdigest()
HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
TRUSTED = {
    "event": "workflow_dispatch",
    "head_branch": "main",
    "head_sha": "5" * 40,
    "head_repository": {"full_name": "someone/models"},
}

Answer = tuple[int, Mapping[str, str], bytes]


@contextmanager
def web(answer: Callable[[str, Mapping[str, str]], Answer]) -> Iterator[str]:
    """A server, as its address; it is asked with path and headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """What the step handed on."""
    file = tmp_path / "outputs.txt"
    file.touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    return lambda: dict(line.split("=", 1) for line in file.read_text().splitlines())


def _plan(folder: Path, *options: str) -> int:
    terms = ["--minimum=paper", "--cassettes=cassettes", "--plan=plan.json"]
    return main(["ci", "plan", str(folder), *terms, *options])


def test_a_plan_deals_work_to_no_more_machines_than_there_is_work_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: Callable[[], dict[str, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()
    archive = pack(tmp_path / "archive", GOOD, DROPPED)

    assert _plan(Path("archive"), "--shards=20") == 0

    plan = json.loads(Path("plan.json").read_text())
    assert {model["id"]: len(model["work"]) for model in plan["models"]} == {"RNDUSD_1Hour": 0, "WAVUSD_1Hour": 7}
    assert [series.partition(" from ")[0] for series in plan["missing"]] == ["WAV/USD 1Hour"]
    assert outputs() == {
        "archive": f"archive/{archive.name}",
        "sha256": sha256(archive.read_bytes()).hexdigest(),
        "shards": "[1,2,3,4,5,6,7]",
        "count": "7",
        "missing": "true",
        "cassettes": sha256().hexdigest(),
        "plan": sha256(Path("plan.json").read_bytes()).hexdigest(),
    }
    made = {path.name for path in tmp_path.iterdir()} - {".pytest_cache"}
    assert made == {"archive", "outputs.txt", "plan.json"}  # no verdict, no evidence


def test_folds_that_are_shown_of_what_is_dropped_are_work_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: Callable[[], dict[str, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()
    pack(tmp_path / "archive", DROPPED)
    (tmp_path / "pytest.ini").write_text("[pytest]\ngate_evaluate_dropped = true\n")

    assert _plan(Path("archive"), "--shards=2") == 0

    assert (outputs()["shards"], outputs()["missing"]) == ("[1,2]", "true")


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (((), 1), "archive: holds 0 files, expected one archive"),
        ((("a.zip", "b.zip"), 1), "archive: holds 2 files, expected one archive"),
        ((("a b.zip",), 1), "with a name of letters"),
        ((("a.zip",), 0), "--shards: is 0, expected 1 to 99"),
    ],
)
def test_an_artifact_or_input_that_cannot_be_planned_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: tuple[tuple[str, ...], int],
    refusal: str,
) -> None:
    names, shards = given
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()
    for name in names:
        (tmp_path / "archive" / name).touch()

    assert _plan(Path("archive"), f"--shards={shards}") == 1

    assert refusal in capsys.readouterr().err


def _planned(archive: Path, *models: str) -> PlanFile:
    planned = tuple(PlannedModel(id=model, classification="APPROVED", work=("backtest",)) for model in models)
    return PlanFile(
        archive=archive.name,
        sha256="0" * 64,
        as_of="2024-03-01T00:00:00+00:00",
        models=planned,
        missing=("all",),
        recording=("--backtest-days", "10", "--walk-forward-days", "20"),
    )


def test_what_a_plan_misses_is_recorded_for_the_models_that_are_judged_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outputs: Callable[[], dict[str, str]],
) -> None:
    models = [ModelArtifact(symbol, "1Hour", b"x", HISTORY) for symbol in ("BTCUSD", "ETHUSD", "SOLUSD")]
    archive = pack_unopened(tmp_path, models, trained_at=AS_OF)
    _planned(archive, "BTCUSD_1Hour", "SOLUSD_1Hour").write(tmp_path / "plan.json")
    for name in ("ALPACA_KEYS_FILE", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.setenv(name, "")  # as a workflow sets what a repository does not know
    cassettes = tmp_path / "cassettes"

    with serve(dict(served("BTCUSD", random_walk("2024-01-15", 24 * 60))), crypto_page_size=10_000) as server:
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        recorded = main(["ci", "record", str(tmp_path / "plan.json"), str(archive), f"--cassettes={cassettes}"])

    assert recorded == 0  # SOLUSD is not to be had: that costs it its verdict, and nobody else theirs
    assert "::warning title=Market data::" in capsys.readouterr().out
    assert [name for name in json.loads((cassettes / "manifest.json").read_text())["cassettes"] if "ETH" in name] == []
    assert outputs() == {"cassettes": judging.tree_sha256(cassettes)}


def test_where_nothing_can_be_recorded_no_machine_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = pack_unopened(tmp_path, [ModelArtifact("BTCUSD", "1Hour", b"x", HISTORY)], trained_at=AS_OF)
    _planned(archive, "BTCUSD_1Hour").write(tmp_path / "plan.json")

    with serve({}) as server:
        monkeypatch.setenv("APCA_API_DATA_URL", server.url)
        arguments = ["ci", "record", str(tmp_path / "plan.json"), str(archive), f"--cassettes={tmp_path / 'c'}"]
        assert main(arguments) == 1

    assert "none of 1 series could be recorded" in capsys.readouterr().err


def test_another_plan_than_the_one_that_was_made_is_not_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _planned(tmp_path / "X.zip", "BTCUSD_1Hour").write(tmp_path / "plan.json")
    words = [str(tmp_path / "plan.json"), str(tmp_path / "X.zip"), "--sha256", "0" * 64]

    assert main(["ci", "record", *words, f"--cassettes={tmp_path / 'cassettes'}"]) == 1

    assert "plan.json: has sha256" in capsys.readouterr().err


def test_other_recordings_than_the_planned_ones_are_not_judged_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    terms = ["--minimum=paper", f"--cassettes={tmp_path}", "--sha256", "0" * 64, "--output=shard"]

    assert main(["ci", "shard", "X.zip", "--shard=1/1", *terms]) == 1

    assert "has digest" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["APCA_API_SECRET_KEY", "ARCHIVE_AUTHORIZATION", "GITHUB_ENV", "GITHUB_OUTPUT"])
def test_the_gate_sees_no_keys_and_speaks_to_no_other_step(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "s3cr3t")
    seen: list[Mapping[str, str]] = []

    def run(_: object, *, env: Mapping[str, str], **__: object) -> Any:
        seen.append(env)
        raise InterruptedError

    monkeypatch.setattr("pytest_modelgate.cli.ci.judging.subprocess.run", run)
    with pytest.raises(InterruptedError):
        judging.run_pytest([])

    assert "s3cr3t" not in seen[0].values()


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, ""),
        ({"head_repository": {"full_name": "anybody/models"}}, "comes from 'anybody/models'"),
        ({"head_repository": None}, "comes from null"),
        ({"event": "pull_request"}, "was started by 'pull_request'"),
        ({"event": "workflow_run"}, "was started by 'workflow_run'"),
        ({"head_branch": "elsewhere"}, "is of the branch 'elsewhere'"),
    ],
)
def test_another_runs_artifact_is_taken_from_whom_it_should(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], refusal: str
) -> None:
    asked = []

    def answer(path: str, headers: Mapping[str, str]) -> Answer:
        asked.append((path, headers["Authorization"]))
        return 200, {}, json.dumps(TRUSTED | changes).encode()

    with web(answer) as url:
        for name, value in {"API_URL": url, "REPOSITORY": "someone/models", "REF_NAME": "next"}.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        monkeypatch.setenv("GH_TOKEN", "a-token")
        monkeypatch.setenv("DEFAULT_BRANCH", "main")
        status = main(["ci", "origin", "17"])

    assert status == bool(refusal)
    assert refusal in capsys.readouterr().err
    assert asked == [("/repos/someone/models/actions/runs/17", "Bearer a-token")]


@pytest.mark.parametrize("run", ["", "17/../18", "-1", "\u0661"])
def test_a_run_is_named_by_its_number(capsys: pytest.CaptureFixture[str], run: str) -> None:
    assert main(["ci", "origin", "--", run]) == 1
    assert "expected the number of a run" in capsys.readouterr().err


def _fetch(monkeypatch: pytest.MonkeyPatch, url: str, folder: Path, digest: str = DIGEST) -> int:
    monkeypatch.setenv("ARCHIVE_URL", url)
    monkeypatch.setenv("ARCHIVE_AUTHORIZATION", "Bearer s3cr3t")
    return main(["ci", "fetch", "--sha256", digest, "--to", str(folder)])


def test_an_archive_is_fetched_and_what_authorizes_goes_to_the_named_host_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str | None] = {}

    def there(_: str, headers: Mapping[str, str]) -> Answer:
        seen["there"] = headers.get("Authorization")
        return 200, {}, CONTENT

    with web(there) as elsewhere:

        def here(_: str, headers: Mapping[str, str]) -> Answer:
            seen["here"] = headers.get("Authorization")
            return 302, {"Location": f"{elsewhere}/blob"}, b""

        with web(here) as url:
            assert _fetch(monkeypatch, f"{url}/bucket/X_20241227_211819.zip?signature=x", tmp_path) == 0

    assert (tmp_path / "X_20241227_211819.zip").read_bytes() == CONTENT
    assert seen == {"here": "Bearer s3cr3t", "there": None}


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (("/X.zip?secret=abc", "0" * 64, 200), "has sha256"),
        (("/X.zip", "0", 200), "expected 64 hexadecimal digits"),
        (("/X.zip", DIGEST, 404), "is answered with status 404"),
        (("/", DIGEST, 200), "no plain name of an archive"),
        (("/..%2Fx", DIGEST, 200), "no plain name of an archive"),
    ],
)
def test_another_archive_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: tuple[str, str, int],
    refusal: str,
) -> None:
    path, digest, status = asked
    with web(lambda *_: (status, {}, CONTENT)) as url:
        assert _fetch(monkeypatch, url + path, tmp_path / "archive", digest) == 1

    told = capsys.readouterr().err
    assert refusal in told
    assert "secret" not in told
    assert not list((tmp_path / "archive").rglob("*"))


@pytest.mark.parametrize("url", ["http://example.org/X.zip", "file:///etc/X.zip", "ftp://example.org/X.zip"])
def test_an_archive_is_fetched_over_https_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert _fetch(monkeypatch, url, tmp_path) == 1
    assert "expected https" in capsys.readouterr().err


def test_a_redirect_away_from_https_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with web(lambda *_: (302, {"Location": "http://example.org/X.zip"}, b"")) as url:
        assert _fetch(monkeypatch, f"{url}/X.zip", tmp_path) == 1
    assert "expected https" in capsys.readouterr().err


def test_an_archive_whose_address_or_answer_is_cut_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _fetch(monkeypatch, "https://[secret/X.zip", tmp_path) == 1
    with web(lambda *_: (200, {"Transfer-Encoding": "chunked"}, b"ff\r\nshort")) as url:
        assert _fetch(monkeypatch, f"{url}/X.zip", tmp_path) == 1

    told = capsys.readouterr().err
    assert "cannot be read as one" in told
    assert "came in part" in told
    assert "secret" not in told


def test_an_archive_is_kept_once_under_its_digest(tmp_path: Path) -> None:
    archive = tmp_path / "X.zip"
    archive.write_bytes(CONTENT)
    beside = tmp_path / "trader/models"
    beside.mkdir(parents=True)

    for _ in range(2):
        assert main(["ci", "keep", str(archive), "--beside", str(beside)]) == 0

    kept = [path for path in (tmp_path / "trader").rglob("*") if path.is_file()]
    assert kept == [tmp_path / "trader/archives" / DIGEST[:16] / "X.zip"]


def test_nothing_is_packed_where_nothing_was_promoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ci", "pack", str(tmp_path), "--archive", "X.zip", "--to", str(tmp_path / "files")]) == 1
    assert "holds no promotion.json" in capsys.readouterr().err


def test_before_the_first_promotion_there_is_nothing_to_judge_again(
    monkeypatch: pytest.MonkeyPatch, outputs: Callable[[], dict[str, str]]
) -> None:
    assert _latest(monkeypatch, _promoted(7, head_repository_id=2)) == 0
    assert outputs() == {"run-id": "", "as-of": ""}


def _promoted(run: int, *, expired: bool = False, head_repository_id: int = 1) -> dict[str, Any]:
    whose = {"head_branch": "main", "head_repository_id": head_repository_id, "repository_id": 1}
    return {"created_at": "2024-12-28T00:00:00Z", "expired": expired, "workflow_run": {"id": run, **whose}}


def _latest(monkeypatch: pytest.MonkeyPatch, *artifacts: dict[str, Any], branch: str = "main") -> int:
    def answer(path: str, _: Mapping[str, str]) -> Answer:
        if "/runs/" in path:
            return 200, {}, json.dumps(TRUSTED).encode()
        page = int(path.rpartition("&page=")[2])
        listed = artifacts[(page - 1) * 100 : page * 100]
        return 200, {}, json.dumps({"total_count": len(artifacts), "artifacts": listed}).encode()

    with web(answer) as url:
        monkeypatch.setenv("GITHUB_API_URL", url)
        monkeypatch.setenv("DEFAULT_BRANCH", branch)
        return main(["ci", "latest", "--as-of=2024-12-28"])


def test_artifacts_that_pull_requests_pile_up_hide_no_promotion(
    monkeypatch: pytest.MonkeyPatch, outputs: Callable[[], dict[str, str]]
) -> None:
    planted = [_promoted(run, head_repository_id=2) for run in range(2, 203)]

    assert _latest(monkeypatch, *planted, _promoted(1)) == 0
    assert outputs() == {"run-id": "1", "as-of": "2024-12-28"}


@pytest.mark.parametrize(
    ("artifacts", "branch", "refusal"),
    [
        ([_promoted(1, expired=True)], "main", "artifact promoted: has expired"),
        ([_promoted(1)], "", "DEFAULT_BRANCH: is empty"),
    ],
)
def test_what_cannot_be_judged_again_is_not_green(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    artifacts: list[dict[str, Any]],
    branch: str,
    refusal: str,
) -> None:
    assert _latest(monkeypatch, *artifacts, branch=branch) == 1
    assert refusal in capsys.readouterr().err


def test_of_a_folder_that_nothing_was_promoted_into_nothing_is_judged_again(
    tmp_path: Path, outputs: Callable[[], dict[str, str]]
) -> None:
    assert main(["ci", "deployed", str(tmp_path / "models"), "--to", str(tmp_path / "in-force")]) == 0
    assert outputs() == {"run-id": "", "as-of": ""}


def test_the_digest_of_a_folder_tells_names_and_contents_and_passes_over_what_is_hidden(tmp_path: Path) -> None:
    def digest(**files: str) -> str:
        folder = tmp_path / base64.b32encode(json.dumps(files).encode()).decode()[:60]
        for name, text in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return judging.tree_sha256(folder)

    assert digest(a="1") != digest(a="2")
    assert digest(a="1") != digest(b="1")
    assert digest(a__b="1") != digest(a="1")
    assert digest(a="1", **{".lock": ""}) == digest(a="1")
