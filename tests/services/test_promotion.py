"""What may be promoted, and what is refused with the folder left as it was."""

import json
import os
import shutil
import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import report_factory
from support.promotion_factory import TRAINED, WRITTEN, archive_of, digests_of, shown, verdict_of, write

from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.adapters.promotion.layout import Copies, Links
from pytest_modelgate.adapters.verdict.model_part import fields_of
from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.adapters.verdict.schema import MarketPart, QualityPart
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.policy.actions import CLOSE, HOLD, Order, action_name
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import CheckpointError, GateError, PromotionError
from pytest_modelgate.services.champions import champion_files, read_champions
from pytest_modelgate.services.promotion import Change, Terms, promote, roll_back

MODELS = {"AAPL": b"apple", "BTCUSD": b"bitcoin", "ETHUSD": b"ether"}
DECISIONS = {"AAPL": "LIVE", "BTCUSD": "PAPER", "ETHUSD": "DROP"}
NOW = WRITTEN + timedelta(hours=1)
LIVE = {"AAPL": b"apple"}


class Case:
    """An archive, its verdict and a trader's folder."""

    def __init__(self, folder: Path, layout: type[Links | Copies] = Links) -> None:
        folder.mkdir(exist_ok=True)
        self.archive = archive_of(folder / "X.zip", MODELS)
        self.verdict = verdict_of(self.archive, DECISIONS, folder / "verdict.json")
        self.folder = folder / "models"
        self.target = Target(self.folder, layout)

    def promote(self, *, at: datetime = NOW, dry_run: bool = False, **terms: Any) -> Change:
        return promote(self.verdict, self.archive, self.target, Terms(**terms), at=at, by="somebody", dry_run=dry_run)

    def retrain(self, models: dict[str, bytes], decisions: dict[str, str]) -> None:
        """Another archive with its verdict takes the place of the first."""
        self.archive.unlink()
        self.archive = archive_of(self.archive, models)
        self.verdict = verdict_of(self.archive, decisions, self.verdict)

    def forge(self, **changes: Any) -> None:
        """Rewrite parts of the verdict, and seal it as the gate would."""
        body = json.loads(self.verdict.read_text())
        write(self.verdict, {**body, **changes})


@pytest.fixture(params=[Links, Copies], ids=["links", "copies"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(tmp_path, request.param)


def test_what_is_live_is_promoted_and_written_down(case: Case) -> None:
    change = case.promote()

    assert shown(case.folder) == digests_of(LIVE)
    record = json.loads((case.folder / "promotion.json").read_text())
    (model,) = record["models"]
    assert (case.folder / model["file"]).read_bytes() == b"apple"
    assert (model["id"], model["decision"], model["by"]) == ("AAPL_1Hour", "LIVE", "somebody")
    assert model["source"]["verdict"] == read_verdict(case.verdict).digest
    assert (record["at"], record["previous"]) == ("2026-03-02T13:00:00+00:00", None)
    assert change.held_back == {"BTCUSD_1Hour": "PAPER", "ETHUSD_1Hour": "DROP"}


def test_paper_trading_takes_a_word(case: Case) -> None:
    case.promote(minimum=DecisionLevel.PAPER)

    assert shown(case.folder) == digests_of({"AAPL": b"apple", "BTCUSD": b"bitcoin"})


def test_a_new_set_takes_the_place_of_the_old_one_and_a_rollback_brings_it_back(case: Case) -> None:
    case.promote()
    case.retrain({"AAPL": b"pear"}, {"AAPL": "LIVE"})
    case.promote()
    assert shown(case.folder) == digests_of({"AAPL": b"pear"})

    change = roll_back(case.target, at=NOW, by="somebody else", dry_run=False)

    assert shown(case.folder) == digests_of(LIVE)
    record = case.target.record()
    assert record
    assert change.record == record
    assert (record.by, record.models[0].by, record.previous) == ("somebody else", "somebody", None)
    assert record.rolled_back
    with pytest.raises(PromotionError, match="no earlier promotion is kept"):
        roll_back(case.target, at=NOW, by="", dry_run=False)


def _since(case: Case) -> dict[str, str | None]:
    record = case.target.record()
    assert record
    return {model.id: model.since for model in record.models}


def test_bytes_that_stay_in_force_keep_the_moment_and_others_begin_now(case: Case) -> None:
    case.promote(minimum=DecisionLevel.PAPER)
    case.retrain({"AAPL": b"apple", "BTCUSD": b"coin"}, {"AAPL": "LIVE", "BTCUSD": "LIVE"})
    later = NOW + timedelta(days=1)

    case.promote(at=later)

    assert _since(case) == {"AAPL_1Hour": "2026-03-02T13:00:00+00:00", "BTCUSD_1Hour": "2026-03-03T13:00:00+00:00"}
    case.retrain({"BTCUSD": b"coin"}, {"BTCUSD": "LIVE"})
    case.promote(at=later + timedelta(days=1), others="keep")
    assert _since(case) == {"AAPL_1Hour": "2026-03-02T13:00:00+00:00", "BTCUSD_1Hour": "2026-03-03T13:00:00+00:00"}


def test_bytes_that_a_rollback_brings_back_are_in_force_since_the_rollback(case: Case) -> None:
    case.promote()
    case.retrain({"AAPL": b"pear"}, {"AAPL": "LIVE"})
    case.promote(at=NOW + timedelta(days=1))

    roll_back(case.target, at=NOW + timedelta(days=2), by="", dry_run=False)

    assert _since(case) == {"AAPL_1Hour": "2026-03-04T13:00:00+00:00"}


def test_bytes_with_other_statistics_of_observations_begin_now(case: Case) -> None:
    for day, statistics in enumerate((b"statistics", b"others")):
        case.archive.unlink()
        case.archive = archive_of(case.archive, {"AAPL": b"zipped"}, suffix=".zip", normaliser=statistics)
        case.verdict = verdict_of(case.archive, {"AAPL": "LIVE"}, case.verdict)
        case.promote(at=NOW + timedelta(days=day))

    assert _since(case) == {"AAPL_1Hour": "2026-03-03T13:00:00+00:00"}


def in_force(folder: Path) -> dict[str, bytes]:
    """Content of every file that a trader finds, but for promotion.json."""
    found = (path for path in folder.iterdir() if path.is_file() and path.name != "promotion.json")
    return {path.name: path.read_bytes() for path in found if not path.name.startswith(".")}


def test_a_model_of_another_format_takes_the_old_ones_place_and_brings_its_normaliser(case: Case) -> None:
    case.promote()
    case.archive.unlink()
    case.archive = archive_of(case.archive, {"AAPL": b"zipped"}, suffix=".zip", normaliser=b"statistics")
    case.verdict = verdict_of(case.archive, {"AAPL": "LIVE"}, case.verdict)

    change = case.promote()

    assert in_force(case.folder) == {"AAPL_1Hour.zip": b"zipped", "AAPL_1Hour.vecnormalize.pkl": b"statistics"}
    assert change.removed == ("AAPL_1Hour.pt",)
    (model,) = json.loads((case.folder / "promotion.json").read_text())["models"]
    assert (model["normaliser"], model["meanings"]["format"]) == ("AAPL_1Hour.vecnormalize.pkl", "sb3")
    roll_back(case.target, at=NOW, by="", dry_run=False)
    assert in_force(case.folder) == {"AAPL_1Hour.pt": b"apple"}


def test_a_normaliser_altered_in_force_is_not_kept(case: Case) -> None:
    case.archive.unlink()
    models = {"AAPL": b"zipped", "BTCUSD": b"other"}
    case.archive = archive_of(case.archive, models, suffix=".zip", normaliser=b"statistics")
    case.verdict = verdict_of(case.archive, {"AAPL": "LIVE", "BTCUSD": "LIVE"}, case.verdict)
    case.promote()
    (case.folder / "AAPL_1Hour.vecnormalize.pkl").write_bytes(b"meddled")
    case.retrain({"BTCUSD": b"new"}, {"BTCUSD": "LIVE"})

    _refused(case, "nobody judged AAPL_1Hour.vecnormalize.pkl as it is", others="keep")


def test_only_the_set_before_is_kept(case: Case) -> None:
    for content in (b"1", b"2", b"3"):
        case.retrain({"AAPL": content}, {"AAPL": "LIVE"})
        case.promote()

    kept = {path.read_bytes() for path in (case.folder / ".modelgate/sets").glob("*/*.pt")}

    assert kept == {b"2", b"3"}


def test_a_dry_run_verifies_and_changes_nothing(case: Case) -> None:
    change = case.promote(dry_run=True)

    assert change.promoted == ("AAPL_1Hour",)
    assert change.record is None
    assert not case.folder.exists()
    with pytest.raises(PromotionError):
        case.promote(dry_run=True, all_or_nothing=True)


def _refused(case: Case, match: str, **terms: Any) -> None:
    before = shown(case.folder)
    with pytest.raises(GateError, match=match) as caught:
        case.promote(**terms)
    assert "\n" not in str(caught.value)
    assert shown(case.folder) == before


def test_too_low_a_decision_is_refused(case: Case) -> None:
    case.retrain(MODELS, {"AAPL": "PAPER", "BTCUSD": "RETRAIN", "ETHUSD": "DROP"})

    _refused(case, "no model reaches LIVE: AAPL_1Hour PAPER, BTCUSD_1Hour RETRAIN, ETHUSD_1Hour DROP")


def test_all_or_nothing_refuses_over_one_dropped_model(case: Case) -> None:
    _refused(case, "not every model reaches PAPER: ETHUSD_1Hour DROP", all_or_nothing=True, minimum=DecisionLevel.PAPER)


def test_another_archive_is_refused(case: Case) -> None:
    case.archive.unlink()
    archive_of(case.archive, MODELS | {"AAPL": b"appel"})

    _refused(case, "archive X.zip: has sha256 .*, but the verdict is about")


@pytest.mark.parametrize(
    ("age", "match"),
    [
        (
            timedelta(minutes=59),
            "was written 2026-03-02 12:00 UTC, longer ago than 0:59:00.* allow that age with --max-age 1d",
        ),
        (timedelta(hours=24), "judged market data that ended 2026-03-01 00:00 UTC"),
    ],
)
def test_an_expired_verdict_is_refused(tmp_path: Path, age: timedelta, match: str) -> None:
    case = Case(tmp_path)
    if age < timedelta(hours=1):
        case.forge(settings=json.loads(case.verdict.read_text())["settings"] | {"as_of": NOW.isoformat()})

    _refused(case, match, max_age=age)


def test_market_data_that_ended_more_than_a_week_ago_is_refused_unless_told(case: Case) -> None:
    late = TRAINED + timedelta(days=8)

    _refused(case, "that ended 2026-03-01 00:00 UTC, longer ago than 7 days.* that age with --max-age 9d", at=late)
    case.promote(at=late, max_age=timedelta(days=9))


@pytest.mark.parametrize("field", ["written", "as_of"])
def test_a_verdict_from_the_future_is_refused(case: Case, field: str) -> None:
    settings = json.loads(case.verdict.read_text())["settings"]
    late, skewed = "2099-01-01T00:00:00+00:00", (NOW + timedelta(minutes=4)).isoformat()

    def changed(moment: str) -> dict[str, Any]:
        return {"run": {"written": moment}} if field == "written" else {"settings": settings | {"as_of": moment}}

    case.forge(**changed(late))
    _refused(case, "2099-01-01 00:00 UTC, but it is 2026-03-02 13:00 UTC now", max_age=timedelta(days=99_999))
    case.forge(**changed(skewed))
    case.promote()


def test_a_verdict_that_names_no_rule_is_refused(case: Case) -> None:
    case.forge(settings=json.loads(case.verdict.read_text())["settings"] | {"decision": "mood"})

    _refused(case, "does not say by which rule it decided")


def test_a_promotion_names_rule_and_waivers_of_each_model(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    waiver = {"model": "AAPL_1Hour", "check": "gating", "reason": "known", "owner": "ada", "expires": "9999-12-31"}
    settings = json.loads(case.verdict.read_text())["settings"] | {"decision": "table"}
    case.forge(waivers=[waiver, waiver | {"model": "ETHUSD_1Hour"}], settings=settings)

    case.promote(minimum=DecisionLevel.PAPER)
    main(["promote", *_arguments(case), "--minimum", "paper", "--dry-run"])

    models = json.loads((case.folder / "promotion.json").read_text())["models"]
    del waiver["model"]
    assert [(model["rule"], model["waivers"]) for model in models] == [("table", [waiver]), ("table", [])]
    assert "promoted: AAPL_1Hour LIVE (by the table, gating waived by ada) sha256" in capsys.readouterr().out


def test_a_record_without_rule_waivers_and_moments_is_still_read(case: Case) -> None:
    case.promote()
    path = case.folder / "promotion.json"
    record = json.loads(path.read_text())
    for model in record["models"]:
        del model["rule"], model["waivers"], model["since"]
    content = {key: value for key, value in record.items() if key != "digest"}
    older = json.dumps(content | {"digest": json_sha256(content)}, indent=2) + "\n"
    (case.folder / ".modelgate/sets" / record["set"] / "promotion.json").write_text(older)
    path.resolve().write_text(older)
    case.retrain({"BTCUSD": b"coin"}, {"BTCUSD": "LIVE"})

    later = NOW + timedelta(days=1)
    case.promote(others="keep", at=later)

    kept, fresh = json.loads(path.read_text())["models"]
    assert "rule" not in kept
    assert fresh["rule"] == "proven"
    assert (kept["since"], fresh["since"]) == (record["at"], later.isoformat())
    roll_back(case.target, at=NOW, by="", dry_run=False)
    assert shown(case.folder) == digests_of(LIVE)


def test_a_verdict_that_is_young_enough_is_not_expired(tmp_path: Path) -> None:
    Case(tmp_path).promote(max_age=NOW - TRAINED)


def test_an_incomplete_verdict_is_refused(case: Case) -> None:
    case.forge(complete="ETHUSD_1Hour: fold 3 was not evaluated", promotable=[])

    _refused(case, "is incomplete: ETHUSD_1Hour: fold 3")


def test_a_verdict_of_another_version_is_refused(case: Case) -> None:
    case.forge(settings=json.loads(case.verdict.read_text())["settings"] | {"version": "0.0.1"})

    _refused(case, "was written by version '0.0.1', this is")


def test_a_verdict_by_other_limits_is_refused(case: Case) -> None:
    case.forge(profile={"name": "2.4.5", "sha256": "0" * 64})

    _refused(case, "judged by other limits than those of profile 2.4.5")


def test_a_verdict_by_a_profile_of_ones_own_needs_its_file(case: Case, tmp_path: Path) -> None:
    from pytest_modelgate.adapters.config_files.profiles import load_profile

    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\nextends = "2.4.5"\n')
    case.forge(profile={"name": "mine", "sha256": load_profile(str(mine)).sha256})

    _refused(case, "profile 'mine', which is not built in.* Name its file with --profile")
    case.promote(profile=str(mine))


def test_another_verdict_than_the_approved_one_is_refused(case: Case) -> None:
    approved = read_verdict(case.verdict).digest
    case.forge(run={"id": "other"})
    case.promote(digest=approved)  # the same decisions on the same evidence

    case.forge(models=[])
    _refused(case, "has digest .*, expected", digest=approved)


@pytest.mark.parametrize(("listed", "decision"), [(["AAPL_1Hour"], "DROP"), (["AAPL_1Hour"], "INCOMPLETE")])
def test_a_list_of_promotable_models_that_the_decisions_do_not_bear_out_is_refused(
    case: Case, listed: list[str], decision: str
) -> None:
    models = json.loads(case.verdict.read_text())["models"]
    case.forge(models=[models[0] | {"decision": decision}, *models[1:]], promotable=listed)

    _refused(case, f"calls AAPL_1Hour promotable, but decided {decision}")


@pytest.mark.parametrize("model_id", ["../../etc_1Hour", "UNIUSD_1Hour", "AAPL_4Hour"])
def test_a_model_that_the_archive_does_not_hold_is_refused(case: Case, model_id: str) -> None:
    models = json.loads(case.verdict.read_text())["models"]
    case.forge(models=[models[0] | {"id": model_id}], promotable=[model_id])

    _refused(case, "holds no checkpoint that the verdict judged")


def test_bytes_that_were_not_judged_are_refused(case: Case) -> None:
    models = json.loads(case.verdict.read_text())["models"]
    checkpoint = models[0]["checkpoint"] | {"sha256": "0" * 64}
    case.forge(models=[models[0] | {"checkpoint": checkpoint}], promotable=["AAPL_1Hour"])

    _refused(case, "its checkpoint has sha256 .*, but 000000000000... was judged")


def test_one_altered_byte_of_a_verdict_is_noticed(tmp_path_factory: pytest.TempPathFactory) -> None:
    case = Case(tmp_path_factory.mktemp("verdict"))
    whole, altered = case.verdict.read_bytes(), case.verdict.with_name("altered.json")

    @given(st.integers(0, len(whole) - 1), st.integers(1, 255))
    def alter(place: int, change: int) -> None:
        altered.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
        with pytest.raises(PromotionError):
            read_verdict(altered)

    alter()
    for extra in (whole + b"\n", whole[:-1], b" " + whole, b""):
        altered.write_bytes(extra)
        with pytest.raises(PromotionError):
            read_verdict(altered)


@pytest.mark.parametrize("name", ["id", "written", "host", "seal"])
def test_what_the_digest_leaves_out_cannot_be_altered_either(tmp_path: Path, name: str) -> None:
    case = Case(tmp_path)
    body = json.loads(case.verdict.read_text())
    body["run"][name] = "f" * 64
    case.verdict.write_text(json.dumps(body, indent=2) + "\n")

    _refused(case, "was altered since the gate wrote it")


def test_one_altered_byte_of_an_archive_is_noticed(tmp_path_factory: pytest.TempPathFactory) -> None:
    case = Case(tmp_path_factory.mktemp("archive"))
    whole = case.archive.read_bytes()

    @given(st.integers(0, len(whole) - 1), st.integers(1, 255))
    def alter(place: int, change: int) -> None:
        case.archive.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
        with pytest.raises(GateError):
            case.promote()
        assert not case.folder.exists()

    alter()


@pytest.mark.parametrize("altered", ["promotion.json", "AAPL_1Hour.pt"])
def test_no_rollback_to_altered_bytes(case: Case, altered: str) -> None:
    first = case.promote().record
    case.retrain({"AAPL": b"pear"}, {"AAPL": "LIVE"})
    case.promote()
    assert first
    path = case.folder / ".modelgate/sets" / first.set / altered
    path.write_bytes(path.read_bytes().replace(b"AAPL", b"AAAL").replace(b"apple", b"appla"))

    with pytest.raises(PromotionError, match="was altered since"):
        roll_back(case.target, at=NOW, by="", dry_run=False)

    assert shown(case.folder) == digests_of({"AAPL": b"pear"})


def test_an_altered_record_stops_everything(case: Case) -> None:
    case.promote()
    record = case.folder / "promotion.json"
    record.write_text(record.read_text().replace('"by": "somebody"', '"by": "anybody!"'))

    _refused(case, "was altered since modelgate wrote it")
    with pytest.raises(PromotionError, match="was altered since modelgate wrote it"):
        roll_back(case.target, at=NOW, by="", dry_run=False)


def test_a_rollback_needs_something_to_go_back_to(case: Case) -> None:
    with pytest.raises(PromotionError, match="nothing was promoted there"):
        roll_back(case.target, at=NOW, by="", dry_run=False)
    assert not case.folder.exists()


def test_models_in_force_do_not_leave_unless_told(case: Case) -> None:
    case.promote(minimum=DecisionLevel.PAPER)
    case.retrain({"AAPL": b"pear", "BTCUSD": b"coin"}, {"AAPL": "LIVE", "BTCUSD": "RETRAIN"})

    _refused(case, "BTCUSD_1Hour.pt would leave it: this verdict does not promote it")
    change = case.promote(others="keep")

    assert shown(case.folder) == digests_of({"AAPL": b"pear", "BTCUSD": b"bitcoin"})
    assert change.promoted == ("AAPL_1Hour",)
    kept = change.models["BTCUSD_1Hour"]
    assert (kept.decision, kept.source.verdict) != ("LIVE", read_verdict(case.verdict).digest)
    change = case.promote(others="remove")
    assert change.removed == ("BTCUSD_1Hour.pt",)
    assert shown(case.folder) == digests_of({"AAPL": b"pear"})


def test_a_model_judged_too_low_anew_cannot_stay(case: Case) -> None:
    case.promote(minimum=DecisionLevel.PAPER)
    case.retrain(MODELS, {"AAPL": "LIVE", "BTCUSD": "DROP", "ETHUSD": "DROP"})

    _refused(case, "BTCUSD_1Hour cannot stay: this verdict judged its very bytes, DROP", others="keep")


def test_a_checkpoint_altered_in_force_is_not_kept(case: Case) -> None:
    case.promote(minimum=DecisionLevel.PAPER)
    (case.folder / "BTCUSD_1Hour.pt").write_bytes(b"meddled")
    case.retrain(LIVE, {"AAPL": "LIVE"})

    _refused(case, "nobody judged BTCUSD_1Hour.pt as it is", others="keep")


def test_bytes_that_change_while_they_are_copied_are_refused(case: Case, tmp_path: Path) -> None:
    record = case.promote().record
    assert record
    (tmp_path / "other.pt").write_bytes(b"exchanged after it was verified")

    with pytest.raises(PromotionError, match=r"AAPL_1Hour\.pt: holds bytes with sha256"), case.target.changing():
        case.target.install(
            record.models, {"AAPL_1Hour.pt": tmp_path / "other.pt"}, at=NOW.isoformat(), by="", previous=record.set
        )

    assert case.target.record() == record
    assert shown(case.folder) == digests_of(LIVE)
    assert len(list((case.folder / ".modelgate/sets").iterdir())) == 1


def test_files_placed_by_hand_never_become_judged_ones(case: Case) -> None:
    case.folder.mkdir()
    for name in ("AAPL_1Hour.pt", "EVIL_1Hour.PT"):
        (case.folder / name).write_bytes(b"by hand")
    (case.folder / "notes.txt").write_bytes(b"mine")

    _refused(case, "EVIL_1Hour.PT would leave it")
    _refused(case, "nobody judged EVIL_1Hour.PT", others="keep")
    case.promote(others="remove")

    assert shown(case.folder) == digests_of(LIVE)
    assert not (case.folder / "EVIL_1Hour.PT").exists()
    assert (case.folder / "notes.txt").read_bytes() == b"mine"
    with pytest.raises(PromotionError, match="what nobody judged is kept in") as caught:
        roll_back(case.target, at=NOW, by="", dry_run=False)
    (aside,) = case.target.kept_aside()
    assert str(aside) in str(caught.value)
    assert {path.name: path.read_bytes() for path in aside.glob("*_1Hour*")} == {
        "AAPL_1Hour.pt": b"by hand",
        "EVIL_1Hour.PT": b"by hand",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_a_link_out_of_the_folder_is_not_written_through(case: Case, tmp_path: Path) -> None:
    outside = tmp_path / "outside.pt"
    outside.write_bytes(b"outside")
    case.folder.mkdir()
    (case.folder / "AAPL_1Hour.pt").symlink_to(outside)

    case.promote()

    assert outside.read_bytes() == b"outside"
    assert shown(case.folder) == digests_of(LIVE)


def test_a_folder_with_the_name_of_a_checkpoint_is_refused(case: Case) -> None:
    (case.folder / "AAPL_1Hour.pt").mkdir(parents=True)

    _refused(case, "is not a file, but bears the name of a checkpoint")


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
@pytest.mark.parametrize("linked", [".modelgate", ".modelgate/sets"])
def test_sets_are_never_kept_nor_cleaned_behind_a_link(case: Case, tmp_path: Path, linked: str) -> None:
    case.promote()
    place, elsewhere = case.folder / linked, tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))

    with pytest.raises(PromotionError, match=r"is a link to .*elsewhere.*, expected a folder"):
        case.promote()

    assert sorted(elsewhere.rglob("*")) == before


def test_cleaning_leaves_what_no_record_calls_ours(case: Case, tmp_path: Path) -> None:
    case.promote()
    sets, name = case.folder / ".modelgate/sets", "20260101000000-0123abcd"
    foreign = [sets / "theirs/notes.txt", sets / name / "notes.txt", case.folder / ".modelgate-theirs"]
    foreign.append(tmp_path / "outside/AAPL_1Hour.pt")
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    for link in (sets / "20260101000000-4567abcd", sets / "theirs/link") if sys.platform != "win32" else ():
        link.symlink_to(tmp_path / "outside")
        foreign.append(link / "AAPL_1Hour.pt")

    for content in (b"1", b"2", b"3"):
        case.retrain({"AAPL": content}, {"AAPL": "LIVE"})
        case.promote()

    assert [path.read_text() for path in foreign] == ["mine"] * len(foreign)
    assert {path.read_bytes() for path in sets.glob("2*/*.pt") if not path.parent.is_symlink()} == {b"2", b"3"}


def test_a_file_put_into_an_old_set_stays_when_the_set_goes(case: Case) -> None:
    first = case.promote().record
    assert first
    notes = case.folder / ".modelgate/sets" / first.set / "notes.txt"
    notes.write_text("mine")

    for content in (b"1", b"2"):
        case.retrain({"AAPL": content}, {"AAPL": "LIVE"})
        case.promote()

    assert list(notes.parent.iterdir()) == [notes]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_whatever_the_umask_all_may_read_and_only_the_owner_writes(case: Case, umask: int) -> None:
    before = os.umask(umask)
    try:
        case.promote()
        case.retrain({"AAPL": b"pear"}, {"AAPL": "LIVE"})
        case.promote()
        roll_back(case.target, at=NOW, by="", dry_run=False)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)

    made = [path for path in (case.folder, *case.folder.rglob("*")) if not path.is_symlink()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o755}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o644}


def test_a_full_disk_leaves_the_old_set(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.promote()
    case.retrain({"AAPL": b"pear"}, {"AAPL": "LIVE"})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        _refused(case, "cannot be written: No space left on device")

    assert len(list((case.folder / ".modelgate/sets").iterdir())) == 1


def test_a_file_in_use_leaves_the_old_set_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(tmp_path, Copies)
    case.promote(minimum=DecisionLevel.PAPER)
    case.retrain({"AAPL": b"pear", "BTCUSD": b"coin"}, {"AAPL": "LIVE", "BTCUSD": "LIVE"})
    unlink = Path.unlink

    def in_use(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == "BTCUSD_1Hour.pt":  # as Windows answers while a program has it open
            raise PermissionError(13, "being used by another process", str(path))
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", in_use)
        _refused(case, r"another program keeps BTCUSD_1Hour\.pt in use")

    assert shown(case.folder) == digests_of({"AAPL": b"apple", "BTCUSD": b"bitcoin"})
    case.promote()
    assert shown(case.folder) == digests_of({"AAPL": b"pear", "BTCUSD": b"coin"})


def _arguments(case: Case) -> list[str]:
    names = [str(case.verdict), "--archive", str(case.archive), "--to", str(case.folder)]
    return [*names, "--max-age", "36500d"]  # its market data stays in 2026


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_what_a_folder_is_called_is_printed_without_commands_and_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    case = Case(tmp_path)
    hostile = "\x1b[2J::error::owned\n::set-output"
    case.archive = case.archive.rename(tmp_path / "Y\x1b[2J::error::owned.zip")
    case.verdict = case.verdict.rename(tmp_path / f"{hostile}.json")
    case.forge(archive=json.loads(case.verdict.read_text())["archive"] | {"name": hostile})
    case.folder = tmp_path / hostile

    main([command, *_arguments(case)] if command == "promote" else [command, "--to", str(case.folder)])
    told = capsys.readouterr()

    assert "owned" in told.out + told.err
    for line in (told.out + told.err).splitlines():
        assert line.isprintable()
        assert "::" not in line


def test_the_command_line_promotes_and_rolls_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path)
    arguments = ["promote", *_arguments(case)]

    assert main([*arguments, "--by", "Ada"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("promoted: AAPL_1Hour LIVE sha256 ")
    assert main([*arguments, "--minimum", "paper"]) == 0
    assert main(["rollback", "--to", str(case.folder), "--dry-run"]) == 0
    assert "nothing was changed (--dry-run)" in capsys.readouterr().out
    assert main(["rollback", "--to", str(case.folder)]) == 0
    assert "removed: BTCUSD_1Hour.pt" in capsys.readouterr().out
    assert shown(case.folder) == digests_of(LIVE)


def test_the_command_line_refuses_with_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(tmp_path)
    case.verdict.write_bytes(case.verdict.read_bytes().replace(b"DROP", b"LIVE"))

    status = main(["promote", str(case.verdict), "--archive", str(case.archive), "--to", str(case.folder)])

    told = capsys.readouterr()
    assert (status, told.out) == (1, "")
    assert told.err.count("\n") == 1
    assert "was altered: its digest is not that of its content" in told.err
    assert not case.folder.exists()


@pytest.mark.parametrize("arguments", [["--max-age", "soon"], ["--digest", "abc"], ["--minimum", "retrain"]])
def test_bad_usage_is_told_apart_from_a_refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["promote", "verdict.json", "--archive", "X.zip", "--to", "models", *arguments])

    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_promotion_in_ci_names_actor_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "ada",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "7",
    }.items():
        monkeypatch.setenv(name, value)
    case = Case(tmp_path)

    main(["promote", *_arguments(case)])

    record = json.loads((case.folder / "promotion.json").read_text())
    assert record["by"] == "ada in https://github.com/o/r/actions/runs/7"
    assert datetime.now(UTC) - datetime.fromisoformat(record["at"]) < timedelta(minutes=5)


def test_a_waiver_that_has_expired_by_now_is_refused(case: Case) -> None:
    waiver = {"model": "AAPL_1Hour", "check": "gating", "reason": "known", "owner": "ada", "expires": "2026-03-02"}
    case.forge(waivers=[waiver, waiver | {"model": "ETHUSD_1Hour", "expires": "2026-02-01"}])

    _refused(case, "a waiver of gating for AAPL_1Hour that expired on 2026-03-02", at=NOW + timedelta(days=1))
    case.promote(at=NOW)


def test_what_was_declared_of_a_deployed_model_is_known_where_it_is_compared(case: Case) -> None:
    models = json.loads(case.verdict.read_text())["models"]
    actions, judged = (HOLD, Order(1 / 3), CLOSE), {"model_version": "9.9.0", "window": 7}
    for model in models:
        model["checkpoint"] |= judged | {"actions": [action_name(action) for action in actions]}  # and no account
        model["account_mode"] = "tracked"
    case.forge(models=models)

    case.promote()

    declared = read_champions(case.folder).by_model["AAPL_1Hour"].declared
    assert (declared.model_version, declared.lookback, declared.actions) == ("9.9.0", 7, actions)
    assert (declared.account, declared.account_mode) == ((), "tracked")


def test_on_which_origin_of_bars_it_was_judged_is_known_where_it_is_compared(case: Case) -> None:
    plan = report_factory.plan_of("AAPL")
    evidence = report_factory.evidence_of(plan, drift=0.001)[plan.folds[0].name]
    assert isinstance(evidence, WindowEvidence)
    market = replace(evidence.market, symbol="AAPL", timeframe="1Hour", bar_origin="03:00 UTC")
    series = {**fields_of(MarketPart, market), "quality": fields_of(QualityPart, market.quality)}
    case.forge(market_data=[series])

    case.promote()

    champion = read_champions(case.folder).by_model["AAPL_1Hour"]
    champion.check_bars("03:00 UTC")
    with pytest.raises(CheckpointError, match="judged on bars that begin at 03:00 UTC, and these begin as Alpaca's do"):
        champion.check_bars("")


def test_what_is_deployed_goes_to_another_machine_with_these_files(case: Case, tmp_path: Path) -> None:
    case.promote()

    folder, names = champion_files(case.folder)

    for name in names:
        (tmp_path / "there" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, tmp_path / "there" / name)
    here, there = read_champions(case.folder), read_champions(tmp_path / "there")
    assert (there.digest, there.digests) == (here.digest, here.digests)
    for model, champion in there.by_model.items():
        assert champion.file
        assert sha256(champion.file.read_bytes()).hexdigest() == here.by_model[model].sha256


def test_a_verdict_goes_there_with_the_evidence_of_its_run_alone(case: Case) -> None:
    case.forge(run={"id": "ab" * 8})
    for record in (f"{'ab' * 8}/AAPL_1Hour.fold1of5.json", f"{'cd' * 8}/AAPL_1Hour.fold1of5.json"):
        path = case.verdict.parent / "evidence" / record
        path.parent.mkdir(parents=True)
        path.write_text("{}")

    assert champion_files(case.verdict) == (
        case.verdict.parent,
        (case.verdict.name, f"evidence/{'ab' * 8}/AAPL_1Hour.fold1of5.json"),
    )
