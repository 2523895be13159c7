"""The verdict's part about an account: there where one was asked, and read back as it was."""

import json
from pathlib import Path

import pytest
from support.record_factory import unwatched, watched
from support.report_factory import judged, traded, verdict_of

from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.adapters.verdict.writer import write_verdict
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.services.comparison import compare_verdicts


def verdict(evidence: WatchEvidence) -> Verdict:
    return verdict_of([traded("UNIUSD", drift=0.0008, watched=evidence)])[2]


@pytest.mark.parametrize("evidence", [watched(days=12), unwatched()], ids=["traded", "not traded"])
def test_it_is_read_back_as_it_was(tmp_path: Path, evidence: WatchEvidence) -> None:
    written = verdict(evidence)
    write_verdict(tmp_path / "verdict.json", written)

    read = read_verdict(tmp_path / "verdict.json")

    assert (read.digest, read.models[0].paper) == (written.digest, written.models[0].paper)


def test_orders_are_counted_by_what_became_of_them() -> None:
    (model,) = verdict(watched()).models

    assert model.paper
    assert model.paper.orders == {"late": 1, "match": 69, "missing": 1, "other_size": 1}


def test_without_an_account_the_document_is_spelled_as_before_there_were_any() -> None:
    document = verdict_of([judged("UNIUSD", drift=0.0008)])[2].model_dump(mode="json")

    assert "paper" not in document["settings"]
    assert "paper" not in document["models"][0]


def test_nothing_of_an_account_is_an_amount_of_money() -> None:
    (model,) = verdict(watched()).models
    assert model.paper

    assert "USD" not in json.dumps(model.paper.model_dump(mode="json")).replace("UNIUSD", "")


def test_a_comparison_tells_what_changed_on_the_account() -> None:
    (change,) = compare_verdicts(verdict(watched(days=12)), verdict(watched(days=40))).models

    told = {item.metric: (item.old, item.new) for item in change.changes}
    assert told["orders on the account"] == ("10", "32")
