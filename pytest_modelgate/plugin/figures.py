"""Short texts for figures, alike in terminal and report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.judgement import Judgement


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
