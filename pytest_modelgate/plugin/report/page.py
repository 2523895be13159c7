"""Content of the report, put together for its template: cards, most severe first, then every figure of each model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.decision.robustness import MULTIPLES
from pytest_modelgate.core.evidence.curves import growth, percent
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.plugin.output.earlier_verdict import earlier_text
from pytest_modelgate.plugin.output.header import hold_out_text
from pytest_modelgate.plugin.output.text import (
    MEANINGS,
    backtest_text,
    champion_text,
    command_line,
    describe_accounts,
    held_back_by,
    most_severe_first,
    number,
    own_bars_text,
    proof_text,
    record_text,
    spread_text,
    tally,
    trading_text,
    unjudged_text,
)
from pytest_modelgate.plugin.report.pictures import pictures_of, spark
from pytest_modelgate.plugin.session.gate_run import GateRun

_REASONS = 3


@dataclass(frozen=True)
class Row:
    """One line of the table of windows; texts, but for the period."""

    name: str
    period: str
    sample: str
    cells: tuple[str, ...]


def pieces(config: pytest.Config, run: GateRun) -> Iterator[str]:
    """The gate's part of the page, as HTML, in pieces: each model is drawn when it is asked for, and then let go of.

    Args:
        config: says how the run was started.
        run: with its judgements and its verdict.

    Raises:
        GateError: evidence is no longer what was judged.
    """
    environment = Environment(
        loader=PackageLoader("pytest_modelgate.plugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=number)
    judgements, profile = most_severe_first(run.judgements), run.gate.profile
    seen = [judgement.plan.model.id for judgement in judgements if judgement.folds_not_out_of_sample]
    yield from environment.get_template("report.html.j2").generate(
        verdict=run.verdict,
        profile=profile,
        plan=run.gate.plan,
        settings=run.settings,
        count=len(judgements),
        cards=(_card(judgement) | {"spark": spark(judgement)} for judgement in judgements),
        ids=[judgement.plan.model.id for judgement in judgements],
        models=(_model(run.in_full(judgement), profile) for judgement in judgements),
        tally=tally(run.judgements),
        unjudged=unjudged_text(run.judgements),
        window=_window(judgements),
        seen=seen,
        own_bars=own_bars_text(run.verdict),
        earlier=earlier_text(run),
        advice=hold_out_text(run),
        command=command_line(config),
        accounts=describe_accounts(run.gate.plan),
        trading=trading_text(profile),
        version=version("pytest-modelgate"),
        multiples=MULTIPLES,
    )


def _window(judgements: Sequence[Judgement]) -> str:
    """The stretch of the market that all folds and backtests cover."""
    windows = [window for judgement in judgements for window in (judgement.plan.backtest, *judgement.plan.folds)]
    if not windows:
        return "none"
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _card(judgement: Judgement) -> dict[str, Any]:
    """What a card says, of figures alone."""
    decision, plan = judgement.decision, judgement.plan
    return {
        "id": plan.model.id,
        "label": judgement.label,
        "meaning": MEANINGS[judgement.label],
        "table": decision.table.name if decision and decision.table is not None else "",
        "held_back": held_back_by(judgement),
        "first_reasons": judgement.reasons[:_REASONS],
        "reasons": judgement.reasons,
        "decision": decision,
        "drawdown": _deepest(judgement),
        "folds": len(plan.folds),
    }


def _model(judgement: Judgement, profile: Profile) -> dict[str, Any]:
    plan = judgement.plan
    return {
        "id": plan.model.id,
        "label": judgement.label,
        "reasons": judgement.reasons,
        "warnings": judgement.warnings,
        "gating": plan.gating,
        "backtest": backtest_text(judgement),
        "decision": judgement.decision,
        "spread": spread_text(judgement),
        "pictures": pictures_of(judgement, profile),
        "rows": _rows(judgement),
        "checkpoint": judgement.measured[0].checkpoint if judgement.measured else None,
        "member": plan.model.checkpoint.member if plan.model.checkpoint else "",
        "choice": plan.model.declared.choice or "",
        "account_mode": plan.account,
        "champion": champion_text(judgement),
        "checks": judgement.checks,
        "robustness": judgement.robustness,
        "context": judgement.context,
        "record": record_text(judgement.context) if judgement.context else "",
        "proofs": [(proof, proof_text(proof)) for proof in judgement.proofs],
    }


def _deepest(judgement: Judgement) -> str:
    drawdowns = [fold.metrics.max_drawdown for fold in judgement.measured_folds]
    return f"{max(drawdowns):.1%}" if drawdowns else "-"


def _trades(evidence: WindowEvidence) -> str:
    """Closed trades, how many of them a stop or a target of the profile closed, and orders that waited for an open."""
    said = ", ".join(f"{count} by {cause.replace('_', ' ')}" for cause, count in evidence.exits.items())
    if evidence.waited:
        orders = f"{evidence.waited} order{'s' if evidence.waited > 1 else ''} at the session's open"
        said = f"{said}, {orders}" if said else orders
    return f"{evidence.metrics.closed_trades} ({said})" if said else str(evidence.metrics.closed_trades)


def _on_flagged_bars(evidence: WindowEvidence) -> str:
    """What was earned at bars with doubtful prices, and their share of the window's growth."""
    flagged = evidence.flagged
    if flagged is None:
        return "-"
    share = "" if math.isnan(flagged.share) else f", {flagged.share:.0%} of all"
    return f"{percent(flagged.total_return)} at {len(flagged.times)}{share}"


def _rows(judgement: Judgement) -> list[Row]:
    """One per fold, measured or not, then the backtest."""
    rows = []
    windows = [*zip(judgement.plan.folds, judgement.folds, strict=True), (judgement.plan.backtest, judgement.backtest)]
    for place, (window, evidence) in enumerate(windows, start=1):
        name = f"fold {place}" if place < len(windows) else "backtest"
        period = f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
        if not isinstance(evidence, WindowEvidence):
            rows.append(Row(name, period, "not measured", ()))
            continue
        metrics = evidence.metrics
        rows.append(
            Row(
                name,
                period,
                evidence.sample,
                (
                    percent(metrics.total_return),
                    percent(growth([evidence]).market[-1]),
                    number(metrics.sharpe_annualised),
                    number(metrics.sharpe * math.sqrt(metrics.bars)),
                    f"{metrics.max_drawdown:.1%}",
                    _trades(evidence),
                    "-" if math.isnan(metrics.win_rate) else f"{metrics.win_rate:.0%}",
                    number(metrics.profit_factor),
                    "-" if math.isnan(metrics.exposure) else f"{metrics.exposure:.0%}",
                    _on_flagged_bars(evidence),
                ),
            )
        )
    return rows
