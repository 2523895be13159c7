"""What a run tells the page, and what it writes beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import report_factory as factory

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.planning.plan import Plan
from pytest_modelgate.plugin.output.markdown import annotate, summary
from pytest_modelgate.plugin.output.progress import Progress
from pytest_modelgate.plugin.report.page import facts_of
from pytest_modelgate.report.facts import Step
from pytest_modelgate.text import terminal_safe

SCRIPT = "<script>alert(1)</script>"
CONFIG: Any = SimpleNamespace(
    invocation_params=SimpleNamespace(args=("--model-archive=a b.zip", f"-k{SCRIPT}"), dir=Path("/here"))
)


def run_of(judgements: Sequence[Judgement], name: str = "a.zip", **settings: Any) -> Any:
    """What a page, a summary and a terminal are made from."""
    plan, chosen, verdict = factory.verdict_of(judgements, name, **settings)
    return SimpleNamespace(
        settings=chosen,
        gate=SimpleNamespace(plan=plan, profile=factory.PROFILE),
        judgements=judgements,
        verdict=verdict,
        verdict_path=Path("/here/o/verdict.json"),
        archive_name=terminal_safe(name),
        in_full=lambda judgement: judgement,
        work=plan.work,
        selected=frozenset(),
        reusable=frozenset(),
        earlier=None,
        compared=None,
        unwritten="",
    )


EARNS = factory.judged("UNIUSD", drift=0.0008)


def test_a_run_tells_the_page_what_may_be_done_and_how_it_was_judged() -> None:
    facts = facts_of(CONFIG, run_of([EARNS]), factory.AS_OF.to_pydatetime())

    assert facts.windows("UNIUSD_1Hour")["fold2of5"] is EARNS.folds[1]
    assert facts.steps == (
        Step("live", "modelgate promote o/verdict.json --archive a.zip --to models/live --minimum live"),
    )
    assert facts.command == "pytest '--model-archive=a b.zip' '-k<script>alert(1)</script>'"
    assert facts.accounts == "neutral"
    assert [title for title, _ in facts.notes] == ["Hold-out"]  # nobody declares a training window here


def test_a_run_that_decided_on_too_few_models_offers_no_command() -> None:
    run = run_of([EARNS])
    run.earlier = run.compared = run.verdict

    facts = facts_of(CONFIG, run, factory.AS_OF.to_pydatetime())

    assert facts.steps == ()
    assert facts.notes[0] == (
        "Earlier verdict",
        "verdict.json is as it was: complete, on this archive; this run decided on too few models.",
    )


def test_old_prices_and_a_demand_that_nothing_meets_are_told() -> None:
    plan = factory.plan_of("UNIUSD", factory.HISTORY | {"consistency": (0.9, 0.9, 0.9, 0.7)})
    paper = factory.judgement_of(plan, factory.evidence_of(plan, drift=0.0008))
    later = (factory.AS_OF + timedelta(days=30)).to_pydatetime()

    asked = facts_of(CONFIG, run_of([paper], require=DecisionLevel.LIVE), later)
    old = facts_of(CONFIG, run_of([paper]), later)

    told = "1 may trade on paper, but --gate-require=live was asked, so nothing releases them."
    assert asked.notes[-1] == ("Asked for", told)
    age = "the prices end 30 days ago, more than promotion takes unasked: --max-age allows it."
    assert old.notes[-1] == ("Age", age)
    assert old.steps[0].command.endswith("--minimum paper --max-age 32d")


def test_what_training_dropped_is_shown_where_it_was_asked_for() -> None:
    plan = factory.plan_of("BADUSD", factory.HISTORY | {"fitness_score": (0.1, 0.1, 0.1, 0.1)})
    dropped = factory.judgement_of(plan, {}).informed([None] * 5)

    asked = facts_of(CONFIG, run_of([dropped, EARNS], evaluate_dropped=True), factory.AS_OF.to_pydatetime())

    assert ("BADUSD_1Hour", "For information, decided without it: no fold was evaluated.") in asked.notes
    assert not any("For information" in text for _, text in facts_of(CONFIG, run_of([dropped]), factory.AS_OF).notes)


def test_the_summary_names_decisions_reasons_and_the_command() -> None:
    text = summary(CONFIG, run_of([EARNS, factory.judged("LTCUSD", drift=-0.0008)]))

    assert text.index("| LTCUSD_1Hour | **DROP** |") < text.index("| UNIUSD_1Hour | **LIVE** |")
    assert "1. 5 of 5 folds lost money" in text
    assert "To reproduce: `pytest '--model-archive=a b.zip' '-k<script>alert(1)</script>'`" in text


def test_annotations_stay_within_what_github_shows() -> None:
    models = [factory.judged(f"AA{letter}USD", drift=-0.0008) for letter in "ABCDEFGHIJKL"]
    lines = annotate(run_of(models), {"GITHUB_ACTIONS": "true"})

    assert len(lines) == 10
    assert (
        lines[-1] == "::error title=Model gate%3A more::3 more: AAJUSD_1Hour DROP, AAKUSD_1Hour DROP, AALUSD_1Hour DROP"
    )
    assert annotate(run_of(models), {}) == []


def test_a_reason_cannot_command_a_runner() -> None:
    hostile = replace(EARNS, decision=None, incomplete="x\n::add-mask::y ##[error]z")

    (line,) = annotate(run_of([hostile]), {"GITHUB_ACTIONS": "true"})

    assert line.count("::") == 2
    assert "\n" not in line
    assert "##[" not in line


class Terminal:
    verbosity = 0
    config = SimpleNamespace(get_terminal_writer=lambda: SimpleNamespace(width_of_current_line=0))

    def __init__(self) -> None:
        self.lines: list[str] = []

    def ensure_newline(self) -> None:
        """Lines are whole here."""

    def line(self, line: str) -> None:
        self.lines.append(line)


def report(test: str, **labels: str) -> Any:
    properties = list({"model": "UNIUSD_1Hour", **labels}.items())
    return SimpleNamespace(nodeid=f"model_tests/{test}", when="teardown", user_properties=properties)


def test_a_long_run_tells_how_far_it_is() -> None:
    terminal, now = Terminal(), [0.0]
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=lambda _: terminal))
    progress = Progress(config, run_of([EARNS, factory.judged("LTCUSD", drift=0.0)]), lambda: now[0])

    progress.pytest_runtest_logreport(report("test_gating.py::test_classification[UNIUSD_1Hour]", stage="gating"))
    now[0] = 60.0
    progress.pytest_runtest_logreport(report("test_walk_forward.py::test_fold[UNIUSD_1Hour-fold1of5]"))
    now[0] = 600.0
    progress.pytest_runtest_logreport(report("test_decision.py::test_decision[UNIUSD_1Hour]", stage="decision"))

    assert terminal.lines == [
        "model gate: 1 of 14 windows, about 21 min left",
        "model gate: 7 of 14 windows, about 10 min left",
    ]


def test_the_work_of_all_models_is_listed_once_however_many_tests_report(monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=lambda _: Terminal()))
    progress, listed, work = Progress(config, run_of([EARNS])), [0], vars(Plan)["work"].fget

    def count(plan: Plan) -> Any:
        listed[0] += 1
        return work(plan)

    monkeypatch.setattr(Plan, "work", property(count))
    for _ in range(3):
        progress.pytest_runtest_logreport(report("test_decision.py::test_decision[UNIUSD_1Hour]", stage="decision"))
    assert listed == [1]
