"""Observations as trainers flatten them: rows of the market one after the other, the account once, before or after.

The gate's own form is ``lookback`` rows with the account features in every one of them, at its end. A policy trained on
the other form is the same function of the gate's, with weights of 0 for the account in all rows but the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.typing import Floats, Weights

MARKET = "market"


@dataclass(frozen=True)
class Layout:
    """Parts of a flat observation.

    Attributes:
        parts: in their order: MARKET for all its rows, oldest first, and the names of account features, each once.
        account: the same names, in the order in which they stand at the end of the gate's rows.
        lookback: rows.
        n_market: market features of a row.
    """

    parts: tuple[str, ...]
    account: tuple[str, ...]
    lookback: int
    n_market: int

    @property
    def size(self) -> int:
        """Length of a flat observation."""
        return self.lookback * self.n_market + len(self.account)

    def to_rows(self, observations: Floats) -> Floats:
        """Flat observations (n, size) in the gate's form (n, lookback * (n_market + account features))."""
        market, account = self._columns()
        rows = np.empty((len(observations), self.lookback, self.n_market + len(self.account)), observations.dtype)
        rows[:, :, : self.n_market] = observations[:, market].reshape(-1, self.lookback, self.n_market)
        rows[:, :, self.n_market :] = observations[:, None, account]
        return rows.reshape(len(observations), -1)

    def weights(self, weight: Weights) -> Weights:
        """A first layer's weights (width, size) for observations in the gate's form."""
        market, account = self._columns()
        rows = np.zeros((len(weight), self.lookback, self.n_market + len(self.account)), weight.dtype)
        rows[:, :, : self.n_market] = weight[:, market].reshape(-1, self.lookback, self.n_market)
        rows[:, -1, self.n_market :] = weight[:, account]
        return rows.reshape(len(weight), -1)

    def to_row(self, values: Sequence[float] | Floats) -> Floats:
        """Numbers of a flat observation of one row (size,) as they stand in the gate's row."""
        row: Floats = self.to_rows(np.asarray(values, dtype=np.float64)[None])[0]
        return row

    def _columns(self) -> tuple[list[int], list[int]]:
        """Columns of the market, and of each account feature in the order of the gate's rows."""
        place, market, account = 0, list[int](), dict[str, int]()
        for part in self.parts:
            if part == MARKET:
                market = list(range(place, place + self.lookback * self.n_market))
                place += len(market)
            else:
                account[part] = place
                place += 1
        return market, [account[name] for name in self.account]
