"""What the terminal says: the header, and one line per model at the end."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.plugin.figures import (
    backtest_text,
    champion_text,
    checks_text,
    context_text,
    folds_text,
    plain,
    proofs_text,
    robustness_text,
    samples_text,
    spread_text,
)
from pytest_modelgate.plugin.placement import describe, describe_device, is_distributed

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.judgement import Judgement
    from pytest_modelgate.plugin.run import GateRun

_DETAILS = (champion_text, samples_text, proofs_text, checks_text, robustness_text, context_text)
_COLUMNS = ("model", "training", "backtest", "folds", "spread", "decision")
_WIDTH = 100
_MARKUP: dict[str, dict[str, bool]] = {
    "LIVE": {"green": True},
    "PAPER": {"blue": True},
    "RETRAIN": {"yellow": True},
    "DROP": {"red": True},
    "INCOMPLETE": {"red": True, "bold": True},
}


def header(config: pytest.Config, run: GateRun) -> list[str]:
    """What is in force, before anything runs."""
    gate, settings = run.gate, run.settings
    models = len(gate.plan.models)
    asked = (
        f"model gate: {run.archive_name}, {models} model{'s' if models != 1 else ''}; "
        f"profile {gate.profile.name}, decision {settings.decision}, at least {settings.require.name}, "
        f"trials {gate.plan.trials}"
    )
    mode = settings.record_mode
    recording = "replaying " if mode == "none" else f"recording ({mode}) into and replaying "
    basis = (
        f"model gate: as of {gate.plan.as_of:%Y-%m-%d %H:%M} UTC; backtest {settings.backtest_days} days, "
        f"{settings.folds} folds over {settings.walk_forward_days} days; "
        f"{recording}{plain(str(settings.cassettes))}; account {settings.account}; {describe_device(config)}"
    )
    lines = [asked, basis, f"model gate: {_known(run)}", *hold_out_lines(run)]
    if is_distributed(config) and not config.option.collectonly:
        lines.append(f"model gate: {describe(config)}")
    return lines


def _known(run: GateRun) -> str:
    """How much is there already, and how much is to be computed."""
    settings, total, known = run.settings, len(run.windows), len(run.reusable)
    share = f"shard {settings.shard}, " if settings.shard else ""
    if settings.merge:
        return f"merging, evidence of {known} of {total} windows is there, nothing is computed"
    if not known:
        return f"{share}{total} windows to compute"
    return f"{share}{total} windows, {known} known from earlier evidence, {total - known} to compute"


def begin(config: pytest.Config, run: GateRun) -> None:
    """Begin a run, telling what is recorded as it happens.

    Raises:
        pytest.UsageError: market data is to be recorded, which these keys, options or cassettes do not allow.
    """
    from pytest_modelgate.errors import GateError

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    try:
        run.begin(lambda line: reporter.write_line(f"model gate: {plain(line)}") if reporter else None)
    except GateError as error:
        raise pytest.UsageError(str(error)) from None


def hold_out_lines(run: GateRun) -> list[str]:
    """Say when no fold is out-of-sample, and what would change that; nothing otherwise."""
    from pytest_modelgate.core.hold_out import advise

    advice = advise(run.gate.plan, run.settings)
    if advice is None:
        return []
    live = "LIVE is out of reach" if run.settings.decision == "proven" else "the folds prove nothing about new data"
    held = f"a trainer that holds out the last {advice.days} days can prove its models at once"
    if advice.provable_from is None:
        return [f"model gate: no training window is declared: no fold is known to be out-of-sample, {live}; {held}"]
    since = f"this archive could prove itself as of {advice.provable_from:%Y-%m-%d}"
    return [f"model gate: no fold is out-of-sample, so {live}; {since}, {held}"]


def write_closing_table(reporter: pytest.TerminalReporter, run: GateRun) -> None:
    """One line per model with its first reason below it, then where report and verdict are."""
    reporter.section("model gate")
    rows = [_cells(judgement) for judgement in run.judgements]
    widths = [max(len(row[column]) for row in [_COLUMNS, *rows]) for column in range(len(_COLUMNS))]
    title = "  ".join(name.ljust(width) for name, width in zip(_COLUMNS, widths, strict=True))
    reporter.line(title.rstrip(), bold=True)
    for row, judgement in zip(rows, run.judgements, strict=True):
        *cells, word = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        reporter.write("  ".join(cells) + "  ")
        reporter.line(word.rstrip(), **_MARKUP[judgement.word])
        texts = (judgement.reasons[0], *(told(judgement) for told in _DETAILS))
        for text in texts:
            for line in textwrap.wrap(text, _WIDTH - 4):
                reporter.line("    " + plain(line))
    seen = [judgement.plan.model.id for judgement in run.judgements if judgement.folds_not_out_of_sample]
    if seen:
        warning = f"warning: folds that are not shown to be out-of-sample count in the decision on {', '.join(seen)}"
        _warn(reporter, warning)
    verdict = run.verdict
    for series in verdict.market_data:
        for finding in series.quality.warnings:
            _warn(reporter, f"warning: market data of {series.symbol} {series.timeframe}: {finding}")
    for waiver in run.settings.waivers:
        _warn(reporter, plain(f"{waiver.check} of {waiver.model}: {waiver}"))
    promotable = ", ".join(verdict.promotable) or "none"
    state = f"complete, promotable: {promotable}" if verdict.complete is True else "INCOMPLETE, nothing is promotable"
    reporter.line(f"verdict: {plain(str(run.verdict_path))} ({state})")
    if run.report_path:
        reporter.line(f"report:  {plain(str(run.report_path))}")


def _warn(reporter: pytest.TerminalReporter, text: str) -> None:
    for line in textwrap.wrap(text, _WIDTH, subsequent_indent="    "):
        reporter.line(line, yellow=True)


def _cells(judgement: Judgement) -> tuple[str, ...]:
    gating, decision = judgement.plan.gating, judgement.decision
    table = decision.table if decision else None
    capped = f" (table: {table})" if decision and table is not None and table != decision.decision else ""
    return (
        judgement.plan.model.id,
        gating.classification.value if gating else "-",
        backtest_text(judgement),
        folds_text(judgement),
        spread_text(judgement),
        judgement.word + capped,
    )
