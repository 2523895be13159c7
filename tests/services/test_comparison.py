"""What changed from one verdict to another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support import report_factory as factory

from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.adapters.verdict.writer import make_verdict, write_verdict
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.planning.looks import TrialCount
from pytest_modelgate.core.planning.plan import Plan
from pytest_modelgate.core.training.run import TrainingRun
from pytest_modelgate.services.comparison import compare_verdicts


def verdict(*judgements: Judgement, name: str = "a.zip", folds: int = 5) -> Verdict:
    settings = Settings(archive=Path(name), output=Path("o"), cassettes=Path("c"), folds=folds)
    run = TrainingRun(name, factory.AS_OF, tuple(item.plan.model for item in judgements))
    return make_verdict(
        archive_sha256="ab" * 32,
        plan=Plan(run, factory.AS_OF, tuple(item.plan for item in judgements), TrialCount(1)),
        settings=settings,
        profile=factory.PROFILE,
        judgements=judgements,
        ledger=None,
        champion=None,
        unfinished="",
        run={},
    )


EARNS = factory.judged("UNIUSD", drift=0.0008)
LOSES = factory.judged("UNIUSD", drift=-0.0008)


def test_decisions_go_up_and_down_and_worst_news_comes_first() -> None:
    stays, lost, fresh = (factory.judged(name, drift=0.0008) for name in ("AAAUSD", "LTCUSD", "SOLUSD"))
    rises = [factory.incomplete("ZZZUSD"), factory.judged("ZZZUSD", drift=-0.0008)]

    found = compare_verdicts(verdict(stays, lost, EARNS, rises[0]), verdict(stays, LOSES, fresh, rises[1]))

    assert [(item.model[:3], item.direction, item.old, item.new) for item in found.models] == [
        ("UNI", "down", "LIVE", "DROP"),
        ("LTC", "gone", "LIVE", ""),
        ("SOL", "new", "", "LIVE"),
        ("ZZZ", "up", "INCOMPLETE", "DROP"),
        ("AAA", "same", "LIVE", "LIVE"),
    ]
    assert found.models[-1].changes == ()
    assert found.models[0].reason.startswith("5 of 5 folds lost money")


def test_every_figure_says_whether_it_got_better() -> None:
    (model,) = compare_verdicts(verdict(EARNS), verdict(LOSES)).models
    changes = {change.metric: change for change in model.changes}

    assert (changes["folds that made money"].old, changes["folds that made money"].new) == ("100%", "0%")
    worse = {name for name, change in changes.items() if change.better is False}
    assert {"backtest return", "return of the folds", "worst drawdown of a fold", "backtest max drawdown"} <= worse
    assert changes["buy and hold"].better is None
    (back,) = compare_verdicts(verdict(LOSES), verdict(EARNS)).models
    assert {change.metric for change in back.changes if change.better} == worse


def test_an_undefined_figure_is_neither_better_nor_worse() -> None:
    plan = EARNS.plan
    evidence = factory.evidence_of(plan, drift=0.0008)
    idle = factory.window_evidence(plan.model.id, plan.folds[0], drift=0.0, held=[0.0] * 864)
    no_trade = factory.judgement_of(plan, {**evidence, "fold1of5": idle})

    (model,) = compare_verdicts(verdict(EARNS), verdict(no_trade)).models

    (spread,) = (change for change in model.changes if change.metric == "spread in noise units")
    assert (spread.new, spread.better) == ("-", None)


def test_what_the_verdicts_were_reached_on_is_told_where_it_differs() -> None:
    found = compare_verdicts(verdict(EARNS), verdict(EARNS, name="b.zip", folds=6))

    assert found.terms == (("archive", "a.zip abababab", "b.zip abababab"), ("folds", "5", "6"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    hostile = replace(EARNS, incomplete="a|b\n<script>\x1b[31m`x`", decision=None)
    write_verdict(tmp_path / "old.json", verdict(EARNS))
    write_verdict(tmp_path / "new.json", verdict(hostile, name="x`|<b>\x1b[2J.zip"))
    return str(tmp_path / "old.json"), str(tmp_path / "new.json")


def test_the_terminal_shows_ascii_of_at_most_100_columns(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *files]) == 0

    text = capsys.readouterr().out
    lines = text.splitlines()
    assert "DOWN  UNIUSD_1Hour  LIVE -> INCOMPLETE" in lines
    assert "1 model: 1 down" in lines
    assert all(len(line) <= 100 and line.isascii() and line.isprintable() for line in lines)


def test_markdown_escapes_what_a_stranger_wrote(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--markdown", *files]) == 0

    text = capsys.readouterr().out
    assert r"| DOWN | UNIUSD\_1Hour | LIVE -> INCOMPLETE | INCOMPLETE: a\|b\\x0a\<script\>\\x1b\[31m\`x\` |" in text
    assert "`x'\\|<b>\\x1b[2J.zip" in text
    assert "\x1b" not in text


def test_an_altered_verdict_is_not_compared(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    old = Path(files[0])
    document = json.loads(old.read_text())
    document["models"][0]["decision"] = "DROP"
    old.write_text(json.dumps(document))

    assert main(["compare", *files]) == 1
    assert "was altered" in capsys.readouterr().err
