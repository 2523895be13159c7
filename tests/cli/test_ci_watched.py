"""Steps of watch.yml: what is handed on of a judgement, which issues are written, and what moves because of it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.promotion_factory import archive_of, digests_of, shown, verdict_of, write

from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.cli.ci import watched
from pytest_modelgate.cli.ci.judging import tree_sha256
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.services.promotion import Terms, promote

MODELS = {"AAPL": b"apple", "BTCUSD": b"bitcoin", "ETHUSD": b"ether"}
NOW = datetime.now(UTC).replace(microsecond=0)
PAPER = {
    "account": "5eb63bbb",
    "kind": "paper",
    **dict.fromkeys(("since", "start", "end"), "2026-01-01T00:00:00+00:00"),
    "bars": 900,
    "days": 40,
    "decision": "PAPER",
    "orders": {"match": 90},
    "outages": 0,
    **dict.fromkeys(("unexplained_notional", "explained", "slippage", "fees", "pending", "assumed_cost"), 0.0),
    **dict.fromkeys(("closure", "drift", "account_return", "simulated_return"), 0.0),
    "evidence_for": 60.0,
    "evidence_against": 0.1,
    "claim": 3.0,
    "findings": [{"name": "orders", "status": "met", "sentence": "90 of 90 orders are as judged <b>@you</b>"}],
    "limit": "LIVE",
    "reason": "it is so",
    "brief": "ok",
    "lifts": True,
    "record": "0" * 64,
}


class Case:
    """Three models in force at PAPER, their archive beside them, and what a gate with their record decides."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.judged, self.live = folder / "in-force", folder / "watched", folder / "live"
        self.archive = archive_of(folder / "X.zip", MODELS)
        first = self.verdict(folder / "first.json", dict.fromkeys(MODELS, "PAPER"))
        terms = Terms(minimum=DecisionLevel.PAPER)
        promote(first, self.archive, Target(self.folder), terms, at=NOW, by="ada", dry_run=False)
        main(["ci", "keep", str(self.archive), "--beside", str(self.folder), "--in", str(self.folder / "archives")])
        self.decisions: Mapping[str, str] = {}
        self.asked: list[Sequence[str]] = []
        monkeypatch.setattr(watched, "run_pytest", self._run)

    def verdict(self, path: Path, decisions: Mapping[str, str]) -> Path:
        body = json.loads(verdict_of(self.archive, decisions, path).read_text())
        body["settings"]["as_of"] = body["run"]["written"] = NOW.isoformat()
        for model in body["models"]:
            model |= {"paper": PAPER, "reasons": ["Because [it](http://x) is so."]}
        return write(path, body)

    def _run(self, words: Sequence[str]) -> int:
        self.asked.append(words)
        (output,) = (word.partition("=")[2] for word in words if word.startswith("--gate-output="))
        Path(output).mkdir(parents=True)
        self.verdict(Path(output, "verdict.json"), self.decisions)
        return 1

    def judge(self, **decisions: str) -> dict[str, str]:
        """Judge, and what was handed on."""
        self.decisions = decisions
        words = ["--as-of=2026-03-01", "--cassettes=cassettes", f"--output={self.judged}"]
        assert main(["ci", "judge-watched", str(self.folder), *words]) == 0
        return {"sha256": tree_sha256(self.judged)}

    def step(self, name: str, *words: str) -> int:
        return main(["ci", name, str(self.judged), f"--sha256={tree_sha256(self.judged)}", *words])


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    path = tmp_path / "outputs"
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    return lambda: dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_what_has_fallen_and_what_has_earned_live_is_handed_on(
    case: Case, outputs: Callable[[], dict[str, str]]
) -> None:
    case.judge(AAPL="LIVE", BTCUSD="RETRAIN", ETHUSD="PAPER")

    assert outputs() == {
        "fallen": '["BTCUSD_1Hour"]',
        "earned": '["AAPL_1Hour"]',
        "sha256": tree_sha256(case.judged),
    }
    assert f"--gate-paper={case.folder}" in case.asked[0]


@pytest.mark.parametrize("missing", ["record", "bytes", "promotable"])
def test_live_is_earned_by_a_record_of_these_bytes_in_a_whole_verdict_alone(
    case: Case, outputs: Callable[[], dict[str, str]], missing: str
) -> None:
    plain = case.verdict

    def verdict(path: Path, decisions: Mapping[str, str]) -> Path:
        body = json.loads(plain(path, decisions).read_text())
        for model in body["models"]:
            if missing == "record":
                del model["paper"]
            elif missing == "bytes":
                model["checkpoint"]["sha256"] = "0" * 64
        if missing == "promotable":
            body |= {"complete": "fold 3 was not evaluated", "promotable": []}
        return write(path, body)

    case.verdict = verdict  # type: ignore[method-assign]
    case.judge(AAPL="LIVE", BTCUSD="LIVE", ETHUSD="LIVE")

    assert outputs()["earned"] == "[]"


def test_a_model_that_cannot_be_judged_has_not_fallen_but_is_told_of(
    case: Case, outputs: Callable[[], dict[str, str]]
) -> None:
    case.judge(AAPL="INCOMPLETE", BTCUSD="PAPER", ETHUSD="PAPER")

    assert outputs()["fallen"] == "[]"
    states = [entry["state"] for entry in json.loads((case.judged / "watched.json").read_text())["models"]]
    assert states == ["not judged", "", ""]


@contextmanager
def github(issues: list[dict[str, Any]]) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """A server with issues, as its address, and what it was told: method, path, content."""
    told: list[tuple[str, str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content: object = issues
            if self.command != "GET":
                told.append((self.command, self.path, json.loads(body)))
                content = {"number": 99}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()
        thread.join()


def issue(number: int, model: str, login: str = "github-actions[bot]") -> dict[str, Any]:
    return {"number": number, "user": {"login": login}, "body": f"<!-- modelgate-watch {model} -->\nold"}


def test_one_issue_for_each_model_is_opened_updated_or_closed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.judge(AAPL="LIVE", BTCUSD="DROP", ETHUSD="PAPER")
    planted = issue(1, "AAPL_1Hour", login="stranger")

    others = [planted, issue(4, "GOOGL_1Hour"), {**issue(5, ""), "body": "another workflow's"}]
    with github([*others, issue(2, "BTCUSD_1Hour"), issue(3, "ETHUSD_1Hour")]) as (url, told):
        for name, value in {"API_URL": url, "REPOSITORY": "o/r", "SERVER_URL": "https://github.com"}.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        monkeypatch.setenv("GITHUB_RUN_ID", "7")
        assert case.step("tell-watched") == 0

    methods = [(method, path) for method, path, _ in told]
    assert methods == [
        ("POST", "/repos/o/r/issues"),
        ("PATCH", "/repos/o/r/issues/2"),
        ("PATCH", "/repos/o/r/issues/3"),
        ("PATCH", "/repos/o/r/issues/4"),
    ]
    opened, updated, closed, gone = (content for _, _, content in told)
    assert opened["title"] == "Model AAPL_1Hour: has earned LIVE"
    assert opened["body"].startswith("<!-- modelgate-watch AAPL_1Hour -->\n")
    assert "https://github.com/o/r/actions/runs/7" in opened["body"]
    assert updated["title"] == "Model BTCUSD_1Hour: PAPER no more"
    assert "state" not in updated
    assert (closed["state"], gone["state"]) == ("closed", "closed")


def test_what_a_verdict_says_is_no_markup_of_an_issue(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.judge(AAPL="DROP", BTCUSD="PAPER", ETHUSD="PAPER")

    with github([]) as (url, told):
        monkeypatch.setenv("GITHUB_API_URL", url)
        case.step("tell-watched")

    ((_, _, content),) = told
    assert "<b>" not in content["body"]
    assert "[it](" not in content["body"]
    assert content["body"].count("<!--") == 1


def test_what_has_fallen_is_withdrawn(case: Case) -> None:
    case.judge(AAPL="LIVE", BTCUSD="DROP", ETHUSD="INCOMPLETE")

    assert case.step("withdraw-watched", f"--from={case.folder}") == 0

    assert shown(case.folder) == digests_of({"AAPL": b"apple", "ETHUSD": b"ether"})
    assert case.step("withdraw-watched", f"--from={case.folder}") == 1  # it is out already, and that is told


def test_what_has_earned_live_is_promoted_and_nothing_else(case: Case) -> None:
    case.judge(AAPL="LIVE", BTCUSD="DROP", ETHUSD="PAPER")

    assert case.step("promote-watched", str(case.folder), f"--to={case.live}") == 0

    assert shown(case.live) == digests_of({"AAPL": b"apple"})
    (model,) = json.loads((case.live / "promotion.json").read_text())["models"]
    assert (model["decision"], model["source"]["record"]) == ("LIVE", "0" * 64)


@pytest.mark.parametrize("step", ["tell-watched", "withdraw-watched", "promote-watched"])
def test_another_judgement_than_the_one_handed_on_moves_nothing(
    case: Case, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    sha256 = case.judge(AAPL="LIVE", BTCUSD="DROP", ETHUSD="PAPER")["sha256"]
    listed = case.judged / "watched.json"
    listed.write_text(listed.read_text().replace("fallen", "fallem"))
    further = {
        "withdraw-watched": [f"--from={case.folder}"],
        "promote-watched": [str(case.folder), f"--to={case.live}"],
    }

    assert main(["ci", step, str(case.judged), f"--sha256={sha256}", *further.get(step, [])]) == 1

    assert "has digest" in capsys.readouterr().err
    assert shown(case.folder) == digests_of(MODELS)
    assert not case.live.exists()
