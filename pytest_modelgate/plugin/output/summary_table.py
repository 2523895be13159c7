"""Closing of the terminal: the places of report and verdict, a row per model, and what may be done with them."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.plugin.output.earlier_verdict import earlier_text
from pytest_modelgate.plugin.output.markdown import annotate
from pytest_modelgate.plugin.output.next_step import age_text, next_step
from pytest_modelgate.plugin.output.short_summary import two_lines, widest
from pytest_modelgate.plugin.output.text import (
    account_text,
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
_FIRST_TO_GO = ("spread", "backtest", "folds", "table", "training")  # on a narrow terminal: figures, then words
_ROOM, _INDENT = 16, "    "
_MODEL, _DECISION = 0, 1
_DETAILS = (account_text, champion_text, samples_text, proofs_text, checks_text, robustness_text, context_text)
_MARKUP: dict[str, dict[str, bool]] = {
    "LIVE": {"green": True},
    "PAPER": {"blue": True},
    "RETRAIN": {"yellow": True},
    "DROP": {"red": True},
    "INCOMPLETE": {"red": True, "bold": True},
}


class Closing:
    """Has the last word of a run, after pytest's own; only the exit status may be spoken of later."""

    def __init__(self, run: GateRun) -> None:
        self._run = run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
        """Close what pytest and its plugins say at the end, unless one of them broke."""
        result = yield
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and exitstatus != pytest.ExitCode.INTERNAL_ERROR:
            write_closing(reporter, self._run)
        return result


def write_closing(reporter: pytest.TerminalReporter, run: GateRun) -> None:
    """What is to be known; where everything is; the table, with ``-v`` reasons and figures; what may be done now."""
    width, now = widest(reporter), datetime.now(UTC)
    for line in annotate(run, os.environ):
        reporter.line(line)
    reporter.section("model gate")
    if reporter.verbosity >= 0:
        for warning in filter(None, (*_warnings(run), age_text(run, now))):
            for line in two_lines(warning, width):
                reporter.line(line, yellow=True)
    reporter.line(f"verdict: {terminal_safe(str(run.verdict_path))} ({_state(run)})")
    if run.report_path:
        reporter.line(f"report:  {terminal_safe(str(run.report_path))}")
    title, *rows = lay_out([_cells(judgement) for judgement in run.judgements], width)
    reporter.line(title[0], bold=True)
    for (row, *reason), judgement in zip(rows, run.judgements, strict=True):
        before, label, after = row.partition(f"  {judgement.label}")
        reporter.write(before)
        reporter.write(label, **_MARKUP[judgement.label])
        for line in (after, *reason, *(_told(judgement, width) if reporter.verbosity > 0 else ())):
            reporter.line(line)
    for line in next_step(run, reporter.config.invocation_params.dir, now):
        reporter.line(line, bold=True)


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


def lay_out(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Lines of each row of a table, those of its title first, none longer than ``width``.

    The last column says what holds a model back. Where there is no room for that, other columns go, figures first; what
    still is too long stands below its row, indented, on at most two lines.
    """
    texts = [_COLUMNS, *([terminal_safe(cell) for cell in row] for row in rows)]
    kept, wanted = list(range(len(_COLUMNS) - 1)), list(_FIRST_TO_GO)
    needed = max(min(len(text[-1]), _ROOM) for text in texts)
    while True:
        widths = [max(len(text[column]) for text in texts) for column in kept]
        room = width - sum(widths) - 2 * len(kept)
        if room >= needed or not wanted:
            break
        kept.remove(_COLUMNS.index(wanted.pop(0)))
    if room < needed:  # what is left is model and decision
        widths[_MODEL], room = max(4, min(widths[_MODEL], width - 2 - widths[_DECISION])), 0
    return [_row(text, kept, widths, room, width) for text in texts]


def _row(text: Sequence[str], kept: Sequence[int], widths: Sequence[int], room: int, width: int) -> list[str]:
    cells = [_cut(text[column], most).ljust(most) for column, most in zip(kept, widths, strict=True)]
    if len(text[-1]) <= room:
        return ["  ".join([*cells, text[-1]]).rstrip()]
    below = two_lines(text[-1], width, first=_INDENT) if text is not _COLUMNS else []
    return ["  ".join(cells).rstrip(), *below]


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


def _told(judgement: Judgement, width: int) -> Iterator[str]:
    """Reasons and figures of a model, wrapped."""
    for text in (*judgement.reasons, *(detail(judgement) for detail in _DETAILS)):
        yield from textwrap.wrap(terminal_safe(text), width, initial_indent=_INDENT, subsequent_indent=_INDENT)


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
        judgement.incomplete or ", ".join(held_back_by(judgement)) or "-",
    )
