"""Nights of a stock: how long each was, how far the price moved over it, and what is usual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.sessions import exchange_dates
from pytest_modelgate.core.typing import Floats

_EPOCH = date(1970, 1, 1).toordinal()
_LONGEST = 7  # days that the exchange was ever closed; longer is a hole
_USUAL_DAYS = 20
_ENOUGH, _DEVIATION, _UNKNOWN_SCALE = 20, 1.4826, 0.02  # nights that tell a deviation, and what is taken without


@dataclass(frozen=True, eq=False)
class Nights:
    """The n nights of a series; a day is one on which something was traded.

    Attributes:
        days: (n + 1,) New York dates, one more than nights, as days since 1970.
        length: (n,) calendar days from one to the next.
        moves: (n,) logarithm of the open over the close before.
        before: (n,) that close, USD.
        dollars: (n + 1,) traded on each day.
    """

    days: NDArray[np.int64]
    length: NDArray[np.int64]
    moves: Floats
    before: Floats
    dollars: Floats

    @property
    def holes(self) -> NDArray[np.bool_]:
        """(n,) which are longer than the exchange was ever closed."""
        return np.asarray(self.length > _LONGEST)

    def day(self, night: int) -> date:
        """The day after a night, New York; -1 is before the first."""
        return date.fromordinal(_EPOCH + int(self.days[night + 1]))

    def before_day(self, day: date) -> int | None:
        """The night before the first day of bars that is not before this one; None where the series has none."""
        night = int(np.searchsorted(self.days, day.toordinal() - _EPOCH)) - 1
        return night if 0 <= night < len(self.moves) else None

    def moved(self, night: int) -> str:
        """What the price did, for messages."""
        move = math.expm1(self.moves[night])
        return f"the price opened {abs(move):.1%} {'higher' if move > 0 else 'lower'} on {self.day(night)}"

    def trading(self, night: int) -> float:
        """Dollars traded on the day after, over what was usual."""
        usual = float(np.median(self.dollars[max(0, night + 1 - _USUAL_DAYS) : night + 1]))
        return float(self.dollars[night + 1]) / usual if usual else math.inf

    def scale(self) -> float:
        """Robust deviation of the moves."""
        moves = np.abs(self.moves[~self.holes])
        return _DEVIATION * float(np.median(moves)) if len(moves) >= _ENOUGH else _UNKNOWN_SCALE


def nights_of(bars: Bars) -> Nights:
    """The nights of a series of at least one bar."""
    days = exchange_dates(bars.index).tz_localize(None).as_unit("s").asi8 // 86_400
    first = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    opens, closes = bars.frame["open"].to_numpy(), bars.frame["close"].to_numpy()
    before = closes[first[1:] - 1]
    moves = np.log(opens[first[1:]] / before)
    dollars = np.add.reduceat(closes * bars.frame["volume"].to_numpy(), first)
    return Nights(days[first], np.diff(days[first]), moves, before, dollars)
