"""What may be done with a model, least first."""

from __future__ import annotations

from enum import IntEnum


class DecisionLevel(IntEnum):
    """What may be done with a model, least first."""

    DROP = 0
    RETRAIN = 1
    PAPER = 2
    LIVE = 3

    def __str__(self) -> str:
        return self.name
