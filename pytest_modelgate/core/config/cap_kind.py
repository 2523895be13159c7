"""Kinds of evidence that can hold a model back."""

from __future__ import annotations

from enum import StrEnum


class CapKind(StrEnum):
    """Kind of evidence that can hold a model back; waivers name its value."""

    GATING = "gating"
    BACKTEST = "backtest"
    FOLDS = "folds"
    RETURN = "return"
    LUCKY_FOLD = "lucky_fold"
    CHAMPION = "champion"
    IMPLAUSIBLE = "implausible"
    FLAGGED_BARS = "flagged_bars"
    INTEGRITY = "integrity"
    PARITY = "parity"
    PROOF = "proof"
    UNCERTIFIED = "uncertified"
    PAPER = "paper"
