"""Short texts for figures, alike in terminal and report."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from subprocess import list2cmdline
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.decision.context import Context
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.core.decision.proofs import Proof

_SHORT = {
    "out_of_sample": "folds on unseen data",
    "timing": "timing by luck",
    "sharpe": "Sharpe above 0",
    "costs": "higher costs",
    "trades": "trades",
    "delay": "one bar later",
    "noise": "noise",
}
WORDS = {
    "INCOMPLETE": "could not be judged",
    "DROP": "do not use it",
    "RETRAIN": "train it again",
    "PAPER": "trade it on paper only",
    "LIVE": "it may trade real money",
}
_CAPS = {
    "gating": "training",
    "backtest": "backtest",
    "folds": "too few folds",
    "return": "no profit",
    "lucky_fold": "one lucky fold",
    "champion": "champion",
    "out_of_sample": "unseen data",
    "sharpe": "Sharpe",
    "costs": "costs",
    "timing": "timing",
}


def worst_first(judgements: Sequence[Judgement]) -> list[Judgement]:
    """What could not be judged, then from DROP to LIVE; by name among equals."""
    order = list(WORDS)
    return sorted(judgements, key=lambda judgement: (order.index(judgement.word), judgement.plan.model.id))


def tally(judgements: Sequence[Judgement]) -> str:
    """How many models ended in what: ``1 DROP, 2 PAPER``."""
    counts = Counter(judgement.word for judgement in judgements)
    return ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])


def command_line(config: pytest.Config) -> str:
    """The command that this run was started with, as a shell takes it."""
    words = ["pytest", *map(str, config.invocation_params.args)]
    command = list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
    added = os.environ.get("PYTEST_ADDOPTS")
    return command + (f"  (PYTEST_ADDOPTS: {added})" if added else "")


def number(value: float) -> str:
    """A figure in few characters; a dash where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def held_back_by(judgement: Judgement) -> tuple[str, ...]:
    """What keeps the decision from being better, in a word or two each, the table apart; empty when nothing does."""
    decision = judgement.decision
    if decision is None:
        return ("no evidence",)
    table = decision.table is not None and decision.table == decision.decision
    found = ["folds"] if table and decision.decision.name != "LIVE" else []
    binding = [cap for cap in decision.caps if cap.level == decision.decision]
    found += [_CAPS[cap.check] for cap in binding if cap.check]
    rest = sum(not cap.check for cap in binding)
    failed = [check.name for check in judgement.checks if check.status == "fail"]
    if rest and decision.decision.name == "RETRAIN":
        return (*found, *failed)
    missing = [_CAPS.get(proof.name, _SHORT[proof.name]) for proof in judgement.proofs if not proof.shown]
    if rest and decision.decision.name == "PAPER":
        return (*found, *missing)
    return tuple(found) or (("training",) if decision.decision.name == "DROP" else ())


def backtest_text(judgement: Judgement) -> str:
    """Return and status of the sanity window, in a few characters."""
    if judgement.sanity is None or not judgement.measured:
        return "-"
    return f"{judgement.measured[0].metrics.total_return:+.1%} {judgement.sanity.status}"


def folds_text(judgement: Judgement) -> str:
    """Positive folds of all."""
    decision = judgement.decision
    return f"{decision.positive}/{decision.folds}" if decision and decision.folds else "-"


def spread_text(judgement: Judgement) -> str:
    """Spread of the fold Sharpes in noise units (or as the profile reads it), and its column of the table."""
    spread = judgement.decision.spread if judgement.decision else None
    if spread is None:
        return "-"
    figure = spread.noise_units if spread.reading == "chance" else spread.annualised_std
    return spread.column if math.isnan(figure) else f"{figure:.2f} {spread.column}"


def samples_text(judgement: Judgement) -> str:
    """How backtest and folds lie to the training data; empty when nothing was evaluated."""
    from pytest_modelgate.core.evidence.records import WindowEvidence

    folds = Counter(fold.sample for fold in judgement.folds if isinstance(fold, WindowEvidence))
    if not folds or not isinstance(judgement.backtest, WindowEvidence):
        return ""
    labels = ", ".join(f"{count} {sample}" for sample, count in sorted(folds.items()))
    return f"data: backtest {judgement.backtest.sample}, folds {labels}"


def proof_text(proof: Proof) -> str:
    """Figure and limit of one proof, in a few characters."""
    count, profit = proof.name in ("out_of_sample", "trades"), proof.name in ("costs", "delay", "noise")
    if math.isnan(proof.figure):
        figure = "undefined"
    else:
        figure = f"{proof.figure:.0f}" if count else f"{proof.figure:{'+' if profit else ''}.2%}"
    limit = f"{proof.limit:.0f}" if count or profit else f"{proof.limit:.2%}"
    return f"{figure} (needs {'<=' if proof.at_most else '>' if profit else '>='} {limit})"


def proofs_text(judgement: Judgement) -> str:
    """Every proof in one line, those not shown first; empty for a model without any."""
    if not judgement.proofs:
        return ""
    shown = [proof.shown for proof in judgement.proofs]
    texts = [f"{_SHORT[proof.name]} {proof_text(proof)}" for proof in judgement.proofs]
    told = f"proofs {sum(shown)}/{len(shown)}: "
    failed, held = (
        "; ".join(text for text, yes in zip(texts, shown, strict=True) if yes is kind) for kind in (False, True)
    )
    return told + (f"NOT SHOWN {failed}" if failed else "") + (" | " if failed and held else "") + held


def champion_text(judgement: Judgement) -> str:
    """How it did against the model now deployed, in one line; empty without one."""
    return f"champion: {judgement.comparison.sentence}" if judgement.comparison else ""


def checks_text(judgement: Judgement) -> str:
    """How the integrity checks ended, in one line; empty for a model without any."""
    if not judgement.checks:
        return ""
    passed = sum(check.status == "pass" for check in judgement.checks)
    parts = [f"{check.status} {check.name}" for check in judgement.checks if check.status != "pass"]
    return f"integrity {passed}/{len(judgement.checks)} passed{': ' if parts else ''}{', '.join(parts)}"


def robustness_text(judgement: Judgement) -> str:
    """How the model bears disturbances, in one line; empty for a model without folds."""
    found = judgement.robustness
    if found is None:
        return ""
    parts = [f"costs break even at x{found.break_even:.1f}"]
    for kind in ("one bar later", "noise on prices", "noise on weights"):
        returns = [item.total_return for item in found.disturbances if item.name.startswith(kind)]
        parts += [f"{kind} {min(returns):+.1%}"] if returns else []
    moved = [f"{item.decision} under {item.name}" for item in found.disturbances if item.decision != found.undisturbed]
    told = f"table and caps move from {found.undisturbed} to {', '.join(moved)}" if moved else "no decision moves"
    return f"robustness: {'; '.join(parts)}; {told}"


def context_text(judgement: Judgement) -> str:
    """What the return is worth, in one line; empty for a model without folds."""
    found = judgement.context
    if found is None or judgement.decision is None:
        return ""
    earned = judgement.decision.compounded_return
    regimes = ", ".join(f"{regime.name} {regime.total_return:+.1%}" for regime in found.regimes)
    return (
        f"context: {earned:+.1%} ({found.low:+.1%} to {found.high:+.1%} at 90%), buy and hold "
        f"{found.buy_and_hold:+.1%}, random timing does worse in {found.percentile:.1f}%; {record_text(found)}; "
        f"by market: {regimes}"
    )


def record_text(context: Context) -> str:
    """Whether the track record is long enough."""
    if math.isnan(context.days_needed):
        return "no Sharpe ratio to prove"
    if context.days_needed == 0.0:
        return "track record long enough"
    if math.isinf(context.days_needed):
        return "no track record would prove it"
    return f"{context.days_needed:.0f} more days of this would prove it"
