"""Uses that a model may be put to, least first."""

from __future__ import annotations

from enum import IntEnum


class DecisionLevel(IntEnum):
    """Uses that a model may be put to, least first."""

    DROP = 0
    RETRAIN = 1
    PAPER = 2
    LIVE = 3

    def __str__(self) -> str:
        return self.name
