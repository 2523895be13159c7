"""Opening hours of the stock market. The only file that imports exchange_calendars."""

from __future__ import annotations

import warnings
from functools import lru_cache

import pandas as pd

from pytest_modelgate.core.market.sessions import SessionTimes

_EXCHANGE = "XNYS"
_MARGIN = pd.Timedelta(days=7)  # so that a span within a long weekend has sessions around it


def regular_sessions(first: pd.Timestamp, last: pd.Timestamp) -> SessionTimes:
    """The regular sessions of the New York Stock Exchange around a span of time (UTC).

    Holidays, early closes and daylight saving are the calendar's.
    """
    # Explicit bounds keep the calendar off the wall clock.
    return _sessions((first - _MARGIN).tz_localize(None).normalize(), (last + _MARGIN).tz_localize(None).normalize())


@lru_cache(maxsize=8)  # the stocks of an archive share their window
def _sessions(start: pd.Timestamp, end: pd.Timestamp) -> SessionTimes:
    import exchange_calendars

    with warnings.catch_warnings():
        # It uses what pandas is about to change; under -W error that would end the gate.
        warnings.simplefilter("ignore")
        schedule = exchange_calendars.get_calendar(_EXCHANGE, start=start, end=end).schedule
    opens, closes = pd.DatetimeIndex(schedule["open"]), pd.DatetimeIndex(schedule["close"])
    return SessionTimes(opens.as_unit("ns"), closes.as_unit("ns"))
