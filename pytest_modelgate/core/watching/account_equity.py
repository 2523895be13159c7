"""What a whole account was worth at moments: what a trader's sizes refer to."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountRecord

_HOUR = 3600 * NANOSECONDS
_JUMP = 2.0  # more from one hour to the next is an error, or a deposit between two recordings
_Point = tuple[int, float]  # moment, USD


class AccountEquity:
    """Equity of an account, USD, by its portfolio history and by what recordings saw.

    The history names the beginning of an hour, and tells what the account was worth at its end. An hour that
    fits neither what was known next nor the recording before it, within a factor of two, is an error and left out, and
    so is one that repeats the hour before.
    """

    def __init__(self, record: AccountRecord) -> None:
        seen = [(one.at, one.equity) for one in record.snapshots if 0.0 < one.equity < math.inf]
        told = [(at + _HOUR, usd) for at, usd in _news(record.equity) if 0.0 < usd < math.inf]
        self._points = _credible(told, sorted(seen))

    def last(self, moment: int) -> tuple[int, float] | None:
        """What was known last at a moment, and since when; None before anything was."""
        place = bisect_right(self._points, (moment, math.inf))
        return self._points[place - 1] if place else None

    @property
    def first(self) -> tuple[int, float] | None:
        """What was known first; None without anything."""
        return self._points[0] if self._points else None


def _news(history: Sequence[_Point]) -> list[_Point]:
    """Without what repeats the hour before to the cent: a service that knows nothing new carries on what it knew."""
    before = [math.nan, *(usd for _, usd in history)]
    return [point for point, usd in zip(history, before, strict=False) if point[1] != usd]


def _credible(told: Sequence[_Point], seen: Sequence[_Point]) -> list[_Point]:
    """What recordings saw, oldest first, and what of the history can be true beside it: all of it without any.

    Args:
        told: by the history.
        seen: by recordings, oldest first.
    """
    if not seen:
        return sorted(told)
    kept, known = list[_Point](), set(seen)
    for point in sorted([*told, *seen], reverse=True):
        before = bisect_right(seen, point)
        near = [*kept[-1:], *seen[max(0, before - 1) : before]]
        if point in known or any(max(point[1], usd) <= _JUMP * min(point[1], usd) for _, usd in near):
            kept.append(point)
    return kept[::-1]


class AccountShare:
    """A model's part of an account that others share, as an account of its own that makes and holds the same shares.

    Its equity grows by what each bar's gain is of all of the shared one, to which sizes refer: as if it were alone.

    Args:
        part: the model's sub-account.
    """

    def __init__(self, part: Account) -> None:
        self.account: Account = Account(part.rules, part.capital)
        self._part, self._worth, self._whole = part, part.capital, part.capital

    def mark(self, close: float, whole: float) -> None:
        """Follow the sub-account to a bar's close; nothing comes back from a ruin.

        Args:
            close, whole: USD; what a unit, and all of the shared account, is worth then.
        """
        account, part = self.account, self._part
        equity = account.equity
        if not account.ruined:
            equity *= 1.0 + (part.equity - self._worth) / self._whole
        account.quantity = part.quantity * equity / whole if min(equity, whole) > 0.0 else 0.0
        account.cash = equity - account.quantity * close
        account.trades, account.winning = part.trades, part.winning
        account.mark(close)
        self._worth, self._whole = part.equity, whole


def shared(record: AccountRecord, symbol: str) -> bool:
    """Whether anything but one symbol was held or traded on an account."""
    held = {name for snapshot in record.snapshots for name in snapshot.positions}
    return bool({*held, *(fill.symbol for fill in record.fills)} - {symbol})
