"""Opening hours of the stock market. The only file that imports exchange_calendars."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from datetime import time
from functools import cached_property, lru_cache
from typing import Any

import pandas as pd

from pytest_modelgate.core.market.sessions import SessionTimes

_YEAR = pd.Timedelta(days=366)
_MARGIN = pd.Timedelta(days=7)  # so that a span within a long weekend has sessions around it


def regular_sessions(first: pd.Timestamp, last: pd.Timestamp) -> SessionTimes:
    """The regular sessions of the New York Stock Exchange around a span of time (UTC).

    Holidays, early closes and daylight saving are the calendar's.
    """
    # Explicit bounds keep the calendar off the wall clock.
    return _sessions((first - _MARGIN).tz_localize(None).normalize(), (last + _MARGIN).tz_localize(None).normalize())


@lru_cache(maxsize=8)  # the stocks of an archive share their window
def _sessions(start: pd.Timestamp, end: pd.Timestamp) -> SessionTimes:
    with warnings.catch_warnings():
        # It uses what pandas is about to change; under -W error that would end the gate.
        warnings.simplefilter("ignore")
        schedule = _calendar(start, end).schedule
    opens, closes = pd.DatetimeIndex(schedule["open"]), pd.DatetimeIndex(schedule["close"])
    return SessionTimes(opens.as_unit("ns"), closes.as_unit("ns"))


def _calendar(start: pd.Timestamp, end: pd.Timestamp) -> Any:  # noqa: ANN401 - it publishes no types
    """The exchange's calendar, which asks for the holidays of its own years, once; by itself, for 1970 to 2200, thrice.

    Of its rules, too, only those years are worked out, which pandas would since they began.
    """
    from exchange_calendars.exchange_calendar import HolidayCalendar
    from exchange_calendars.exchange_calendar_xnys import XNYSExchangeCalendar

    class Holidays(HolidayCalendar):  # type: ignore[misc]
        def holidays(self, start: Any = None, end: Any = None, return_name: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - as pandas has it
            return super().holidays(start or first, end or last, return_name)

    class Exchange(XNYSExchangeCalendar):  # type: ignore[misc]
        @cached_property  # a calendar of holidays keeps those that it has found
        def regular_holidays(self) -> Holidays:
            return Holidays(_within(super().regular_holidays.rules, first, last))

        @property
        def special_closes(self) -> list[tuple[time, Holidays]]:
            return [(at, Holidays(_within(days.rules, first, last))) for at, days in super().special_closes]

    first, last = start - _YEAR, end + _YEAR
    return Exchange(start=start, end=end)


def _within(rules: Sequence[Any], first: pd.Timestamp, last: pd.Timestamp) -> list[Any]:
    """The rules of holidays that may give a day of a span, each begun no earlier: pandas works them out from there."""
    begun = [copy(rule) for rule in rules if (rule.start_date or first) <= last and (rule.end_date or last) >= first]
    for rule in begun:
        rule.start_date = max(rule.start_date or first, first)
    return begun
