"""Short texts for figures, alike in terminal and report."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.judgement import Judgement
    from pytest_modelgate.core.proofs import Proof


def plain(text: str) -> str:
    """Text for any terminal: ASCII, and nothing that could move its cursor."""
    return (
        "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
        .encode("ascii", "backslashreplace")
        .decode("ascii")
    )


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
    from pytest_modelgate.core.evidence import WindowEvidence

    folds = Counter(fold.sample for fold in judgement.folds if isinstance(fold, WindowEvidence))
    if not folds or not isinstance(judgement.backtest, WindowEvidence):
        return ""
    labels = ", ".join(f"{count} {sample}" for sample, count in sorted(folds.items()))
    return f"data: backtest {judgement.backtest.sample}, folds {labels}"


def proof_text(proof: Proof) -> str:
    """Figure and limit of one proof, in a few characters."""
    count, more = proof.name in ("out_of_sample", "trades"), proof.name in ("costs", "delay")
    if math.isnan(proof.figure):
        figure = "undefined"
    else:
        figure = f"{proof.figure:.0f}" if count else f"{proof.figure:{'+' if more else ''}.2%}"
    limit = f"{proof.limit:.0f}" if count or more else f"{proof.limit:.2%}"
    return f"{figure} ({'<=' if proof.at_most else '>' if more else '>='} {limit})"


def proofs_text(judgement: Judgement) -> str:
    """Every proof in one line; empty for a model without any."""
    if not judgement.proofs:
        return ""
    shown = sum(proof.shown for proof in judgement.proofs)
    parts = [f"{'' if proof.shown else 'NOT '}{proof.title} {proof_text(proof)}" for proof in judgement.proofs]
    return f"proofs {shown}/{len(parts)}: {'; '.join(parts)}"


def checks_text(judgement: Judgement) -> str:
    """How the integrity checks ended, in one line; empty for a model without any."""
    if not judgement.checks:
        return ""
    passed = sum(check.status == "pass" for check in judgement.checks)
    parts = [f"{check.status} {check.name}" for check in judgement.checks if check.status != "pass"]
    return f"integrity {passed}/{len(judgement.checks)} passed{': ' if parts else ''}{', '.join(parts)}"
