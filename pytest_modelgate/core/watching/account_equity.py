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
        history = [(at + _HOUR, usd) for at, usd in record.equity]
        seen = [(snapshot.at, snapshot.equity) for snapshot in record.snapshots]
        self._points = sorted((at, usd) for at, usd in [*history, *seen] if 0.0 < usd < math.inf)

    def last(self, moment: int) -> tuple[int, float] | None:
        """What was known last at a moment, and since when; None before anything was."""
        place = bisect_right(self._points, (moment, math.inf))
        return self._points[place - 1] if place else None

    @property
    def first(self) -> tuple[int, float] | None:
        """What was known first; None without anything."""
        return self._points[0] if self._points else None


def shared(record: AccountRecord, symbol: str) -> bool:
    """Whether anything but one symbol was held or traded on an account."""
    held = {name for snapshot in record.snapshots for name in snapshot.positions}
    return bool({*held, *(fill.symbol for fill in record.fills)} - {symbol})
