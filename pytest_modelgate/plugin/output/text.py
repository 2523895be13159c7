"""Short texts for figures, alike in terminal and report."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.text import shell_command

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.adapters.verdict.schema import Verdict
    from pytest_modelgate.core.config.profiles import Profile
    from pytest_modelgate.core.decision.caps import CapSource
    from pytest_modelgate.core.decision.context import Context
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.core.decision.proof import Proof
    from pytest_modelgate.core.planning.plan import Plan

_SHORT = {
    "out_of_sample": "folds on unseen data",
    "timing": "timing by luck",
    "single_fold": "timing without any fold",
    "money": "money at higher costs",
    "sharpe": "Sharpe above 0",
    "trades": "trades",
    "delay": "one bar later",
    "noise": "noise",
}
MEANINGS = {
    "INCOMPLETE": "could not be judged",
    "DROP": "do not use it",
    "RETRAIN": "train it again",
    "PAPER": "trade it on paper only",
    "LIVE": "it may trade real money",
}
_CAPS = {
    CapKind.GATING: "training",
    CapKind.BACKTEST: "backtest",
    CapKind.FOLDS: "too few folds",
    CapKind.RETURN: "no profit",
    CapKind.LUCKY_FOLD: "one lucky fold",
    CapKind.CHAMPION: "champion",
    CapKind.IMPLAUSIBLE: "implausible",
    CapKind.FLAGGED_BARS: "doubtful prices",
    CapKind.PARITY: "parity",
    CapKind.UNCERTIFIED: "not certified",
}
_MISSED = _SHORT | {
    "out_of_sample": "unseen data",
    "timing": "timing",
    "single_fold": "one fold",
    "money": "costs",
    "sharpe": "Sharpe",
}


def most_severe_first(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Models that could not be judged, then from DROP to LIVE; by name among equals."""
    order = list(MEANINGS)
    return sorted(judgements, key=lambda judgement: (order.index(judgement.label), judgement.plan.model.id))


def tally(judgements: Sequence[Judgement]) -> str:
    """Number of models by decision: ``1 DROP, 2 PAPER``."""
    counts = Counter(judgement.label for judgement in judgements)
    return ", ".join(f"{counts[label]} {label}" for label in MEANINGS if counts[label])


def unjudged_text(judgements: Iterable[Judgement]) -> str:
    """Models that no run can judge as they are; each names its cause where it is listed."""
    return ", ".join(judgement.plan.model.id for judgement in judgements if judgement.of_model)


def own_bars_text(verdict: Verdict) -> str:
    """Which files of the user's own the judged bars are from; empty where all are Alpaca's."""
    sources = sorted({series.source for series in verdict.market_data if series.source})
    return f"judged on the user's own bars, not Alpaca's, from {'; '.join(sources)}" if sources else ""


def command_line(config: pytest.Config) -> str:
    """The command that this run was started with, as a shell takes it."""
    command = shell_command(["pytest", *map(str, config.invocation_params.args)])
    added = os.environ.get("PYTEST_ADDOPTS")
    return command + (f"  (PYTEST_ADDOPTS: {added})" if added else "")


def number(value: float) -> str:
    """A figure in few characters; a dash where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def held_back_by(judgement: Judgement) -> tuple[str, ...]:
    """Sources that keep the decision from being better, in a word or two each; the table is ``folds``."""
    decision = judgement.decision
    if decision is None:
        return ("no evidence",)
    if decision.level is DecisionLevel.LIVE:
        return ()  # what a waiver or a record has lifted holds nothing back
    table = ("folds",) if decision.table == decision.level else ()
    return (*table, *(_source_text(cap.source, judgement) for cap in decision.caps if cap.level == decision.level))


def _source_text(source: CapSource, judgement: Judgement) -> str:
    if source.kind is CapKind.INTEGRITY:
        return source.name
    if source.kind is CapKind.PAPER:
        return f"account: {judgement.watch.brief}" if judgement.watch else "no record of an account"
    return _MISSED[source.name] if source.kind is CapKind.PROOF else _CAPS[source.kind]


def backtest_text(judgement: Judgement) -> str:
    """Return and status of the sanity window, in a few characters."""
    if judgement.sanity is None or not judgement.measured:
        return "-"
    return f"{judgement.measured[0].metrics.total_return:+.1%} {judgement.sanity.status}"


def folds_text(judgement: Judgement) -> str:
    """Positive folds of all; in brackets where they are shown for information."""
    decision = judgement.decision
    if judgement.plan.dropped and judgement.measured_folds:
        won = sum(fold.metrics.total_return > 0 for fold in judgement.measured_folds)
        return f"({won}/{len(judgement.folds)})"
    return f"{decision.positive}/{decision.folds}" if decision and decision.folds else "-"


def spread_text(judgement: Judgement) -> str:
    """Spread of the fold Sharpes in noise units (or as the profile reads it), and its column of the table."""
    spread = judgement.decision.spread if judgement.decision else None
    if spread is None:
        return "-"
    figure = spread.noise_units if spread.reading == "chance" else spread.annualised_std
    return spread.column if math.isnan(figure) else f"{figure:.2f} {spread.column}"


def samples_text(judgement: Judgement) -> str:
    """Samples of backtest and folds, as they lie to the training data; empty when nothing was evaluated."""
    from pytest_modelgate.core.evidence.records import WindowEvidence

    folds = Counter(fold.sample for fold in judgement.folds if isinstance(fold, WindowEvidence))
    if not folds or not isinstance(judgement.backtest, WindowEvidence):
        return ""
    labels = ", ".join(f"{count} {sample}" for sample, count in sorted(folds.items()))
    return f"data: backtest {judgement.backtest.sample}, folds {labels}"


def proof_text(proof: Proof) -> str:
    """Figure and limit of one proof, in a few characters."""
    count, profit = proof.name in ("out_of_sample", "trades"), proof.name in ("money", "delay", "noise")
    if proof.name == "single_fold" and not math.isnan(proof.figure):
        return f"{proof.figure:.2f} (needs >= {proof.limit:.2f})"
    if math.isnan(proof.figure):
        figure = "undefined"
    else:
        figure = f"{proof.figure:.0f}" if count else f"{proof.figure:{'+' if profit else ''}.2%}"
    limit = f"{proof.limit:.0f}" if count or profit else f"{proof.limit:.2%}"
    return f"{figure} (needs {'<=' if proof.at_most else '>' if profit else '>='} {limit})"


def proofs_text(judgement: Judgement) -> str:
    """Every proof in one line, those not passed first; empty for a model without any."""
    if not judgement.proofs:
        return ""
    passed, missed = (
        [f"{_SHORT[proof.name]} {proof_text(proof)}" for proof in judgement.proofs if proof.passed is kind]
        for kind in (True, False)
    )
    parts = ([f"NOT SHOWN {'; '.join(missed)}"] if missed else []) + (["; ".join(passed)] if passed else [])
    return f"proofs {len(passed)}/{len(judgement.proofs)}: {' | '.join(parts)}"


def champion_text(judgement: Judgement) -> str:
    """Comparison with the model now deployed, in one line; empty without one."""
    return f"champion: {judgement.comparison.sentence}" if judgement.comparison else ""


def account_text(judgement: Judgement) -> str:
    """What an account's record says, in one line; empty where none was asked."""
    if judgement.watch is None:
        return ""
    if not judgement.watch.evidence.since:
        return f"account: {judgement.watch.evidence.problem}"
    said = " ".join(finding.sentence for finding in judgement.watch.findings if finding.status != "met")
    return f"account ({judgement.watch.brief}): {said or judgement.watch.reason}"


def checks_text(judgement: Judgement) -> str:
    """Results of the integrity checks, in one line; empty for a model without any."""
    if not judgement.checks:
        return ""
    passed = sum(check.status == "pass" for check in judgement.checks)
    parts = [f"{check.status} {check.name}" for check in judgement.checks if check.status != "pass"]
    return f"integrity {passed}/{len(judgement.checks)} passed{': ' if parts else ''}{', '.join(parts)}"


def robustness_text(judgement: Judgement) -> str:
    """Effects of disturbances, in one line; empty for a model without folds."""
    robustness = judgement.robustness
    if robustness is None:
        return ""
    parts = [f"costs break even at x{robustness.break_even:.1f}"]
    for kind in ("one bar later", "noise on prices", "noise on weights"):
        returns = [item.total_return for item in robustness.disturbances if item.name.startswith(kind)]
        parts += [f"{kind} {min(returns):+.1%}"] if returns else []
    parts += ["noise not drawn, it could not change the decision"] if robustness.undrawn else []
    before = robustness.undisturbed
    moved = [f"{item.decision} under {item.name}" for item in robustness.disturbances if item.decision != before]
    decisions = f"table and caps move from {before} to {', '.join(moved)}" if moved else "no decision moves"
    return f"robustness: {'; '.join(parts)}; {decisions}"


def context_text(judgement: Judgement) -> str:
    """Context of the return, in one line; empty for a model without folds."""
    context = judgement.context
    if context is None or judgement.decision is None:
        return ""
    earned = judgement.decision.compounded_return
    regimes = ", ".join(f"{regime.name} {regime.total_return:+.1%}" for regime in context.regimes)
    return (
        f"context: {earned:+.1%} ({context.low:+.1%} to {context.high:+.1%} at 90%), buy and hold "
        f"{context.buy_and_hold:+.1%}, random timing does worse in {context.percentile:.1f}%; {record_text(context)}; "
        f"by market: {regimes}"
    )


def record_text(context: Context) -> str:
    """How likely a Sharpe ratio above 0 is, and the length of the track record, against what would prove it."""
    if math.isnan(context.days_needed):
        return "no Sharpe ratio to prove"
    likely = f"Sharpe above 0 in {context.psr:.1%}, above the luck of all trials in {context.deflated:.1%}"
    if context.days_needed == 0.0:
        return f"{likely}, track record long enough"
    if math.isinf(context.days_needed):
        return f"{likely}, no track record would prove it"
    return f"{likely}, {context.days_needed:.0f} more days of this would prove it"


def execution_text(profile: Profile) -> str:
    """Rules of execution that are in force; empty where none is."""
    rules = profile.execution
    said = (
        (rules.min_confidence, f"actions from a confidence of {rules.min_confidence:g}"),
        (rules.stop_loss, f"stop at -{rules.stop_loss * 100:.3g} %"),
        (rules.take_profit, f"target at +{rules.take_profit * 100:.3g} %"),
    )
    return ", ".join(text for value, text in said if value)


def describe_accounts(plan: Plan) -> str:
    """How account features are fed: to all models alike, or to how many of them."""
    modes = Counter(item.account for item in plan.models)
    if len(modes) == 1:
        return next(iter(modes))
    return " and ".join(f"{mode} for {count}" for mode, count in sorted(modes.items()))
