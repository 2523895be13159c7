"""What can hold a model back."""

from __future__ import annotations

from enum import StrEnum


class CapKind(StrEnum):
    """What can hold a model back; the values are what waivers name."""

    GATING = "gating"
    BACKTEST = "backtest"
    FOLDS = "folds"
    RETURN = "return"
    LUCKY_FOLD = "lucky_fold"
    CHAMPION = "champion"
    INTEGRITY = "integrity"
    PROOF = "proof"
