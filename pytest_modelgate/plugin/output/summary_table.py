"""Closing of the terminal: one line per model, then the places of report and verdict."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.plugin.output.earlier_verdict import earlier_text
from pytest_modelgate.plugin.output.markdown import annotate
from pytest_modelgate.plugin.output.text import (
    backtest_text,
    champion_text,
    checks_text,
    context_text,
    folds_text,
    held_back_by,
    own_bars_text,
    proofs_text,
    robustness_text,
    samples_text,
    spread_text,
    unjudged_text,
)
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.plugin.session.gate_run import GateRun

_COLUMNS = ("model", "decision", "table", "training", "backtest", "folds", "spread", "capped by")
_LEAST_WANTED = ("spread", "capped by", "backtest", "table", "training", "folds")  # on a narrow terminal
_WIDTH, _NARROW, _ROOM = 100, 20, 16
_MODEL, _DECISION = 0, 1
_DETAILS = (champion_text, samples_text, proofs_text, checks_text, robustness_text, context_text)
_MARKUP: dict[str, dict[str, bool]] = {
    "LIVE": {"green": True},
    "PAPER": {"blue": True},
    "RETRAIN": {"yellow": True},
    "DROP": {"red": True},
    "INCOMPLETE": {"red": True, "bold": True},
}


def write_closing(reporter: pytest.TerminalReporter, run: GateRun) -> None:
    """The table, with ``-v`` each model's reasons and figures; what is to be known; where everything is."""
    width = max(_NARROW, min(_WIDTH, reporter._tw.fullwidth))  # noqa: SLF001 - pytest has no public way to ask
    reporter.section("model gate")
    title, *lines = lay_out([_cells(judgement) for judgement in run.judgements], width)
    reporter.line(title.rstrip(), bold=True)
    for line, judgement in zip(lines, run.judgements, strict=True):
        before, label, after = line.partition(f"  {judgement.label}")
        reporter.write(before)
        reporter.write(label, **_MARKUP[judgement.label])
        reporter.line(after.rstrip())
        if reporter.verbosity > 0:
            for text in (*judgement.reasons, *(detail(judgement) for detail in _DETAILS)):
                _write(reporter, text, width, indent="    ")
    if reporter.verbosity >= 0:
        for warning in _warnings(run):
            _write(reporter, warning, width, yellow=True)
    reporter.line(f"verdict: {terminal_safe(str(run.verdict_path))} ({_state(run)})")
    if run.report_path:
        reporter.line(f"report:  {terminal_safe(str(run.report_path))}")
    for line in annotate(run, os.environ):
        reporter.line(line)


def _state(run: GateRun) -> str:
    """What may be done with the verdict's file."""
    if earlier := earlier_text(run):
        return earlier
    state = f"complete, promotable: {', '.join(run.verdict.promotable) or 'none'}"
    if unjudged := unjudged_text(run.judgements):
        state += f"; cannot be judged: {unjudged}"
    if run.verdict.complete is not True:
        state = "INCOMPLETE, nothing is promotable"
    return state + ("; judged on own bars, not Alpaca's" if own_bars_text(run.verdict) else "")


def lay_out(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of a table, its title first, none longer than ``width``.

    The last column is cut to what room is left; where there is none, columns go, those first that are least wanted.
    """
    texts = [[terminal_safe(cell) for cell in row] for row in rows]
    kept = list(range(len(_COLUMNS)))
    wanted = list(_LEAST_WANTED)
    while True:
        lines = [[_COLUMNS[column] for column in kept], *([row[column] for column in kept] for row in texts)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(kept))]
        room = width - sum(widths[:-1]) - 2 * (len(kept) - 1)
        cuttable = kept[-1] == len(_COLUMNS) - 1
        if room >= (min(widths[-1], _ROOM) if cuttable else widths[-1]):
            return [
                "  ".join([*(cell.ljust(w) for cell, w in zip(line, widths[:-1], strict=False)), _cut(line[-1], room)])
                for line in lines
            ]
        if not wanted:
            room = max(4, width - 2 - widths[_DECISION])
            return [f"{_cut(line[_MODEL], room).ljust(room)}  {line[_DECISION]}" for line in lines]
        kept.remove(_COLUMNS.index(wanted.pop(0)))


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(0, room - 3)] + "..."[: max(0, room)]


def _warnings(run: GateRun) -> list[str]:
    warnings = []
    seen = [judgement.plan.model.id for judgement in run.judgements if judgement.folds_not_out_of_sample]
    if seen:
        warnings.append(
            f"warning: folds that are not shown to be out-of-sample count in the decision on {', '.join(seen)}"
        )
    warnings += [
        f"warning: market data of {series.symbol} {series.timeframe}: {finding}"
        for series in run.verdict.market_data
        for finding in series.quality.warnings
    ]
    warnings += [f"warning: {remark}" for remark in run.remarks]
    return [*warnings, *(f"{waiver.check} of {waiver.model}: {waiver}" for waiver in run.settings.waivers)]


def _write(reporter: pytest.TerminalReporter, text: str, width: int, indent: str = "", **markup: bool) -> None:
    """Wrapped; a line that goes on is indented by four, so that no word of it begins a line of its own."""
    further = indent or "    "
    for line in textwrap.wrap(terminal_safe(text), width, initial_indent=indent, subsequent_indent=further):
        reporter.line(line, **markup)


def _cells(judgement: Judgement) -> tuple[str, ...]:
    gating, decision = judgement.plan.gating, judgement.decision
    return (
        judgement.plan.model.id,
        judgement.label,
        decision.table.name if decision and decision.table is not None else "-",
        gating.classification.value if gating else "-",
        backtest_text(judgement),
        folds_text(judgement),
        spread_text(judgement),
        ", ".join(held_back_by(judgement)) or "-",
    )
