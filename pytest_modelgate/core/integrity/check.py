"""Findings of an examination of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_modelgate.core.backtest.metrics import FoldResult

Status = Literal["pass", "warn", "fail"]

CHECKS = {
    "causality": "nothing depends on the future",
    "weights": "the edge comes from what was learned",
    "activity": "it decides, rather than always do the same",
    "accounting": "the books add up",
    "feasibility": "Alpaca would execute it",
    "account": "neutral and real account features agree",
    "precision": "float32, as traders run it, acts alike",
}


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: one of ``CHECKS``.
        status: ``fail`` blocks the model, ``warn`` is tolerated.
        sentence: what was found.
        figures: by name.
    """

    name: str
    status: Status
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Meaning of a passed check, in a few words."""
        return CHECKS[self.name]


@dataclass(frozen=True)
class NoiseDraw:
    """Results of the folds under one draw of noise.

    Attributes:
        kind: what was disturbed.
        actions_changed: share of the actions that are others.
        folds: oldest first.
    """

    kind: Literal["prices", "weights"]
    actions_changed: float
    folds: tuple[FoldResult, ...]
