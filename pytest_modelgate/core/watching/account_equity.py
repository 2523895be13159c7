"""What a whole account was worth at moments: what a trader's sizes refer to."""

from __future__ import annotations

import math
from bisect import bisect_right

from pytest_modelgate.core.watching.records import NANOSECONDS, AccountRecord

_HOUR = 3600 * NANOSECONDS


class AccountEquity:
    """Equity of an account, USD, by its portfolio history and by what recordings saw.

    The history names the beginning of an hour, and tells what the account was worth at its end.
    """

    def __init__(self, record: AccountRecord) -> None:
        known = [(at + _HOUR, usd) for at, usd in record.equity]
        known += [(snapshot.at, snapshot.equity) for snapshot in record.snapshots]
        points = sorted((at, usd) for at, usd in known if 0.0 < usd < math.inf)
        self._at, self._usd = [at for at, _ in points], [usd for _, usd in points]

    def at(self, moment: int) -> float | None:
        """The last that is known at a moment, or the first of all where that is later; None without any."""
        place = max(0, bisect_right(self._at, moment) - 1)
        return self._usd[place] if self._usd else None


def shared(record: AccountRecord, symbol: str) -> bool:
    """Whether anything but one symbol was held or traded on an account."""
    held = {name for snapshot in record.snapshots for name in snapshot.positions}
    return bool({*held, *(fill.symbol for fill in record.fills)} - {symbol})
