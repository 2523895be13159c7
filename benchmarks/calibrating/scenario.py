"""A kind of market and model, with its true skill."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .market import Market
from .policy import Policy, Spells

Kind = Literal["null", "concealed", "skill"]
BLIND: Literal["blind"] = "blind"  # knows nothing, and pays its costs
COUNTED = 0  # trials: as many as the candidates count for, seen together
EVEN: Literal["even"] = "even"  # earns by its timing exactly what it pays: the hardest case of no edge


@dataclass(frozen=True)
class Scenario:
    """A kind of market and model.

    Attributes:
        model: as shown.
        market: what prices do.
        policy: when it holds.
        edge: ``BLIND``, ``EVEN``, or the true Sharpe ratio after costs, annual, with all that the market gives.
        luck: of one fold, standard deviations of what it earns.
        candidates: models of the same market, of which the best is judged.
        alike: share of the days on which candidates hold what the first one holds.
        trials: numbers of models declared to have been tried, or ``COUNTED``; each is judged on the same paths.
        knows: days on which the market rises.
    """

    model: str
    market: Market
    policy: Policy = field(default_factory=Spells)
    edge: float | Literal["blind", "even"] = "even"
    luck: float = 0.0
    candidates: int = 1
    alike: float = 0.0
    trials: tuple[int, ...] = (1,)
    knows: bool = False

    def kind(self, trials: int) -> Kind:
        """Whether LIVE would be wrong; ``concealed`` where more were tried than declared."""
        if self.knows or isinstance(self.edge, float):
            return "skill"
        return "null" if trials == COUNTED or trials >= self.candidates else "concealed"
