"""The page as text, made of evidence alone."""

from __future__ import annotations

import gc
import json
import re
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import report_factory as factory

from pytest_modelgate.adapters.drawing.svg import Drawing
from pytest_modelgate.adapters.verdict.writer import make_verdict
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.planning.looks import TrialCount
from pytest_modelgate.core.planning.plan import Plan
from pytest_modelgate.core.training.run import TrainingRun
from pytest_modelgate.plugin.output.markdown import annotate, summary
from pytest_modelgate.plugin.output.progress import Progress
from pytest_modelgate.plugin.report import page as report_page
from pytest_modelgate.plugin.report.page import pieces
from pytest_modelgate.text import terminal_safe

SCRIPT = "<script>alert(1)</script>"
CONFIG: Any = SimpleNamespace(invocation_params=SimpleNamespace(args=("--model-archive=a b.zip", f"-k{SCRIPT}")))


def run_of(judgements: Sequence[Judgement], name: str = "a.zip", **settings: Any) -> Any:
    """What a page is made from."""
    chosen = Settings(archive=Path(name), output=Path("o"), cassettes=Path("c"), **settings)
    training = TrainingRun(name, factory.AS_OF, tuple(item.plan.model for item in judgements))
    plan = Plan(training, factory.AS_OF, tuple(item.plan for item in judgements), TrialCount(1))
    verdict = make_verdict(
        archive_sha256="ab" * 32,
        plan=plan,
        settings=chosen,
        profile=factory.PROFILE,
        judgements=judgements,
        ledger=None,
        champion=None,
        unfinished="",
        run={},
    )
    gate = SimpleNamespace(plan=plan, profile=factory.PROFILE)
    return SimpleNamespace(
        settings=chosen,
        gate=gate,
        judgements=judgements,
        verdict=verdict,
        archive_name=terminal_safe(name),
        in_full=lambda judgement: judgement,
        work=plan.work,
        selected=frozenset(),
        reusable=frozenset(),
        earlier=None,
    )


def render(run: Any) -> str:
    return "".join(pieces(CONFIG, run))


EARNS = factory.judged("UNIUSD", drift=0.0008)


def test_the_same_evidence_gives_the_same_page() -> None:
    assert render(run_of([EARNS])) == render(run_of([EARNS]))


def test_twenty_models_stay_under_three_megabytes() -> None:
    models = [factory.judged(f"AA{letter}USD", drift=0.001) for letter in "ABCD"]
    page = render(run_of(models))

    assert page.count("<svg ") == 6 * len(models)
    assert len(page.encode()) * 20 / len(models) < 2_300_000  # pytest-html's own part of 400 tests takes 0.5 MB


def test_models_are_drawn_one_by_one_and_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "pictures_of", lambda *_: [])  # they take most of the time
    run, asked = run_of([factory.judged(f"AA{letter}USD", drift=0.001).without_bars() for letter in "ABCD"]), []

    def in_full(kept: Judgement) -> Judgement:
        whole = kept.with_bars(factory.evidence_of(kept.plan, drift=0.001).get)
        asked.append(weakref.ref(whole))
        return whole

    run.in_full = in_full
    held = []
    for piece in pieces(CONFIG, run):
        if "mg-model mg-" in piece:
            gc.collect()
            held.append((len(asked), sum(whole() is not None for whole in asked)))

    assert held == [(1, 0), (2, 0), (3, 0), (4, 0)]


def test_positions_that_rules_closed_are_counted_in_page_and_verdict() -> None:
    plan = factory.plan_of("UNIUSD")
    found = factory.evidence_of(plan, drift=0.001)
    fold = found["fold1of5"]
    assert isinstance(fold, WindowEvidence)
    found["fold1of5"] = replace(fold, exits={"stop_loss": 3, "take_profit": 2})
    run = run_of([factory.judgement_of(plan, found)])

    (model,) = json.loads(run.verdict.model_dump_json())["models"]
    assert [part["exits"] for part in model["folds"]] == [{"stop_loss": 3, "take_profit": 2}, {}, {}, {}, {}]
    assert render(run).count(f"{fold.metrics.closed_trades} (3 by stop loss, 2 by take profit)") == 1


def test_the_page_says_how_it_traded_what_outputs_mean_and_how_the_account_is_fed() -> None:
    run = run_of([factory.judged("UNIUSD", drift=0.001)])
    rules = replace(run.gate.profile.execution, min_confidence=0.4, stop_loss=0.02)
    plain = render(run)
    run.gate.profile = replace(run.gate.profile, execution=rules)
    ruled = render(run)

    sizes = "a full order is 10 % of equity beyond the cash buffer of 5 %, positions up to 30 % of equity"
    assert f"{sizes}; no stops, targets or least confidence" in plain
    assert f"{sizes}; actions from a confidence of 0.4, stop at -2 %<" in ruled
    words = " ".join(re.sub(r"<[^>]+>", " ", plain).split())
    checkpoint = factory.judged("UNIUSD", drift=0.001).measured[0].checkpoint
    assert f"Outputs {', '.join(checkpoint.actions)} Account features" in words
    assert f"Parity {checkpoint.parity}: {checkpoint.parity_detail} Layers" in words


def test_texts_from_archive_checkpoint_and_command_line_are_text() -> None:
    plan = factory.plan_of("UNIUSD")
    found = factory.evidence_of(plan, drift=0.0008)
    hostile = {
        name: factory.renamed(item, member=SCRIPT, model_version=SCRIPT, feature_set=SCRIPT, parity_detail=SCRIPT)
        if isinstance(item, WindowEvidence)
        else item
        for name, item in found.items()
    }

    page = render(run_of([factory.judgement_of(plan, hostile)], name=f"{SCRIPT}.zip"))

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 6  # archive, command, member, version, features, parity
    assert "on" not in {name[:2] for name in re.findall(r"<[^>]*\s([a-z-]+)=", page)}


def test_an_incomplete_model_says_what_is_missing_and_shows_what_is_there() -> None:
    page = render(run_of([factory.incomplete("UNIUSD")]))

    assert "<strong>Not complete:</strong> UNIUSD_1Hour: fold3of5 was not evaluated in this run" in page
    assert "not measured</td>" in page
    assert page.count("<svg ") == 5  # without the costs, which take every fold


def test_a_picture_that_cannot_be_drawn_costs_neither_the_report_nor_its_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Drawing, "finish", lambda *_: 1 / 0)

    page = render(run_of([EARNS]))

    assert page.count("This picture could not be drawn") == 5
    assert '<th scope="col">drawdown</th>' in page


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
    _tw = SimpleNamespace(width_of_current_line=0)

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
