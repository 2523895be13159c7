"""What takes a model out of force, what does not, and how it stays out."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.promotion_factory import WRITTEN, archive_of, digests_of, shown, verdict_of, write

from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.adapters.promotion.layout import Copies, Links
from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.errors import GateError, PromotionError
from pytest_modelgate.services.champions import read_champions
from pytest_modelgate.services.promotion import Change, Terms, promote, roll_back
from pytest_modelgate.services.withdrawal import Because, Withdrawal, withdraw

MODELS = {"AAPL": b"apple", "BTCUSD": b"bitcoin"}
NOW = WRITTEN + timedelta(hours=1)


class Case:
    """A trader's folder with AAPL at LIVE and BTCUSD at PAPER, and a verdict that decides something else."""

    def __init__(self, folder: Path, layout: type[Links | Copies] = Links) -> None:
        self.archive = archive_of(folder / "X.zip", MODELS)
        self.first = verdict_of(self.archive, {"AAPL": "LIVE", "BTCUSD": "PAPER"}, folder / "first.json")
        self.verdict, self.folder = folder / "verdict.json", folder / "models"
        self.target = Target(self.folder, layout)
        self.promote(self.first)

    def promote(self, verdict: Path, archive: Path | None = None) -> Change:
        terms = Terms(minimum=DecisionLevel.PAPER, others="keep")
        return promote(verdict, archive or self.archive, self.target, terms, at=NOW, by="ada", dry_run=False)

    def judge(self, /, *, later: timedelta = timedelta(minutes=1), **decisions: str) -> None:
        """Judge the archive again, some time after the first verdict."""
        body = json.loads(verdict_of(self.archive, decisions, self.verdict).read_text())
        write(self.verdict, body | {"run": {"written": (WRITTEN + later).isoformat()}})

    def withdraw(self, model: str = "AAPL_1Hour", *, dry_run: bool = False) -> Withdrawal:
        return withdraw(model, self.target, Because(verdict=self.verdict), at=NOW, by="bob", dry_run=dry_run)

    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.folder / "promotion.json").read_text())
        return record


@pytest.fixture(params=[Links, Copies], ids=["links", "copies"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(tmp_path, request.param)


def test_a_lower_decision_takes_one_model_out_and_leaves_the_others(case: Case) -> None:
    before = case.record()
    case.judge(AAPL="PAPER", BTCUSD="PAPER")

    case.withdraw()

    assert shown(case.folder) == digests_of({"BTCUSD": b"bitcoin"})
    record = case.record()
    assert record["previous"] == before["set"]
    (left,) = record["models"]
    assert {**left, "file": ""} == {**before["models"][1], "file": ""}
    (withdrawn,) = record["withdrawn"]
    assert withdrawn == {
        "id": "AAPL_1Hour",
        "sha256": before["models"][0]["sha256"],
        "decision": "PAPER",
        "verdict": read_verdict(case.verdict).digest,
        "written": "2026-03-02T12:01:00+00:00",
        "at": "2026-03-02T13:00:00+00:00",
        "by": "bob",
    }
    assert "withdrawn" not in before


def test_the_last_model_leaves_a_valid_set_of_none(case: Case) -> None:
    case.judge(AAPL="DROP", BTCUSD="RETRAIN")

    case.withdraw("AAPL_1Hour")
    case.withdraw("BTCUSD_1Hour")

    assert shown(case.folder) == {}
    record = case.target.record()
    assert record
    assert record.models == ()
    assert case.target.of_set(record.set) == record
    assert read_champions(case.folder).by_model == {}
    other = case.archive.with_name("Y.zip")
    archive_of(other, {"ETHUSD": b"ether"})
    case.promote(verdict_of(other, {"ETHUSD": "LIVE"}, case.first), other)
    assert shown(case.folder) == digests_of({"ETHUSD": b"ether"})


def _refused(case: Case, match: str, model: str = "AAPL_1Hour") -> None:
    before = shown(case.folder), case.record()
    with pytest.raises(GateError, match=match) as caught:
        case.withdraw(model)
    assert "\n" not in str(caught.value)
    assert (shown(case.folder), case.record()) == before


@pytest.mark.parametrize(
    ("model", "decision"), [("AAPL", "LIVE"), ("BTCUSD", "PAPER"), ("BTCUSD", "LIVE"), ("AAPL", "INCOMPLETE")]
)
def test_a_decision_that_is_not_lower_is_no_reason(case: Case, model: str, decision: str) -> None:
    decisions = {"AAPL": "DROP", "BTCUSD": "DROP", model: decision}
    case.judge(AAPL=decisions["AAPL"], BTCUSD=decisions["BTCUSD"])

    match = f"could not judge {model}" if decision == "INCOMPLETE" else f"decides {decision} of {model}_1Hour, which is"
    _refused(case, match, f"{model}_1Hour")


def test_a_verdict_about_other_bytes_is_no_reason(case: Case) -> None:
    case.archive = archive_of(case.archive.with_name("Y.zip"), {"AAPL": b"pear"})
    case.judge(AAPL="DROP")

    _refused(case, "did not judge the bytes of AAPL_1Hour that are in force")
    _refused(case, "did not judge the bytes of BTCUSD_1Hour that are in force", "BTCUSD_1Hour")


def test_a_verdict_about_other_statistics_of_observations_is_no_reason(tmp_path: Path) -> None:
    case = Case(tmp_path)
    for name, statistics, decision in (("Y", b"in force", "LIVE"), ("Z", b"others", "DROP")):
        case.archive = archive_of(tmp_path / f"{name}.zip", {"AAPL": b"z"}, suffix=".zip", normaliser=statistics)
        case.judge(AAPL=decision)
        if decision == "LIVE":
            case.promote(case.verdict)

    _refused(case, "did not judge the bytes of AAPL_1Hour that are in force")


def test_a_verdict_from_before_the_one_it_was_promoted_by_is_no_reason(case: Case) -> None:
    case.judge(later=timedelta(minutes=-1), AAPL="DROP")

    _refused(case, "was written before the verdict that AAPL_1Hour was promoted by")


def test_what_a_promotion_asks_of_a_verdict_is_asked_here(case: Case) -> None:
    case.judge(AAPL="DROP", BTCUSD="DROP")
    body = json.loads(case.verdict.read_text())
    write(case.verdict, body | {"complete": "BTCUSD_1Hour: fold 3 was not evaluated", "promotable": []})

    _refused(case, "is incomplete: BTCUSD_1Hour: fold 3")
    case.verdict.write_bytes(case.verdict.read_bytes().replace(b"DROP", b"DROQ"))
    _refused(case, "was altered|is not")


def test_a_model_that_is_not_in_force_cannot_leave(case: Case, tmp_path: Path) -> None:
    case.judge(AAPL="DROP", BTCUSD="DROP")

    _refused(case, "ETHUSD_1Hour is not in force there.* Name one that is: AAPL_1Hour, BTCUSD_1Hour", "ETHUSD_1Hour")
    case.target = Target(tmp_path / "elsewhere")
    with pytest.raises(PromotionError, match="nothing was promoted there"):
        case.withdraw()
    assert not (tmp_path / "elsewhere").exists()


def test_what_nobody_judged_is_not_gone_over(case: Case) -> None:
    case.judge(AAPL="DROP")
    (case.folder / "ETHUSD_1Hour.pt").write_bytes(b"by hand")

    _refused(case, "nobody judged ETHUSD_1Hour.pt there")


def test_a_meddled_file_of_the_model_itself_keeps_it_not_in_force(tmp_path: Path) -> None:
    case = Case(tmp_path, Copies)
    case.judge(AAPL="DROP")
    (case.folder / "AAPL_1Hour.pt").write_bytes(b"meddled")

    case.withdraw()

    assert shown(case.folder) == digests_of({"BTCUSD": b"bitcoin"})


def test_a_dry_run_verifies_and_changes_nothing(case: Case) -> None:
    case.judge(AAPL="DROP", BTCUSD="LIVE")
    before = case.record()

    done = case.withdraw(dry_run=True)

    assert (done.withdrawn.decision, done.record) == ("DROP", None)
    assert case.record() == before
    with pytest.raises(PromotionError):
        case.withdraw("BTCUSD_1Hour", dry_run=True)


def test_no_rollback_brings_it_back_unasked(case: Case) -> None:
    case.judge(AAPL="DROP", BTCUSD="PAPER")
    case.withdraw()

    for dry_run in (True, False):
        with pytest.raises(
            PromotionError, match=r"holds bytes of AAPL_1Hour that were withdrawn .* by bob: decided DROP"
        ):
            roll_back(case.target, at=NOW, by="", dry_run=dry_run)
    assert shown(case.folder) == digests_of({"BTCUSD": b"bitcoin"})

    later = NOW + timedelta(days=1)
    roll_back(case.target, at=later, by="", dry_run=False, withdrawn=True)
    assert shown(case.folder) == digests_of(MODELS)
    record = case.record()
    assert "withdrawn" not in record
    assert [model["since"] for model in record["models"]] == [later.isoformat(), NOW.isoformat()]


def test_it_is_remembered_over_further_promotions_and_rollbacks(case: Case) -> None:
    case.judge(AAPL="DROP", BTCUSD="PAPER")
    case.withdraw()
    withdrawn = case.record()["withdrawn"]
    other = case.archive.with_name("Y.zip")
    archive_of(other, {"AAPL": b"pear"})
    case.promote(verdict_of(other, {"AAPL": "LIVE"}, case.first.with_name("other.json")), other)
    assert case.record()["withdrawn"] == withdrawn

    roll_back(case.target, at=NOW, by="", dry_run=False)

    assert case.record()["withdrawn"] == withdrawn
    with pytest.raises(PromotionError, match="would bring back bytes of AAPL_1Hour that were withdrawn"):
        case.promote(case.first)


def test_a_verdict_that_is_not_older_brings_it_back(case: Case) -> None:
    case.judge(AAPL="PAPER", BTCUSD="PAPER")
    case.withdraw()

    case.promote(case.verdict)

    assert shown(case.folder) == digests_of(MODELS)
    assert "withdrawn" not in case.record()
    assert {model["decision"] for model in case.record()["models"]} == {"PAPER"}


def test_the_command_line_withdraws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path)
    case.judge(AAPL="RETRAIN", BTCUSD="PAPER")
    words = ["withdraw", "AAPL_1Hour", "--from", str(case.folder), "--because", str(case.verdict)]

    assert main(words) == 1  # its market data stays in 2026
    assert "allow that age with --max-age" in capsys.readouterr().err
    assert main([*words, "--max-age", "36500d", "--dry-run"]) == 0
    assert "nothing was changed (--dry-run)" in capsys.readouterr().out
    assert main([*words, "--max-age", "36500d", "--by", "Ada"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("withdrawn: AAPL_1Hour LIVE, now RETRAIN sha256 ")
    assert told[1].startswith("stays: BTCUSD_1Hour PAPER sha256 ")
    assert case.record()["by"] == "Ada"
    assert main(["rollback", "--to", str(case.folder)]) == 1
    assert "say --withdrawn" in capsys.readouterr().err
    assert main(["rollback", "--to", str(case.folder), "--withdrawn"]) == 0
