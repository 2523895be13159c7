"""summary.md: the table and the reasons for whoever reads Markdown, and annotations for a run on GitHub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.github import annotation, append_step_summary, code, markdown, table
from pytest_modelgate.plugin.output.earlier_verdict import earlier_text
from pytest_modelgate.plugin.output.text import (
    backtest_text,
    command_line,
    folds_text,
    held_back_by,
    most_severe_first,
    own_bars_text,
    spread_text,
    tally,
    unjudged_text,
)
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.plugin.session.gate_run import GateRun

_MOST = 10  # of a kind, in one step; GitHub drops the rest
_COLUMNS = ("model", "decision", "table alone", "training", "backtest", "folds", "spread", "capped by")


def write_summary(config: pytest.Config, run: GateRun, environment: Mapping[str, str]) -> None:
    """Write summary.md beside the verdict; a run that decides also shows it on GitHub."""
    text = summary(config, run)
    write_atomically(run.settings.output / "summary.md", text.encode())
    if not run.settings.shard:
        append_step_summary(environment, text)


def summary(config: pytest.Config, run: GateRun) -> str:
    """The verdict as Markdown."""
    verdict, judgements = run.verdict, most_severe_first(run.judgements)
    count = len(judgements)
    lines = [f"# Model gate: {code(run.archive_name)}", ""]
    state = f"Promotable (at least {run.settings.require.name}): {', '.join(verdict.promotable) or 'none'}."
    if unjudged := unjudged_text(judgements):
        state += f" Cannot be judged: {unjudged}."
    if verdict.complete is not True:
        state = f"**The verdict is not complete, nothing may be promoted:** {markdown(verdict.complete)}"
    lines += [f"**{count} model{'s' if count != 1 else ''}: {tally(judgements)}.** {state}", ""]
    if earlier := earlier_text(run):
        lines += [f"> **Earlier verdict:** {code('verdict.json')} is {markdown(earlier)}.", ""]
    if seen := [item.plan.model.id for item in judgements if item.folds_not_out_of_sample]:
        lines += [
            f"> **In-sample warning:** folds of {', '.join(seen)} are not shown to lie after the training data.",
            "",
        ]
    for warning in verdict.archive.warnings:
        lines += [f"> **Archive:** {markdown(warning)}", ""]
    if own := own_bars_text(verdict):
        lines += [f"> **Own bars:** {markdown(own)}", ""]
    for waiver in run.settings.waivers:
        lines += [f"> **Waived:** {markdown(f'{waiver.check} of {waiver.model}, {waiver}')}", ""]
    lines += [*table(_COLUMNS, [_row(judgement) for judgement in judgements]), ""]
    for judgement in judgements:
        lines += [f"### {judgement.plan.model.id}: {judgement.label}", ""]
        lines += [f"{place}. {markdown(reason)}" for place, reason in enumerate(judgement.reasons, start=1)]
        if judgement.watch:
            told = judgement.watch.findings
            lines += [f"- On the account, {item.name}: {item.status}. {markdown(item.sentence)}" for item in told]
        lines += [f"- {markdown(warning)}" for warning in judgement.warnings]
        lines += [""]
    lines += [
        (
            f"Archive sha256 {code(verdict.archive.sha256)}; profile {code(verdict.profile.name)}; as of "
            f"{run.gate.plan.as_of:%Y-%m-%d %H:%M} UTC; verdict {code(verdict.digest)}."
        ),
        "",
        f"To reproduce: {code(terminal_safe(command_line(config)))}",
    ]
    return "\n".join(lines) + "\n"


def annotate(run: GateRun, environment: Mapping[str, str]) -> list[str]:
    """An error for every model that is blocked and a warning for every other that needs a look; elsewhere nothing."""
    if environment.get("GITHUB_ACTIONS") != "true" or run.settings.shard:
        return []
    require = run.settings.require
    judgements = most_severe_first(run.judgements)
    blocked = [item for item in judgements if not item.reaches(require)]
    doubtful = [item for item in judgements if item.reaches(require) and item.warnings]
    errors = [(f"Model gate: {item.plan.model.id} {item.label}", item.reasons[0]) for item in blocked]
    warnings = [
        (f"Model gate: {item.plan.model.id} {item.label}", f"{item.reasons[0]} {' '.join(item.warnings)}")
        for item in doubtful
    ]
    return [
        *(annotation("error", terminal_safe(title), terminal_safe(text)) for title, text in _limited(errors)),
        *(annotation("warning", terminal_safe(title), terminal_safe(text)) for title, text in _limited(warnings)),
    ]


def _limited(notes: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    if len(notes) <= _MOST:
        yield from notes
        return
    yield from notes[: _MOST - 1]
    rest = ", ".join(title.removeprefix("Model gate: ") for title, _ in notes[_MOST - 1 :])
    yield "Model gate: more", f"{len(notes) - _MOST + 1} more: {rest}"


def _row(judgement: Judgement) -> tuple[str, ...]:
    decision, gating = judgement.decision, judgement.plan.gating
    table_level = decision.table.name if decision and decision.table is not None else "-"
    return (
        judgement.plan.model.id,
        f"**{judgement.label}**",
        table_level,
        gating.classification.value if gating else "-",
        backtest_text(judgement),
        folds_text(judgement),
        spread_text(judgement),
        ", ".join(held_back_by(judgement)) or "-",
    )
