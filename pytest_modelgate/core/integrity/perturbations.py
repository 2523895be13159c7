"""A model and its perturbations - permuted, noisy or constant policies - traded over the same folds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution, concatenate
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import attribute_window, replay, usable_rows
from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.market.sessions import DayPlaces, day_places
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.actions import Action, strongest
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.typing import Actions, Floats, Weights


@dataclass(frozen=True, eq=False)
class FoldReplayer:
    """Trades a model and its perturbations over the same folds.

    Attributes:
        candidate: the model, its series and its rules.
        folds: the walk-forward, oldest first, contiguous.
        capital: of every fold, USD.
    """

    candidate: Candidate
    folds: Sequence[Window]
    capital: float

    @property
    def rows(self) -> slice:
        """Bars of all folds."""
        whole = Window("walk-forward", self.folds[0].start, self.folds[-1].end)
        return usable_rows(self.candidate, whole)

    @cached_property
    def places(self) -> DayPlaces:
        """Day and slot of every bar of all folds."""
        bars = self.candidate.series.bars
        return day_places(bars.index[self.rows].as_unit("s").asi8, bars.instrument.asset_class)

    def actions(self, policy: Policy) -> Actions:
        """Actions (n,) of a policy at every bar of the folds, with neutral account features."""
        candidate = self.candidate
        if policy is candidate.policy:
            return candidate.neutral_actions(self.rows)
        return candidate.choose_actions(policy, [candidate.series.matrix], self.rows)[0]

    def actions_on(self, matrices: Sequence[Floats]) -> list[Actions]:
        """Actions of the model itself, shown other features (bars, features) of the whole series."""
        return self.candidate.choose_actions(self.candidate.policy, matrices, self.rows)

    def trade(self, actions: Actions) -> tuple[Trajectory, ...]:
        """Trade every fold by actions decided for every bar of all folds."""
        bars, first = self.candidate.series.bars, self.rows.start
        trajectories = []
        for fold in self.folds:
            rows = bars.positions(fold.start, fold.end)
            decided = actions[rows.start - first : rows.stop - first].tolist()
            trajectories.append(replay(self.candidate, fold, decided, self.capital))
        return tuple(trajectories)

    def attribution(self, trajectories: Sequence[Trajectory]) -> BarAttribution:
        """Attribution of all folds, bar by bar."""
        traded = zip(self.folds, trajectories, strict=True)
        return concatenate([attribute_window(self.candidate, fold, trajectory) for fold, trajectory in traded])


def seeded(*parts: str) -> np.random.Generator:
    """An rng whose stream depends on these parts alone."""
    return np.random.default_rng(int(hashlib.sha256(" ".join(parts).encode()).hexdigest(), 16))


def shuffled(policy: MlpPolicy, rng: np.random.Generator) -> MlpPolicy:
    """A policy with the same weights, permuted within each layer."""
    return policy.with_weights(lambda weight: rng.permuted(weight.ravel()).reshape(weight.shape))


def noisy(policy: MlpPolicy, rng: np.random.Generator, size: float) -> MlpPolicy:
    """A policy with every weight changed by about a fraction of itself."""

    def changed(weight: Weights) -> Weights:
        factor = rng.standard_normal(weight.shape, dtype=np.float32)
        factor *= size
        factor += 1.0
        return np.multiply(weight, factor, out=factor if weight.dtype == factor.dtype else None)

    return policy.with_weights(changed)


def constant_policies(actions: Sequence[Action], *, sells: bool) -> Iterator[tuple[str, int]]:
    """Constant actions that trade at all: the strongest buy and, where shorts are allowed, the strongest sell."""
    for words, sign in (("always buy", 1), ("always sell", -1)) if sells else (("always buy", 1),):
        index = strongest(actions, sign)
        if index is not None:
            yield words, index
