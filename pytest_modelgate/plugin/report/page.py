"""The page of a run: what the report needs of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pytest

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.plugin.output.earlier_verdict import earlier_text
from pytest_modelgate.plugin.output.header import hold_out_text
from pytest_modelgate.plugin.output.next_step import age_text, steps
from pytest_modelgate.plugin.output.text import command_line, describe_accounts
from pytest_modelgate.plugin.session.gate_run import GateRun
from pytest_modelgate.report.facts import PageFacts, Step, Windows
from pytest_modelgate.report.further import further_pages
from pytest_modelgate.report.page import pieces as page_of

_MINIMA: tuple[Literal["live", "paper"], ...] = ("live", "paper")


def pieces(config: pytest.Config, run: GateRun, page: Path) -> Iterator[str]:
    """The gate's part of the page, as HTML, in pieces; nothing is measured for it.

    Args:
        config: says how the run was started.
        run: with its judgements and its verdict.
        page: where it goes; sheets of very many models go into further files beside it.

    Raises:
        OSError: such a file cannot be written, or one that an earlier run left there not be removed.
    """
    yield from page_of(facts_of(config, run, datetime.now(UTC)), further_pages(page))


def facts_of(config: pytest.Config, run: GateRun, now: datetime) -> PageFacts:
    """What a page about a run is made from.

    Args:
        now: how old the market data are follows from it (UTC).
    """
    by_id = {judgement.plan.model.id: judgement for judgement in run.judgements}

    in_full = lru_cache(maxsize=1)(lambda model: run.in_full(by_id[model]))  # asked for a model twice in a row

    def windows(model: str) -> Windows:
        return {window.window: window for window in in_full(model).measured}

    def watched(model: str) -> WatchEvidence | None:
        case = in_full(model).watch
        return case.evidence if case else None

    commands = steps(run, config.invocation_params.dir, now)
    return PageFacts(
        verdict=run.verdict,
        profile=run.gate.profile,
        windows=windows,
        watched=watched,
        histories={name: item.plan.model.history for name, item in by_id.items() if item.plan.model.history},
        command=command_line(config),
        steps=tuple(Step(minimum, commands[minimum]) for minimum in _MINIMA if minimum in commands),
        earlier=run.compared,
        notes=tuple(_notes(run, now)),
        accounts=describe_accounts(run.gate.plan),
    )


def _notes(run: GateRun, now: datetime) -> Iterator[tuple[str, str]]:
    if earlier := earlier_text(run):
        yield "Earlier verdict", f"verdict.json is {earlier}."
    if advice := hold_out_text(run):
        yield "Hold-out", f"{advice}."
    if age := age_text(run, now):
        yield "Age", f"{age.removeprefix('warning: ').replace(' below', '')}."
    if run.settings.evaluate_dropped:
        yield from ((item.plan.model.id, item.notes[-1]) for item in run.judgements if item.plan.dropped and item.notes)
    held = sum(judgement.label == "PAPER" for judgement in run.judgements)
    if held and run.settings.require is DecisionLevel.LIVE:
        yield "Asked for", f"{held} may trade on paper, but --gate-require=live was asked, so nothing releases them."
