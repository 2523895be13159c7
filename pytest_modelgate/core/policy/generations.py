"""Generations of the trainer: what its checkpoints mean, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_modelgate.core.policy.account_features import AccountFeature, Encoding, Measure
from pytest_modelgate.core.policy.actions import HALF_ORDERS, QUARTER_ORDERS, QUARTER_ORDERS_AND_CLOSE, Action

WINDOW = 100  # bars of an observation, in all generations
_ANY = 9999  # more than any minor version
_POSITION_LIMIT = 0.20  # of equity, which the trainer takes for 1


@dataclass(frozen=True)
class Generation:
    """Versions of the trainer that write the same kind of policy.

    Attributes:
        first, last: versions (major, minor), both included.
        n_features: per bar, account features included.
        account: at the end of a row; None where they stand among the others, which a checkpoint does not tell.
        actions: in the order of the policy's outputs.
        available: neutral value of the available capital; None where it differs within the generation.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    n_features: int
    account: tuple[AccountFeature, ...] | None
    actions: tuple[Action, ...]
    available: float | None = 0.70

    @property
    def name(self) -> str:
        """``2.4-2.6``, or one version alone."""
        first, last = (".".join(map(str, version)) for version in (self.first, self.last))
        return first if first == last else f"{first}-{last.replace(str(_ANY), 'x')}"

    @property
    def version(self) -> str:
        """A version of this generation, for a checkpoint that bears none."""
        return ".".join(map(str, (*self.first, 0)))


# What the trainer measures, as it writes it: names, neutral values, encodings.
TRAINERS_FEATURES: Mapping[Measure, tuple[float, Encoding]] = {
    "pnl": (0.0, Encoding("tanh", 10.0)),
    "win_rate": (0.5, Encoding()),
    "drawdown": (0.0, Encoding()),
    "position": (0.0, Encoding("linear", 1.0 / _POSITION_LIMIT)),
    "available_capital": (0.70, Encoding()),
    "account_change": (0.0, Encoding("log10")),
}


def _at_the_end(count: int) -> tuple[AccountFeature, ...]:
    features = list(TRAINERS_FEATURES.items())[:count]
    return tuple(AccountFeature(name, *facts, place - count) for place, (name, facts) in enumerate(features))


_THREE, _SIX = _at_the_end(3), _at_the_end(6)
GENERATIONS: tuple[Generation, ...] = (
    Generation((2, 3), (2, 3), 53, (), HALF_ORDERS),
    Generation((2, 4), (2, 6), 56, _THREE, HALF_ORDERS),
    Generation((2, 7), (3, _ANY), 59, _SIX, QUARTER_ORDERS),
    Generation((4, 0), (5, 3), 65, None, QUARTER_ORDERS_AND_CLOSE, available=None),
    Generation((5, 5), (5, 5), 51, (), QUARTER_ORDERS_AND_CLOSE),
    Generation((5, 6), (5, 6), 58, (), QUARTER_ORDERS_AND_CLOSE),
)


def generation_of(major: int, minor: int) -> Generation | None:
    """The generation of a version; None where it is unknown."""
    return next((item for item in GENERATIONS if item.first <= (major, minor) <= item.last), None)


def generations_like(n_features: int, n_actions: int) -> Sequence[Generation]:
    """Generations whose checkpoints have this shape."""
    return [item for item in GENERATIONS if (item.n_features, len(item.actions)) == (n_features, n_actions)]
