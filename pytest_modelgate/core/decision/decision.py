"""From evidence to a decision: the walk-forward table, and the caps that can only lower what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.decision.caps import Cap, CapSource, cap_by_training, find_caps, percent
from pytest_modelgate.core.decision.model_case import ModelCase, to_float
from pytest_modelgate.core.statistics.fold_spread import Spread

_BY_TRIALS = (  # the last where a proof passes with doubtful bars alone, or without them alone
    CapSource(CapKind.PROOF, "timing"),
    CapSource(CapKind.PROOF, "sharpe"),
    CapSource(CapKind.FLAGGED_BARS),
)


@dataclass(frozen=True)
class Decision:
    """The decision about one model.

    Attributes:
        level: the least of ``table`` and every cap.
        table: what the walk-forward table alone says, as the rule reads it; None when gating dropped the model before
            any fold.
        reasons: sentences, the most decisive first, never empty.
        caps: every cap that applies, also one that the table is below already.
        spread: of the fold Sharpes; None without folds.
        folds, positive, losing: number of folds, and of those that made and lost money.
        compounded_return: of all folds one after the other, a fraction; NaN without folds.
        compounded_without_best: the same once the best fold is removed.
    """

    level: DecisionLevel
    table: DecisionLevel | None
    reasons: tuple[str, ...]
    caps: tuple[Cap, ...]
    spread: Spread | None
    folds: int
    positive: int
    losing: int
    compounded_return: float
    compounded_without_best: float

    @property
    def hangs_on_trials(self) -> bool:
        """Whether fewer trials could raise it: nothing else holds it but proofs that ask for more with every trial.

        These allow PAPER: what holds a model below it for such a source asks the same at any number of trials.
        """
        paper = DecisionLevel.PAPER
        others = [cap.level for cap in self.caps if cap.source not in _BY_TRIALS or cap.level < paper]
        return self.table is not None and min([self.table, *others]) > self.level


def decide(case: ModelCase) -> Decision:
    """Decide about one model from complete evidence."""
    if not case.measured:
        return _dropped(case)
    table, table_reason = _read_table(case)
    caps = find_caps(case)
    ranked = sorted([(table, table_reason), *((cap.level, cap.reason) for cap in caps)], key=lambda limit: limit[0])
    return Decision(
        level=ranked[0][0],
        table=table,
        reasons=tuple(reason for _, reason in ranked),
        caps=caps,
        spread=case.spread,
        folds=len(case.folds),
        positive=case.positive,
        losing=case.losing,
        compounded_return=to_float(case.compounded_return),
        compounded_without_best=to_float(case.compounded_without_best),
    )


def _dropped(case: ModelCase) -> Decision:
    cap = cap_by_training(case)
    assert cap
    return Decision(cap.level, None, (cap.reason,), (cap,), None, 0, 0, 0, math.nan, math.nan)


def _read_table(case: ModelCase) -> tuple[DecisionLevel, str]:
    limits, column, folds = case.profile.walk_forward, case.spread.column, len(case.folds)
    if 100 * case.losing >= limits.losing_percent * folds and case.compounded_return < 0:
        lost = f"{case.losing} of {folds} folds lost money, {percent(case.compounded_return)} together"
        return DecisionLevel.DROP, f"{lost}: consistent losses, the table says DROP."
    won = f"{case.positive} of {folds} folds made money"
    if 100 * case.positive < limits.marginal_percent * folds:
        return DecisionLevel.RETRAIN, f"{won}, fewer than {limits.marginal_percent} %: the table says RETRAIN."
    if 100 * case.positive >= limits.good_percent * folds:
        level = DecisionLevel.LIVE if column == "low" else DecisionLevel.PAPER
    elif case.rule == "pooled" and column == "low":
        return DecisionLevel.LIVE, f"{won}, and {case.spread}: LIVE as `pooled` reads the table."
    else:
        level = DecisionLevel.PAPER if column in ("low", "moderate") else DecisionLevel.RETRAIN
    return level, f"{won}, and {case.spread}: the table says {level}."
