"""What a terminal says of an account: how far it is, in a few words, and the findings that hold a model back."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.record_factory import unwatched, watched
from support.report_factory import judged, traded

from pytest_modelgate.plugin.output.junit_properties import facts
from pytest_modelgate.plugin.output.next_step import next_step
from pytest_modelgate.plugin.output.text import account_text, held_back_by


def test_the_table_says_how_many_orders_there_are_so_far() -> None:
    assert "account: 10 of 60 orders" in held_back_by(traded("UNIUSD", drift=0.0008, watched=watched(days=12)))


def test_the_table_says_how_far_the_odds_are() -> None:
    held = held_back_by(traded("UNIUSD", drift=0.0008, watched=watched(edge=0.0012)))

    assert any(text.startswith("account: E = ") and text.endswith(" of 50") for text in held)


def test_the_table_says_that_no_account_trades_it() -> None:
    assert "account: no account trades it" in held_back_by(traded("UNIUSD", drift=0.0008, watched=unwatched()))


def test_only_findings_that_are_not_met_are_told() -> None:
    judgement = traded("UNIUSD", drift=0.0008, watched=watched(days=12))
    assert judgement.watch

    told = account_text(judgement)

    for finding in judgement.watch.findings:
        assert (finding.sentence in told) == (finding.status != "met"), finding.name


def test_nothing_is_told_where_no_account_was_asked() -> None:
    assert account_text(judged("UNIUSD", drift=0.0008)) == ""


@pytest.mark.parametrize(("asked", "told"), [(True, ["On the account: UNIUSD_1Hour 10 of 60 orders."]), (False, [])])
def test_the_last_lines_tell_of_models_at_paper_alone(asked: bool, told: list[str]) -> None:
    judgement = traded("UNIUSD", drift=0.0008, watched=watched(days=12)) if asked else judged("UNIUSD", drift=0.0008)
    verdict = SimpleNamespace(complete=True, promotable=["UNIUSD_1Hour"])
    settings = SimpleNamespace(archive=Path("a.zip"), profile="2.4.5")
    gate = SimpleNamespace(plan=SimpleNamespace(as_of=SimpleNamespace(to_pydatetime=lambda: datetime.now(UTC))))
    run: Any = SimpleNamespace(
        unwritten="", verdict=verdict, earlier=None, judgements=[judgement], settings=settings, gate=gate,
        verdict_path=Path("out/verdict.json"),
    )  # fmt: skip

    lines = next_step(run, Path("/elsewhere"), datetime.now(UTC))

    assert lines[1:] == told


def test_junit_bears_the_odds() -> None:
    judgement = traded("UNIUSD", drift=0.0008, watched=watched(days=12))

    properties = dict(facts({"gate_paper": judgement.watch}))

    assert judgement.watch
    assert properties["account"] == "10 of 60 orders"
    assert properties["evidence_for"] == f"{judgement.watch.e_for:.6g}"
